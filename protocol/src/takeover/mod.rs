//! Takeover: which node has which public address.
//!
//! [`alloc`] plans (pure functions), the takeover machine carries plans out: it never grants an address
//! before every other node that could answer for it has given it up or certainly fallen silent.

pub mod alloc;
pub mod io;
pub mod message;
pub mod view;
