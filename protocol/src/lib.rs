//! Pure core.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod client;
pub mod hash;
