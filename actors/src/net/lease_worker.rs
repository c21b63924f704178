//! The thread behind `LeaseKeeper`: takes orders over, asks the plan what is due, and does it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::address::{Addresses, HeldAddress};
use super::error::Result;
use super::gate::{Gate, GateState};
use super::gate_watch::{GateEvent, GateWatch};
use super::lease::{LeaseConfig, LeaseEvent, Life, Shared, lock};
use super::lease_plan::{LeasePlan, Step, Verdict};

/// Refreshes during which each held address is renewed once (a second, at the default interval).
const RENEWAL_ROUND: usize = 10;
/// How often the gate is compared with what was built, besides at every notification: not every kernel reports that
/// a chain went with its device.
const VERIFY_INTERVAL: Duration = Duration::from_secs(1);

fn watch(gate: &Gate, shared: &Arc<Shared>) -> Result<GateWatch> {
    let shared = Arc::clone(shared);
    // Should the monitor fail, the comparison once a second remains.
    GateWatch::start(gate.port(), move |event| match event {
        GateEvent::Suspect | GateEvent::Failed(_) => shared.order(|orders| orders.verify = true),
    })
}

/// How long the same failure is not reported again, and how many different ones are reported in that time.
const FAILURE_INTERVAL: Duration = Duration::from_secs(60);
const FAILURES_MAX: usize = 32;

/// The state of the keeper's thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    watch: Option<GateWatch>,
    gate: Option<Gate>,
    addresses: Addresses,
    plan: LeasePlan,
    valid_s: u32,
    next_share: usize,
    verify_at: Instant,
    /// What was reported when: at most `FAILURES_MAX` texts.
    reported: BTreeMap<String, Instant>,
    /// Refreshes that failed one after the other.
    failures: u32,
    /// Number of the last lease.
    leases: u64,
    report: Box<dyn FnMut(LeaseEvent) + Send>,
}

impl Drop for Worker {
    /// Also when the thread panics: nobody waits for it any more, and the gate is shut.
    fn drop(&mut self) {
        if let Some(gate) = &mut self.gate {
            let _ = gate.close_now();
        }
        self.watch = None;
        self.shared.order(|orders| orders.life = Life::Ended);
    }
}

impl Worker {
    pub(super) fn new(
        config: &LeaseConfig,
        shared: Arc<Shared>,
        gate: Option<Gate>,
        addresses: Addresses,
        report: impl FnMut(LeaseEvent) + Send + 'static,
    ) -> Result<Self> {
        let interval = Duration::from_millis(config.refresh_ms.max(1));
        Ok(Self {
            plan: LeasePlan::new(Duration::from_millis(config.gate_ms), interval),
            watch: gate.as_ref().map(|gate| watch(gate, &shared)).transpose()?,
            shared,
            gate,
            addresses,
            valid_s: config.valid_s,
            next_share: 0,
            verify_at: Instant::now() + VERIFY_INTERVAL,
            reported: BTreeMap::new(),
            failures: 0,
            leases: 0,
            report: Box::new(report),
        })
    }

    pub(super) fn run(&mut self) {
        let mut wait = Duration::ZERO;
        while self.obey(wait) {
            wait = self.work();
        }
    }

    /// Waits for orders, at most that long, and takes them over; false: the end.
    fn obey(&mut self, wait: Duration) -> bool {
        let shared = Arc::clone(&self.shared);
        let orders = lock(&shared.orders);
        let waited = shared
            .changed
            .wait_timeout_while(orders, wait, |orders| orders.none());
        let mut orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        let (until, public) = (orders.until.take(), orders.public.take());
        let mut verify = std::mem::take(&mut orders.verify);
        let (end, asked) = (orders.life != Life::Running, orders.withdraws_asked);
        let withdraw = asked != orders.withdraws_done;
        drop(orders);
        if withdraw || end {
            self.plan.withdraw();
            let shut = self.shut();
            shared.order(|orders| {
                orders.withdraws_done = asked;
                orders.shut = shut;
            });
            self.drop_held();
        }
        if let (Some(public), Some(gate)) = (public, &mut self.gate) {
            let changed = gate.set_guarded(&public);
            // A new interface is guarded by building the gate anew, which opens it again at once.
            verify |= changed.as_ref().is_ok_and(|rebuild| *rebuild);
            self.note(changed.map(drop));
        }
        if verify {
            self.verify_at = Instant::now();
        }
        if let Some(until) = until {
            self.plan.extend(until, Instant::now());
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
                self.failures = 0;
                if regained {
                    self.leases += 1;
                    let lease = self.leases;
                    lock(&self.shared.held).alive = Some(lease);
                    (self.report)(LeaseEvent::Regained { lease });
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
        // Whoever sets addresses just now may be starved of CPU time: the refreshes must not wait for that. The share
        // is renewed at the next turn instead.
        let guard = match shared.held.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let held = &guard.list;
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
        drop(guard);
        self.note(failed.map_or(Ok(()), Err));
    }

    fn expire(&mut self, late: Duration) {
        self.shut();
        let dropped = self.drop_held();
        (self.report)(LeaseEvent::Expired { late, dropped });
    }

    /// Deletes and forgets the held addresses.
    fn drop_held(&mut self) -> Vec<HeldAddress> {
        let shared = Arc::clone(&self.shared);
        let mut held = lock(&shared.held);
        held.alive = None;
        let mut dropped = std::mem::take(&mut held.list);
        // See `LeaseKeeper::newest_first`.
        dropped.reverse();
        let results = self.addresses.remove(&dropped);
        drop(held);
        let failed = results.into_iter().find_map(Result::err);
        self.note(failed.map_or(Ok(()), Err));
        dropped
    }

    /// Shuts the gate; a gate that was taken away is built again, which shuts it too. False if neither worked.
    fn shut(&mut self) -> bool {
        let shut = self.gate.as_mut().map_or(Ok(()), Gate::close_now);
        if shut.is_ok() {
            return true;
        }
        self.note(shut);
        self.verify()
    }

    fn verify(&mut self) -> bool {
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
            Some(Err(error)) => {
                self.note(Err(error));
                return false;
            }
        }
        true
    }

    fn note(&mut self, result: Result<()>) {
        let Err(error) = result else { return };
        let reason = error.to_string();
        let now = Instant::now();
        self.reported
            .retain(|_, at| now.duration_since(*at) < FAILURE_INTERVAL);
        if self.reported.len() < FAILURES_MAX && !self.reported.contains_key(&reason) {
            self.reported.insert(reason.clone(), now);
            (self.report)(LeaseEvent::Failed { reason });
        }
    }
}
