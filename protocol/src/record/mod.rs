//! Records: who is dmaster of what, and how it moves.

mod call;
mod calls;
mod change;
mod database;
mod decide;
mod directory;
mod give;
pub mod header;
pub mod holdings;
pub mod hot;
pub mod io;
pub mod local;
pub mod machine;
pub mod message;
mod moving;
mod outlet;
mod pace;
mod readonly;
mod rebuild;
pub mod replica;
mod seek;
mod sweep;
mod tails;
mod touched;
pub mod vacuum;
mod work;

#[cfg(test)]
mod tests;
