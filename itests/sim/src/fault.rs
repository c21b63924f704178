//! Faults: what goes wrong, when, and for how long.

use crate::clock::{MS, Micros, SEC};
use crate::event::{Event, Mail, Mend};
use crate::node::Life;
use crate::world::World;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::io::Request;
use ctdb_protocol::{membership, monitor, takeover};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The worker process is killed; the guard drops its addresses and starts it again.
    Kill,
    /// The host loses power and starts again later.
    PowerLoss,
    /// The worker is stopped and goes on later.
    Pause,
    /// An orderly shutdown and a later start.
    Shutdown,
    /// No packets between two nodes.
    Cut,
    /// No packets from one node to another; they pass the other way.
    CutOneWay,
    /// One node is cut from all others.
    Isolate,
    /// The nodes are parted in two groups.
    Partition,
    /// A link is reset.
    LinkReset,
    /// All packets are slower.
    SlowNetwork,
    /// The cluster lock answers late.
    SlowLock,
    /// The lock helper fails.
    LockBroken,
    /// The holder's lock helper dies.
    LockDies,
    /// The kernel is slow with addresses.
    SlowKernel,
    /// The kernel refuses orders now and then.
    KernelFails,
    /// Changes of records fail now and then, as on a full disk.
    StoreFails,
    /// The services of a node are not fit.
    Unfit,
    /// The public interface of a node is down.
    InterfaceDown,
    /// The admin disables, stops or bans a node, or wants a recovery.
    Admin,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Kill,
        Self::PowerLoss,
        Self::Pause,
        Self::Shutdown,
        Self::Cut,
        Self::CutOneWay,
        Self::Isolate,
        Self::Partition,
        Self::LinkReset,
        Self::SlowNetwork,
        Self::SlowLock,
        Self::LockBroken,
        Self::LockDies,
        Self::SlowKernel,
        Self::KernelFails,
        Self::StoreFails,
        Self::Unfit,
        Self::InterfaceDown,
        Self::Admin,
    ];

    /// Its name in census and trace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "fault.kill",
            Self::PowerLoss => "fault.power_loss",
            Self::Pause => "fault.pause",
            Self::Shutdown => "fault.shutdown",
            Self::Cut => "fault.cut",
            Self::CutOneWay => "fault.cut_one_way",
            Self::Isolate => "fault.isolate",
            Self::Partition => "fault.partition",
            Self::LinkReset => "fault.link_reset",
            Self::SlowNetwork => "fault.slow_network",
            Self::SlowLock => "fault.slow_lock",
            Self::LockBroken => "fault.lock_broken",
            Self::LockDies => "fault.lock_dies",
            Self::SlowKernel => "fault.slow_kernel",
            Self::KernelFails => "fault.kernel_fails",
            Self::StoreFails => "fault.store_fails",
            Self::Unfit => "fault.unfit",
            Self::InterfaceDown => "fault.interface_down",
            Self::Admin => "fault.admin",
        }
    }
}

impl World {
    /// Plans all faults of the run.
    pub(crate) fn plan_faults(&mut self) {
        let total: u64 = self
            .bench
            .options
            .faults
            .iter()
            .map(|(_, weight)| weight)
            .sum();
        if total == 0 {
            return;
        }
        for _ in 0..self.bench.options.fault_count {
            let mut at = self.bench.rng.below(total);
            let kinds = self.bench.options.faults.clone();
            let kind = kinds.into_iter().find(|(_, weight)| {
                let hit = at < *weight;
                at = at.saturating_sub(*weight);
                hit
            });
            if let Some((kind, _)) = kind {
                let when = self
                    .bench
                    .between(4 * SEC, self.bench.options.faults_end - SEC);
                self.bench.at(when, Event::Fault(kind));
            }
        }
        self.bench.at(self.bench.options.faults_end, Event::HealAll);
    }

    /// Short, medium or long, as faults are.
    fn duration(&mut self) -> Micros {
        match self.bench.rng.below(3) {
            0 => self.bench.between(10 * MS, SEC),
            1 => self.bench.between(500 * MS, 4 * SEC),
            _ => self.bench.between(2 * SEC, 12 * SEC),
        }
    }

    fn victim(&mut self) -> Pnn {
        let leader = self
            .nodes
            .iter()
            .find(|node| node.leads())
            .map(|node| node.pnn);
        // The leader is the most interesting one.
        match leader {
            Some(leader) if self.bench.one_in(2) => leader,
            _ => Pnn(self.bench.rng.below(self.nodes.len() as u64) as u32),
        }
    }

    fn mend_later(&mut self, mend: Mend) {
        let duration = self.duration();
        self.bench.after(duration, Event::Mend(mend));
    }

