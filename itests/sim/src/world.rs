//! The world: nodes, network, lock and kernels on one schedule, and the carrying of all effects.

use crate::client::Client;
use crate::clock::{MS, Micros, SEC};
use crate::event::{ConnId, Duty, Event, Mail, Work};
use crate::invariant::record::Ledger;
use crate::invariant::{Broken, Watch};
use crate::kept::Kept;
use crate::lock::LockService;
use crate::network::Network;
use crate::node::{Action, INTERFACE, Life, Node, START_SPREAD, ppm};
use crate::sabotage::Sabotage;
use crate::schedule::Bench;
use crate::swarm::Options;
use ctdb_protocol::election::message::ElectionMessage;
use ctdb_protocol::election::standing::{Mandate, Standing};
use ctdb_protocol::heartbeat::message::Keepalive;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::message::MembershipMessage;
use ctdb_protocol::monitor::io::Outcome;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::io::CallId;
use ctdb_protocol::takeover::io::{ConfiguredAddress, Kind};
use ctdb_protocol::timing::Timing;
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::{ControlMessage, DataMessage, Packet};
use ctdb_protocol::{election, heartbeat, membership, monitor, record, takeover};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// Between looks at the invariants that hold at every time.
const INSPECTION: Micros = 10 * MS;

/// See the module.
#[derive(Debug)]
pub struct World {
    pub(crate) bench: Bench,
    pub(crate) timing: Timing,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) lock: LockService,
    pub(crate) kernel_slow: Micros,
    pub(crate) kernel_fails: bool,
    pub(crate) store_fails: bool,
    pub(crate) clients: Vec<Client>,
    /// Which client waits for a call.
    pub(crate) calling: BTreeMap<CallId, usize>,
    pub(crate) calls: u64,
    /// Number of the newest increment.
    pub(crate) increments: u32,
    pub(crate) ledger: Ledger,
    pub(crate) kept: Kept,
    pub(crate) watch: Watch,
}

impl World {
    /// The world of `options`, with its nodes about to start.
    pub fn new(options: Options) -> Self {
        let mut bench = Bench::new(options);
        let options = bench.options.clone();
        let mut nodes: Vec<Node> = Vec::new();
        for pnn in (0..options.nodes).map(Pnn) {
            let rate = ppm(bench.rng.next_u64());
            let configured = (0..options.addresses)
                // The last node of every third address can't host it.
                .filter(|n| n % 3 != 2 || pnn.0 + 1 != options.nodes)
                .map(public_address)
                .collect();
            nodes.push(Node::new(pnn, rate, configured));
            let start = bench.rng.below(START_SPREAD);
            bench.at(start, Event::Start(pnn));
            bench.at(start + SEC, Event::Transaction(pnn));
        }
        bench.at(0, Event::Inspect);
        let mut world = Self {
            network: Network::new(options.nodes),
            lock: LockService::default(),
            timing: Timing::DEFAULT,
            nodes,
            bench,
            kernel_slow: 0,
            kernel_fails: false,
            store_fails: false,
            clients: Vec::new(),
            calling: BTreeMap::new(),
            calls: 0,
            increments: 0,
            ledger: Ledger::default(),
            kept: Kept::default(),
            watch: Watch::default(),
        };
        world.plan_faults();
        world
    }

