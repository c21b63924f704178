//! One node: its host, and the worker process with all machines, wired as `actors/src/duty` wires them.

use crate::clock::{Clock, Micros, SEC};
use crate::event::{Duty, Job, Mail, Work};
use crate::kept::Disk;
use crate::kernel::Kernel;
use crate::lock::Attempt;
use crate::store::Store;
use crate::swarm::Options;
use ctdb_protocol::election::electorate::Electorate;
use ctdb_protocol::election::machine::Election;
use ctdb_protocol::election::standing::Standing;
use ctdb_protocol::heartbeat::machine::Heartbeat;
use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::machine::{Effects, Machine};
use ctdb_protocol::membership::config::{Bans, Config as MembershipConfig};
use ctdb_protocol::membership::machine::Membership;
use ctdb_protocol::membership::view::MembershipView;
use ctdb_protocol::monitor::io::{Config as MonitorConfig, Event as Script};
use ctdb_protocol::monitor::machine::Monitor;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::io::CallId;
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::record::machine::RecordMachine;
use ctdb_protocol::record::replica;
use ctdb_protocol::record::replica::io::{CommitId, JobId};
use ctdb_protocol::record::vacuum::VacuumReport;
use ctdb_protocol::takeover::io::{ConfiguredAddress, Settings};
use ctdb_protocol::takeover::machine::Takeover;
use ctdb_protocol::time::Instant;
use ctdb_protocol::timing::Timing;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::{ControlMessage, DataMessage, Packet};
use ctdb_protocol::{election, heartbeat, membership, monitor, record, takeover};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// The interface of all public addresses.
pub const INTERFACE: &str = "eth1";
/// Bans last this long here, so that a run sees their end, in seconds.
const BAN_PERIOD_S: u32 = 3;
/// Longest time between health checks here, so that a run sees many.
const MONITOR_INTERVAL: Duration = Duration::from_secs(3);

/// How the worker process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does its work.
    Running,
    /// Stopped by a signal: nothing runs, what comes waits.
    Paused,
    /// There is none.
    Dead,
}

/// One host.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub pnn: Pnn,
    /// The state of its worker.
    pub life: Life,
    /// The host has power.
    pub powered: bool,
    /// Lives so far.
    pub lives: u32,
    /// Speed of its clock.
    pub ppm: i32,
    /// The worker.
    pub process: Option<Process>,
    /// What waits for a stopped worker, in order.
    pub stalled: VecDeque<Work>,
    /// Addresses and lease.
    pub kernel: Kernel,
    /// Its volatile databases.
    pub store: Store,
    /// Its persistent database.
    pub disk: Disk,
    /// Its services are fit.
    pub fit: bool,
    /// Its public interface is up.
    pub interface_up: bool,
    /// Addresses that it may host.
    pub configured: Vec<ConfiguredAddress>,
}

impl Node {
    /// A host without worker.
    pub fn new(pnn: Pnn, ppm: i32, configured: Vec<ConfiguredAddress>) -> Self {
        Self {
            pnn,
            life: Life::Dead,
            powered: true,
            lives: 0,
            ppm,
            process: None,
            stalled: VecDeque::new(),
            kernel: Kernel::default(),
            store: Store::default(),
            disk: Disk::default(),
            fit: true,
            interface_up: true,
            configured,
        }
    }

    /// Whether its kernel answers packets.
    pub const fn host_is_up(&self) -> bool {
        self.powered
    }

    /// The running worker that leads, if it does.
    pub fn leads(&self) -> bool {
        let standing = self.process.as_ref().map(|process| process.standing);
        self.life == Life::Running && standing.is_some_and(Standing::is_leader)
    }
}

