//! The counters behind `ctdb statistics`. Only what really happens here is counted; the rest stays 0.

use super::router::Router;
use ctdb_protocol::client::statistics::{ClientPackets, Latency, NodePackets, Statistics};
use ctdb_protocol::client::uptime::TimeVal;
use ctdb_protocol::membership::view::RecoveryMode;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::ClientMessage;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Entries of the history; the client protocol knows no other number.
pub(super) const HISTORY_ENTRIES: usize = 100;

/// Counters since the start or the last reset.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) client_sent: AtomicU32,
    pub(super) client_received: AtomicU32,
    pub(super) client_calls: AtomicU32,
    pub(super) client_messages: AtomicU32,
    pub(super) client_controls: AtomicU32,
    pub(super) client_tunnels: AtomicU32,
    node_messages: AtomicU32,
    node_controls: AtomicU32,
    node_replies: AtomicU32,
    node_tunnels: AtomicU32,
    pub(super) control_timeouts: AtomicU32,
    pub(super) traverse_timeouts: AtomicU32,
    pub(super) recoveries: AtomicU32,
    slow: Mutex<Slow>,
}

/// What changes rarely, or in several fields at once.
#[derive(Debug, Default)]
struct Slow {
    since: Option<SystemTime>,
    call_latency: Latency,
    /// Packets to and from nodes at the last reset: the links count on.
    links_at_reset: (u64, u64),
    history: VecDeque<Statistics>,
    last_sample: Statistics,
}

