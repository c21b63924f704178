//! A history check: clients on all nodes change counters and registers while nodes fail; afterwards it is checked that
//! what they saw could have happened one after the other, record by record.
//!
//! Each change puts a token of its own into the record and remembers which one stood there before. So the changes of a
//! record are a tree, and where nothing was lost it is one line from the empty record to the value at the end.
//!
//! ```text
//!  empty ─► a ─► b ─► c ─► e   (the value at the end)
//!                └──► d        lost: allowed for a change made on a node before its fault was over, if nobody
//!                              saw it on a node that had none
//! ```

mod check;
mod fault;
mod operation;
mod run;
mod worker;

pub use check::{Violation, check};
pub use fault::{Fault, Outage};
pub use operation::{Kind, Operation, Outcome, Token};
pub use run::{Report, Run};
pub use worker::{Plan, Store, values};