/// The worker.
#[derive(Debug)]
pub struct Process {
    /// Number of this life.
    pub life: u32,
    /// Its clock.
    pub clock: Clock,
    heartbeat: Heartbeat,
    election: Election,
    membership: Membership,
    takeover: Takeover,
    monitor: Monitor,
    record: RecordMachine,
    /// Who leads, as last told by the election.
    pub standing: Standing,
    /// Until when it leads for certain, if it leads.
    pub authority_until: Micros,
    /// The cluster, as last told by the membership.
    pub view: MembershipView,
    /// Members of the composition last prepared.
    pub members: Vec<Pnn>,
    /// The last mail of each mailbox comes then.
    pub mail_last: [Micros; 6],
    /// How much waits in each mailbox.
    pub mail_waiting: [usize; 6],
    /// The alarm set for each machine.
    pub alarms: [Option<Micros>; 6],
    /// The last kernel job ends then.
    pub kernel_last: Micros,
    /// Peers that are being dialled.
    pub dialling: BTreeSet<Pnn>,
    /// The attempt at the cluster lock.
    pub attempt: Option<Attempt>,
    /// Attempts so far.
    pub attempts: u64,
}

/// What the shells have to do.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum Action {
    /// Hand on to another machine.
    Post(Mail),
    /// Send to a peer.
    Send {
        peer: Pnn,
        lane: Lane,
        packet: Packet,
    },
    /// Close the link to a silent peer.
    CloseLink(Pnn),
    /// Give the lease an end.
    Lease(Instant),
    /// Try to take the cluster lock.
    TakeLock,
    /// Give it up.
    ReleaseLock,
    /// Order something of the kernel.
    Kernel(Job),
    /// Do something with a record.
    Local { db: DbId, key: Bytes, op: LocalOp },
    /// Go over a database, deleting its records or listing them.
    Walk {
        generation: Generation,
        db: DbId,
        wipe: bool,
    },
    /// Look for empty records.
    Sift { db: DbId, run: u64 },
    /// A vacuum run is over.
    Vacuumed { db: DbId, report: VacuumReport },
    /// Open a database.
    Open(String),
    /// Do something with a replicated content.
    Replica { id: JobId, job: replica::io::Job },
    /// Answer a client's transaction.
    CommitDone { commit: CommitId, status: i32 },
    /// Answer a client.
    Reply(CallId),
    /// Run a script.
    Script(Script),
    /// Everything was given up: say goodbye and end.
    Left,
    /// The process can't go on.
    Fatal(String),
    /// The election told its standing.
    Standing(Standing),
    /// The membership told its picture.
    View(MembershipView),
    /// Log.
    Log(Notice),
}

/// What the options say about the configuration of every node.
pub fn electorate(options: &Options) -> Electorate {
    Electorate::new((0..options.nodes).map(Pnn), options.has_lock)
}

impl Process {
    /// The worker of `pnn`, started at the clock's birth.
    pub fn start(pnn: Pnn, life: u32, clock: Clock, timing: Timing, options: &Options) -> Self {
        let seed = options.seed ^ u64::from(pnn.0) << 40 ^ u64::from(life) << 20;
        let now = clock.local(clock.born);
        let config = MembershipConfig {
            timing,
            bans: Bans {
                period_s: BAN_PERIOD_S,
                ..Bans::default()
            },
            ..MembershipConfig::new(pnn, options.nodes as usize, seed ^ 2)
        };
        let settings = Settings {
            algorithm: options.algorithm,
            ..Settings::default()
        };
        let monitor = MonitorConfig {
            monitor_interval: MONITOR_INTERVAL,
            ..Default::default()
        };
        let electorate = electorate(options);
        Self {
            life,
            clock,
            heartbeat: Heartbeat::new(pnn, electorate.clone(), timing, now),
            election: Election::new(pnn, electorate, timing, seed ^ 1, now),
            membership: Membership::new(config),
            takeover: Takeover::new(pnn, timing, settings),
            monitor: Monitor::new(monitor),
            record: RecordMachine::new(pnn, timing, seed ^ 3),
            standing: Standing::Searching,
            authority_until: 0,
            view: MembershipView::default(),
            members: Vec::new(),
            mail_last: [0; 6],
            mail_waiting: [0; 6],
            alarms: [None; 6],
            kernel_last: 0,
            dialling: BTreeSet::new(),
            attempt: None,
            attempts: 0,
        }
    }

