//! One record that something is going on with at this node; records at rest have no entry.
//!
//! At most one [`LocalOp`] of a record is on its way, so outcomes need no names and two operations can't
//! overtake each other while a client holds the chain.

use super::io::{CallId, CallKind};
use super::local::LocalOp;
use super::readonly::{Copies, IncomingCopy};
use super::vacuum::Digging;
use crate::id::{Generation, Pnn, Rsn};
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// What an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// For our clients: is the record here?
    Look,
    /// It came from another node.
    Take,
    /// Another node wants it.
    Give(Want),
    /// An lmaster seeks it.
    Probe {
        /// Who asks.
        lmaster: Pnn,
    },
    /// An lmaster decided about it; counted in this batch.
    Settle {
        /// Number of the batch.
        batch: u64,
    },
    /// It was emptied.
    Vacuum(Digging),
    /// Another node wants a read-only copy.
    Delegate {
        /// That node.
        to: Pnn,
    },
    /// A read-only copy came.
    StoreCopy,
    /// The dmaster calls our copy back.
    Drop {
        /// The dmaster.
        dmaster: Pnn,
    },
    /// For our clients, now that no copy is left.
    Recall,
}

/// A node that wants the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) to: Pnn,
    /// Our last call that the lmaster had heard when it ordered this.
    pub(super) heard: u64,
    pub(super) hops: u32,
}

/// The operation under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) why: Why,
    pub(super) op: LocalOp,
    /// The composition it was begun in.
    pub(super) generation: Generation,
    /// When the store failed first, and when to try again.
    pub(super) failing: Option<(Instant, Instant)>,
}

/// A record that came and is not stored yet.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) rsn: Rsn,
    pub(super) flags: u32,
    pub(super) data: Bytes,
}

/// Whether the record will come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coming {
    /// Nobody knows: look first.
    #[default]
    Unknown,
    /// It is not here and must not be asked for before the database is served.
    Parked,
    /// We asked the lmaster.
    Asked,
    /// We asked, but it is here already: a search made our copy the newest one before the chain, which
    /// waits for that copy, reached us. The chain will bring it once more.
    Adopted,
}

/// A record that something is going on with.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) running: Option<Running>,
    /// Calls of local clients.
    pub(super) waiters: Vec<(CallId, CallKind)>,
    pub(super) coming: Coming,
    /// When it was asked for.
    pub(super) asked_at: Option<Instant>,
    /// Its number among our calls to the lmaster.
    pub(super) asked_number: u64,
    /// It is not asked for before.
    pub(super) paced_until: Option<Instant>,
    /// Our vacuum run wants it here.
    pub(super) is_fetched: bool,
    /// The give of a search comes next; it goes before those of the chain, which are for later.
    pub(super) search_gives: bool,
    pub(super) incoming: Option<Incoming>,
    pub(super) settles: VecDeque<(LocalOp, u64)>,
    /// lmasters that seek the record.
    pub(super) probes: Vec<Pnn>,
    /// Nodes that want it, in the order of the lmaster.
    pub(super) gives: VecDeque<Want>,
    /// It stays until then, so that the clients just answered get their turn.
    pub(super) hold_until: Option<Instant>,
    pub(super) copies: Copies,
}

/// What to do next with a record.
#[derive(Debug)]
pub(super) enum Next {
    /// Begin this operation.
    Run(Why, LocalOp),
    /// Call back the copies of all but this node, which is the next dmaster.
    Revoke(Pnn),
    /// Nothing before then.
    Wait(Instant),
    /// Nothing until something comes.
    Rest,
    /// Nothing is going on any more.
    Done,
}

impl Work {
    /// Chooses the next operation; only when none is under way. `holders` have read-only copies of ours.
    pub(super) fn next(
        &mut self,
        now: Instant,
        may_answer: bool,
        holders: Option<&BTreeSet<Pnn>>,
    ) -> Next {
        if let Some((why, op)) = self.next_due() {
            return Next::Run(why, op);
        }
        if self.coming == Coming::Asked || !self.copies.revoking.is_empty() {
            return Next::Rest;
        }
        let is_looked_for =
            self.is_wanted() || !self.copies.readers.is_empty() && !self.copies.is_asked;
        let paced_until = self.paced_until.filter(|until| *until > now);
        if may_answer && self.coming != Coming::Parked && is_looked_for && paced_until.is_none() {
            let is_recalled = core::mem::take(&mut self.copies.is_recalled) && holders.is_none();
            return if is_recalled {
                Next::Run(Why::Recall, LocalOp::EndDelegations)
            } else {
                Next::Run(Why::Look, LocalOp::Read)
            };
        }
        if self.gives.is_empty() && self.copies.borrowers.is_empty() {
            // What the chain will bring must be remembered, or it would be asked for twice.
            let is_over = !self.is_wanted() && self.copies.readers.is_empty();
            return match paced_until {
                Some(until) if !is_over => Next::Wait(until),
                _ if is_over && self.coming != Coming::Adopted => Next::Done,
                _ => Next::Rest,
            };
        }
        if self.coming == Coming::Adopted && self.search_gives {
            return Next::Rest;
        }
        match self.hold_until {
            Some(until) if until > now => Next::Wait(until),
            _ => self.pass_on(holders),
        }
    }

