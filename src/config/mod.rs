//! Configuration: reads 4.17's files, the legacy `CTDB_*` files, the environment and arguments.
//!
//! ```text
//! legacy files ─ shell ─ legacy ─┐
//! ctdb.conf, ctdb.conf.d ─ scan ─┼─ layers ─ schema ─ build ─► Settings
//! environment, arguments ────────┘                     ▲
//! nodes, public_addresses, ctdb.tunables ──────────────┘
//! ```
//!
//! Invariants: nothing found in a file is ever run, except the command of `nodes list`; a fault names
//! file, line and key; [`load`] gives all faults at once and no half-valid settings.

mod build;
mod check;
#[cfg(test)]
mod compared_tests;
mod error;
mod files;
mod group_file;
mod host;
mod layers;
mod legacy;
mod load;
mod lvs;
mod natgw;
mod nearest;
mod nodes;
mod paths;
mod pnn;
mod prefix;
mod public_addresses;
mod routing;
mod scan;
mod schema;
mod shell;
mod show;
#[cfg(test)]
mod testing;
mod tunables;
mod value;
mod warning;

pub use check::report;
pub use error::{ConfigError, Place, Refused};
pub use host::{Host, SystemHost};
pub use load::{Environment, Loaded, Override, load, load_lvs_group, load_nodes};
pub use paths::Layout;
pub use prefix::InterfaceNetwork;
pub use show::{Setting, known, show};
pub use warning::Warning;
