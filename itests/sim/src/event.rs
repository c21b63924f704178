//! Everything that can be due at a moment of the world's time.

use crate::clock::Micros;
use crate::fault::FaultKind;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::monitor::io::{Event as Script, Outcome};
use ctdb_protocol::record::replica::io::CommitId;
use ctdb_protocol::takeover::io::LeaseId;
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::Packet;
use ctdb_protocol::{election, heartbeat, membership, monitor, record, takeover};
use std::net::IpAddr;

/// Names a connection between two nodes; a new one has a new number.
pub type ConnId = u64;
/// Names a keeper process of the cluster lock.
pub type KeeperId = u64;

/// The machines of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Liveness and leases.
    Heartbeat,
    /// Leadership.
    Election,
    /// Flags, vnnmap, recovery.
    Membership,
    /// Public addresses.
    Takeover,
    /// Stages and health.
    Monitor,
    /// Records.
    Record,
}

impl Duty {
    /// All of them; the position is the index.
    pub const ALL: [Self; 6] = [
        Self::Heartbeat,
        Self::Election,
        Self::Membership,
        Self::Takeover,
        Self::Monitor,
        Self::Record,
    ];

    /// Position in [`Duty::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// An input in the mailbox of a machine.
#[derive(Clone, Debug)]
pub enum Mail {
    /// For the heartbeat.
    Heartbeat(heartbeat::io::Input),
    /// For the election.
    Election(election::io::Input),
    /// For the membership.
    Membership(membership::io::Input),
    /// For the takeover.
    Takeover(takeover::io::Input),
    /// For the monitor.
    Monitor(monitor::io::Input),
    /// For the records.
    Record(record::io::Input),
}

impl Mail {
    /// Whose it is.
    pub const fn duty(&self) -> Duty {
        match self {
            Self::Heartbeat(_) => Duty::Heartbeat,
            Self::Election(_) => Duty::Election,
            Self::Membership(_) => Duty::Membership,
            Self::Takeover(_) => Duty::Takeover,
            Self::Monitor(_) => Duty::Monitor,
            Self::Record(_) => Duty::Record,
        }
    }

    /// The timeout of a machine.
    pub const fn timeout(duty: Duty) -> Self {
        match duty {
            Duty::Heartbeat => Self::Heartbeat(heartbeat::io::Input::Timeout),
            Duty::Election => Self::Election(election::io::Input::Timeout),
            Duty::Membership => Self::Membership(membership::io::Input::Timeout),
            Duty::Takeover => Self::Takeover(takeover::io::Input::Timeout),
            Duty::Monitor => Self::Monitor(monitor::io::Input::Timeout),
            Duty::Record => Self::Record(record::io::Input::Timeout),
        }
    }
}

/// An order to the kernel about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Put it on the interface, under this lease only.
    Add(IpAddr, LeaseId),
    /// Take it off.
    Remove(IpAddr),
}

/// What only a running worker process can do; it waits while the process is stopped.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum Work {
    /// A machine takes an input from its mailbox.
    Mail(Mail),
    /// A machine's deadline, unless an earlier one was set since.
    Alarm(Duty, Micros),
    /// A packet is read from a socket.
    Packet {
        conn: ConnId,
        lane: Lane,
        packet: Box<Packet>,
    },
    /// The link to a peer is complete.
    LinkUp(ConnId),
    /// The peer closed the link, or it was reset.
    LinkReset { conn: ConnId, reason: &'static str },
    /// Try to reach a peer.
    Dial(Pnn),
    /// How the attempt ended.
    Dialled { peer: Pnn, answered: bool },
    /// A byte, or the end, of the lock keeper's output.
    LockByte { number: u64, byte: Option<u8> },
    /// Time to ping the lock keeper.
    LockPing { number: u64 },
    /// The address thread carries out an order.
    Kernel(Job),
    /// The lease thread looks at the clock.
    LeaseCheck,
    /// The next part of a walk over a database.
    WalkSlice,
    /// Vacuum runs are due.
    Vacuum,
    /// The thread of the persistent database does its next job.
    DiskJob,
    /// An event script ended.
    Script(Script, Outcome),
}

/// Something due.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum Event {
    /// Of the worker process of `node` in its life number `life`.
    Work { node: Pnn, life: u32, work: Work },
    /// A packet arrives at a host.
    Arrive {
        conn: ConnId,
        to: Pnn,
        lane: Lane,
        packet: Box<Packet>,
    },
    /// An end of a connection learns that it is over.
    Reset {
        conn: ConnId,
        at: Pnn,
        reason: &'static str,
    },
    /// TCP gives up what was not acknowledged.
    GiveUp { conn: ConnId, at: Pnn },
    /// The worker process starts.
    Start(Pnn),
    /// The guard removes the addresses of the dead worker.
    GuardDrop { node: Pnn, life: u32 },
    /// The lock helper asks the cluster filesystem.
    KeeperTries(KeeperId),
    /// A ping reaches the keeper.
    KeeperPing(KeeperId),
    /// The keeper looks whether pings still come.
    KeeperPatience(KeeperId),
    /// The keeper ends.
    KeeperEnd(KeeperId),
    /// A client's next step is due.
    Client(usize),
    /// A client of that node wants to make a transaction.
    Transaction(Pnn),
    /// A client repeats its commit.
    CommitAgain(CommitId),
    /// A fault begins.
    Fault(FaultKind),
    /// Its effect ends.
    Mend(Mend),
    /// All faults end.
    HealAll,
    /// The invariants that hold at every time are looked at.
    Inspect,
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub enum Mend {
    /// The stopped process goes on.
    Resume(Pnn, u32),
    /// The directions carry again.
    Uncut(Vec<(Pnn, Pnn)>),
    /// The network is as fast as before.
    Fast,
    /// The lock answers as fast as before.
    LockFast,
    /// The lock helper works again.
    LockWorks,
    /// The kernel is as fast as before.
    KernelFast,
    /// The kernel obeys again.
    KernelWorks,
    /// The store works again.
    StoreWorks,
    /// The services of the node are fit again.
    Fit(Pnn),
    /// The interface is up again.
    InterfaceUp(Pnn),
    /// The admin takes his order back.
    Admin(Pnn, membership::io::Request),
}