    /// What goes before all decisions, so that they see it: what came is stored first.
    fn next_due(&mut self) -> Option<(Why, LocalOp)> {
        if let Some(incoming) = self.incoming.take() {
            let op = LocalOp::Take {
                rsn: incoming.rsn,
                flags: incoming.flags,
                data: incoming.data,
            };
            return Some((Why::Take, op));
        }
        if let Some((op, batch)) = self.settles.pop_front() {
            return Some((Why::Settle { batch }, op));
        }
        if let Some(lmaster) = self.probes.pop() {
            return Some((Why::Probe { lmaster }, LocalOp::DropCopy));
        }
        if let Some(IncomingCopy { header, data }) = self.copies.incoming.take() {
            let op = LocalOp::StoreCopy {
                rsn: header.rsn,
                dmaster: header.dmaster,
                flags: header.flags.bits(),
                data,
            };
            return Some((Why::StoreCopy, op));
        }
        let dmaster = self.copies.drops.pop()?;
        Some((Why::Drop { dmaster }, LocalOp::DropCopy))
    }

    /// Takes the orders that the lmaster gave before it heard the call that is on its way: the record was to be here
    /// for them and is not, so something else deleted it. The call comes after them in the chain and brings nothing.
    pub(super) fn take_older_orders(&mut self) -> Vec<Want> {
        // What is being called back is a copy of it that is still read.
        let is_copied = !self.copies.revoking.is_empty();
        let is_coming = self.incoming.is_some() || self.is_settling();
        if self.coming != Coming::Asked || is_coming || is_copied {
            return Vec::new();
        }
        let is_newer = |want: &Want| want.heard >= self.asked_number;
        let (newer, older) = self.gives.iter().copied().partition(is_newer);
        self.gives = newer;
        VecDeque::into(older)
    }

    /// Whether a search may be about to make a copy of ours the record.
    pub(super) fn is_settling(&self) -> bool {
        let running = self.running.as_ref();
        let is_running = running.is_some_and(|running| matches!(running.why, Why::Settle { .. }));
        is_running || !self.settles.is_empty()
    }

    /// Whether somebody here wants the record.
    const fn is_wanted(&self) -> bool {
        !self.waiters.is_empty() || self.is_fetched
    }

    /// Whether nothing stands before an operation that must not wait.
    pub(super) fn is_at_rest(&self) -> bool {
        self.running.is_none()
            && self.incoming.is_none()
            && self.settles.is_empty()
            && self.probes.is_empty()
            && self.copies.incoming.is_none()
            && self.copies.drops.is_empty()
            && self.copies.revoking.is_empty()
    }

    /// Those who read get the record itself, like those who write.
    pub(super) fn upgrade_readers(&mut self) {
        self.waiters.append(&mut self.copies.readers);
    }

    /// Readers go first: the lmaster saw them before the next dmaster, and none comes after that one.
    fn pass_on(&mut self, holders: Option<&BTreeSet<Pnn>>) -> Next {
        self.hold_until = None;
        if let Some(to) = self.copies.borrowers.pop_front() {
            return Next::Run(Why::Delegate { to }, LocalOp::Delegate);
        }
        if let (Some(want), Some(holders)) = (self.gives.front(), holders)
            && holders.iter().any(|holder| *holder != want.to)
        {
            return Next::Revoke(want.to);
        }
        match self.gives.pop_front() {
            Some(want) => Next::Run(Why::Give(want), LocalOp::Give { to: want.to }),
            None => Next::Done,
        }
    }

    /// Forgets what belongs to the old composition. What came already is kept: it may be the newest copy.
    pub(super) fn forget_composition(&mut self) {
        self.coming = match self.coming {
            Coming::Asked if self.incoming.is_none() => Coming::Parked,
            Coming::Parked => Coming::Parked,
            Coming::Unknown | Coming::Asked | Coming::Adopted => Coming::Unknown,
        };
        self.paced_until = None;
        self.search_gives = false;
        self.is_fetched = false;
        self.settles.clear();
        self.probes.clear();
        self.gives.clear();
        self.hold_until = None;
        self.copies.forget_composition();
    }
}

/// Whether the operation changes the store.
pub(super) fn writes(op: &LocalOp) -> bool {
    !matches!(op, LocalOp::Read)
}
