//! Test harness.

pub mod bench;
pub mod client;
pub mod cluster;
pub mod flows;
pub mod history;
pub mod hostile;
pub mod nfs;
pub mod probe;
pub mod recovery;
pub mod relay;
pub mod samba;
