//! What the daemon tells its clients unasked, and the messages that 4.17's recovery daemon answers.
//!
//! Every node tells its own clients, so nothing of this travels between nodes except the answers to
//! clients elsewhere.

use super::memory;
use super::packet::MessageView;
use super::router::Router;
use super::tickler::Tickler;
use crate::board::Event;
use ctdb_protocol::client::srvid::{
    self, DISABLE_IP_CHECK, DISABLE_RECOVERIES, DISABLE_TAKEOVER_RUNS, IPREALLOCATED, LEADER,
    MEM_DUMP, REBALANCE_NODE, RECONFIGURE, RELEASE_IP, TAKE_IP, TAKEOVER_RUN,
};
use ctdb_protocol::client::srvid_message::{DisableMessage, SrvidMessage};
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::{Payload, pnn};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::takeover::io::Input;
use ctdb_protocol::timing::Timing;
use ctdb_protocol::tunable::TunableId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// Most takeover runs that clients wait for.
const RUNS_MAX: usize = 4_096;
/// Whoever has no answer by then asks again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Takeover runs that were asked for, and whom to tell of their end.
#[derive(Debug, Default)]
pub(super) struct Runs {
    table: Mutex<BTreeMap<u64, SrvidMessage>>,
    /// Asked for while nobody led; the next leader does them.
    orphans: Mutex<Vec<(Instant, SrvidMessage)>>,
}

