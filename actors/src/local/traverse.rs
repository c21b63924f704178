//! Traverses: the records of a database from all nodes, streamed to the client that asked.
//!
//! ```text
//!  shard ──► LocalSink ─────────────┐
//!                                   ├──► task of the traverse ──► messages to the client's srvid
//!  shard ──► PeerSink ══ data lane ═┘         │ after each batch
//!                ▲════════ TraverseStart ═════┘ (the same again: "go on")
//! ```
//! Nothing piles up: each source may be [`super::sink::WINDOW`] batches ahead, and the task lets it go on only when the
//! client reads. A repeated `TraverseStart` acknowledges one batch; a source remembers a traverse until its
//! `TraverseStop`, so that a late acknowledgement is not taken for a new one.

use super::outbox::Outbox;
use super::packet::MessageView;
use super::router::Router;
use super::sink::{Batch, LocalSink, PeerSink, Record, Window};
use crate::records::{DbEntry, Traverse, TraverseSink};
use ctdb_protocol::client::Payload;
use ctdb_protocol::client::traverse::{RecordData, TraverseStart};
use ctdb_protocol::id::{ClientId, DbId, Pnn};
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::{ClientMessage, DbKind};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Most traverses that a node serves, and that its clients run, at once.
const TRAVERSES_MAX: usize = 1_024;
/// How often it is looked whether client and sources are still there.
const LOST_CHECK: Duration = Duration::from_millis(100);

/// The traverses of this node's clients, and those that it serves for others.
#[derive(Debug, Default)]
pub(super) struct Traverses {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    asked: BTreeMap<u64, mpsc::UnboundedSender<Batch>>,
    served: BTreeMap<(Pnn, u64), Arc<Window>>,
}

impl Traverses {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records of a peer are here.
    pub(super) fn records(&self, peer: Pnn, request: u64, records: Vec<Record>, done: bool) {
        if let Some(asked) = self.table().asked.get(&request) {
            let from = Some(peer);
            // The traverse may just have ended.
            let _ = asked.send(Batch {
                from,
                records,
                done,
            });
        }
    }

    /// A peer wants no more.
    pub(super) fn stop(&self, peer: Pnn, request: u64) {
        if let Some(window) = self.table().served.remove(&(peer, request)) {
            window.close();
        }
    }
}

/// Who gets the records of a traverse.
enum Audience {
    /// A client, by messages.
    Client {
        outbox: Outbox,
        start: TraverseStart,
    },
    /// This program itself; the channel closes after the last record.
    Here(mpsc::UnboundedSender<Record>),
}

impl Audience {
    /// Waits until it can take more; false when it is gone.
    async fn ready(&self) -> bool {
        match self {
            Self::Client { outbox, .. } => outbox.ready().await,
            Self::Here(records) => !records.is_closed(),
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Client { outbox, .. } => outbox.is_closed(),
            Self::Here(records) => records.is_closed(),
        }
    }

    fn deliver(&self, router: &Router, (key, data): Record) {
        match self {
            Self::Client { start, .. } => {
                let (reqid, key, data) = (start.reqid, key.0, data.0);
                Self::message(router, start, &RecordData { reqid, key, data });
            }
            // Gone: seen at the next batch.
            Self::Here(records) => drop(records.send((key, data))),
        }
    }

    fn end(&self, router: &Router) {
        if let Self::Client { start, .. } = self {
            Self::message(router, start, &RecordData::end(start.reqid));
        }
    }

    fn message(router: &Router, start: &TraverseStart, record: &RecordData) {
        let (srvid, data) = (start.srvid, record.to_bytes());
        router.deliver(MessageView { srvid, data: &data });
    }
}

/// A traverse that was asked for at this node.
struct Running {
    router: Arc<Router>,
    audience: Audience,
    db: DbId,
    with_empty: bool,
    request: u64,
    local: Arc<Window>,
    batches: mpsc::UnboundedReceiver<Batch>,
    /// Sources that have not come to their end.
    open: BTreeSet<Option<Pnn>>,
}

/// Why a traverse goes on no more.
enum End {
    /// All was seen, or the time is up: the client is told.
    Told,
    /// The client is gone.
    Gone,
}