    /// Feeds one machine; answers what is to be done, in order.
    pub fn step(&mut self, now: Instant, mail: Mail) -> Vec<Action> {
        match mail {
            Mail::Heartbeat(input) => feed(&mut self.heartbeat, now, input, carry_heartbeat),
            Mail::Election(input) => feed(&mut self.election, now, input, carry_election),
            Mail::Membership(input) => feed(&mut self.membership, now, input, carry_membership),
            Mail::Takeover(input) => feed(&mut self.takeover, now, input, carry_takeover),
            Mail::Monitor(input) => feed(&mut self.monitor, now, input, carry_monitor),
            Mail::Record(input) => feed(&mut self.record, now, input, carry_record),
        }
    }

    /// When a machine wants its timeout.
    pub fn deadline(&self, duty: Duty) -> Option<Instant> {
        match duty {
            Duty::Heartbeat => self.heartbeat.deadline(),
            Duty::Election => self.election.deadline(),
            Duty::Membership => self.membership.deadline(),
            Duty::Takeover => self.takeover.deadline(),
            Duty::Monitor => self.monitor.deadline(),
            Duty::Record => self.record.deadline(),
        }
    }
}

fn feed<M: Machine>(
    machine: &mut M,
    now: Instant,
    input: M::Input,
    carry: fn(M::Effect, &mut Vec<Action>),
) -> Vec<Action> {
    let mut effects = Effects::new();
    machine.step(now, input, &mut effects);
    let mut actions = Vec::new();
    for effect in effects.drain() {
        carry(effect, &mut actions);
    }
    actions
}

const fn control(peer: Pnn, message: ControlMessage) -> Action {
    Action::Send {
        peer,
        lane: Lane::Control,
        packet: Packet::Control(message),
    }
}

fn carry_heartbeat(effect: heartbeat::io::Effect, actions: &mut Vec<Action>) {
    use heartbeat::io::Effect;
    actions.push(match effect {
        Effect::Send { peer, keepalive } => control(peer, ControlMessage::Keepalive(keepalive)),
        Effect::CloseLink { peer, .. } => Action::CloseLink(peer),
        Effect::LeaseUntil(until) => Action::Lease(until),
        Effect::Election(input) => Action::Post(Mail::Election(input)),
        Effect::Membership(input) => Action::Post(Mail::Membership(input)),
        Effect::Takeover(input) => Action::Post(Mail::Takeover(input)),
        Effect::Log(record) => Action::Log(record),
    });
}

fn carry_election(effect: election::io::Effect, actions: &mut Vec<Action>) {
    use election::io::Effect;
    match effect {
        Effect::Send { peer, message } => {
            actions.push(control(peer, ControlMessage::Election(message)));
        }
        Effect::TakeLock => actions.push(Action::TakeLock),
        Effect::ReleaseLock => actions.push(Action::ReleaseLock),
        Effect::Standing(standing) => {
            actions.push(Action::Standing(standing));
            let input = heartbeat::io::Input::Standing(standing);
            actions.push(Action::Post(Mail::Heartbeat(input)));
            let input = membership::io::Input::Standing(standing);
            actions.push(Action::Post(Mail::Membership(input)));
        }
        Effect::Log(record) => actions.push(Action::Log(record)),
    }
}