impl Runs {
    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, SrvidMessage>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orphans(&self) -> MutexGuard<'_, Vec<(Instant, SrvidMessage)>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the daemon itself may have to act on messages to this srvid: those of the daemons' own range.
pub(super) const fn is_for_daemon(srvid: u64) -> bool {
    let owner = srvid >> 56;
    owner >= srvid::RECOVERY >> 56 && owner <= DISABLE_IP_CHECK >> 56
}

/// Does what a real recovery daemon does on such a message. Malformed ones are dropped, as there.
pub(super) fn hear(router: &Router, message: MessageView<'_>) {
    let own = router.own.0.to_bytes();
    match message.srvid {
        TAKEOVER_RUN => {
            if let Ok(asker) = SrvidMessage::parse(message.data) {
                want_run(router, Some(asker));
            }
        }
        REBALANCE_NODE => want_run(router, None),
        // The leader plans when there is a reason to, and nothing else moves addresses or recovers:
        // there is nothing to hold back, but the tool waits for the answer.
        DISABLE_TAKEOVER_RUNS | DISABLE_RECOVERIES => {
            if let Ok(asker) = DisableMessage::parse(message.data) {
                answer(router, asker.pnn, asker.srvid, &own);
            }
        }
        MEM_DUMP => {
            if let Ok(asker) = SrvidMessage::parse(message.data) {
                answer(
                    router,
                    asker.pnn,
                    asker.srvid,
                    &Text(memory::report()).to_bytes(),
                );
            }
        }
        _ => {}
    }
}

/// Asks the takeover duty to plan anew, if this node leads; other nodes stay silent.
fn want_run(router: &Router, asker: Option<SrvidMessage>) {
    let board = &router.context.board;
    let standing = board.standing();
    if !standing.is_leader() {
        if let Some(asker) = asker
            && standing.leader(router.own).is_none()
        {
            let mut orphans = router.runs.orphans();
            if orphans.len() < RUNS_MAX {
                orphans.push((Instant::now(), asker));
            }
        }
        return;
    }
    let request = board.next_request();
    if let Some(asker) = asker {
        let mut runs = router.runs.table();
        if runs.len() >= RUNS_MAX {
            // The oldest asker asks again.
            runs.pop_first();
        }
        runs.insert(request, asker);
    }
    router
        .context
        .post
        .takeover
        .send(Input::WantRun { request });
}

/// A leader is known: if it is this node, it does what was asked for when there was none. Every node heard
/// that, so the others forget it.
fn adopt_runs(router: &Router) {
    let orphans = std::mem::take(&mut *router.runs.orphans());
    if router.context.board.standing().is_leader() {
        for (_, asker) in orphans
            .into_iter()
            .filter(|(at, _)| at.elapsed() < ASK_AGAIN)
        {
            want_run(router, Some(asker));
        }
    }
}

fn answer(router: &Router, pnn: u32, srvid: u64, data: &[u8]) {
    router.route_message(pnn, MessageView { srvid, data });
}

/// Tells the clients of this node.
fn tell(router: &Router, srvid: u64, data: &[u8]) {
    router.deliver(MessageView { srvid, data });
}

fn tell_leader(router: &Router, leader: Option<Pnn>) {
    let leader = leader.map_or(pnn::UNKNOWN, |leader| leader.0);
    tell(router, LEADER, &leader.to_bytes());
}

fn tell_address(router: &Router, srvid: u64, address: IpAddr) {
    tell(router, srvid, &Text(address.to_string()).to_bytes());
}

fn on_event(router: &Router, tickler: &Tickler, event: &Event) {
    match event {
        Event::Standing(standing) => {
            let leader = standing.leader(router.own);
            tell_leader(router, leader);
            if leader.is_some() {
                adopt_runs(router);
            }
        }
        Event::Recovered => {
            router.counters.recoveries.fetch_add(1, Ordering::Relaxed);
            tell(router, RECONFIGURE, &[]);
        }
        Event::Taken(address) => {
            router.tickles.arrived(*address);
            tell_address(router, TAKE_IP, *address);
            tickler.tickle(*address, &router.tickles.take_strange(*address));
        }
        Event::Stranded(address) => {
            tickler.tickle(*address, &router.tickles.take_strange(*address));
        }
        Event::Released(address) => {
            router.tickles.left(*address);
            tell_address(router, RELEASE_IP, *address);
        }
        Event::Cut(address, ends) => router.connections_cut(*address, ends),
        Event::Reallocated => tell(router, IPREALLOCATED, &[]),
        Event::RunDone { request, leader } => {
            let asker = router.runs.table().remove(request);
            if let Some(asker) = asker {
                answer(router, asker.pnn, asker.srvid, &leader.0.to_bytes());
            }
        }
    }
}

/// Looked at anew at each turn of the loop, so a change takes effect soon.
fn spread_pause(router: &Router) -> Duration {
    let seconds = router.tunable(TunableId::TickleUpdateInterval).max(1);
    Duration::from_secs(seconds.into())
}

/// Tells clients of events, and who leads every now and then, for ever.
pub(super) async fn run(router: Arc<Router>) {
    let context = &router.context;
    let mut events = context.board.subscribe();
    let tickler = if context.settings.startup.test_mode {
        // Addresses are only recorded.
        Tickler::idle()
    } else {
        Tickler::start(router.tickles.clone(), &context.log)
    };
    let mut leader_tick = tokio::time::interval(Timing::DEFAULT.leader_broadcast);
    let mut sample = tokio::time::interval(router.sample_statistics());
    let (mut told, mut spread) = (BTreeSet::new(), Instant::now());
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => on_event(&router, &tickler, &event),
                // What was missed of addresses can't be told any more; the state that follows is told.
                Err(RecvError::Lagged(_)) => router.look_which_are_here(),
                Err(RecvError::Closed) => return,
            },
            _ = leader_tick.tick() => {
                // During an election nobody is announced, after the one message at its start.
                if let Some(leader) = context.board.standing().leader(router.own) {
                    tell_leader(&router, Some(leader));
                }
            }
            () = tokio::time::sleep_until((spread + spread_pause(&router)).into()) => {
                router.spread_tickles(&mut told);
                spread = Instant::now();
            }
            _ = sample.tick() => {
                let pause = router.sample_statistics();
                if pause != sample.period() {
                    sample = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
                }
            }
        }
    }
}
