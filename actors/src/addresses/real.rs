//! Addresses in the kernel: one thread sets, removes and announces them in batches; the lease keeper's
//! thread keeps them answering.
//!
//! With an address that leaves the node go the TCP connections that it carries here. Where another node takes it, it is
//! deleted at once, and the ends of the connections are told to that node: its tickles have the clients reset, and
//! connect anew, when it answers. (A reset before that has a client connect at once, to nobody: its next attempt comes a
//! second later.) Where nobody takes it, it is blocked, the connections are ended, which resets the clients, and then it
//! is deleted.

use super::AddressKernel;
use super::clients;
use super::guarded::Guarded;
use super::policy::PolicyRouting;
use crate::board::Board;
use crate::clock::Clock;
use crate::log::notice;
use crate::net::address::{Addresses, HeldAddress, Outcome};
use crate::net::announce::Announcer;
use crate::net::error::NetError;
use crate::net::lease::{LeaseConfig, LeaseEvent, LeaseKeeper};
use crate::net::link;
use crate::net::sysctl::PromoteSecondaries;
use crate::net::watch::{NetEvent, NetWatch};
use crate::post::Post;
use crate::realtime;
use ctdb_protocol::notice::{Level, Notice};
use ctdb_protocol::takeover::io::{Input, LeaseId, Parting};
use ctdb_protocol::time::Instant;
use ctdb_protocol::{monitor, natgw};
use slog::Logger;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

/// Gratuitous ARP and unsolicited NA are repeated: a frame may be lost while a switch relearns.
const ANNOUNCEMENTS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(1_100),
];

/// So many addresses are set or removed before takeover hears of it. Between two nodes an address is with nobody, and
/// waits for the rest of its batch there.
const BATCH: usize = 32;

/// What failed, in the log.
const CONNECTIONS: &str = "connections of released addresses";

/// The interfaces that takeover hears of.
type WatchedInterfaces = Arc<RwLock<BTreeSet<String>>>;

enum Job {
    Add(HeldAddress, LeaseId),
    Remove(HeldAddress, Parting),
    Announce(HeldAddress),
    /// Somebody else may have added or removed addresses.
    Compare,
    End,
}

/// Who else has a part in addresses.
#[derive(Clone, Default)]
pub struct Companions {
    /// Gives public addresses their routes.
    pub policy: Option<Arc<PolicyRouting>>,
    /// Where the NAT gateway's address goes: its machine hears of it instead of takeover.
    pub gateway: Option<HeldAddress>,
}

impl Companions {
    /// Tells whoever has to know of an interface whether it has a link.
    fn tell_interface(&self, post: &Post, name: &str, up: bool) {
        let gateway = self.gateway.as_ref();
        if gateway.is_some_and(|gateway| gateway.interface == name) {
            post.natgw.send(natgw::io::Input::Link(up));
        }
        post.takeover.send(Input::Interface {
            name: name.to_owned(),
            up,
        });
    }
}

/// See the module.
pub struct Real {
    jobs: Sender<Job>,
    keeper: Option<Arc<LeaseKeeper>>,
    worker: Option<std::thread::JoinHandle<()>>,
    promote: Mutex<PromoteSecondaries>,
    interfaces: WatchedInterfaces,
    guarded: Arc<Mutex<Guarded>>,
    companions: Companions,
    post: Post,
    /// The lease that is alive as the keeper last reported it; 0 if there is none.
    lease_alive: Arc<AtomicU64>,
    clock: Clock,
    log: Logger,
    _watch: NetWatch,
}

