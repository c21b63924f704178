//! Nodes on threads of their own, joined by real data lanes.

use super::double::{Forgotten, Solo};
use super::raw::Raw;
use crate::board::Board;
use crate::clock::Clock;
use crate::context::NodeContext;
use crate::event::EventDesk;
use crate::fatal::Fatal;
use crate::link::inbound::Inbound;
use crate::link::lane::LaneSender;
use crate::link::table::{Identity, Links};
use crate::local::{ControlHandle, Databases, LocalHandle, ShardAddr, prepare};
use crate::log::{Format, LogConfig, Target};
use crate::nodes::NodesFile;
use crate::post::{Feed, Post};
use crate::records::{DataOut, DbTable, HealthBook, Records, Store, StoreConfig, Wiring};
use actix::{Actor, Arbiter, Context, Handler, System};
use ctdb_protocol::election::standing::{Mandate, Standing};
use ctdb_protocol::flags::{NodeFlags, RunState};
use ctdb_protocol::heartbeat::message::NodeState;
use ctdb_protocol::id::{Generation, Instance, Pnn, Term};
use ctdb_protocol::membership::message::Composition;
use ctdb_protocol::membership::view::{MembershipView, NodeView, RecoveryMode};
use ctdb_protocol::notice::Level;
use ctdb_protocol::settings::{
    Cluster, ClusterLock, Database, Events, Failover, LogFormat, LogLocation, Logging, NodeEntry,
    Paths, Settings, StartState, Startup,
};
use ctdb_protocol::tunable::Tunables;
use ctdb_protocol::wire::frame::FrameSplitter;
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::DataMessage;
use ctdb_protocol::{membership, takeover};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

pub(super) const GENERATION: Generation = Generation::new(0x1234_5678, 0);

pub(super) struct Node {
    dir: PathBuf,
    pub(super) context: NodeContext,
    pub(super) controls: ControlHandle,
    pub(super) forgotten: Forgotten,
    pub(super) heard: Heard,
    arbiter: actix::ArbiterHandle,
    handle: LocalHandle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Notes what a duty would hear.
struct Ear<T>(Arc<Mutex<Vec<T>>>);

impl<T: Unpin + 'static> Actor for Ear<T> {
    type Context = Context<Self>;
}

impl<T: Unpin + Send + 'static> Handler<Feed<T>> for Ear<T> {
    type Result = ();

    fn handle(&mut self, Feed(input): Feed<T>, _: &mut Context<Self>) {
        self.0.lock().unwrap().push(input);
    }
}

/// What the duties heard.
#[derive(Clone, Default)]
pub(super) struct Heard {
    pub(super) membership: Arc<Mutex<Vec<membership::io::Input>>>,
    pub(super) takeover: Arc<Mutex<Vec<takeover::io::Input>>>,
}

struct LinksOut(Links);

impl DataOut for LinksOut {
    fn send_data(&self, peer: Pnn, message: DataMessage) {
        self.0.send_data(peer, message);
    }
}

fn settings(dir: &Path, own: u32, nodes: u32) -> Settings {
    let text = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let address = |n: u32| IpAddr::from([127, 77, 1, 1 + n as u8]);
    let nodes = (0..nodes).map(|n| NodeEntry {
        address: address(n),
        deleted: false,
    });
    Settings {
        cluster: Cluster {
            name: String::new(),
            nodes: nodes.collect(),
            pnn: own,
            node_address: address(own),
            port: 4379,
            lock: ClusterLock::File(String::from("/clusterfs/reclock")),
            leader_capability: true,
            lmaster_capability: true,
            leader_timeout: None,
        },
        logging: Logging {
            location: LogLocation::Stderr,
            level: Level::Notice,
            script_level: Level::Err,
            format: LogFormat::Text,
        },
        database: Database {
            volatile_directory: text("volatile"),
            persistent_directory: text("persistent"),
            state_directory: text("state"),
            tdb_mutexes: true,
            lock_debug_script: None,
            lock_warning_time: Duration::from_secs(10),
            lock_eviction_time: None,
            record_shards: None,
        },
        failover: Failover {
            disabled: false,
            fast: false,
            damp_flapping: true,
            shutdown_failover_timeout: Duration::ZERO,
            shutdown_extra_timeout: Duration::ZERO,
            public_addresses: vec![],
        },
        lvs: None,
        natgw: None,
        startup: Startup {
            state: StartState::default(),
            realtime_scheduling: false,
            test_mode: true,
            max_open_files: None,
            suppress_core_file: false,
        },
        console_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        metrics_listen: None,
        events: Events::default(),
        paths: Paths {
            etc: text("etc"),
            run: text("run"),
            var: text("var"),
            socket: text("ctdbd.socket"),
            event_socket: text("eventd.socket"),
            pid_file: text("ctdbd.pid"),
            console_token: text("token"),
            public_addresses: text("public_addresses"),
            event_scripts: text("events"),
            notify_script: text("notify.sh"),
        },
    }
}