    pub(crate) fn fault(&mut self, kind: FaultKind) {
        self.bench.census.count(kind.name());
        let pnn = self.victim();
        let now = self.bench.now;
        self.bench.trace.line(now, Some(pnn), || kind.name());
        match kind {
            FaultKind::Kill => self.kill(pnn),
            FaultKind::PowerLoss => self.power_loss(pnn),
            FaultKind::Pause => self.pause(pnn),
            FaultKind::Shutdown => self.shut_down(pnn),
            FaultKind::Cut | FaultKind::CutOneWay | FaultKind::Isolate | FaultKind::Partition => {
                self.cut(kind, pnn);
            }
            FaultKind::LinkReset => {
                let other = self.other_than(pnn);
                self.break_link(pnn, other);
            }
            FaultKind::SlowNetwork => {
                self.network.slow = self.bench.between(10 * MS, 400 * MS);
                self.mend_later(Mend::Fast);
            }
            FaultKind::SlowLock => {
                self.lock.slow = self.bench.between(100 * MS, 1_500 * MS);
                self.mend_later(Mend::LockFast);
            }
            FaultKind::LockBroken => {
                self.lock.broken = true;
                self.mend_later(Mend::LockWorks);
            }
            FaultKind::LockDies => self.steal_lock(),
            FaultKind::SlowKernel => {
                self.kernel_slow = self.bench.between(50 * MS, 3 * SEC);
                self.mend_later(Mend::KernelFast);
            }
            FaultKind::KernelFails => {
                self.kernel_fails = true;
                self.mend_later(Mend::KernelWorks);
            }
            FaultKind::StoreFails => {
                self.store_fails = true;
                self.mend_later(Mend::StoreWorks);
            }
            FaultKind::Unfit => {
                self.nodes[pnn.0 as usize].fit = false;
                self.mend_later(Mend::Fit(pnn));
            }
            FaultKind::InterfaceDown => {
                self.set_interface(pnn, false);
                self.mend_later(Mend::InterfaceUp(pnn));
            }
            FaultKind::Admin => self.admin(pnn),
        }
    }

    fn other_than(&mut self, pnn: Pnn) -> Pnn {
        let nodes = self.nodes.len() as u64;
        let step = self.bench.between(1, nodes - 1);
        Pnn(((u64::from(pnn.0) + step) % nodes) as u32)
    }

    fn cut(&mut self, kind: FaultKind, pnn: Pnn) {
        let all: Vec<Pnn> = self.nodes.iter().map(|node| node.pnn).collect();
        let group: Vec<Pnn> = match kind {
            FaultKind::Partition => all
                .iter()
                .copied()
                .filter(|_| self.bench.rng.chance(1, 2))
                .collect(),
            _ => vec![pnn],
        };
        let rest: Vec<Pnn> = match kind {
            FaultKind::Cut | FaultKind::CutOneWay => vec![self.other_than(pnn)],
            _ => all.into_iter().filter(|pnn| !group.contains(pnn)).collect(),
        };
        // Partitions may carry one way too.
        let one_way = kind == FaultKind::CutOneWay || self.bench.one_in(5);
        let mut cuts = Vec::new();
        for one in &group {
            for other in &rest {
                cuts.push((*one, *other));
                if !one_way {
                    cuts.push((*other, *one));
                }
            }
        }
        for (from, to) in &cuts {
            self.network.cut(*from, *to);
        }
        self.mend_later(Mend::Uncut(cuts));
    }

    fn admin(&mut self, pnn: Pnn) {
        let (order, back) = match self.bench.rng.below(4) {
            0 => (Request::Disable, Some(Request::Enable)),
            1 => (Request::Stop, Some(Request::Continue)),
            2 => (
                Request::Ban {
                    seconds: 2,
                    reason: String::from("admin"),
                },
                None,
            ),
            _ => (
                Request::Recover {
                    reason: String::from("admin"),
                },
                None,
            ),
        };
        self.post(pnn, Mail::Membership(membership::io::Input::Request(order)));
        if let Some(back) = back {
            self.mend_later(Mend::Admin(pnn, back));
        }
    }

    fn set_interface(&mut self, pnn: Pnn, up: bool) {
        self.nodes[pnn.0 as usize].interface_up = up;
        let name = String::from(crate::node::INTERFACE);
        self.post(
            pnn,
            Mail::Takeover(takeover::io::Input::Interface { name, up }),
        );
    }

    fn shut_down(&mut self, pnn: Pnn) {
        self.post(pnn, Mail::Monitor(monitor::io::Input::Shutdown));
        self.post(pnn, Mail::Takeover(takeover::io::Input::Leave));
    }

    pub(crate) fn mend(&mut self, mend: Mend) {
        let now = self.bench.now;
        self.bench
            .trace
            .line(now, None, || format!("mend {mend:?}"));
        match mend {
            Mend::Resume(pnn, life) => self.resume(pnn, life),
            Mend::Uncut(cuts) => {
                for (from, to) in cuts {
                    self.uncut(from, to);
                }
            }
            Mend::Fast => self.network.slow = 0,
            Mend::LockFast => self.lock.slow = 0,
            Mend::LockWorks => self.lock.broken = false,
            Mend::KernelFast => self.kernel_slow = 0,
            Mend::KernelWorks => self.kernel_fails = false,
            Mend::StoreWorks => self.store_fails = false,
            Mend::Fit(pnn) => self.nodes[pnn.0 as usize].fit = true,
            Mend::InterfaceUp(pnn) => self.set_interface(pnn, true),
            Mend::Admin(pnn, request) => {
                self.post(
                    pnn,
                    Mail::Membership(membership::io::Input::Request(request)),
                );
            }
        }
    }

    /// Ends all faults at once.
    pub(crate) fn heal_all(&mut self) {
        let all: Vec<Pnn> = self.nodes.iter().map(|node| node.pnn).collect();
        for from in &all {
            for to in &all {
                while !self.network.carries(*from, *to) {
                    self.uncut(*from, *to);
                }
            }
        }
        for mend in [
            Mend::Fast,
            Mend::LockFast,
            Mend::LockWorks,
            Mend::KernelFast,
            Mend::KernelWorks,
            Mend::StoreWorks,
        ] {
            self.mend(mend);
        }
        for pnn in all {
            self.mend(Mend::Fit(pnn));
            self.mend(Mend::InterfaceUp(pnn));
            self.mend(Mend::Admin(pnn, Request::Enable));
            self.mend(Mend::Admin(pnn, Request::Continue));
            let node = &self.nodes[pnn.0 as usize];
            if node.life == Life::Paused {
                let life = node.lives;
                self.resume(pnn, life);
            }
        }
    }
}