impl Real {
    /// Prepares the interfaces, drops stale addresses, builds the gate (shut) and starts the threads.
    pub fn start(
        configured: &[HeldAddress],
        lease: &LeaseConfig,
        post: &Post,
        board: &Board,
        clock: Clock,
        companions: Companions,
        log: &Logger,
    ) -> Result<Self, NetError> {
        let interfaces: BTreeSet<String> = configured.iter().map(|a| a.interface.clone()).collect();
        let mut promote = PromoteSecondaries::default();
        for interface in &interfaces {
            promote.enable(interface)?;
        }
        let mut kernel = Addresses::open()?;
        for result in kernel.remove(configured) {
            result?;
        }
        let lease_alive = Arc::new(AtomicU64::new(0));
        let (alive, events_post, events_log) = (lease_alive.clone(), post.clone(), log.clone());
        let keeper = LeaseKeeper::start(lease, move |event| {
            match event {
                LeaseEvent::Regained { lease } => alive.store(lease, Ordering::Relaxed),
                LeaseEvent::Expired { .. } => alive.store(0, Ordering::Relaxed),
                LeaseEvent::GateRebuilt
                | LeaseEvent::GateUnusable { .. }
                | LeaseEvent::Failed { .. } => {}
            }
            report(&event, &events_post, &events_log);
        })?;
        let keeper = Arc::new(keeper);
        let interfaces: WatchedInterfaces = Arc::new(RwLock::new(interfaces));
        let (jobs, todo) = channel();
        let mut guarded = Guarded::default();
        guarded.want(configured.to_vec());
        let guarded = Arc::new(Mutex::new(guarded));
        let watch = watch(
            interfaces.clone(),
            guarded.clone(),
            jobs.clone(),
            &companions,
            post,
        )?;
        let worker = Worker {
            keeper: keeper.clone(),
            guarded: guarded.clone(),
            announcers: BTreeMap::new(),
            announcements: Vec::new(),
            board: board.clone(),
            companions: companions.clone(),
            post: post.clone(),
            log: log.clone(),
        };
        // Beside compilers on all processors an ordinary thread kept addresses silent for 0.08 s.
        let worker = realtime::spawn("addresses", lease.realtime, move || worker.run(&todo))
            .map_err(|source| NetError::io("address thread", source))?;
        Ok(Self {
            jobs,
            keeper: Some(keeper),
            worker: Some(worker),
            promote: Mutex::new(promote),
            interfaces,
            guarded,
            companions,
            post: post.clone(),
            lease_alive,
            clock,
            log: log.clone(),
            _watch: watch,
        })
    }
}

/// Tells takeover of the interfaces at every change; each is a reason to check the node's health now. Has addresses put
/// right that somebody else changed.
fn watch(
    interfaces: WatchedInterfaces,
    guarded: Arc<Mutex<Guarded>>,
    jobs: Sender<Job>,
    companions: &Companions,
    post: &Post,
) -> Result<NetWatch, NetError> {
    let (companions, post) = (companions.clone(), post.clone());
    let (all, sight) = (jobs.clone(), guarded.clone());
    let compare = move |interface: &str, ip, present| {
        let mut guarded = guarded.lock().expect("no panic while held");
        if !guarded.expects(interface, ip, present) {
            if !present {
                guarded.seen_removed(ip);
            }
            // The thread ends only with the daemon.
            let _ = jobs.send(Job::Compare);
        }
    };
    NetWatch::start(move |event| {
        let watched = interfaces.read().expect("no panic while held");
        let changed = |name: String, up| {
            companions.tell_interface(&post, &name, up);
            post.monitor.send(monitor::io::Input::Recheck);
        };
        match event {
            NetEvent::LinkChanged { name, up } if watched.contains(&name) => changed(name, up),
            NetEvent::LinkGone { name } if watched.contains(&name) => changed(name, false),
            NetEvent::AddressAdded { interface, ip } => compare(&interface, ip, true),
            NetEvent::AddressRemoved { interface, ip } => compare(&interface, ip, false),
            NetEvent::Resync => {
                tell_interfaces(watched.iter(), &companions, &post);
                post.monitor.send(monitor::io::Input::Recheck);
                sight.lock().expect("no panic while held").lose_sight();
                let _ = all.send(Job::Compare);
            }
            NetEvent::LinkChanged { .. } | NetEvent::LinkGone { .. } | NetEvent::Failed(_) => {}
        }
    })
}

fn tell_interfaces<'a>(
    interfaces: impl Iterator<Item = &'a String>,
    companions: &Companions,
    post: &Post,
) {
    let links = link::links().unwrap_or_default();
    for name in interfaces {
        let up = links.iter().any(|link| link.name == *name && link.up());
        companions.tell_interface(post, name, up);
    }
}

