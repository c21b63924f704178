//! The pure core of ctdb: state machines and wire types.
//!
//! ```text
//!   src (ctdbd, ctdb, …) ──► actors ──► protocol ◄── itests/sim
//! ```
//!
//! Nothing here can name a clock, a socket, a thread or a file (`no_std` makes the compiler prove it).
//! One duty is one machine ([`machine::Machine`]): heartbeat, election, membership with recovery, records
//! (one machine per shard), takeover, LVS, monitor, events. A machine tells another something by an effect that
//! holds the other's input; `actors` carries it through a mailbox, the simulator through its own queue.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod console;
pub mod election;
pub mod event;
pub mod flags;
pub mod group_file;
pub mod hash;
pub mod heartbeat;
pub mod id;
pub mod leftover;
pub mod limits;
pub mod lvs;
pub mod machine;
pub mod membership;
pub mod monitor;
pub mod natgw;
pub mod nearest;
pub mod notice;
pub mod record;
pub mod rng;
pub mod routing;
pub mod settings;
pub mod takeover;
pub mod time;
pub mod timing;
pub mod tunable;
pub mod wire;
