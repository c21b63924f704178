//! What a client of the public addresses sees, measured with raw packets.
//!
//! `outage` asks each address by ICMP echo and tells the longest silence; `dual` asks by ARP or neighbour
//! solicitation, then every MAC that ever answered, and tells for how long two of them answered at once.
//! `hold` is no probe: it is the first process of a namespace.

mod dual;
mod frame;
mod hold;
mod outage;
mod spans;
mod stop;

pub use dual::{DualReport, dual};
pub use hold::hold;
pub use outage::{Gap, OutageReport, outage};
pub use spans::Spans;
pub use stop::Stop;
