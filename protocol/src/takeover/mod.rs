//! Takeover: which node has which public address.
//!
//! [`alloc`] plans (pure functions), the takeover machine carries plans out: it never grants an address
//! before every other node that could answer for it has given it up or certainly fallen silent.

pub mod alloc;
pub(crate) mod cluster;
mod holder;
mod interfaces;
pub mod io;
mod leader;
pub mod machine;
pub mod message;
mod pace;
mod reporter;
#[cfg(test)]
mod tests;
pub mod view;
