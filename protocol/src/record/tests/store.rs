//! The stores of the world.

use super::world::{DB, World, is_mine, rsn};
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
                let all: Vec<Holding<'_>> =
                    copies.map(|(key, value)| held(key, value, pnn)).collect();
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

fn held<'a>(key: &'a [u8], value: &[u8], pnn: usize) -> Holding<'a> {
    let header = RecordHeader::split(value).map(|(header, _)| header);
    Holding {
        key,
        rsn: rsn(value),
        is_dmaster: header.is_some_and(|header| header.dmaster == Pnn(pnn as u32)),
        is_empty: value.len() == HEADER_BYTES,
    }
}
