//! Clusters of real daemons on this machine, for tests, the demonstration and measurements. Needs root.
//!
//! Each node is a network, mount and process namespace: `eth0` in the private network 10.99.0.0/24 (node i has
//! .i+1), `eth1` in the public network 10.88.0.0/16, its own `/etc`, `/run`, `/var/lib/ctdb` and `/var/log/ctdb`.
//! The two networks are bridges in a namespace of their own, and a client has 10.88.0.50 (`fd88::50`).
//!
//! Nothing of it has a name outside: no network namespace, link or mount is seen by the rest of the machine, and
//! several clusters run side by side. The first process of each namespace ends with the pipe to the program that
//! built the cluster, and all processes inside end with it: nothing stays, whatever happens to that program. Only
//! the directory may; the next cluster removes what a dead one left.

mod client;
mod command;
mod faults;
mod files;
pub mod flows;
mod lab;
mod layout;
mod loopback;
pub mod lvs;
mod namespace;
pub mod natgw;
mod process;
mod programs;
mod scripts;
mod status;
mod watch;

pub use client::json_line;
pub use command::Output;
pub use faults::{Cable, Whom};
pub use lab::Cluster;
pub use layout::{Daemon, Layout, NodeFile};
pub use loopback::Loopback;
pub use programs::{find, program, tool};
pub use status::NodeStatus;
pub use watch::{Observation, Watch};

use std::time::{Duration, Instant};

/// Whether this program may build clusters; says so if it may not.
pub fn have_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("NOT RUN: {what}: needs root");
    }
    root
}

/// Waits until something holds and returns how long it took.
///
/// # Panics
/// If it does not hold within `limit`.
pub fn wait_until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    loop {
        if holds() {
            return start.elapsed();
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
