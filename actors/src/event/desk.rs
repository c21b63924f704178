//! The desk: where events are ordered, and where their results lie.

use super::notify::Notifier;
use super::process::Process;
use crate::post::Slot;
use ctdb_protocol::event::errno::ECANCELED;
use ctdb_protocol::event::io::{EventRun, Input, RunId, Ticket};
use ctdb_protocol::event::result::{EventEnd, EventResult};
use ctdb_protocol::limits::EVENT_RESULTS_MAX;
use ctdb_protocol::tunable::{TunableId, Tunables};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// Runs between two starts of the actor: more than there can be.
const RUNS_A_LIFE: u64 = 1 << 32;

#[derive(Default)]
struct Shared {
    tickets: AtomicU64,
    lives: AtomicU64,
    waiting: Mutex<HashMap<Ticket, oneshot::Sender<EventEnd>>>,
    results: Mutex<BTreeMap<String, EventResult>>,
    running: Mutex<Option<Process>>,
    closed: AtomicBool,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct EventDesk {
    slot: Slot<Input>,
    tunables: Arc<RwLock<Tunables>>,
    shared: Arc<Shared>,
    notifier: Notifier,
}

impl EventDesk {
    /// The desk of the events' actor, which is reached through `slot`.
    pub fn new(slot: Slot<Input>, tunables: &Arc<RwLock<Tunables>>) -> Self {
        Self {
            slot,
            tunables: tunables.clone(),
            shared: Arc::default(),
            notifier: Notifier::new(),
        }
    }

    /// The way to the admin's notification program.
    pub const fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Tunable `EventScriptTimeout`.
    pub fn timeout(&self) -> Duration {
        let tunables = self.tunables.read().expect("no panic while held");
        Duration::from_secs(tunables.get(TunableId::EventScriptTimeout).into())
    }

    /// Runs an event as the daemon does.
    pub fn run(&self, event: &str, args: Vec<String>) -> impl Future<Output = EventEnd> + use<> {
        self.order(EventRun {
            event: event.to_string(),
            args,
            timeout: self.timeout(),
            all: false,
            merges: false,
        })
    }

    /// Has an event run whose end nobody waits for.
    pub fn tell(&self, event: &str, args: Vec<String>) {
        drop(self.told(event, args));
    }

    /// The same, with its end for who wants to hear of it.
    pub fn told(&self, event: &str, args: Vec<String>) -> impl Future<Output = EventEnd> + use<> {
        let merges = args.is_empty();
        self.order(EventRun {
            event: event.to_string(),
            args,
            timeout: self.timeout(),
            all: false,
            merges,
        })
    }

    /// Runs the last event: none that comes later is run.
    pub fn close(&self) -> impl Future<Output = EventEnd> + use<> {
        let last = self.run("shutdown", Vec::new());
        self.shared.closed.store(true, Ordering::Relaxed);
        last
    }

    /// Runs an event.
    pub fn order(&self, run: EventRun) -> impl Future<Output = EventEnd> + use<> {
        let ticket = Ticket(self.shared.tickets.fetch_add(1, Ordering::Relaxed));
        let (sender, end) = oneshot::channel();
        if !self.shared.closed.load(Ordering::Relaxed) {
            let mut waiting = self.shared.waiting.lock().expect("no panic while held");
            waiting.insert(ticket, sender);
            drop(waiting);
            self.slot.send(Input::Request { ticket, run });
        }
        // The sender is lost when the actor is started again, and when the desk is closed.
        async move { end.await.unwrap_or(EventEnd::of(ECANCELED)) }
    }

    /// What the scripts of the newest run of `event` did.
    pub fn result(&self, event: &str) -> Option<EventResult> {
        let results = self.shared.results.lock().expect("no panic while held");
        results.get(event).cloned()
    }

    pub(super) fn keep(&self, event: String, result: EventResult) {
        let mut results = self.shared.results.lock().expect("no panic while held");
        // Names come from clients too.
        if results.len() < EVENT_RESULTS_MAX || results.contains_key(&event) {
            results.insert(event, result);
        }
    }

    pub(super) fn done(&self, ticket: Ticket, end: EventEnd) {
        let mut waiting = self.shared.waiting.lock().expect("no panic while held");
        if let Some(sender) = waiting.remove(&ticket) {
            // Nobody may be left to hear it.
            let _ = sender.send(end);
        }
    }

    pub(super) fn answer(&self, input: Input) {
        self.slot.send(input);
    }

    pub(super) fn set_running(&self, process: Option<Process>) {
        *self.shared.running.lock().expect("no panic while held") = process;
    }

    pub(super) fn running(&self) -> Option<Process> {
        let running = self.shared.running.lock().expect("no panic while held");
        running.clone()
    }

    /// A new actor begins: what the old one ran is killed, and who waited for it hears that it was cancelled.
    /// Gives the number of the new one's first run.
    pub(super) fn begin_anew(&self) -> RunId {
        if let Some(process) = self.running() {
            process.kill();
        }
        self.set_running(None);
        let mut waiting = self.shared.waiting.lock().expect("no panic while held");
        waiting.clear();
        RunId(self.shared.lives.fetch_add(1, Ordering::Relaxed) * RUNS_A_LIFE)
    }

    /// Kills the script that runs, if one does.
    pub fn stop(&self) {
        if let Some(process) = self.running() {
            process.kill();
        }
    }
}