fn context(dir: &Path, own: u32, nodes: u32) -> NodeContext {
    let (log, log_handle) = crate::log::build(&LogConfig {
        target: Target::File(dir.join("log")),
        format: Format::Text,
        level: Level::Notice,
        stderr_too: false,
        program: "ctdbd".into(),
        tail: 100,
    })
    .expect("log");
    let settings = settings(dir, own, nodes);
    let no_file = || Err(String::from("there is no file"));
    let nodes = NodesFile::new(Pnn(own), settings.cluster.nodes.clone(), Box::new(no_file));
    let identity = Identity {
        own: Pnn(own),
        cluster: String::new(),
        nodes,
        instance: Instance(u64::from(own) << 32),
        generation: AtomicU32::new(GENERATION.number),
        release: ctdb_protocol::wire::hello::RELEASE,
        mixed_releases: std::sync::atomic::AtomicBool::new(false),
        misfit: watch::Sender::new(None),
    };
    let fatal = Fatal::new(&log);
    let public = crate::public::PublicAddresses::new(
        Vec::new(),
        None,
        None,
        true,
        Box::new(|| Err(String::from("there is no file"))),
        Box::new(|_| {}),
    );
    let post = Post::new(1, &fatal);
    let tunables = Arc::new(RwLock::new(Tunables::default()));
    NodeContext {
        settings: Arc::new(settings),
        public,
        lvs_group: crate::lvs::LvsGroup::default(),
        routing: crate::addresses::routing::KernelRouting::default(),
        natgw: crate::natgw::NatgwDesk::default(),
        events: EventDesk::new(post.events.clone(), &tunables),
        tunables,
        board: Board::default(),
        databases: DbTable::new(),
        locks: crate::records::LockWatch::default(),
        post,
        links: Links::new(Arc::new(identity)),
        log,
        log_handle,
        clock: Clock::start(),
        started: SystemTime::now(),
        shutdown: Arc::new(watch::channel(false).0),
        fatal,
        poisons: crate::poison::PoisonCabinet::default(),
    }
}

/// A cluster in service, led by node 0.
pub(super) fn view(own: u32, nodes: u32) -> MembershipView {
    let state = NodeState {
        run_state: RunState::Running,
        committed: GENERATION,
        ..NodeState::default()
    };
    let node = NodeView {
        flags: NodeFlags::empty(),
        state,
        same_leader: true,
    };
    let members: Vec<Pnn> = (0..nodes).map(Pnn).collect();
    MembershipView {
        own: Pnn(own),
        standing: standing(own),
        nodes: vec![node; nodes as usize],
        composition: Composition {
            generation: GENERATION,
            members: members.clone(),
            vnnmap: members,
        },
        mode: RecoveryMode::Normal,
        committed: GENERATION,
        recovery_began: None,
        recovery_ended: None,
        ban: None,
        ban_count: 0,
    }
}

fn standing(own: u32) -> Standing {
    let (term, leader) = (Term(1), Pnn(0));
    if own == 0 {
        Standing::Leader {
            term,
            mandate: Mandate::Side,
        }
    } else {
        Standing::Follower { leader, term }
    }
}

impl Node {
    /// A node alone.
    pub(super) fn alone(test: &str) -> Self {
        Self::start(test, 0, 1)
    }

    /// Two nodes with a data lane between them.
    pub(super) fn pair(test: &str) -> [Self; 2] {
        let nodes = [Self::start(test, 0, 2), Self::start(test, 1, 2)];
        nodes[0].link(&nodes[1]);
        nodes
    }

