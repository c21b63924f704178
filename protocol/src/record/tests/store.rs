//! The stores of the world.

use super::world::{DB, World, is_mine, rsn};
use crate::id::Pnn;
use crate::record::header::RecordHeader;
use crate::record::holdings::Holding;
use crate::record::io::{Effect, Input};
use crate::record::local::{LocalOutcome, apply};
use crate::wire::bytes::Bytes;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

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
            let (outcome, value) = apply(&op, Pnn(pnn as u32), old);
            if let Some(value) = value {
                assert!(
                    old.map(rsn) <= Some(rsn(&value)),
                    "the sequence number went back"
                );
                node.store.insert(key.clone(), value);
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
    }
}
