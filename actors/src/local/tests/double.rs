//! A record machine without peers: whatever is called becomes this node's.

use ctdb_protocol::id::{DbId, Rsn};
use ctdb_protocol::machine::{Effects, Machine};
use ctdb_protocol::record::header::{RecordFlags, RecordHeader};
use ctdb_protocol::record::io::{CallId, CallKind, Effect, Input};
use ctdb_protocol::record::local::{LocalOp, LocalOutcome};
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Calls that clients gave up, for the test to see.
pub(super) type Forgotten = Arc<Mutex<Vec<CallId>>>;

/// Key of a record on which calls are never answered.
pub(super) const STUCK: &[u8] = b"stuck";

/// Calls on one record.
type Callers = Vec<(CallId, CallKind)>;

pub(super) struct Solo {
    waiting: BTreeMap<(DbId, Vec<u8>), Callers>,
    forgotten: Forgotten,
}

impl Solo {
    pub(super) fn new(forgotten: Forgotten) -> Self {
        let waiting = BTreeMap::new();
        Self { waiting, forgotten }
    }
}

fn local(db: DbId, key: Bytes, op: LocalOp) -> Effect {
    Effect::Local { db, key, op }
}

impl Machine for Solo {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, _: Instant, input: Input, effects: &mut Effects<Effect>) {
        match input {
            Input::Call {
                call,
                db,
                key,
                kind,
                ..
            } => {
                if *key == *STUCK {
                    return;
                }
                let waiting = self.waiting.entry((db, key.to_vec())).or_default();
                waiting.push((call, kind));
                effects.push(local(db, key, LocalOp::Read));
            }
            Input::Local { db, key, outcome } => match outcome {
                LocalOutcome::Mine { rsn, flags, data } => {
                    let waiting = self.waiting.remove(&(db, key.to_vec()));
                    for (call, kind) in waiting.into_iter().flatten() {
                        let flags = RecordFlags::from_bits_retain(flags);
                        let header = RecordHeader {
                            rsn,
                            flags,
                            ..RecordHeader::default()
                        };
                        let data = match kind {
                            CallKind::Null => Bytes::default(),
                            CallKind::Fetch => data.clone(),
                            CallKind::FetchWithHeader => {
                                [&header.to_bytes()[..], &data].concat().into()
                            }
                        };
                        effects.push(Effect::Reply { call, data });
                    }
                }
                LocalOutcome::NotMine { rsn: None } => {
                    let (rsn, flags, data) = (Rsn(1), 0, Bytes::default());
                    effects.push(local(db, key, LocalOp::Take { rsn, flags, data }));
                }
                LocalOutcome::NotMine { rsn: Some(_) } => {
                    effects.push(local(db, key, LocalOp::Adopt));
                }
                LocalOutcome::Copy { .. }
                | LocalOutcome::Delegated { .. }
                | LocalOutcome::Given { .. }
                | LocalOutcome::Gone
                | LocalOutcome::Grave
                | LocalOutcome::Kept
                | LocalOutcome::Failed => {}
            },
            Input::Forget { calls } => self.forgotten.lock().unwrap().extend(calls),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