    fn start(test: &str, own: u32, nodes: u32) -> Self {
        let name = format!("ctdb-local-{test}-{own}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("scratch directory");
        let context = context(&dir, own, nodes);
        context.board.set_view(view(own, nodes));
        context.board.set_standing(standing(own));
        let (forgotten, (stop, stopped)) = (Forgotten::default(), oneshot::channel());
        let (tell, told) = mpsc::channel();
        let heard = Heard::default();
        let inner = (
            context.clone(),
            dir.clone(),
            forgotten.clone(),
            heard.clone(),
        );
        let thread = std::thread::spawn(move || {
            System::new().block_on(async move {
                let (context, dir, forgotten, heard) = inner;
                let post = &context.post;
                let ear = Ear(heard.membership).start();
                post.membership.occupy(ear.recipient());
                post.takeover
                    .occupy(Ear(heard.takeover).start().recipient());
                let handle = serve(&context, &dir, Solo::new(forgotten));
                let arbiter = Arbiter::current();
                handle.start(&arbiter).expect("socket");
                tell.send((handle, arbiter)).expect("the test waits");
                let _ = stopped.await;
            });
        });
        let (handle, arbiter) = told.recv().expect("the node starts");
        let controls = handle.controls();
        let (stop, thread) = (Some(stop), Some(thread));
        Self {
            dir,
            context,
            controls,
            forgotten,
            heard,
            arbiter,
            handle,
            stop,
            thread,
        }
    }

    /// Joins two nodes by a data lane.
    fn link(&self, other: &Self) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("bound");
        let listening = other.lane(self.context.links.identity.own, move || async move {
            let listener = TcpListener::from_std(listener).expect("listener");
            listener.accept().await.expect("accept").0
        });
        let dialled = self.lane(other.context.links.identity.own, move || async move {
            TcpStream::connect(address).await.expect("connect")
        });
        listening.recv().expect("up");
        dialled.recv().expect("up");
    }

    fn lane<F>(&self, peer: Pnn, stream: impl FnOnce() -> F + Send + 'static) -> mpsc::Receiver<()>
    where
        F: Future<Output = TcpStream> + 'static,
    {
        let (up, wait) = mpsc::channel();
        let (links, clients) = (self.context.links.clone(), self.handle.inbox());
        let post = self.context.post.clone();
        let databases = self.context.locks.counters().clone();
        self.arbiter.spawn_fn(move || {
            actix::spawn(async move {
                let lane = LaneSender::new(stream().await, Lane::Data);
                links.insert(peer, Lane::Data, lane.clone());
                let inbound = Inbound {
                    post,
                    clients,
                    links: links.clone(),
                    databases,
                };
                up.send(()).expect("the test waits");
                let writer = lane.clone();
                actix::spawn(async move { writer.write_loop().await });
                let deliver = |packet| inbound.deliver(peer, packet).expect("a data packet");
                lane.read_loop(FrameSplitter::new(1 << 20), deliver).await;
                links.close(peer);
            });
        });
        wait
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("ctdbd.socket")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn connect(&self) -> Raw {
        Raw::connect(&self.socket())
    }

    /// Does something on the node's own thread.
    pub(super) fn on_arbiter<T: Send + 'static, F>(
        &self,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> T
    where
        F: Future<Output = T> + 'static,
    {
        let (tell, told) = mpsc::channel();
        self.arbiter.spawn_fn(move || {
            actix::spawn(async move {
                let _ = tell.send(work().await);
            });
        });
        told.recv().expect("the node lives")
    }
}

fn serve(context: &NodeContext, dir: &Path, machine: Solo) -> LocalHandle {
    let handle = prepare(context.clone());
    let table = context.databases.clone();
    let config = StoreConfig {
        own: context.links.identity.own,
        volatile_dir: dir.join("volatile"),
        persistent_dir: dir.join("persistent"),
        hash_size: 100_001,
        max_dead: 5,
        mutexes: true,
        health: HealthBook::default(),
        shard: 0,
        shards: 1,
    };
    let wiring = Wiring {
        links: Box::new(LinksOut(context.links.clone())),
        call_done: handle.call_done(),
        membership: context.post.membership.clone(),
        log: context.log.clone(),
        locks: context.locks.clone(),
    };
    let store = Store::new(config, table.clone());
    let records = Records::new(machine, store, wiring, context.clock, &context.fatal).start();
    context.post.records[0].occupy(records.clone().recipient());
    let shards = vec![ShardAddr::from(records)];
    let health = HealthBook::default();
    handle.set_databases(Databases {
        table,
        health,
        shards,
    });
    handle
}
