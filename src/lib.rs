//! The programs of ctdb: daemon life and helpers (this library), with thin entry points in `bin/`.
pub mod daemon;
pub mod helper;
