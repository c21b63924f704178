//! One node of the world.

use crate::election::standing::Standing;
use crate::flags::NodeFlags;
use crate::notice::Notice;
use crate::takeover::io::LeaseId;
use crate::takeover::machine::Takeover;
use crate::takeover::view::AddressView;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(in super::super) struct Node {
    pub(super) machine: Takeover,
    pub(in super::super) alive: bool,
    pub(super) life: u64,
    pub(in super::super) cut: bool,
    pub(super) standing: Standing,
    /// The standing in the last view that it was given.
    pub(super) seen: Standing,
    pub(in super::super) flags: NodeFlags,
    /// Its checks pass although it is unhealthy.
    pub(in super::super) damped: bool,
    pub(in super::super) interfaces: BTreeMap<String, bool>,
    /// In the kernel, with the interface.
    pub(in super::super) kernel: BTreeMap<IpAddr, String>,
    pub(in super::super) lease: Option<LeaseId>,
    /// Number of the last lease.
    pub(super) leases: u64,
    /// When the gate shuts.
    pub(super) lease_until: Instant,
    /// The leader's last proof of it.
    pub(super) contact: Instant,
    pub(super) lost: BTreeSet<usize>,
    pub(super) wake: Option<Instant>,
    pub(in super::super) view: AddressView,
    pub(in super::super) runs: Vec<u64>,
    /// What was published when the last run that this node asked for ended.
    pub(in super::super) view_at_end: AddressView,
    pub(in super::super) reallocated: usize,
    pub(in super::super) left: bool,
    pub(in super::super) log: Vec<Notice>,
}

impl Node {
    /// Whether a lease may come (again) now, as `Input::Lease` promises: nothing is left on the interfaces,
    /// and the view of the leadership that lends it was given.
    pub(super) fn may_regain(&self) -> bool {
        self.kernel.is_empty() && self.seen == self.standing
    }
}
