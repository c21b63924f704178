//! Loads of many clients, over [`ctdb::client`].

mod barrier;
mod crowd;
pub mod load;
mod loops;
mod ring;
mod turns;

use ctdb::client::{connection, db, error};

pub use barrier::wait_for_all;
pub use crowd::{Answers, Crowd, CrowdReport};
pub use ctdb::client::{
    Client, ClientError, Db, DbKind, Ended, GLock, Result, Transaction, Update, seqnum, transact,
};
pub use loops::{Loop, LoopReport};
pub use ring::{Ring, RingReport};
pub use turns::{Turns, TurnsReport, mean_ms, percentile_ms};
