//! A blocking client of a ctdbd socket, Debian's or ours, that behaves as smbd does: unpadded
//! packets, one synchronous connection for controls and messages, another one for the calls of
//! each database, local access to the TDB files under their chain locks.
//!
//! ```text
//! Client ── controls, messages ──► socket
//!   │ attach
//!   ▼
//!   Db ── calls ──► socket (own connection)
//!    └── chain lock, read, store ──► TDB file
//! ```
//!
//! The tool's words about the content of databases use it, and so do the tests.

pub mod connection;
pub mod db;
pub mod error;
pub mod g_lock;
pub mod transaction;

pub use connection::Client;
pub use db::{Db, DbKind, Update};
pub use error::{ClientError, Result};
pub use g_lock::GLock;
pub use transaction::{Ended, Transaction, seqnum, transact};

#[cfg(test)]
mod tests;
