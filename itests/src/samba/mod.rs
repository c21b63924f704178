//! Debian's unmodified Samba on a cluster: one server a node, one directory that all of them share.
//!
//! The directory lies on this machine, so the kernel would show every server the locks, leases and changes of the
//! others. Everything that would help that way is switched off: what the servers know of each other they know
//! through the cluster daemon.

mod bench;
mod checks;
mod client;
mod conf;
mod mishaps;
pub mod monitored;
mod release;
mod service;
mod torture;
mod winbind;
mod writer;

pub use client::{PASSWORD, Session, USER};
pub use mishaps::{a_daemon_is_killed, a_node_dies_under_writers};
pub use release::Release;
pub use service::{Samba, layout};
pub use torture::{Outcome, Suite, suites};
pub use writer::Writer;
