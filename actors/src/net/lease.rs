//! The keeper of the lease: a thread of its own that keeps gate and addresses alive exactly as long as it was told.
//!
//! * It refreshes the gate only while the clock is before the given end, re-reads the clock after each refresh, and
//!   shuts the gate if that came too late. Nothing is made up for after a stop.
//! * While the lease is alive it renews the life of the held addresses, a share at each refresh, each address about
//!   once a second: the second line of defence, which the kernel keeps too.
//! * When the lease ends, it shuts the gate and deletes the held addresses and forgets them: by the time it is
//!   regained, another node may have taken them. They must be given again (`hold`).
//! * Without a usable gate the life of the addresses is all there is: `LeaseEvent::GateUnusable` says so at start.
//!
//! The queue towards the thread is a single record of the latest orders, so it is bounded.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::address::{Addresses, DEFAULT_VALID_S, HeldAddress, Outcome};
use super::error::{NetError, Result};
use super::gate::{self, Gate, GateConfig};
use super::lease_worker::Worker;
use crate::realtime;

/// Addresses set in one go: the keeper's refreshes may wait behind it.
const HOLD_BATCH: usize = 100;
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
    Regained {
        /// Its number: each lease of a keeper has another one, from 1.
        lease: u64,
    },
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
    /// Something failed; it is tried again. The same text is not repeated for a minute.
    Failed {
        /// What and why.
        reason: String,
    },
}

/// How far the thread's life is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    #[default]
    Running,
    /// It shall end.
    Ending,
    /// It is no more.
    Ended,
}

/// What the thread was told and has not taken over yet.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) until: Option<Instant>,
    pub(super) public: Option<GateConfig>,
    pub(super) verify: bool,
    pub(super) life: Life,
    pub(super) withdraws_asked: u64,
    pub(super) withdraws_done: u64,
    /// The last withdrawal did shut the gate.
    pub(super) shut: bool,
}

impl Orders {
    pub(super) fn none(&self) -> bool {
        self.until.is_none()
            && self.public.is_none()
            && !self.verify
            && self.life == Life::Running
            && self.withdraws_asked == self.withdraws_done
    }
}

/// The addresses that are set and renewed.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The number of the lease that is alive.
    pub(super) alive: Option<u64>,
    pub(super) list: Vec<HeldAddress>,
}

/// What handle and thread share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) orders: Mutex<Orders>,
    pub(super) changed: Condvar,
    /// Locked while addresses are set, renewed or dropped: so none is on an interface without being listed here, and
    /// no renewal brings one back that was let go.
    pub(super) held: Mutex<Held>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // All states under these locks are whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut lock(&self.orders));
        self.changed.notify_all();
    }
}

/// The handle of the keeper's thread. Dropping it ends the lease and leaves the gate shut.
pub struct LeaseKeeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    has_gate: bool,
    addresses: Mutex<Addresses>,
    valid_s: u32,
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
        let has_gate = gate.is_some();
        let mut worker = Worker::new(config, Arc::clone(&shared), gate, addresses, report)?;
        let thread = realtime::spawn("lease", config.realtime, move || worker.run());
        let thread = thread.map_err(|source| NetError::io("lease thread", source))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            has_gate,
            addresses: Mutex::new(Addresses::open()?),
            valid_s: config.valid_s,
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

    /// Ends the lease at once, without an event. Returns true when the gate is shut, false if that failed or took longer
    /// than a second; the held addresses are deleted and forgotten right after that.
    pub fn withdraw(&self) -> bool {
        let mut orders = lock(&self.shared.orders);
        orders.until = None;
        orders.withdraws_asked += 1;
        let ticket = orders.withdraws_asked;
        self.shared.changed.notify_all();
        let pending =
            |orders: &mut Orders| orders.withdraws_done < ticket && orders.life != Life::Ended;
        let wait = self
            .shared
            .changed
            .wait_timeout_while(orders, WITHDRAW_LIMIT, pending);
        let orders = wait.unwrap_or_else(PoisonError::into_inner).0;
        orders.withdraws_done >= ticket && orders.shut
    }

    /// Replaces what the gate guards: all addresses that this node may ever hold, and their interfaces.
    pub fn set_public(&self, guarded: GateConfig) {
        self.shared.order(|orders| orders.public = Some(guarded));
    }

    /// Sets addresses on their interfaces and keeps them renewed; refused for each one unless the lease of that number is
    /// alive: what was true under an older one may not be true any more.
    pub fn hold(&self, lease: u64, wanted: &[HeldAddress]) -> Vec<Result<Outcome>> {
        let mut kernel = lock(&self.addresses);
        let mut results = Vec::with_capacity(wanted.len());
        for part in wanted.chunks(HOLD_BATCH) {
            let mut held = lock(&self.shared.held);
            if held.alive != Some(lease) {
                let refused =
                    |address| NetError::Invalid(format!("hold {address}: its lease is over"));
                results.extend(part.iter().map(|address| Err(refused(address))));
                continue;
            }
            for (result, address) in kernel.add(part, Some(self.valid_s)).into_iter().zip(part) {
                if result.is_ok() && !held.list.contains(address) {
                    held.list.push(address.clone());
                }
                results.push(result);
            }
        }
        results
    }

    /// Sets addresses again that are held but were taken off by somebody else: `Done` for those that were missing,
    /// nothing for those that are held no more.
    pub fn restore(&self, missing: &[HeldAddress]) -> Vec<(HeldAddress, Result<Outcome>)> {
        let mut kernel = lock(&self.addresses);
        let held = lock(&self.shared.held);
        let mut still = missing.to_vec();
        still.retain(|address| held.alive.is_some() && held.list.contains(address));
        let results = kernel.add(&still, Some(self.valid_s));
        still.into_iter().zip(results).collect()
    }

    /// Removes addresses from their interfaces; they are renewed no more.
    pub fn release(&self, gone: &[HeldAddress]) -> Vec<Result<Outcome>> {
        let mut kernel = lock(&self.addresses);
        lock(&self.shared.held)
            .list
            .retain(|address| !gone.contains(address));
        kernel.remove(gone)
    }

    /// The same addresses, those first that were set last. To be removed in this order: whenever the oldest one of a
    /// network goes, the kernel makes the next one its primary and sets the routes of all others anew, so that the other
    /// way round 300 addresses take half a second.
    pub fn newest_first(&self, addresses: &[HeldAddress]) -> Vec<HeldAddress> {
        let held = lock(&self.shared.held);
        let ages: BTreeMap<&HeldAddress, usize> = held.list.iter().zip(0..).collect();
        let mut sorted = addresses.to_vec();
        sorted.sort_by_key(|address| Reverse(ages.get(address).copied()));
        sorted
    }

    /// The addresses that are held now.
    pub fn held(&self) -> Vec<HeldAddress> {
        lock(&self.shared.held).list.clone()
    }

    /// Asks for a comparison of the gate with what was built; call it when an interface appeared.
    pub fn verify(&self) {
        self.shared.order(|orders| orders.verify = true);
    }

    /// Ends the thread and removes the gate. The held addresses must have been removed before.
    pub fn remove(mut self) -> Result<()> {
        self.end();
        if self.has_gate {
            gate::remove_table()
        } else {
            Ok(())
        }
    }

    fn end(&mut self) {
        self.shared.order(|orders| orders.life = Life::Ending);
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
