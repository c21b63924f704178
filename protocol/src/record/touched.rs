//! The lmaster's side of a recovery of what was touched: what it knew stays, but for records that were not at rest, which
//! are decided before the database is served, and those of lost nodes, which are decided beside the service. Who wants one
//! of the latter waits for that.
//!
//! ```text
//!  HandOver, Moving of all ─► Show ─► Directory…, DirectoryEnd of all ─► decide ─► Ready
//!  (served)                           Directory…, DirectoryEnd of all ─► decide ─► Ready, whole
//! ```

use super::change::Change;
use super::database::Database;
use super::holdings::Holdings;
use super::message::{RecordBody, SEEN, Tail};
use super::outlet::Outlet;
use super::rebuild::Rebuild;
use super::tails::HashedMap;
use crate::hash::wide_key_hash;
use crate::id::Pnn;
use crate::limits::{DIRECTORY_BATCH, PARKED_CALLS_MAX};
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// What the lmaster finds out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Round {
    /// Who has which record: everything is rebuilt, not only what was touched.
    #[default]
    Everything,
    /// Which records were not at rest.
    Gathering,
    /// Who has these.
    Moving,
    /// Who has the records of lost nodes, while the database is served.
    Lost,
    /// Nothing any more.
    Over,
}

/// What was touched.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) change: Option<Change>,
    pub(super) round: Round,
    /// Records of ours that were not at rest.
    moving: BTreeSet<Bytes>,
    /// Contributors that told all of those.
    told: BTreeSet<Pnn>,
    /// lmasters of the composition before that told all of ours which they knew.
    handed: BTreeSet<Pnn>,
    /// Hashes of records that a lost node had.
    orphans: HashedMap<()>,
    /// Calls for records of lost nodes.
    parked: VecDeque<(Bytes, Pnn)>,
}

impl Touched {
    pub(super) fn begin(change: Option<Change>) -> Self {
        let round = if change.is_some() {
            Round::Gathering
        } else {
            Round::Everything
        };
        Self {
            change,
            round,
            ..Self::default()
        }
    }

    /// Whether it is still told what was not at rest, and what others knew.
    pub(super) fn is_gathering(&self) -> bool {
        self.round == Round::Gathering
    }

    /// Whether it is not known yet who has the record.
    pub(super) fn is_undecided(&self, key: &Bytes) -> bool {
        let Some(change) = self.change.as_ref().filter(|_| self.round == Round::Lost) else {
            return false;
        };
        let hash = wide_key_hash(key);
        let is_lost = || change.lost_directory_of(hash) || self.orphans.contains_key(&hash);
        is_lost() && !self.moving.contains(key)
    }
}

impl Database {
    pub(super) fn on_moving(
        &mut self,
        peer: Pnn,
        keys: Vec<Bytes>,
        last: bool,
        out: &mut Outlet<'_>,
    ) {
        self.touched.moving.extend(keys);
        if last {
            self.touched.told.insert(peer);
            self.try_ask(out);
        }
    }

    pub(super) fn on_hand_over(
        &mut self,
        peer: Pnn,
        tails: Vec<Tail>,
        last: bool,
        out: &mut Outlet<'_>,
    ) {
        for tail in tails {
            self.directory.tails.put_tail(tail);
        }
        if last {
            self.touched.handed.insert(peer);
            self.try_ask(out);
        }
    }

    /// Asks all who stay for the records that were not at rest, once they are all known.
    pub(super) fn try_ask(&mut self, out: &mut Outlet<'_>) {
        let Some(change) = self.touched.change.clone() else {
            return;
        };
        let mut before = change.lmasters_before();
        before.remove(&out.own);
        let is_ready = self.touched.round == Round::Gathering
            && out.lmasters().contains(&out.own)
            && self.touched.told.is_superset(change.stayers())
            && self.touched.handed.is_superset(&before);
        if !is_ready {
            return;
        }
        self.touched.round = Round::Moving;
        let tails = &mut self.directory.tails;
        for key in &self.touched.moving {
            tails.forget(key);
        }
        let lost = tails.take_where(|_, node| !change.stayers().contains(&node));
        let hashes: Vec<u64> = lost.iter().map(|tail| tail.hash).collect();
        for stayer in change.stayers() {
            for hashes in hashes.chunks(DIRECTORY_BATCH) {
                let hashes = hashes.to_vec();
                out.send(*stayer, self.id, RecordBody::Orphans { hashes });
            }
            let keys = self.touched.moving.iter().cloned().collect();
            let body = |keys, last| RecordBody::Show { keys, last };
            self.send_batches(*stayer, keys, body, out);
        }
        self.touched.orphans = hashes.into_iter().map(|hash| (hash, ())).collect();
        self.try_decide(out);
    }

    /// Takes in what `peer` holds, if it is of use.
    pub(super) fn on_directory(&mut self, peer: Pnn, holdings: &Holdings) {
        match self.touched.round {
            Round::Over => {}
            // What was decided in the round before may have moved since.
            Round::Lost => {
                let known = &self.touched.moving;
                let news = holdings
                    .iter()
                    .filter(|holding| !known.contains(holding.key));
                self.rebuild.collect(peer, &news.collect());
            }
            _ => self.rebuild.collect(peer, holdings),
        }
    }

    /// Whether all have told what this round is about.
    pub(super) fn all_told(&self, out: &Outlet<'_>) -> bool {
        let has_told = |node: &Pnn| self.rebuild.has_ended(*node);
        match (self.touched.round, &self.touched.change) {
            (Round::Everything | Round::Moving, _) => out.composition.members.iter().all(has_told),
            (Round::Lost, Some(change)) => change.stayers().iter().all(has_told),
            _ => false,
        }
    }

    /// Everything of this round is decided.
    pub(super) fn end_round(&mut self, out: &mut Outlet<'_>) {
        let touched = &mut self.touched;
        let has_lost = |change: &Change| change.lost_directories();
        match touched.round {
            Round::Moving
                if touched.change.as_ref().is_some_and(has_lost) || !touched.orphans.is_empty() =>
            {
                touched.round = Round::Lost;
                self.rebuild = Rebuild::default();
                self.tell_ready(false, out);
            }
            Round::Moving | Round::Lost => {
                let parked = core::mem::take(&mut touched.parked);
                *touched = Touched {
                    change: touched.change.take(),
                    round: Round::Over,
                    ..Touched::default()
                };
                self.tell_ready(true, out);
                for (key, requester) in parked {
                    self.on_parked(key, requester, out);
                }
            }
            _ => self.tell_ready(true, out),
        }
    }

    /// A call for a record of a lost node waits until it is known who has that.
    pub(super) fn park(&mut self, key: Bytes, requester: Pnn, out: &mut Outlet<'_>) {
        if self.touched.parked.len() < PARKED_CALLS_MAX {
            self.touched.parked.push_back((key, requester));
        } else {
            self.refuse("calls for records of lost nodes", PARKED_CALLS_MAX, out);
        }
    }

    fn on_parked(&mut self, key: Bytes, requester: Pnn, out: &mut Outlet<'_>) {
        if self.directory.tails.get(&key) == Some(requester) {
            // Its own copy became the record: it has only to look again.
            self.order_give(key, requester, requester, SEEN, out);
        } else {
            self.on_call(key, requester, out);
        }
    }
}