fn carry_membership(effect: membership::io::Effect, actions: &mut Vec<Action>) {
    use membership::io::Effect;
    match effect {
        Effect::Send { peer, message } => {
            actions.push(control(peer, ControlMessage::Membership(message)));
        }
        Effect::Own(node) => {
            actions.push(Action::Post(Mail::Heartbeat(heartbeat::io::Input::Own(
                node,
            ))));
            actions.push(Action::Post(Mail::Election(election::io::Input::Own(node))));
        }
        Effect::Records(input) => actions.push(Action::Post(Mail::Record(input))),
        Effect::View(view) => {
            actions.push(Action::View(view.clone()));
            let input = monitor::io::Input::View(view.clone());
            actions.push(Action::Post(Mail::Monitor(input)));
            actions.push(Action::Post(Mail::Takeover(takeover::io::Input::View(
                view,
            ))));
        }
        Effect::Recovered(_) => {
            actions.push(Action::Post(Mail::Monitor(monitor::io::Input::Recovered)));
        }
        Effect::Log(record) => actions.push(Action::Log(record)),
    }
}

fn carry_takeover(effect: takeover::io::Effect, actions: &mut Vec<Action>) {
    use takeover::io::Effect;
    actions.push(match effect {
        Effect::Send { peer, message } => control(peer, ControlMessage::Takeover(message)),
        Effect::Add { address, lease, .. } => Action::Kernel(Job::Add(address, lease)),
        Effect::Remove { address, .. } => Action::Kernel(Job::Remove(address)),
        Effect::Left => Action::Left,
        Effect::Lapsed => Action::Post(Mail::Election(election::io::Input::AuthorityLost {
            reason: String::from("its lease ended"),
        })),
        Effect::Log(record) => Action::Log(record),
        Effect::Taken(_)
        | Effect::Released(_)
        | Effect::Moved { .. }
        | Effect::View(_)
        | Effect::RunDone { .. }
        | Effect::Prepare(_)
        | Effect::Announce { .. }
        | Effect::Reallocated => return,
    });
}

fn carry_record(effect: record::io::Effect, actions: &mut Vec<Action>) {
    use record::io::Effect;
    actions.push(match effect {
        Effect::Send { peer, message } => {
            let packet = Packet::Data(DataMessage::Record(message));
            Action::Send {
                peer,
                lane: Lane::Data,
                packet,
            }
        }
        Effect::Local { db, key, op } => Action::Local { db, key, op },
        Effect::Reply { call, .. } => Action::Reply(call),
        Effect::Scan { generation, db } => Action::Walk {
            generation,
            db,
            wipe: false,
        },
        Effect::Wipe { generation, db } => Action::Walk {
            generation,
            db,
            wipe: true,
        },
        Effect::Sift { db, run } => Action::Sift { db, run },
        Effect::Vacuumed { db, report } => Action::Vacuumed { db, report },
        Effect::Open { name, .. } => Action::Open(name),
        Effect::Replica { id, job, .. } => Action::Replica { id, job },
        Effect::CommitDone { commit, status } => Action::CommitDone { commit, status },
        Effect::WantRecovery { reason } => {
            let request = membership::io::Request::Recover { reason };
            Action::Post(Mail::Membership(membership::io::Input::Request(request)))
        }
        Effect::Ready {
            generation,
            db,
            whole,
        } => Action::Post(Mail::Membership(membership::io::Input::Ready {
            generation,
            db,
            whole,
        })),
        Effect::Log(record) => Action::Log(record),
    });
}

fn carry_monitor(effect: monitor::io::Effect, actions: &mut Vec<Action>) {
    use monitor::io::Effect;
    actions.push(match effect {
        Effect::Begun | Effect::Notify(_) | Effect::Unfit(_) => return,
        Effect::RunEvent(event) => Action::Script(event),
        Effect::RunState(state) => {
            Action::Post(Mail::Membership(membership::io::Input::RunState(state)))
        }
        Effect::Health(health) => {
            Action::Post(Mail::Membership(membership::io::Input::Health(health)))
        }
        Effect::Fatal { reason } => Action::Fatal(reason),
        Effect::Log(record) => Action::Log(record),
    });
}

/// A node's clock rate of at most 1 % either way.
pub fn ppm(chance: u64) -> i32 {
    const MOST: u64 = 10_000;
    (chance % (2 * MOST + 1)) as i32 - MOST as i32
}

/// Nodes start within this time.
pub const START_SPREAD: Micros = 2 * SEC;
