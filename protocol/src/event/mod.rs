//! Events: the admin's scripts `NN.name.script`, run as CTDB 4.17 runs them.
//!
//! ```text
//!  monitor, takeover, recovery, clients ──Request──► EventMachine ──List, Run──► shell (processes)
//!                                                        ◄──Listed, Ended──
//! ```

pub mod errno;
pub mod io;
pub mod machine;
pub mod name;
pub mod packet;
pub mod result;
pub mod show;

#[cfg(test)]
mod tests;