impl Counters {
    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message of a peer.
    pub(super) fn node_message(&self, message: &ClientMessage) {
        let counter = match message {
            ClientMessage::Message { .. } => &self.node_messages,
            ClientMessage::Control { .. } | ClientMessage::Attach { .. } => &self.node_controls,
            ClientMessage::ControlReply { .. } => &self.node_replies,
            ClientMessage::Tunnel { .. } => &self.node_tunnels,
            ClientMessage::TraverseStart { .. }
            | ClientMessage::TraverseRecords { .. }
            | ClientMessage::TraverseStop { .. } => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was answered after `took`.
    pub(super) fn call_done(&self, took: Duration) {
        let mut slow = self.slow();
        let latency = &mut slow.call_latency;
        let seconds = took.as_secs_f64();
        latency.min_s = if latency.num == 0 {
            seconds
        } else {
            latency.min_s.min(seconds)
        };
        latency.max_s = latency.max_s.max(seconds);
        latency.total_s += seconds;
        latency.num = latency.num.saturating_add(1);
    }

    fn of_clients(&self) -> ClientPackets {
        ClientPackets {
            req_call: self.client_calls.load(Ordering::Relaxed),
            req_message: self.client_messages.load(Ordering::Relaxed),
            req_control: self.client_controls.load(Ordering::Relaxed),
            req_tunnel: self.client_tunnels.load(Ordering::Relaxed),
        }
    }

    fn of_nodes(&self) -> NodePackets {
        NodePackets {
            req_message: self.node_messages.load(Ordering::Relaxed),
            req_control: self.node_controls.load(Ordering::Relaxed),
            reply_control: self.node_replies.load(Ordering::Relaxed),
            req_tunnel: self.node_tunnels.load(Ordering::Relaxed),
            ..NodePackets::default()
        }
    }

    fn resettable(&self) -> [&AtomicU32; 13] {
        [
            &self.client_sent,
            &self.client_received,
            &self.client_calls,
            &self.client_messages,
            &self.client_controls,
            &self.client_tunnels,
            &self.node_messages,
            &self.node_controls,
            &self.node_replies,
            &self.node_tunnels,
            &self.control_timeouts,
            &self.traverse_timeouts,
            &self.recoveries,
        ]
    }
}

impl Router {
    /// The answer to `STATISTICS`.
    pub(super) fn statistics(&self) -> Statistics {
        let (counters, links) = (&self.counters, &self.context.links.counters);
        let sent = links.sent.load(Ordering::Relaxed);
        let received = links.received.load(Ordering::Relaxed);
        let recovering = u32::from(self.context.board.view().mode != RecoveryMode::Normal);
        let hops = self.context.locks.counters().hops();
        let delegations = self.context.locks.counters().delegations();
        let slow = counters.slow();
        let client = counters.of_clients();
        Statistics {
            num_clients: self.registry().len() as u32,
            recovering,
            client_packets_sent: counters.client_sent.load(Ordering::Relaxed),
            client_packets_recv: counters.client_received.load(Ordering::Relaxed),
            // The protocol's counters have 32 bits and wrap.
            node_packets_sent: sent.wrapping_sub(slow.links_at_reset.0) as u32,
            node_packets_recv: received.wrapping_sub(slow.links_at_reset.1) as u32,
            node: counters.of_nodes(),
            client,
            timeouts: [
                0,
                counters.control_timeouts.load(Ordering::Relaxed),
                counters.traverse_timeouts.load(Ordering::Relaxed),
            ],
            locks: self.context.locks.counters().locks(),
            max_hop_count: hops.max,
            hop_count_buckets: hops.buckets,
            total_calls: client.req_call,
            pending_calls: self.calls.len() as u32,
            memory_used: super::memory::resident_bytes().unwrap_or(0),
            call_latency: slow.call_latency,
            num_recoveries: counters.recoveries.load(Ordering::Relaxed),
            start_time: timeval(slow.since.unwrap_or(self.context.started)),
            current_time: timeval(SystemTime::now()),
            total_ro_delegations: delegations.made,
            total_ro_revokes: delegations.revoked,
            ..Statistics::default()
        }
    }

    /// Begins to count anew.
    pub(super) fn reset_statistics(&self) {
        for counter in self.counters.resettable() {
            counter.store(0, Ordering::Relaxed);
        }
        self.context.locks.counters().reset();
        let links = &self.context.links.counters;
        let mut slow = self.counters.slow();
        slow.since = Some(SystemTime::now());
        slow.call_latency = Latency::default();
        slow.links_at_reset = (
            links.sent.load(Ordering::Relaxed),
            links.received.load(Ordering::Relaxed),
        );
        slow.last_sample = Statistics::default();
    }

    /// Adds one interval to the history; answers the length of the next.
    pub(super) fn sample_statistics(&self) -> Duration {
        let now = self.statistics();
        let mut slow = self.counters.slow();
        let before = std::mem::replace(&mut slow.last_sample, now);
        slow.history.push_front(difference(&before, &now));
        slow.history.truncate(HISTORY_ENTRIES);
        let seconds = self.tunable(TunableId::StatHistoryInterval).max(1);
        Duration::from_secs(seconds.into())
    }

    /// The last intervals, the newest first.
    pub(super) fn statistics_history(&self) -> Vec<Statistics> {
        let mut entries: Vec<_> = self.counters.slow().history.iter().copied().collect();
        entries.resize(HISTORY_ENTRIES, Statistics::default());
        entries
    }
}

/// What happened between two samples.
fn difference(before: &Statistics, now: &Statistics) -> Statistics {
    let since = u32::wrapping_sub;
    Statistics {
        client_packets_sent: since(now.client_packets_sent, before.client_packets_sent),
        client_packets_recv: since(now.client_packets_recv, before.client_packets_recv),
        node_packets_sent: since(now.node_packets_sent, before.node_packets_sent),
        node_packets_recv: since(now.node_packets_recv, before.node_packets_recv),
        client: ClientPackets {
            req_call: since(now.client.req_call, before.client.req_call),
            req_message: since(now.client.req_message, before.client.req_message),
            req_control: since(now.client.req_control, before.client.req_control),
            req_tunnel: since(now.client.req_tunnel, before.client.req_tunnel),
        },
        node: NodePackets {
            req_message: since(now.node.req_message, before.node.req_message),
            req_control: since(now.node.req_control, before.node.req_control),
            reply_control: since(now.node.reply_control, before.node.reply_control),
            req_tunnel: since(now.node.req_tunnel, before.node.req_tunnel),
            ..NodePackets::default()
        },
        total_calls: since(now.total_calls, before.total_calls),
        num_recoveries: since(now.num_recoveries, before.num_recoveries),
        call_latency: Latency::default(),
        start_time: before.current_time,
        ..*now
    }
}

/// A point of the wall clock as the protocol has it; points before 1970 are 1970.
pub(super) fn timeval(time: SystemTime) -> TimeVal {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeVal {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        micros: since_epoch.subsec_micros().into(),
    }
}
