//! Pure core.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod id;
pub mod takeover;
