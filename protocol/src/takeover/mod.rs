//! Takeover: which node has which public address.

pub mod io;
pub mod message;
pub mod view;
