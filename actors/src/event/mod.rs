//! Events: runs the admin's scripts for the duties and for clients of `eventd.socket`.
//!
//! ```text
//!  monitor, takeover, membership, console ─► EventDesk ─► Events (Duty of EventMachine) ─► Process
//!  eventd.socket ──────────────────────────────┘               └─► natives (10.interface, …)
//!  monitor ─► Notifier (bounded, drops) ─► Notifications ─► Process (notify.sh)
//! ```
//!
//! All of it lives on an arbiter of its own: a spawn, a full pipe or a slow directory delays no keepalive.
//! Invariants: a script is the leader of a process group of its own and inherits no descriptor but its
//! standard ones; it is reaped; what it says is bounded.

mod carry;
pub mod command;
mod desk;
mod hung;
mod native;
mod notify;
mod process;
mod scripts;
mod shipped;
mod socket;
mod start;

pub use carry::EventCarry;
pub use desk::EventDesk;
pub use native::Natives;
pub use notify::Notifier;
pub use scripts::{ScriptDirectory, ScriptError};
pub use socket::Service;
pub use start::{directory, start};