impl Router {
    /// Begins a traverse for a client; its records come after the answer to the control.
    pub(super) fn start_traverse(
        self: &Arc<Self>,
        client: ClientId,
        entry: &DbEntry,
        start: TraverseStart,
        with_empty: bool,
    ) -> Result<(), &'static str> {
        let outbox = self.registry().outbox(client).cloned();
        let outbox = outbox.ok_or("the client is gone")?;
        let audience = Audience::Client { outbox, start };
        self.run_traverse(audience, entry, with_empty)
    }

    /// Begins a traverse for this program itself; the channel closes after the last record.
    pub(super) fn traverse_here(
        self: &Arc<Self>,
        entry: &DbEntry,
    ) -> Result<mpsc::UnboundedReceiver<Record>, &'static str> {
        let (sender, records) = mpsc::unbounded_channel();
        self.run_traverse(Audience::Here(sender), entry, false)?;
        Ok(records)
    }

    fn run_traverse(
        self: &Arc<Self>,
        audience: Audience,
        entry: &DbEntry,
        with_empty: bool,
    ) -> Result<(), &'static str> {
        let (asked, batches) = mpsc::unbounded_channel();
        let request = self.next_request();
        {
            let mut table = self.traverses.table();
            if table.asked.len() >= TRAVERSES_MAX {
                return Err("too many traverses at once");
            }
            table.asked.insert(request, asked.clone());
        }
        let mut running = Running {
            router: self.clone(),
            audience,
            db: entry.id,
            with_empty,
            request,
            local: Arc::default(),
            batches,
            open: BTreeSet::new(),
        };
        running.begin(entry, asked);
        actix::spawn(running.run());
        Ok(())
    }

    /// Begins a traverse for a peer, or lets it go on.
    pub(super) fn traverse_for_peer(
        self: &Arc<Self>,
        peer: Pnn,
        request: u64,
        db: DbId,
        with_empty: bool,
    ) {
        let window = Arc::<Window>::default();
        {
            let mut table = self.traverses.table();
            if let Some(window) = table.served.get(&(peer, request)) {
                window.taken();
                return;
            }
            let connected = self.context.links.connected();
            table.served.retain(|(peer, _), _| connected.contains(peer));
            if table.served.len() >= TRAVERSES_MAX {
                window.close();
            }
            table.served.insert((peer, request), window.clone());
        }
        let router = self.clone();
        self.walk(
            db,
            with_empty,
            PeerSink {
                router,
                window,
                peer,
                request,
            },
        );
    }

    fn walk(&self, db: DbId, with_empty: bool, sink: impl TraverseSink + 'static) {
        let Some(databases) = self.databases.get() else {
            return;
        };
        let sink = Box::new(sink);
        // A walk that is not done drops its sink, which tells.
        let walk = Traverse {
            db,
            with_empty,
            sink,
        };
        databases.shard(db).traverse.do_send(walk);
    }
}

impl Running {
    /// Starts all sources.
    fn begin(&mut self, entry: &DbEntry, asked: mpsc::UnboundedSender<Batch>) {
        let view = self.router.context.board.view();
        let own = self.router.own;
        let members = &view.composition.members;
        let peers = members.iter().copied().filter(|member| *member != own);
        match entry.kind {
            DbKind::Volatile => {
                for peer in peers {
                    self.ask(peer);
                }
                self.walk_here(asked);
            }
            // Every node has all of it; one that is not in service may have an old state.
            DbKind::Persistent | DbKind::Replicated => {
                let asked_peer =
                    !members.contains(&own) && peers.into_iter().any(|peer| self.ask(peer));
                if !asked_peer {
                    self.walk_here(asked);
                }
            }
        }
    }

    fn walk_here(&mut self, asked: mpsc::UnboundedSender<Batch>) {
        self.open.insert(None);
        let window = self.local.clone();
        let sink = LocalSink { window, asked };
        self.router.walk(self.db, self.with_empty, sink);
    }

    /// Asks a peer to begin, or to go on; answers whether it is connected.
    fn ask(&mut self, peer: Pnn) -> bool {
        let message = ClientMessage::TraverseStart {
            request: self.request,
            db: self.db,
            with_empty: self.with_empty,
        };
        let reached = self.router.send_peer(peer, message);
        if reached {
            self.open.insert(Some(peer));
        } else {
            self.open.remove(&Some(peer));
        }
        reached
    }

    async fn run(mut self) {
        let seconds = self.router.tunable(TunableId::TraverseTimeout);
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        if let End::Told = self.pump(deadline).await {
            self.audience.end(&self.router);
        }
    }

    async fn pump(&mut self, deadline: Instant) -> End {
        let mut look = tokio::time::interval(LOST_CHECK);
        while !self.open.is_empty() {
            tokio::select! {
                Some(batch) = self.batches.recv() => {
                    let from = batch.from;
                    if self.show(batch) {
                        match timeout_at(deadline, self.audience.ready()).await {
                            Ok(true) => self.go_on(from),
                            Ok(false) => return End::Gone,
                            Err(_) => return self.late(),
                        }
                    }
                }
                _ = look.tick() => {
                    if self.audience.is_gone() {
                        return End::Gone;
                    }
                    let connected = self.router.context.links.connected();
                    self.open.retain(|source| source.is_none_or(|peer| connected.contains(&peer)));
                }
                () = sleep_until(deadline) => return self.late(),
            }
        }
        End::Told
    }

    fn late(&self) -> End {
        let timeouts = &self.router.counters.traverse_timeouts;
        timeouts.fetch_add(1, Ordering::Relaxed);
        End::Told
    }

    /// Sends a batch to the client; answers whether its source has more.
    fn show(&mut self, batch: Batch) -> bool {
        for record in batch.records {
            self.audience.deliver(&self.router, record);
        }
        if batch.done {
            self.open.remove(&batch.from);
        }
        !batch.done
    }

    fn go_on(&mut self, source: Option<Pnn>) {
        match source {
            None => self.local.taken(),
            Some(peer) => drop(self.ask(peer)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.router.traverses.table().asked.remove(&self.request);
        self.local.close();
        let request = self.request;
        // Those that came to their end still remember the traverse.
        for peer in self.router.context.links.connected() {
            self.router
                .send_peer(peer, ClientMessage::TraverseStop { request });
        }
        mem::take(&mut self.open);
    }
}
