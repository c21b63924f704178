//! The end of an lmaster's side of a recovery: every record gets its dmaster, a portion at a time, so that calls of other
//! databases are served in between however many records there are.

use super::database::Database;
use super::outlet::Outlet;
use super::rebuild::{Best, Task, key_of};
use super::tails::{HashedMap, Tails};
use crate::id::{Pnn, Rsn};
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;
use hashbrown::hash_map::IntoValues;

/// Records of one portion: two or three milliseconds. The worlds of the tests have few records and shall be interrupted too.
const PORTION: usize = if cfg!(test) { 2 } else { 16_384 };
/// Before the next portion: what is ready by then has its turn first, and one step has no two of them.
const BREATH: Duration = Duration::from_nanos(1);

/// What is decided so far.
#[derive(Debug)]
pub(super) struct Decision {
    rest: IntoValues<u64, Best>,
    /// No further portion before then, whatever else is due in this step.
    next_at: Instant,
    keys: Vec<u8>,
    adopt: BTreeMap<Pnn, Vec<Bytes>>,
    release: BTreeMap<Pnn, Vec<Bytes>>,
    /// Empty records that are to go, by key: who has the newest copy, with its number.
    graves: BTreeMap<Bytes, (Pnn, Rsn)>,
}

impl Decision {
    fn new(best: HashedMap<Best>, keys: Vec<u8>, now: Instant) -> Self {
        Self {
            next_at: now,
            rest: best.into_values(),
            keys,
            adopt: BTreeMap::new(),
            release: BTreeMap::new(),
            graves: BTreeMap::new(),
        }
    }

    /// Decides about some records; false when none is left.
    fn portion(&mut self, tails: &mut Tails) -> bool {
        for best in self.rest.by_ref().take(PORTION) {
            let (rsn, is_dmaster, Reverse(node)) = best.copy;
            let key = key_of(&self.keys, &best);
            let is_adopted = !is_dmaster || best.had_rival;
            if is_adopted {
                self.adopt.entry(node).or_default().push(key.into());
            } else if best.winner.is_readonly {
                self.release.entry(node).or_default().push(key.into());
            }
            if best.winner.is_empty {
                let rsn = Rsn(rsn.0 + u64::from(is_adopted));
                self.graves.insert(key.into(), (node, rsn));
            }
            tails.put(key, node, best.is_shared);
        }
        self.rest.len() > 0
    }
}

impl Database {
    /// All members told what they hold.
    pub(super) fn begin_decision(&mut self, out: &mut Outlet<'_>) {
        let best = core::mem::take(&mut self.rebuild.best);
        let keys = core::mem::take(&mut self.rebuild.keys);
        self.directory.tails.reserve(best.len());
        self.rebuild.decision = Some(Decision::new(best, keys, out.now));
        self.go_on_deciding(out);
    }

    /// Decides about the next portion, and orders what follows from all of them after the last one.
    pub(super) fn go_on_deciding(&mut self, out: &mut Outlet<'_>) {
        let due = |decision: &mut Decision| decision.next_at <= out.now;
        let Some(mut decision) = self.rebuild.decision.take_if(due) else {
            return;
        };
        if decision.portion(&mut self.directory.tails) {
            decision.next_at = out.now + BREATH;
            out.wake(decision.next_at, self.id, &Bytes::default());
            self.rebuild.decision = Some(decision);
        } else {
            self.order(decision, out);
        }
    }

    fn order(&mut self, decision: Decision, out: &mut Outlet<'_>) {
        let mut unsettled = 0;
        let demote = core::mem::take(&mut self.rebuild.demote);
        let orders = [
            (decision.adopt, Task::Adopt as fn(Vec<Bytes>) -> Task),
            (decision.release, Task::Release),
            (demote, Task::Demote),
        ];
        for (of_nodes, order) in orders {
            for (node, keys) in of_nodes {
                unsettled += keys.len() as u64;
                self.settle(node, keys, order, out);
            }
        }
        self.rebuild.graves = decision.graves;
        unsettled += self.discard_copies(out);
        self.wait_for(unsettled, out);
    }
}
