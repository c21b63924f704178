//! The duties: one actor for each state machine, the only caller of its `step`.
//!
//! ```text
//!  links ──keepalives──► Heartbeat ──peers──► Election ──standing──► Membership ──view──► Takeover
//!                            │                    │                      │                   │
//!                          lease              cluster lock            Records             addresses
//! ```

pub mod actor;
pub mod election;
pub mod heartbeat;
pub mod lvs;
pub mod membership;
pub mod monitor;
pub mod natgw;
pub mod takeover;
pub mod tuned;
