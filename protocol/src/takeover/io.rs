//! What the takeover machine hears and asks for.

use super::alloc::Algorithm;
use super::message::TakeoverMessage;
use super::view::AddressView;
use crate::id::Pnn;
use crate::membership::view::MembershipView;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// What an address is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A public address.
    #[default]
    Public,
    /// That of an LVS group: it is on the first usable node that may lead the group, counts for no other address, and
    /// neither scripts nor clients hear of it.
    Lvs,
}

/// A public address of this node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix.
    pub prefix: u8,
    /// Interfaces that may carry it, in the order of the file.
    pub interfaces: Vec<String>,
    /// What it is for.
    pub kind: Kind,
}

/// The settings that takeover obeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Tunable `IPAllocAlgorithm`.
    pub algorithm: Algorithm,
    /// Tunable `NoIPFailback`.
    pub no_ip_failback: bool,
    /// Tunable `NoIPTakeover`.
    pub no_ip_takeover: bool,
    /// `[failover] disabled`: this node, as leader, places no addresses.
    pub failover_disabled: bool,
}

/// Names a lease of this node, given by its keeper: whenever it comes alive again it has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseId(pub u64);

/// What becomes of the clients of an address that is taken off an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parting {
    /// It comes back on another interface of this node: their connections go on.
    Stay,
    /// Another node takes it and resets them: this one is quick, and says nothing to them.
    HandOver,
    /// Nobody is known to take it: this node resets them before it goes.
    Forsake,
}

/// Everything that can happen to the takeover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// From membership: the cluster.
    View(MembershipView),
    /// From heartbeat: the peer can't be reached; from `clear_at` on it answers for no address. May come
    /// again with an earlier point when more is known.
    Unreachable {
        /// The peer.
        peer: Pnn,
        /// End of its leases.
        clear_at: Instant,
    },
    /// From heartbeat: the peer can be reached; what it holds it reports itself.
    Reachable {
        /// The peer.
        peer: Pnn,
    },
    /// From the lease keeper: this node may answer for its addresses, or not. After an end it may come
    /// back only when every address is off the interfaces: what is still there may be another node's now;
    /// and not before the view of the leadership that lends it.
    Lease {
        /// The lease that allows it; `None` if it may not.
        alive: Option<LeaseId>,
    },
    /// From the kernel: an interface came up or went down.
    Interface {
        /// Its name.
        name: String,
        /// It can carry traffic.
        up: bool,
    },
    /// The configuration: addresses this node may host.
    Configure(Vec<ConfiguredAddress>),
    /// A tunable was changed.
    Settings(Settings),
    /// From a peer.
    Message {
        /// The sender.
        peer: Pnn,
        /// What it says.
        message: TakeoverMessage,
    },
    /// The kernel carried out an [`Effect::Add`] or [`Effect::Remove`].
    Kernel {
        /// The address.
        address: IpAddr,
        /// It is on an interface now.
        present: bool,
        /// What went wrong, if anything.
        error: Option<String>,
    },
    /// From a client: plan anew (`ctdb ipreallocate`).
    WantRun {
        /// Names the request; answered by [`Effect::RunDone`].
        request: u64,
    },
    /// From a client: this address shall be on that node (`ctdb moveip`). Later plans may move it again.
    WantMove {
        /// Names the request; answered by [`Effect::RunDone`].
        request: u64,
        /// The address.
        address: IpAddr,
        /// The node.
        to: Pnn,
    },
    /// From a client: tell the neighbours once more where the address is, if it is here (`ctdb gratarp`).
    Announce {
        /// The address.
        address: IpAddr,
    },
    /// The node is going down in order: give everything up, now.
    Leave,
    /// The deadline has come.
    Timeout,
}

/// Everything that the takeover can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        message: TakeoverMessage,
    },
    /// From now on these are the addresses that this node may ever be told to add: their interfaces are to
    /// be watched and guarded.
    Prepare(Vec<ConfiguredAddress>),
    /// Announce an address that is on the interface once more.
    Announce {
        /// The address.
        address: IpAddr,
        /// Length of its network prefix.
        prefix: u8,
        /// The interface.
        interface: String,
    },
    /// Put the address on the interface and announce it; answer with [`Input::Kernel`].
    Add {
        /// The address.
        address: IpAddr,
        /// Length of its network prefix.
        prefix: u8,
        /// The interface.
        interface: String,
        /// To be refused under any other lease: what the plan said may not be true any more.
        lease: LeaseId,
    },
    /// Take the address off the interface; answer with [`Input::Kernel`].
    Remove {
        /// The address.
        address: IpAddr,
        /// Length of its network prefix.
        prefix: u8,
        /// The interface.
        interface: String,
        /// What becomes of its clients.
        parting: Parting,
    },
    /// Tell the local clients that the node took the address.
    Taken(IpAddr),
    /// Tell the local clients that the node gave the address up.
    Released(IpAddr),
    /// The address changed its interface without leaving the node: the scripts' `updateip`. Clients need not
    /// know.
    Moved {
        /// The address.
        address: IpAddr,
        /// The interface it was on.
        from: String,
        /// The interface it is on.
        to: String,
    },
    /// The addresses changed: publish them to clients and console.
    View(AddressView),
    /// The run that a client asked for is over.
    RunDone {
        /// The request.
        request: u64,
        /// The leader that carried it out.
        leader: Pnn,
    },
    /// A run of the leader is over: the scripts' `ipreallocated`.
    Reallocated,
    /// This node's lease ended while it led. The leadership must end with it, even if the lease comes back before
    /// election has noticed: nothing more is planned in this one.
    Lapsed,
    /// All addresses are given up after [`Input::Leave`].
    Left,
    /// Log.
    Log(Notice),
}
