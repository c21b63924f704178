//! The actors of ctdb: everything that touches the kernel, the clock, processes and files.
//!
//! ```text
//!  control arbiter                                  data arbiter
//!  ┌──────────────────────────────────────────┐    ┌─────────────────────────────────────┐
//!  │ Heartbeat Election Membership Takeover   │    │ Records (TDB files)   client sessions│
//!  │ Monitor   control lanes  cluster lock    │◄──►│ data lanes            traverses      │
//!  │ console                                  │    └─────────────────────────────────────┘
//!  └──────────────────────────────────────────┘
//!  events arbiter: Events (scripts), event socket
//!  threads: lease keeper, addresses, netlink watch, log
//! ```
//! actix types never leave this crate.

pub mod addresses;
pub mod board;
pub mod clock;
pub mod console;
pub mod context;
pub mod duty;
pub mod event;
pub mod fatal;
pub mod link;
pub mod local;
pub mod lock;
pub mod log;
pub mod lvs;
pub mod natgw;
pub mod net;
pub mod nodes;
pub mod poison;
pub mod post;
pub mod public;
pub mod realtime;
pub mod records;
pub mod supervise;
pub mod system;