    /// Runs to the end or to the first broken invariant.
    pub fn run(&mut self) -> Result<(), Broken> {
        while let Some(event) = self.bench.next_event() {
            if self.bench.now > self.bench.options.end {
                break;
            }
            self.handle(event);
            if let Some(broken) = self.watch.broken() {
                return Err(broken.clone());
            }
        }
        self.judge_end()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Work { node, life, work } => self.process_work(node, life, work),
            Event::Arrive {
                conn,
                to,
                lane,
                packet,
            } => self.arrive(conn, to, lane, packet),
            Event::Reset { conn, at, reason } => self.reset(conn, at, reason),
            Event::GiveUp { conn, at } => self.give_up(conn, at),
            Event::Start(pnn) => self.start(pnn),
            Event::GuardDrop { node, life } => {
                let node = &mut self.nodes[node.0 as usize];
                if node.lives == life {
                    node.kernel.clear();
                }
            }
            Event::KeeperTries(keeper) => self.keeper_tries(keeper),
            Event::KeeperPing(keeper) => self.keeper_ping(keeper),
            Event::KeeperPatience(keeper) => self.keeper_patience(keeper),
            Event::KeeperEnd(keeper) => self.keeper_end(keeper),
            Event::Client(number) => self.client(number),
            Event::Transaction(pnn) => self.transaction(pnn),
            Event::CommitAgain(commit) => self.commit_again(commit),
            Event::Fault(kind) => self.fault(kind),
            Event::Mend(mend) => self.mend(mend),
            Event::HealAll => self.heal_all(),
            Event::Inspect => {
                self.bench.after(INSPECTION, Event::Inspect);
                self.inspect();
            }
        }
    }

    // ---- work of a worker

    pub(crate) fn process_work(&mut self, pnn: Pnn, life: u32, work: Work) {
        let node = &mut self.nodes[pnn.0 as usize];
        if node.lives != life || node.life == Life::Dead {
            return;
        }
        if node.life == Life::Paused {
            node.stalled.push_back(work);
            return;
        }
        match work {
            Work::Mail(mail) => self.step(pnn, mail),
            Work::Alarm(duty, at) => self.alarm(pnn, duty, at),
            Work::Packet { conn, lane, packet } => self.read_packet(pnn, conn, lane, *packet),
            Work::LinkUp(conn) => self.link_up(pnn, conn),
            Work::LinkReset { conn, reason } => self.link_reset(pnn, conn, reason),
            Work::Dial(peer) => self.dial(pnn, peer),
            Work::Dialled { peer, answered } => self.dialled(pnn, peer, answered),
            Work::LockByte { number, byte } => self.lock_byte(pnn, number, byte),
            Work::LockPing { number } => self.lock_ping(pnn, number),
            Work::Kernel(job) => self.kernel_job(pnn, job),
            Work::WalkSlice => self.walk_slice(pnn),
            Work::Vacuum => self.vacuum(pnn),
            Work::DiskJob => self.disk_job(pnn),
            Work::LeaseCheck => self.lease_check(pnn),
            Work::Script(event, outcome) => {
                self.post(
                    pnn,
                    Mail::Monitor(monitor::io::Input::CheckDone { event, outcome }),
                );
            }
        }
    }

    /// Puts an input into a mailbox: in order, after a short time, sometimes a longer one.
    pub(crate) fn post(&mut self, pnn: Pnn, mail: Mail) {
        let now = self.bench.now;
        let most = if self.bench.one_in(2_000) { 5 * MS } else { 60 };
        let wait = self.bench.between(5, most);
        let leaks = self.bench.options.sabotage == Some(Sabotage::LeakingMailbox);
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let box_number = mail.duty().index();
        let comes = process.mail_last[box_number].max(now + wait);
        process.mail_last[box_number] = comes;
        process.mail_waiting[box_number] += 1 + usize::from(leaks);
        let life = process.life;
        self.bench.at(
            comes,
            Event::Work {
                node: pnn,
                life,
                work: Work::Mail(mail),
            },
        );
    }

    pub(crate) fn step(&mut self, pnn: Pnn, mail: Mail) {
        let duty = mail.duty();
        let now = self.bench.now;
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let waiting = &mut process.mail_waiting[duty.index()];
        *waiting = waiting.saturating_sub(1);
        let local = process.clock.local(now);
        let gate_wait = matches!(&mail, Mail::Takeover(takeover::io::Input::Unreachable { clear_at, .. })
            if *clear_at > local);
        if gate_wait && process.standing.is_leader() {
            self.bench.census.count("takeover.gate_wait");
        }
        // What is known at once is fed before anything else, as the product's actor does.
        let mut inputs = VecDeque::from([mail]);
        while let Some(mail) = inputs.pop_front() {
            let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
                return;
            };
            let actions = process.step(local, mail);
            self.bench
                .trace
                .mix((duty.index() * 1_000 + actions.len()) as u64);
            for action in actions {
                match action {
                    Action::Local { db, key, op } => inputs.extend(self.local(pnn, (db, key), op)),
                    action => self.perform(pnn, action),
                }
            }
        }
        self.set_alarm(pnn, duty);
    }

    pub(crate) fn set_alarm(&mut self, pnn: Pnn, duty: Duty) {
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let Some(deadline) = process.deadline(duty) else {
            return;
        };
        let at = process.clock.world(deadline).max(self.bench.now);
        let set = &mut process.alarms[duty.index()];
        if set.is_some_and(|set| set <= at) {
            return;
        }
        *set = Some(at);
        let life = process.life;
        self.bench.at(
            at,
            Event::Work {
                node: pnn,
                life,
                work: Work::Alarm(duty, at),
            },
        );
    }

    fn alarm(&mut self, pnn: Pnn, duty: Duty, at: Micros) {
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let set = &mut process.alarms[duty.index()];
        if *set == Some(at) {
            *set = None;
            process.mail_waiting[duty.index()] += 1;
            self.step(pnn, Mail::timeout(duty));
        }
    }

    pub(crate) fn read_packet(&mut self, pnn: Pnn, conn: ConnId, _: Lane, packet: Packet) {
        let Some(peer) = self.peer_of(pnn, conn) else {
            return;
        };
        let now = self.bench.now;
        let quiet = matches!(packet, Packet::Control(ControlMessage::Keepalive(_)));
        if self.bench.trace.is_on() && !quiet {
            self.bench
                .trace
                .line(now, Some(pnn), || format!("◄ n{peer} {packet:?}"));
        }
        let message = match packet {
            Packet::Control(message) => message,
            Packet::Data(DataMessage::Record(message)) => {
                let input = record::io::Input::Message { peer, message };
                return self.post(pnn, Mail::Record(input));
            }
            _ => return,
        };
        let mail = match message {
            ControlMessage::Keepalive(keepalive) => {
                Mail::Heartbeat(heartbeat::io::Input::Keepalive { peer, keepalive })
            }
            ControlMessage::Goodbye => Mail::Heartbeat(heartbeat::io::Input::Goodbye { peer }),
            ControlMessage::Election(message) => {
                if matches!(message, ElectionMessage::VoteGrant { .. }) {
                    self.bench.census.count("election.votes");
                }
                Mail::Election(election::io::Input::Message { peer, message })
            }
            ControlMessage::Membership(message) => {
                Mail::Membership(membership::io::Input::Message { peer, message })
            }
            ControlMessage::Takeover(message) => {
                Mail::Takeover(takeover::io::Input::Message { peer, message })
            }
            // Nobody here has an LVS address or a NAT gateway.
            ControlMessage::Lvs(_) | ControlMessage::Natgw(_) => return,
        };
        if let Some(mail) = self.sabotage_mail(pnn, mail) {
            self.post(pnn, mail);
        }
    }

    /// The planted bugs that live in messages.
    fn sabotage_mail(&mut self, pnn: Pnn, mail: Mail) -> Option<Mail> {
        let last = Pnn(self.bench.options.nodes - 1);
        match (self.bench.options.sabotage, mail) {
            (
                Some(Sabotage::StaleFlags),
                Mail::Heartbeat(heartbeat::io::Input::Keepalive {
                    peer: Pnn(0),
                    keepalive,
                }),
            ) if pnn == last => {
                let node = *self.watch.stale.get_or_insert(keepalive.node);
                let keepalive = Keepalive { node, ..keepalive };
                Some(Mail::Heartbeat(heartbeat::io::Input::Keepalive {
                    peer: Pnn(0),
                    keepalive,
                }))
            }
            (
                Some(Sabotage::LostCommit),
                Mail::Membership(membership::io::Input::Message {
                    message: MembershipMessage::Commit { .. },
                    ..
                }),
            ) if pnn == last => None,
            (
                Some(Sabotage::VotesForEverybody),
                Mail::Election(election::io::Input::Message {
                    peer,
                    message: ElectionMessage::VoteRequest { term },
                }),
            ) => {
                let grant = ElectionMessage::VoteGrant { term };
                self.send(
                    pnn,
                    peer,
                    Lane::Control,
                    Packet::Control(ControlMessage::Election(grant)),
                );
                None
            }
            (
                Some(Sabotage::VotesForEverybody),
                Mail::Heartbeat(heartbeat::io::Input::Keepalive { peer, keepalive }),
            ) => {
                let standing = self.nodes[pnn.0 as usize]
                    .process
                    .as_ref()
                    .map(|p| p.standing);
                let claim = match standing {
                    Some(standing @ Standing::Leader { term, .. }) => standing.claim(pnn, term),
                    _ => keepalive.claim,
                };
                let keepalive = Keepalive { claim, ..keepalive };
                Some(Mail::Heartbeat(heartbeat::io::Input::Keepalive {
                    peer,
                    keepalive,
                }))
            }
            (_, mail) => Some(mail),
        }
    }

    fn perform(&mut self, pnn: Pnn, action: Action) {
        match action {
            Action::Post(mail) => {
                if let Mail::Record(record::io::Input::Recover(order)) = &mail {
                    self.note_recovery(pnn, order);
                }
                self.post(pnn, mail);
            }
            Action::Send { peer, lane, packet } => self.send(pnn, peer, lane, packet),
            Action::CloseLink(peer) => self.drop_link(pnn, peer, "it is silent", 200 * MS),
            Action::Lease(until) => self.extend_lease(pnn, until),
            Action::TakeLock => self.take_lock(pnn),
            Action::ReleaseLock => self.end_attempt(pnn),
            Action::Kernel(job) => self.order_kernel(pnn, job),
            Action::Script(event) => {
                let wait = self.bench.between(MS, 50 * MS);
                let node = &self.nodes[pnn.0 as usize];
                let good = node.fit || event != monitor::io::Event::Monitor;
                let detail = String::from("unfit");
                let outcome = if good {
                    Outcome::Passed
                } else {
                    Outcome::Failed { detail }
                };
                self.bench
                    .work(wait, pnn, node.lives, Work::Script(event, outcome));
            }
            Action::Local { .. } => {}
            Action::Replica { id, job } => self.replica_job(pnn, id, job),
            Action::CommitDone { commit, status } => self.commit_done(pnn, commit, status),
            Action::Walk {
                generation,
                db,
                wipe,
            } => self.walk(pnn, generation, db, wipe),
            Action::Sift { db, run } => self.sift(pnn, db, run),
            Action::Vacuumed { db, report } => self.vacuumed(pnn, db, report),
            Action::Open(name) => self.open(pnn, &name),
            Action::Reply(call) => {
                let lost = self.bench.options.sabotage == Some(Sabotage::LostReply);
                if !(lost && self.bench.now > 55 * SEC) {
                    self.answer(call);
                }
            }
            Action::Left => self.leave(pnn),
            Action::Fatal(reason) => self
                .watch
                .fail("no machine gives up", format!("{pnn}: {reason}")),
            Action::Standing(standing) => self.new_standing(pnn, standing),
            Action::View(view) => {
                if let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() {
                    process.view = view;
                }
            }
            Action::Log(notice) => self.log(pnn, &notice),
        }
    }

    fn new_standing(&mut self, pnn: Pnn, standing: Standing) {
        if let Standing::Leader {
            mandate: Mandate::LockAlone,
            ..
        } = standing
        {
            self.bench.census.count("election.lock_alone");
        }
        if let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() {
            process.standing = standing;
            process.authority_until = 0;
        }
    }

    fn log(&mut self, pnn: Pnn, notice: &Notice) {
        self.bench.census.count(notice.name());
        self.bench.trace.mix_text(notice.name());
        let now = self.bench.now;
        self.bench
            .trace
            .line(now, Some(pnn), || format!("{} {notice}", notice.name()));
        self.watch.notice(now, pnn, notice);
    }
}

/// The address of that number.
pub fn address_number(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + number))
}

fn public_address(number: u32) -> ConfiguredAddress {
    ConfiguredAddress {
        address: address_number(number),
        prefix: 24,
        interfaces: vec![String::from(INTERFACE)],
        kind: Kind::Public,
    }
}
