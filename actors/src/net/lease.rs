//! The keeper of the lease: a thread of its own that keeps gate and addresses alive exactly as long as it was told.
//!
//! * It refreshes the gate only while the clock is before the given end, re-reads the clock after each refresh, and
//!   shuts the gate if that came too late. Nothing is made up for after a stop.
//! * While the lease is alive it renews the life of the held addresses, a share at each refresh, each address about
//!   once a second: the second line of defence, which the kernel keeps too.
//! * When the lease ends, it shuts the gate and deletes the held addresses and forgets them: by the time it is
//!   regained, another node may have taken them. They must be given again (`set_held`, then add them).
//! * Without a usable gate the life of the addresses is all there is: `LeaseEvent::GateUnusable` says so at start.
//!
//! The queue towards the thread is a single record of the latest orders, so it is bounded.

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::address::{Addresses, DEFAULT_VALID_S, HeldAddress};
use super::error::{NetError, Result};
use super::gate::{Gate, GateConfig, GateState};
use super::gate_watch::{GateEvent, GateWatch};
use super::lease_plan::{LeasePlan, Step, Verdict};
use super::realtime;

/// Refreshes during which each held address is renewed once (a second, at the default interval).
const RENEWAL_ROUND: usize = 10;
/// How often the gate is compared with what was built, besides at every notification: not every kernel reports that
/// a chain went with its device.
const VERIFY_INTERVAL: Duration = Duration::from_secs(1);
/// How long `withdraw` waits for the thread, at most.
const WITHDRAW_LIMIT: Duration = Duration::from_secs(1);

/// How the keeper works.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// Interfaces and addresses that the gate guards.
    pub gate: GateConfig,
    /// Life of the gate after one refresh.
    pub gate_ms: u64,
    /// Time between refreshes.
    pub refresh_ms: u64,
    /// Life of a held address after one renewal, in seconds.
    pub valid_s: u32,
    /// Ask for real-time scheduling of the thread.
    pub realtime: bool,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        let gate = GateConfig::default();
        Self {
            gate,
            gate_ms: 400,
            refresh_ms: 100,
            valid_s: DEFAULT_VALID_S,
            realtime: true,
        }
    }
}

/// What the keeper reports, on its own thread: the receiver must not block and must not call the keeper's `withdraw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEvent {
    /// The lease is alive (again); the gate is open.
    Regained,
    /// The lease ended; the gate is shut, the held addresses are deleted and forgotten.
    Expired {
        /// How long after the lease's end this was noticed.
        late: Duration,
        /// The addresses that were held.
        dropped: Vec<HeldAddress>,
    },
    /// Somebody had changed the gate, or an interface came or went: it was built again.
    GateRebuilt,
    /// There is no gate: addresses live on their life time alone.
    GateUnusable {
        /// Why.
        reason: String,
    },
    /// Something failed; it is tried again. The same text is not repeated.
    Failed {
        /// What and why.
        reason: String,
    },
}

#[derive(Debug, Default)]
struct Orders {
    until: Option<Instant>,
    public: Option<Vec<IpAddr>>,
    verify: bool,
    withdraws_asked: u64,
    withdraws_done: u64,
    end: bool,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    orders: Mutex<Orders>,
    changed: Condvar,
    /// Locked while a share is renewed, so that after `set_held` no renewal can bring back what was taken off it.
    held: Mutex<Vec<HeldAddress>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // All states under these locks are whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut lock(&self.orders));
        self.changed.notify_all();
    }
}

/// The handle of the keeper's thread. Dropping it ends the lease and leaves the gate shut.
pub struct LeaseKeeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    has_gate: bool,
}

