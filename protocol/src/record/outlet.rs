//! What every part of the machine needs to act: the composition, the time, and the way out.
//!
//! Messages to the own node take the same road as those to peers (a queue inside the machine), so that
//! there is one order and one code for both.

use super::io::{CallId, Effect};
use super::local::LocalOp;
use super::message::{RecordBody, RecordMessage};
use crate::hash::key_hash;
use crate::id::{DbId, Pnn};
use crate::machine::Effects;
use crate::membership::message::Composition;
use crate::notice::Notice;
use crate::rng::Rng;
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

/// When to look at a record again.
pub(super) type Wakes = BTreeSet<(Instant, DbId, Bytes)>;

/// Shortest pause before an operation that failed is tried again; as much again is added at random so
/// that many records of a full disk do not come back all at once.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The way out of one step.
pub(super) struct Outlet<'a> {
    pub(super) own: Pnn,
    pub(super) now: Instant,
    pub(super) timing: &'a Timing,
    pub(super) composition: &'a Composition,
    /// This node takes no part: nothing may be answered.
    pub(super) suspended: bool,
    /// The composition is completely served.
    pub(super) committed: bool,
    pub(super) rng: &'a mut Rng,
    pub(super) loopback: &'a mut VecDeque<RecordMessage>,
    pub(super) wakes: &'a mut Wakes,
    pub(super) effects: &'a mut Effects<Effect>,
}

impl Outlet<'_> {
    pub(super) fn send(&mut self, peer: Pnn, db: DbId, body: RecordBody) {
        let message = RecordMessage {
            generation: self.composition.generation,
            db,
            body,
        };
        if peer == self.own {
            self.loopback.push_back(message);
        } else {
            self.effects.push(Effect::Send { peer, message });
        }
    }

    pub(super) fn local(&mut self, db: DbId, key: Bytes, op: LocalOp) {
        self.effects.push(Effect::Local { db, key, op });
    }

    pub(super) fn reply(&mut self, call: CallId, data: Bytes) {
        self.effects.push(Effect::Reply { call, data });
    }

    pub(super) fn log(&mut self, notice: Notice) {
        self.effects.push(Effect::Log(notice));
    }

    pub(super) fn wake(&mut self, at: Instant, db: DbId, key: &Bytes) {
        self.wakes.insert((at, db, key.clone()));
    }

    /// When to try again what failed now.
    pub(super) fn retry_at(&mut self) -> Instant {
        let jitter_ms = self.rng.below(RETRY_PAUSE.as_millis() as u64);
        self.now + RETRY_PAUSE + Duration::from_millis(jitter_ms)
    }

    /// The lmaster of `key`; `None` before the first composition.
    pub(super) fn lmaster(&self, key: &[u8]) -> Option<Pnn> {
        self.composition.lmaster(key_hash(key))
    }

    /// The nodes that keep directories, each once.
    pub(super) fn lmasters(&self) -> BTreeSet<Pnn> {
        self.composition.vnnmap.iter().copied().collect()
    }
}
