//! The kernel's side of a node that begins without public addresses: nothing is watched, guarded or leased
//! until `ctdb addip` or `reloadips` brings the first one.

use super::AddressKernel;
use super::real::Real;
use crate::log::text;
use crate::net::address::HeldAddress;
use crate::net::error::NetError;
use crate::post::Post;
use ctdb_protocol::notice::Level;
use ctdb_protocol::takeover::io::{Input, LeaseId, Parting};
use ctdb_protocol::time::Instant;
use slog::Logger;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time for the first refresh of the lease, before takeover hears of interfaces.
const FIRST_REFRESH: Duration = Duration::from_millis(200);

/// The lease of a node that has nothing to answer for; a keeper counts from 1.
const NO_KEEPER: LeaseId = LeaseId(0);

/// Starts the real thing for these places.
pub type Start = Arc<dyn Fn(&[HeldAddress]) -> Result<Real, NetError> + Send + Sync>;

enum State {
    Asleep,
    /// A thread starts it, since that takes its time.
    Waking,
    Awake(Box<Real>),
}

struct Inner {
    state: State,
    /// What is wanted now.
    places: Vec<HeldAddress>,
    until: Option<Instant>,
}

/// See the module.
pub struct Dormant {
    inner: Arc<Mutex<Inner>>,
    start: Start,
    post: Post,
    log: Logger,
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dormant {
    /// Asleep.
    pub fn new(start: Start, post: Post, log: Logger) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                state: State::Asleep,
                places: Vec::new(),
                until: None,
            })),
            start,
            post,
            log,
        }
    }

    fn wake(&self) {
        let (inner, start) = (self.inner.clone(), self.start.clone());
        let log = self.log.clone();
        let work = move || {
            let places = lock(&inner).places.clone();
            match start(&places) {
                Ok(real) => become_awake(&inner, real),
                Err(error) => {
                    let said = format_args!("public addresses cannot be prepared: {error}");
                    text(&log, Level::Err, said);
                    lock(&inner).state = State::Asleep;
                }
            }
        };
        let started = std::thread::Builder::new()
            .name("prepare".into())
            .spawn(work);
        if let Err(error) = started {
            let said = format_args!("public addresses cannot be prepared: {error}");
            text(&self.log, Level::Err, said);
            lock(&self.inner).state = State::Asleep;
        }
    }

    /// Does `work` with the real thing, if there is one.
    fn with<T>(&self, work: impl FnOnce(&Real) -> T) -> Option<T> {
        match &lock(&self.inner).state {
            State::Awake(real) => Some(work(real)),
            State::Asleep | State::Waking => None,
        }
    }
}

fn become_awake(inner: &Mutex<Inner>, real: Real) {
    {
        let mut inner = lock(inner);
        real.prepare(inner.places.clone());
        if let Some(until) = inner.until {
            real.lease_until(until);
        }
        inner.state = State::Awake(Box::new(real));
    }
    std::thread::sleep(FIRST_REFRESH);
    if let State::Awake(real) = &lock(inner).state {
        real.retell();
    }
}

impl AddressKernel for Dormant {
    fn prepare(&self, places: Vec<HeldAddress>) {
        let mut inner = lock(&self.inner);
        inner.places.clone_from(&places);
        match &inner.state {
            State::Awake(real) => real.prepare(places),
            State::Waking => {}
            State::Asleep if places.is_empty() => {}
            State::Asleep => {
                inner.state = State::Waking;
                drop(inner);
                self.wake();
            }
        }
    }

    fn add(&self, address: HeldAddress, lease: LeaseId) {
        let ip = address.ip;
        if self.with(|real| real.add(address, lease)).is_none() {
            self.post.takeover.send(Input::Kernel {
                address: ip,
                present: false,
                error: Some(String::from("the interfaces are not prepared yet")),
            });
        }
    }

    fn remove(&self, address: HeldAddress, parting: Parting) {
        let ip = address.ip;
        if self.with(|real| real.remove(address, parting)).is_none() {
            self.post.takeover.send(Input::Kernel {
                address: ip,
                present: false,
                error: None,
            });
        }
    }

    fn announce(&self, address: HeldAddress) {
        self.with(|real| real.announce(address));
    }

    fn retell(&self) {
        if self.with(AddressKernel::retell).is_none() {
            let alive = Some(NO_KEEPER);
            self.post.tell_lease(alive);
        }
    }

    fn lease_until(&self, until: Instant) {
        let mut inner = lock(&self.inner);
        inner.until = Some(until);
        if let State::Awake(real) = &inner.state {
            real.lease_until(until);
        }
    }

    fn end(&mut self) {
        if let State::Awake(real) = &mut lock(&self.inner).state {
            real.end();
        }
    }
}