impl LeaseKeeper {
    /// Builds the gate (shut) and starts the thread. If no gate can be built here it works without one, and says so.
    pub fn start(
        config: &LeaseConfig,
        mut report: impl FnMut(LeaseEvent) + Send + 'static,
    ) -> Result<Self> {
        let addresses = Addresses::open()?;
        let gate = match Gate::probe() {
            Ok(()) => Some(Gate::open(&config.gate)?),
            Err(error) => {
                report(LeaseEvent::GateUnusable {
                    reason: error.to_string(),
                });
                None
            }
        };
        let shared = Arc::new(Shared::default());
        let interval = Duration::from_millis(config.refresh_ms.max(1));
        let has_gate = gate.is_some();
        let mut worker = Worker {
            plan: LeasePlan::new(Duration::from_millis(config.gate_ms), interval),
            watch: gate.as_ref().map(|gate| watch(gate, &shared)).transpose()?,
            shared: Arc::clone(&shared),
            gate,
            addresses,
            valid_s: config.valid_s,
            next_share: 0,
            verify_at: Instant::now() + VERIFY_INTERVAL,
            last_failure: String::new(),
            failures: 0,
            report: Box::new(report),
        };
        let wants_realtime = config.realtime;
        let work = move || {
            if wants_realtime {
                realtime::request();
            }
            worker.run();
        };
        let thread = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(work);
        let thread = thread.map_err(|source| NetError::io("lease thread", source))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            has_gate,
        })
    }

    /// True if a gate guards the addresses; else only their life time does.
    pub fn has_gate(&self) -> bool {
        self.has_gate
    }

    /// The lease holds until then; the last value given counts.
    pub fn extend(&self, until: Instant) {
        self.shared.order(|orders| orders.until = Some(until));
    }

    /// Ends the lease at once, without an event; the held addresses stay listed. Returns true when the gate is shut,
    /// false if that took longer than a second.
    pub fn withdraw(&self) -> bool {
        let mut orders = lock(&self.shared.orders);
        orders.until = None;
        orders.withdraws_asked += 1;
        let ticket = orders.withdraws_asked;
        self.shared.changed.notify_all();
        let pending = |orders: &mut Orders| orders.withdraws_done < ticket && !orders.ended;
        let wait = self
            .shared
            .changed
            .wait_timeout_while(orders, WITHDRAW_LIMIT, pending);
        wait.unwrap_or_else(PoisonError::into_inner)
            .0
            .withdraws_done
            >= ticket
    }

    /// Replaces the addresses that the gate guards: all that this node may ever hold.
    pub fn set_public(&self, addresses: &[IpAddr]) {
        self.shared
            .order(|orders| orders.public = Some(addresses.to_vec()));
    }

    /// Replaces the addresses that are renewed. List an address before setting it on its interface; take it off before
    /// removing it: when this returns, no renewal of it is under way.
    pub fn set_held(&self, held: &[HeldAddress]) {
        *lock(&self.shared.held) = held.to_vec();
    }

    /// Asks for a comparison of the gate with what was built; call it when an interface appeared.
    pub fn verify(&self) {
        self.shared.order(|orders| orders.verify = true);
    }

    /// Ends the thread and removes the gate. The held addresses must have been removed before.
    pub fn remove(mut self) -> Result<()> {
        self.end();
        if self.has_gate {
            super::gate::remove_table()
        } else {
            Ok(())
        }
    }

    fn end(&mut self) {
        self.shared.order(|orders| orders.end = true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by itself; the gate shuts without it.
            let _ = thread.join();
        }
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.end();
    }
}

fn watch(gate: &Gate, shared: &Arc<Shared>) -> Result<GateWatch> {
    let shared = Arc::clone(shared);
    // Should the monitor fail, the comparison once a second remains.
    GateWatch::start(gate.port(), move |event| match event {
        GateEvent::Suspect | GateEvent::Failed(_) => shared.order(|orders| orders.verify = true),
    })
}

struct Worker {
    shared: Arc<Shared>,
    watch: Option<GateWatch>,
    gate: Option<Gate>,
    addresses: Addresses,
    plan: LeasePlan,
    valid_s: u32,
    next_share: usize,
    verify_at: Instant,
    last_failure: String,
    /// Refreshes that failed one after the other.
    failures: u32,
    report: Box<dyn FnMut(LeaseEvent) + Send>,
}

impl Drop for Worker {
    /// Also when the thread panics: nobody waits for it any more, and the gate is shut.
    fn drop(&mut self) {
        if let Some(gate) = &mut self.gate {
            let _ = gate.close_now();
        }
        self.watch = None;
        self.shared.order(|orders| orders.ended = true);
    }
}

impl Worker {
    fn run(&mut self) {
        let mut wait = Duration::ZERO;
        while self.obey(wait) {
            wait = self.work();
        }
    }

