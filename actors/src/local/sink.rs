//! Sources of a traverse: records of this node on their way to a client here or at a peer.

use super::router::Router;
use crate::records::{RecordError, SinkState, TraverseRecord, TraverseSink};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::ClientMessage;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::mpsc;

/// Batches that a source may be ahead of the client.
const WINDOW: u32 = 4;
/// Key, and header with data.
pub(super) type Record = (Bytes, Bytes);

/// Records of one source; `from` is `None` for this node.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) from: Option<Pnn>,
    pub(super) records: Vec<Record>,
    pub(super) done: bool,
}

/// How far a source is ahead.
#[derive(Debug, Default)]
pub(super) struct Window {
    ahead: AtomicU32,
    gone: AtomicBool,
}

impl Window {
    fn state(&self) -> SinkState {
        if self.gone.load(Ordering::Relaxed) {
            SinkState::Gone
        } else if self.ahead.load(Ordering::Relaxed) < WINDOW {
            SinkState::Ready
        } else {
            SinkState::Full
        }
    }

    fn sent(&self) {
        self.ahead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) {
        // A peer that acknowledges too much gains nothing.
        let _ = self
            .ahead
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| {
                ahead.checked_sub(1)
            });
    }

    pub(super) fn close(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Brings records of this node to a traverse of this node.
pub(super) struct LocalSink {
    pub(super) window: Arc<Window>,
    pub(super) asked: mpsc::UnboundedSender<Batch>,
}

impl LocalSink {
    fn send(&self, records: Vec<Record>, done: bool) {
        let from = None;
        if self
            .asked
            .send(Batch {
                from,
                records,
                done,
            })
            .is_err()
        {
            self.window.close();
        }
    }
}

impl TraverseSink for LocalSink {
    fn state(&self) -> SinkState {
        self.window.state()
    }

    fn batch(&mut self, records: Vec<TraverseRecord>) {
        self.window.sent();
        self.send(pairs(records), false);
    }

    fn done(&mut self, _: Result<(), RecordError>) {}
}

/// However the walk ends, the traverse must not wait for it.
impl Drop for LocalSink {
    fn drop(&mut self) {
        self.send(Vec::new(), true);
    }
}

/// Brings records of this node to a traverse of a peer.
pub(super) struct PeerSink {
    pub(super) router: Arc<Router>,
    pub(super) window: Arc<Window>,
    pub(super) peer: Pnn,
    pub(super) request: u64,
}

impl PeerSink {
    fn send(&self, records: Vec<Record>, done: bool) {
        let request = self.request;
        let message = ClientMessage::TraverseRecords {
            request,
            records,
            done,
        };
        if !self.router.send_peer(self.peer, message) {
            self.window.close();
        }
    }
}

impl TraverseSink for PeerSink {
    fn state(&self) -> SinkState {
        self.window.state()
    }

    fn batch(&mut self, records: Vec<TraverseRecord>) {
        self.window.sent();
        self.send(pairs(records), false);
    }

    fn done(&mut self, _: Result<(), RecordError>) {}
}

impl Drop for PeerSink {
    fn drop(&mut self) {
        self.send(Vec::new(), true);
    }
}

fn pairs(records: Vec<TraverseRecord>) -> Vec<Record> {
    records
        .into_iter()
        .map(|record| (record.key, record.value))
        .collect()
}
