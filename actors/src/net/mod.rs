//! The part of ctdb that talks to the kernel about interfaces, addresses and the lease gate.
//!
//! ```text
//!  takeover actor ──► Addresses, Announcer, PromoteSecondaries     (its own thread)
//!        │  extend/withdraw                 ▲ events
//!        ▼                                  │
//!  LeaseKeeper (thread) ──► Gate ──► nf_tables      NetWatch, GateWatch (threads)
//!  guard process ─────────► cleanup
//! ```
//!
//! Nothing here knows actix: plain types that any thread may own. All requests are synchronous netlink (the kernel
//! has answered when `send` returns). Everything acts in the network namespace of the thread that opened it.

pub mod address;
pub mod announce;
pub mod cleanup;
pub mod connections;
pub mod error;
pub mod gate;
mod gate_check;
mod gate_rules;
pub mod gate_watch;
mod gate_wire;
pub mod kill;
pub mod lease;
mod lease_plan;
mod lease_worker;
pub mod link;
pub(crate) mod lvs_ipvs;
pub(crate) mod lvs_nft;
pub(crate) mod lvs_rules;
pub(crate) mod natgw_rules;
mod nft;
pub mod route;
pub mod route_keeper;
mod socket;
pub mod sysctl;
pub mod table_names;
pub mod tickle;
pub(crate) mod translation;
pub mod watch;
mod wire;