    /// Waits for orders, at most that long, and takes them over; false: the end.
    fn obey(&mut self, wait: Duration) -> bool {
        let shared = Arc::clone(&self.shared);
        let idle = |orders: &mut Orders| {
            orders.until.is_none()
                && orders.public.is_none()
                && !orders.verify
                && orders.withdraws_asked == orders.withdraws_done
                && !orders.end
        };
        let orders = lock(&shared.orders);
        let waited = shared.changed.wait_timeout_while(orders, wait, idle);
        let mut orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        let (until, public) = (orders.until.take(), orders.public.take());
        let verify = std::mem::take(&mut orders.verify);
        let (end, asked) = (orders.end, orders.withdraws_asked);
        let withdraw = asked != orders.withdraws_done;
        drop(orders);
        if withdraw || end {
            self.plan.withdraw();
            self.shut();
            shared.order(|orders| orders.withdraws_done = asked);
        }
        if let (Some(public), Some(gate)) = (public, &mut self.gate) {
            let changed = gate.set_addresses(&public);
            self.note(changed);
        }
        if verify {
            self.verify_at = Instant::now();
        }
        if let Some(until) = until {
            self.plan.extend(until);
        }
        !end
    }

    /// Does what is due; returns how long there is nothing to do.
    fn work(&mut self) -> Duration {
        if Instant::now() >= self.verify_at {
            self.verify();
        }
        loop {
            let now = Instant::now();
            match self.plan.step(now) {
                Step::Refresh(life) => self.refresh(life),
                Step::Expire(late) => self.expire(late),
                Step::Wait(wait) => {
                    let verify = self.verify_at.saturating_duration_since(now);
                    return wait.map_or(verify, |wait| wait.min(verify));
                }
            }
        }
    }

    fn refresh(&mut self, life: Duration) {
        let result = self.gate.as_mut().map_or(Ok(()), |gate| gate.refresh(life));
        let after = Instant::now();
        match self.plan.refreshed(after, result.is_ok()) {
            Verdict::Kept { regained } => {
                self.last_failure.clear();
                self.failures = 0;
                if regained {
                    (self.report)(LeaseEvent::Regained);
                }
                self.renew_share();
            }
            Verdict::Late(late) => self.expire(late),
            Verdict::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.note(result);
                self.verify();
            }
        }
    }

    /// Renews the next share of the held addresses. A renewal that came too late may have re-created them.
    fn renew_share(&mut self) {
        let shared = Arc::clone(&self.shared);
        let held = lock(&shared.held);
        let share = held.len().div_ceil(RENEWAL_ROUND);
        if share == 0 {
            return;
        }
        let start = if self.next_share < held.len() {
            self.next_share
        } else {
            0
        };
        let part = &held[start..held.len().min(start + share)];
        self.next_share = start + share;
        let results = self.addresses.renew(part, self.valid_s);
        let failed = results.into_iter().find_map(Result::err);
        if !self.plan.alive_at(Instant::now()) {
            self.addresses.remove(part);
        }
        drop(held);
        self.note(failed.map_or(Ok(()), Err));
    }

    fn expire(&mut self, late: Duration) {
        self.shut();
        let dropped = std::mem::take(&mut *lock(&self.shared.held));
        let failed = self
            .addresses
            .remove(&dropped)
            .into_iter()
            .find_map(Result::err);
        self.note(failed.map_or(Ok(()), Err));
        (self.report)(LeaseEvent::Expired { late, dropped });
    }

    fn shut(&mut self) {
        let shut = self.gate.as_mut().map_or(Ok(()), Gate::close_now);
        if shut.is_err() {
            self.note(shut);
            self.verify();
        }
    }

    fn verify(&mut self) {
        self.verify_at = Instant::now() + VERIFY_INTERVAL;
        match self.gate.as_mut().map(Gate::verify) {
            None | Some(Ok(GateState::Intact)) => {}
            Some(Ok(GateState::Rebuilt)) => {
                // Once only: a gate that cannot be refreshed even when new waits for its turn.
                if self.failures <= 1 {
                    self.plan.refresh_soon();
                }
                (self.report)(LeaseEvent::GateRebuilt);
            }
            Some(Err(error)) => self.note(Err(error)),
        }
    }

    fn note(&mut self, result: Result<()>) {
        let Err(error) = result else { return };
        let reason = error.to_string();
        if reason != self.last_failure {
            self.last_failure.clone_from(&reason);
            (self.report)(LeaseEvent::Failed { reason });
        }
    }
}
