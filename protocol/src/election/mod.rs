//! Election: who leads, with the cluster lock or by majority.

pub mod electorate;
pub mod io;
pub mod machine;
pub mod message;
pub mod standing;
#[cfg(test)]
mod tests;