fn report(event: &LeaseEvent, post: &Post, log: &Logger) {
    match event {
        LeaseEvent::Regained { lease } => {
            notice(log, &Notice::LeaseRegained {});
            let alive = Some(LeaseId(*lease));
            post.tell_lease(alive);
        }
        LeaseEvent::Expired { late, dropped } => {
            let reason = format!(
                "not acknowledged by the leader in time (noticed after {} ms, {} addresses dropped)",
                late.as_millis(),
                dropped.len()
            );
            notice(log, &Notice::LeaseExpired { reason });
            post.tell_lease(None);
        }
        LeaseEvent::GateRebuilt => notice(log, &Notice::GateRebuilt {}),
        LeaseEvent::GateUnusable { reason } => {
            notice(
                log,
                &Notice::LeaseWithoutGate {
                    reason: reason.clone(),
                },
            );
        }
        LeaseEvent::Failed { reason } => {
            notice(
                log,
                &Notice::LeaseExpired {
                    reason: reason.clone(),
                },
            );
        }
    }
}

impl AddressKernel for Real {
    fn prepare(&self, places: Vec<HeldAddress>) {
        let wanted: BTreeSet<String> = places.iter().map(|place| place.interface.clone()).collect();
        let mut interfaces = self.interfaces.write().expect("no panic while held");
        let fresh: Vec<String> = wanted.difference(&interfaces).cloned().collect();
        let mut promote = self.promote.lock().expect("no panic while held");
        for interface in &fresh {
            if let Err(error) = promote.enable(interface) {
                let said = format_args!("promote_secondaries of {interface}: {error}");
                crate::log::text(&self.log, Level::Err, said);
            }
        }
        let mut guarded = self.guarded.lock().expect("no panic while held");
        guarded.want(places);
        if let Some(keeper) = &self.keeper {
            keeper.set_public(guarded.config());
        }
        *interfaces = wanted;
        tell_interfaces(fresh.iter(), &self.companions, &self.post);
    }

    fn announce(&self, address: HeldAddress) {
        let _ = self.jobs.send(Job::Announce(address));
    }

    fn add(&self, address: HeldAddress, lease: LeaseId) {
        // The thread ends only with the daemon.
        let _ = self.jobs.send(Job::Add(address, lease));
    }

    fn remove(&self, address: HeldAddress, parting: Parting) {
        let _ = self.jobs.send(Job::Remove(address, parting));
    }

    fn retell(&self) {
        let interfaces = self.interfaces.read().expect("no panic while held");
        tell_interfaces(interfaces.iter(), &self.companions, &self.post);
        let alive = Some(self.lease_alive.load(Ordering::Relaxed));
        let alive = alive.filter(|lease| *lease > 0).map(LeaseId);
        self.post.tell_lease(alive);
    }

    fn lease_until(&self, until: Instant) {
        if let Some(keeper) = &self.keeper {
            keeper.extend(self.clock.to_std(until));
        }
    }

    fn end(&mut self) {
        let _ = self.jobs.send(Job::End);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
        let keeper = self.keeper.take().and_then(Arc::into_inner);
        let mut errors: Vec<NetError> = keeper
            .and_then(|keeper| keeper.remove().err())
            .into_iter()
            .collect();
        let promote = self.promote.get_mut().expect("no panic while held");
        errors.extend(promote.restore());
        for error in errors {
            crate::log::text(
                &self.log,
                Level::Warning,
                format_args!("clean-up of public interfaces: {error}"),
            );
        }
    }
}

struct Worker {
    keeper: Arc<LeaseKeeper>,
    guarded: Arc<Mutex<Guarded>>,
    announcers: BTreeMap<String, Announcer>,
    /// Rounds still to come: when, on which interface, which addresses.
    announcements: Vec<(std::time::Instant, String, Vec<IpAddr>)>,
    board: Board,
    companions: Companions,
    post: Post,
    log: Logger,
}

