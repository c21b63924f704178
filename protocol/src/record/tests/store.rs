//! The stores of the world.

use super::world::{DB, World, counter, is_copy, is_mine, is_writable, rsn};
use crate::id::Pnn;
use crate::record::header::HEADER_BYTES;
use crate::record::header::RecordHeader;
use crate::record::holdings::Holding;
use crate::record::io::{Effect, Input};
use crate::record::local::{Change, LocalOp, LocalOutcome, apply};
use crate::record::message::Grave;
use crate::wire::bytes::Bytes;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

impl World {
    pub(super) fn operate(&mut self, pnn: usize, key: &Bytes) {
        let fails = self.fail_one_in > 0 && self.rng.chance(1, self.fail_one_in);
        let node = &mut self.nodes[pnn];
        let Some(op) = node.chains.get_mut(key).and_then(VecDeque::pop_front) else {
            return;
        };
        let outcome = if fails {
            LocalOutcome::Failed
        } else {
            let old = node.store.get(key).map(Vec::as_slice);
            let (outcome, change) = apply(&op, Pnn(pnn as u32), old);
            match change {
                Change::Nothing => {}
                Change::Store(value) => {
                    assert!(
                        old.map(rsn) <= Some(rsn(&value)),
                        "the sequence number went back"
                    );
                    node.store.insert(key.clone(), value);
                }
                Change::Delete => drop(node.store.remove(key)),
            }
            outcome
        };
        let answer = Input::Local {
            db: DB,
            key: key.clone(),
            outcome,
        };
        node.answers.push_back(answer);
        let dmasters = self.dmasters(key);
        assert!(dmasters.len() <= 1, "{key:?} has dmasters {dmasters:?}");
        self.check_copies(key);
    }

    /// While a client may write the record, nobody may read a copy of it; and a copy shows what the dmaster has.
    fn check_copies(&self, key: &Bytes) {
        let in_force = self.nodes.iter().enumerate();
        let in_force = in_force.filter(|(_, node)| node.alive && !node.stale);
        let readers = in_force.filter(|(_, node)| is_copy(node, key));
        let readers: Vec<usize> = readers.map(|(pnn, _)| pnn).collect();
        for dmaster in self.dmasters(key) {
            let node = &self.nodes[dmaster];
            assert!(
                readers.is_empty() || !is_writable(node, dmaster, key),
                "{key:?}: {dmaster} may write what {readers:?} read"
            );
            for reader in &readers {
                let (shown, there) = (&self.nodes[*reader].store[key], &node.store[key]);
                assert_eq!(counter(shown), counter(there), "{key:?} on {reader}");
            }
        }
    }

    /// An operation of the vacuum: at once, unless the record is in use.
    pub(super) fn dig(&mut self, pnn: usize, key: &Bytes, op: &LocalOp) {
        let is_locked = !self.is_quiet && self.rng.chance(1, 10);
        let node = &mut self.nodes[pnn];
        let old = node.store.get(key).map(Vec::as_slice);
        let (outcome, change) = apply(op, Pnn(pnn as u32), old);
        let outcome = if is_locked {
            LocalOutcome::Kept
        } else {
            if change == Change::Delete {
                node.store.remove(key);
            }
            outcome
        };
        node.answers.push_back(Input::Local {
            db: DB,
            key: key.clone(),
            outcome,
        });
    }

    pub(super) fn vacuum(&mut self, pnn: usize, full: bool) {
        self.vacuuming.insert(pnn);
        let until = self.now + Duration::from_secs(120);
        self.feed(
            pnn,
            Input::Vacuum {
                db: DB,
                full,
                until,
            },
        );
    }

    pub(super) fn sift(&mut self, pnn: usize, run: u64) {
        let node = &mut self.nodes[pnn];
        let empty = |value: &&Vec<u8>| value.len() == HEADER_BYTES;
        let mine = node.store.iter().filter(|(_, value)| empty(value));
        let mine = mine.filter(|(_, value)| {
            RecordHeader::split(value).is_some_and(|(head, _)| head.dmaster == Pnn(pnn as u32))
        });
        let graves = mine.map(|(key, value)| Grave {
            key: key.clone(),
            rsn: rsn(value),
        });
        let graves = graves.collect();
        let (db, done) = (DB, true);
        node.answers.push_back(Input::Sifted {
            db,
            run,
            graves,
            done,
        });
    }

    /// Members whose own header makes them dmaster.
    pub(super) fn dmasters(&self, key: &Bytes) -> Vec<usize> {
        let in_force = |pnn: &usize| self.nodes[*pnn].alive && !self.nodes[*pnn].stale;
        let owns = |pnn: &usize| is_mine(&self.nodes[*pnn], *pnn, key);
        (0..self.nodes.len())
            .filter(in_force)
            .filter(owns)
            .collect()
    }

    pub(super) fn walk(&mut self, pnn: usize) {
        let node = &mut self.nodes[pnn];
        match node.walks.pop_front() {
            Some(Effect::Scan { generation, db }) => {
                let copies = node.store.iter();
                let all: Vec<Holding<'_>> = copies
                    .filter_map(|(key, value)| Holding::of(key, value, Pnn(pnn as u32)))
                    .collect();
                let half = all.len() / 2;
                for (part, done) in [(&all[..half], false), (&all[half..], true)] {
                    let holdings = part.iter().copied().collect();
                    let answer = Input::Scanned {
                        generation,
                        db,
                        holdings,
                        done,
                    };
                    node.answers.push_back(answer);
                }
            }
            Some(Effect::Wipe { generation, db }) => {
                node.store.clear();
                node.answers.push_back(Input::Wiped { generation, db });
            }
            _ => {}
        }
    }
}
