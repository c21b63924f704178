//! Rates, and silence of addresses, of our daemon beside Debian's, measured in turns in one run on one machine.
//!
//! Both clusters run all the time, and the clients work on one after the other, again and again: what else the machine
//! does meets both alike, so the ratio can be believed where the rates can't.

mod busy;
mod floor;
mod mishap;
mod pair;
mod rates;
mod workload;

pub use busy::Busy;
pub use mishap::{HEADING, Mishap, Silence, Trial};
pub use pair::Pair;
pub use rates::{Rates, median, print_markdown, print_table};
pub use workload::Workload;