impl Worker {
    fn run(mut self, todo: &Receiver<Job>) {
        loop {
            let first = match self.next_announcement() {
                None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => todo.recv_timeout(wait),
            };
            match first {
                Ok(job) => {
                    if self.work(std::iter::once(job).chain(todo.try_iter()).collect()) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.announce_due();
        }
    }

    /// Works off what has gathered, removals first; answers whether the end was asked for.
    fn work(&mut self, jobs: Vec<Job>) -> bool {
        let mut adds: BTreeMap<LeaseId, Vec<HeldAddress>> = BTreeMap::new();
        let (mut removes, mut compare, mut end) = (Vec::new(), false, false);
        let now = std::time::Instant::now();
        for job in jobs {
            match job {
                Job::Add(address, lease) => adds.entry(lease).or_default().push(address),
                Job::Remove(address, parting) => removes.push((address, parting)),
                Job::Announce(HeldAddress { ip, interface, .. }) => {
                    self.announcements.push((now, interface, vec![ip]));
                }
                Job::Compare => compare = true,
                Job::End => end = true,
            }
        }
        if end {
            let held: Vec<HeldAddress> = self.guarded().held().cloned().collect();
            removes.extend(held.into_iter().map(|held| {
                let stays = held.passive;
                let parting = if stays {
                    Parting::Stay
                } else {
                    Parting::HandOver
                };
                (held, parting)
            }));
        }
        self.remove(&removes);
        for (lease, adds) in adds {
            for batch in adds.chunks(BATCH) {
                self.add(batch, lease);
            }
        }
        if compare && !end {
            let compared = self.compare();
            self.report_failure("addresses that somebody changed", compared);
        }
        end
    }

    /// Puts right what somebody else did to public addresses.
    fn compare(&mut self) -> Result<(), NetError> {
        let mut kernel = Addresses::open()?;
        let present: Vec<HeldAddress> = kernel.list()?.into_iter().map(|one| one.held).collect();
        let (missing, intruders) = {
            let mut guarded = self.guarded();
            let missing = guarded.take_missing(&present);
            let is_foreign = |one: &&HeldAddress| !guarded.expects(&one.interface, one.ip, true);
            let intruders: Vec<_> = present.iter().filter(is_foreign).cloned().collect();
            (missing, intruders)
        };
        for (held, result) in self.keeper.restore(&missing) {
            let HeldAddress {
                ip: address,
                interface,
                ..
            } = held;
            match result {
                // A renewal was first with those that are there already; the neighbours do not know of that either.
                Ok(Outcome::Done | Outcome::Unchanged) => {
                    let now = std::time::Instant::now();
                    self.announcements
                        .push((now, interface.clone(), vec![address]));
                    notice(&self.log, &Notice::AddressRestored { address, interface });
                }
                Err(error) => {
                    self.guarded().forget(address);
                    self.tell(address, false, Some(error.to_string()));
                }
            }
        }
        for (intruder, result) in intruders.iter().zip(kernel.remove(&intruders)) {
            result?;
            let (address, interface) = (intruder.ip, intruder.interface.clone());
            notice(&self.log, &Notice::AddressIntruded { address, interface });
        }
        Ok(())
    }

    fn remove(&mut self, removes: &[(HeldAddress, Parting)]) {
        if removes.is_empty() {
            return;
        }
        let with = |parting| {
            let same = removes.iter().filter(move |(_, other)| *other == parting);
            same.map(|(address, _)| address.ip).collect::<Vec<_>>()
        };
        let forsaken = with(Parting::Forsake);
        self.report_failure(CONNECTIONS, clients::forsake(&forsaken));
        let addresses: Vec<HeldAddress> = removes.iter().map(|(held, _)| held.clone()).collect();
        for batch in self.keeper.newest_first(&addresses).chunks(BATCH) {
            self.release(batch);
        }
        self.report_failure(CONNECTIONS, clients::unblock(&forsaken));
        self.report_failure(
            CONNECTIONS,
            clients::cut(&with(Parting::HandOver), &self.board),
        );
    }

    fn report_failure(&self, what: &str, result: Result<(), NetError>) {
        if let Err(error) = result {
            let said = format_args!("{what}: {error}");
            crate::log::text(&self.log, Level::Warning, said);
        }
    }

    fn release(&self, addresses: &[HeldAddress]) {
        self.guarded().leave(addresses);
        let results = self.keeper.release(addresses);
        if let Some(policy) = &self.companions.policy {
            let gone = addresses.iter().zip(&results);
            policy.release(
                gone.filter(|(gone, result)| result.is_ok() && self.is_public(gone.ip))
                    .map(|(gone, _)| gone),
            );
        }
        let mut unguarded = false;
        for (address, result) in addresses.iter().zip(results) {
            let error = result.err().map(|error| error.to_string());
            let present = error.is_some();
            let mut guarded = self.guarded();
            let wanted = guarded.is_wanted(address);
            if present {
                guarded.stay(address.ip);
            } else {
                guarded.forget(address.ip);
                unguarded |= !wanted;
            }
            drop(guarded);
            self.tell(address.ip, present, error);
        }
        if unguarded {
            // Not in the configuration any more, and gone now.
            self.keeper.set_public(self.guarded().config());
        }
    }

    fn is_public(&self, address: IpAddr) -> bool {
        let gateway = self.companions.gateway.as_ref();
        gateway.is_none_or(|gateway| gateway.ip != address)
    }

    /// Tells whoever asked for it what became of an address.
    fn tell(&self, address: IpAddr, present: bool, error: Option<String>) {
        if self.is_public(address) {
            self.post.takeover.send(Input::Kernel {
                address,
                present,
                error,
            });
        } else {
            self.post.natgw.send(natgw::io::Input::Kernel {
                address,
                present,
                error,
            });
        }
    }

    fn guarded(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().expect("no panic while held")
    }

    fn add(&mut self, addresses: &[HeldAddress], LeaseId(lease): LeaseId) {
        let results = self.keeper.hold(lease, addresses);
        if let Some(policy) = &self.companions.policy {
            let here = addresses.iter().zip(&results);
            policy.hold(
                here.filter(|(here, result)| result.is_ok() && self.is_public(here.ip))
                    .map(|(here, _)| here),
            );
        }
        let mut by_interface: BTreeMap<&String, Vec<IpAddr>> = BTreeMap::new();
        for (address, _) in addresses
            .iter()
            .zip(&results)
            .filter(|(_, done)| done.is_ok())
        {
            self.guarded().hold(address.clone());
            let here = by_interface.entry(&address.interface).or_default();
            here.push(address.ip);
        }
        let now = std::time::Instant::now();
        for (interface, here) in by_interface {
            let rounds = ANNOUNCEMENTS.map(|wait| (now + wait, interface.clone(), here.clone()));
            self.announcements.extend(rounds);
        }
        // First of all: the clients that are tickled next shall answer this node.
        self.announce_due();
        for (address, result) in addresses.iter().zip(results) {
            let error = result.err().map(|error| error.to_string());
            self.tell(address.ip, error.is_none(), error);
        }
    }

    fn next_announcement(&self) -> Option<Duration> {
        let at = self.announcements.iter().map(|(at, _, _)| *at).min()?;
        Some(at.saturating_duration_since(std::time::Instant::now()))
    }

    fn announce_due(&mut self) {
        let now = std::time::Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.announcements)
            .into_iter()
            .partition(|(at, _, _)| *at <= now);
        self.announcements = later;
        for (_, interface, addresses) in due {
            // Only what is still here: another node may have taken the rest.
            let here: Vec<IpAddr> = {
                let guarded = self.guarded();
                let is_here = |ip: &IpAddr| guarded.is_held(&interface, *ip);
                addresses.into_iter().filter(is_here).collect()
            };
            if let Err(error) = self.announce(&interface, &here) {
                self.announcers.remove(&interface);
                if let Some(address) = here.first() {
                    let reason = format!("could not be announced on {interface}: {error}");
                    notice(
                        &self.log,
                        &Notice::AddressFailed {
                            address: *address,
                            reason,
                        },
                    );
                }
            }
        }
    }

    fn announce(&mut self, interface: &str, addresses: &[IpAddr]) -> Result<(), NetError> {
        if addresses.is_empty() {
            return Ok(());
        }
        if !self.announcers.contains_key(interface) {
            self.announcers
                .insert(interface.to_string(), Announcer::open(interface)?);
        }
        let announcer = self.announcers.get_mut(interface).expect("opened above");
        announcer.announce(addresses)
    }
}
