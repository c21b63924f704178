//! What lies between those who log and the one thread that writes: the level, the ring, two queues.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ctdb_protocol::notice::Level;

use super::drain::is_urgent;
use super::entry::Entry;
use super::level;
use super::sink::Sinks;

/// Records of WARNING and above that may wait; beyond that the caller waits.
const URGENT_RECORDS: usize = 1024;
/// Other records that may wait; beyond that they are dropped.
const OTHER_RECORDS: usize = 8192;
/// Records that the writer takes at once.
const BATCH_RECORDS: usize = 256;
/// The stable name of the report about dropped records.
const DROPPED_EVENT: &str = "log.dropped";

/// A record and its place in the order of all.
type Queued = (u64, Arc<Entry>);

#[derive(Debug, Default)]
struct State {
    urgent: VecDeque<Queued>,
    others: VecDeque<Queued>,
    sequence: u64,
    ring: VecDeque<Arc<Entry>>,
    unreported: u64,
    dropped: u64,
    reopen: bool,
    writing: bool,
}

impl State {
    fn take_batch(&mut self) -> Vec<Arc<Entry>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_RECORDS {
            let next = match (self.urgent.front(), self.others.front()) {
                (Some((urgent, _)), Some((other, _))) if other < urgent => self.others.pop_front(),
                (Some(_), _) => self.urgent.pop_front(),
                (None, _) => self.others.pop_front(),
            };
            let Some((_, entry)) = next else { break };
            batch.push(entry);
        }
        if self.unreported > 0 {
            batch.push(Arc::new(dropped_report(self.unreported)));
            self.unreported = 0;
        }
        batch
    }

    fn has_work(&self) -> bool {
        self.reopen || self.unreported > 0 || !self.urgent.is_empty() || !self.others.is_empty()
    }
}

/// The record that says how many others are missing.
pub(super) fn dropped_report(count: u64) -> Entry {
    let mut report = Entry::new(Level::Err, format!("[Dropped {count} log messages]"));
    report.event = DROPPED_EVENT.into();
    report.add_field("count", count.to_string());
    report
}

/// Shared by everybody who logs, the writer, and the handle.
#[derive(Debug)]
pub(super) struct Shared {
    level: AtomicI32,
    ring_records: usize,
    state: Mutex<State>,
    /// There is something to write.
    work: Condvar,
    /// Something has been written.
    progress: Condvar,
}

impl Shared {
    pub(super) fn new(level: Level, ring_records: usize) -> Self {
        Self {
            level: AtomicI32::new(level::number(level)),
            ring_records,
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn level(&self) -> Level {
        level::from_number(self.level.load(Ordering::Relaxed)).unwrap_or(Level::Debug)
    }

    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level::number(level), Ordering::Relaxed);
    }

    pub(super) fn push(&self, entry: Entry) {
        let urgent = is_urgent(entry.level);
        let entry = Arc::new(entry);
        let mut state = self.lock();
        while urgent && state.urgent.len() >= URGENT_RECORDS {
            state = self
                .progress
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if self.ring_records > 0 {
            if state.ring.len() >= self.ring_records {
                state.ring.pop_front();
            }
            state.ring.push_back(Arc::clone(&entry));
        }
        state.sequence += 1;
        let queued = (state.sequence, entry);
        if urgent {
            state.urgent.push_back(queued);
        } else if state.others.len() < OTHER_RECORDS {
            state.others.push_back(queued);
        } else {
            state.dropped += 1;
            state.unreported += 1;
        }
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn ask_reopen(&self) {
        self.lock().reopen = true;
        self.work.notify_one();
    }

    pub(super) fn tail(&self, count: usize) -> Vec<Arc<Entry>> {
        let state = self.lock();
        let skip = state.ring.len().saturating_sub(count);
        state.ring.iter().skip(skip).cloned().collect()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn flush(&self, patience: Duration) -> bool {
        let unfinished = |state: &mut State| state.writing || state.has_work();
        let waited = self
            .progress
            .wait_timeout_while(self.lock(), patience, unfinished);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Waits for work and takes it: whether to reopen, and what to write.
    fn next(&self) -> (bool, Vec<Arc<Entry>>) {
        let mut state = self.lock();
        state.writing = false;
        self.progress.notify_all();
        while !state.has_work() {
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
        let batch = state.take_batch();
        (std::mem::take(&mut state.reopen), batch)
    }
}

/// Starts the thread that writes until the process ends.
pub(super) fn start_writer(shared: Arc<Shared>, mut sinks: Sinks) -> io::Result<()> {
    thread::Builder::new().name("log".into()).spawn(move || {
        loop {
            let (reopen, batch) = shared.next();
            if reopen {
                sinks.reopen();
            }
            // Room for those who wait, before the slow part.
            shared.progress.notify_all();
            sinks.write(&batch);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(level: Level, text: &str) -> Entry {
        Entry::new(level, text.into())
    }

    fn messages(batch: &[Arc<Entry>]) -> Vec<&str> {
        batch.iter().map(|entry| entry.message.as_str()).collect()
    }

    #[test]
    fn order_is_kept_over_both_queues() {
        let shared = Shared::new(Level::Debug, 2);
        for (level, text) in [(Level::Info, "a"), (Level::Err, "b"), (Level::Debug, "c")] {
            shared.push(entry(level, text));
        }
        assert_eq!(messages(&shared.next().1), ["a", "b", "c"]);
        assert_eq!(messages(&shared.tail(9)), ["b", "c"], "the ring holds two");
        assert_eq!(messages(&shared.tail(1)), ["c"]);
    }

    #[test]
    fn only_unimportant_records_are_dropped_and_the_number_is_reported() {
        let shared = Arc::new(Shared::new(Level::Debug, 0));
        for _ in 0..OTHER_RECORDS + 5 {
            shared.push(entry(Level::Info, "chatter"));
        }
        for _ in 0..URGENT_RECORDS {
            shared.push(entry(Level::Warning, "warning"));
        }
        let waiting = Arc::clone(&shared);
        let waiter = thread::spawn(move || waiting.push(entry(Level::Warning, "last")));
        let mut written = Vec::new();
        while written.last() != Some(&"last".to_owned()) {
            let (_, batch) = shared.next();
            written.extend(messages(&batch).into_iter().map(str::to_owned));
        }
        waiter.join().unwrap();
        let count = |text: &str| written.iter().filter(|line| *line == text).count();
        assert_eq!(count("warning"), URGENT_RECORDS);
        assert_eq!(count("chatter"), OTHER_RECORDS);
        assert_eq!(count("[Dropped 5 log messages]"), 1);
        assert_eq!(shared.dropped(), 5);
    }
}
