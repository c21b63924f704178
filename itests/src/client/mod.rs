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

mod barrier;
mod connection;
mod db;
mod error;
mod g_lock;
pub mod load;
mod loops;
mod ring;
mod transaction;
mod turns;

pub use barrier::wait_for_all;
pub use connection::Client;
pub use db::{Db, DbKind, Update};
pub use error::{ClientError, Result};
pub use g_lock::GLock;
pub use loops::{Loop, LoopReport};
pub use ring::{Ring, RingReport};
pub use transaction::{Ended, Transaction, seqnum, transact};
pub use turns::{Turns, TurnsReport, mean_ms, percentile_ms};

#[cfg(test)]
mod tests;
