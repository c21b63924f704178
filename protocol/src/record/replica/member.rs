//! A member during a recovery: it tells what it has, supplies others or is filled by one, and settles.

use super::decider::decider_of;
use super::io::{Job, Outcome};
use super::message::{Change, Copy, ReplicaMessage};
use super::{Purpose, Replica};
use crate::id::Pnn;
use crate::record::io::Effect;
use crate::record::outlet::Outlet;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Portions on their way to the slowest member.
const WINDOW: u64 = 4;

/// Content on its way to others.
#[derive(Debug)]
struct Supply {
    /// Portions that each of them has done.
    taken: BTreeMap<Pnn, u64>,
    /// Portions sent.
    sent: u64,
    reading: bool,
    ended: bool,
}

/// Content that comes from another node.
#[derive(Clone, Copy, Debug)]
struct Filling {
    source: Pnn,
    /// The next portion.
    next: u64,
}

/// How far this node is.
#[derive(Debug, Default)]
pub(super) struct Member {
    begun: bool,
    counts: bool,
    copy: Option<Copy>,
    supply: Option<Supply>,
    filling: Option<Filling>,
}

impl Member {
    /// A transaction with another node's content may be open.
    pub(super) const fn is_refilling(&self) -> bool {
        self.filling.is_some()
    }
}

impl Replica {
    /// The database was attached while the cluster serves: nobody knows yet whether its file is new.
    pub(in crate::record) fn look_at_new(&mut self, out: &mut Outlet<'_>) {
        self.order(Purpose::LookAtNew, Job::Inspect, out);
    }

    pub(super) fn on_new_seen(outcome: &Outcome, out: &mut Outlet<'_>) {
        if let Outcome::Copy(copy) = outcome
            && copy.records > 0
        {
            let reason = String::from("a database was attached whose file has content");
            out.effects.push(Effect::WantRecovery { reason });
        }
    }

    /// The leader orders the recovery of this database; `here` says that it is kept as the cluster keeps it.
    pub(in crate::record) fn begin(&mut self, here: bool, counts: bool, out: &mut Outlet<'_>) {
        self.member.begun = true;
        self.member.counts = counts;
        if here {
            self.order(Purpose::Inspect, Job::Inspect, out);
        } else {
            self.tell(None, out);
        }
    }

    pub(super) fn on_inspected(&mut self, outcome: &Outcome, out: &mut Outlet<'_>) {
        match outcome {
            Outcome::Copy(copy) if self.member.begun => {
                self.member.copy = Some(*copy);
                self.tell(Some(*copy), out);
            }
            // A file that cannot be read has no say; the shell has logged it.
            _ => self.tell(None, out),
        }
    }

    fn tell(&self, copy: Option<Copy>, out: &mut Outlet<'_>) {
        if let Some(decider) = decider_of(self, out) {
            let (counts, sure) = (self.member.counts, self.unsure.is_none());
            self.send(decider, ReplicaMessage::Tell { copy, counts, sure }, out);
        }
    }

    // ---- the source

    pub(super) fn on_supply(&mut self, peer: Pnn, to: Vec<Pnn>, out: &mut Outlet<'_>) {
        if decider_of(self, out) != Some(peer) || self.member.supply.is_some() {
            return;
        }
        let members = &out.composition.members;
        let taken = to.into_iter().filter(|pnn| members.contains(pnn));
        self.member.supply = Some(Supply {
            taken: taken.map(|pnn| (pnn, 0)).collect(),
            sent: 0,
            reading: false,
            ended: false,
        });
        self.read_on(out);
    }

    /// Reads the next portion unless too many are on their way.
    fn read_on(&mut self, out: &mut Outlet<'_>) {
        let Some(supply) = &mut self.member.supply else {
            return;
        };
        let slowest = supply.taken.values().copied().min().unwrap_or(supply.sent);
        if supply.reading || supply.ended || supply.sent - slowest >= WINDOW {
            return;
        }
        supply.reading = true;
        let first = supply.sent == 0;
        self.order(Purpose::Read, Job::Read { first }, out);
    }

    pub(super) fn on_read(&mut self, outcome: Outcome, out: &mut Outlet<'_>) {
        let Some(supply) = &mut self.member.supply else {
            return;
        };
        supply.reading = false;
        // If it failed the shell has logged it, and the leader begins anew after a while.
        let Outcome::Portion { changes, last } = outcome else {
            return;
        };
        let number = supply.sent;
        supply.sent += 1;
        supply.ended = last;
        for peer in supply.taken.keys().copied().collect::<Vec<_>>() {
            let content = ReplicaMessage::Content {
                number,
                changes: changes.clone(),
                last,
            };
            self.send(peer, content, out);
        }
        self.read_on(out);
    }

    pub(super) fn on_taken(&mut self, peer: Pnn, number: u64, out: &mut Outlet<'_>) {
        if let Some(supply) = &mut self.member.supply
            && let Some(taken) = supply.taken.get_mut(&peer)
        {
            *taken = (*taken).max(number + 1).min(supply.sent);
            self.read_on(out);
        }
    }

    // ---- a member that gets other content

    pub(super) fn on_content(
        &mut self,
        source: Pnn,
        number: u64,
        changes: Vec<Change>,
        last: bool,
        out: &mut Outlet<'_>,
    ) {
        if self.member.copy.is_none() {
            return;
        }
        let next = Filling { source, next: 0 };
        let filling = self.member.filling.get_or_insert(next);
        if filling.source != source || filling.next != number {
            return;
        }
        filling.next += 1;
        let first = number == 0;
        let job = Job::Refill {
            first,
            last,
            changes,
        };
        self.order(Purpose::Refill { number, last }, job, out);
    }

    pub(super) fn on_refilled(
        &mut self,
        number: u64,
        last: bool,
        outcome: &Outcome,
        out: &mut Outlet<'_>,
    ) {
        let Some(Filling { source, .. }) = self.member.filling else {
            return;
        };
        // A failure was logged; the leader begins anew after a while.
        if *outcome != Outcome::Done {
            return;
        }
        self.send(source, ReplicaMessage::Taken { number }, out);
        if last {
            self.member.filling = None;
            if let Some(copy) = &mut self.member.copy {
                copy.empty = 0;
            }
            if let Some(decider) = decider_of(self, out) {
                self.send(decider, ReplicaMessage::Filled, out);
            }
        }
    }

    // ---- the end

    pub(super) fn on_equal(&mut self, peer: Pnn, healthy: bool, out: &mut Outlet<'_>) {
        if decider_of(self, out) != Some(peer) || !self.member.begun {
            return;
        }
        self.healthy = healthy;
        match self.member.copy {
            Some(copy) if copy.empty > 0 || !copy.healthy => {
                self.order(Purpose::Settle, Job::Settle { healthy }, out);
            }
            _ => self.tell_ready(out),
        }
    }

    /// If the tidying up failed, that is no reason to keep anybody waiting.
    pub(super) fn on_settled(&mut self, _: &Outcome, out: &mut Outlet<'_>) {
        self.tell_ready(out);
    }

    fn tell_ready(&self, out: &mut Outlet<'_>) {
        if out.composition.vnnmap.contains(&out.own) {
            let (generation, db) = (out.composition.generation, self.db);
            out.effects.push(Effect::Ready {
                generation,
                db,
                whole: true,
            });
        }
    }
}
