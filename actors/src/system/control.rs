//! The control plane: its duties, links, cluster lock, all on the arbiter that calls this.

use super::data::DataPlane;
use super::lvs::SharedLvs;
use super::{BootError, address_kernel};
use crate::context::NodeContext;
use crate::duty::actor::Duty;
use crate::duty::election::{ElectionCarry, SharedLock};
use crate::duty::heartbeat::{HeartbeatCarry, HeartbeatMemory, PeerLinks, SharedKernel};
use crate::duty::membership::MembershipCarry;
use crate::duty::monitor::{Beginning, MonitorCarry};
use crate::duty::natgw::SharedNatgw;
use crate::duty::takeover::TakeoverCarry;
use crate::duty::tuned;
use crate::link::inbound::Inbound;
use crate::link::peer::{Accepted, LinkContext, PeerLink, Retell};
use crate::link::{listen, socket};
use crate::lock::{ClusterLock, LockCommand};
use crate::poison::PoisonCabinet;
use crate::records::DbEntry;
use crate::supervise::Supervisor;
use actix::{Actor, Addr};
use ctdb_protocol::election::electorate::Electorate;
use ctdb_protocol::election::io::LockResult;
use ctdb_protocol::election::machine::Election;
use ctdb_protocol::election::standing::Standing;
use ctdb_protocol::flags::{Capabilities, NodeFlags};
use ctdb_protocol::heartbeat::machine::Heartbeat;
use ctdb_protocol::id::{Generation, Instance, Pnn};
use ctdb_protocol::membership::config::Config as MembershipConfig;
use ctdb_protocol::membership::machine::Membership;
use ctdb_protocol::monitor::io::Config as MonitorConfig;
use ctdb_protocol::monitor::machine::Monitor;
use ctdb_protocol::settings::ClusterLock as LockSetting;
use ctdb_protocol::takeover::machine::Takeover;
use ctdb_protocol::timing::Timing;
use ctdb_protocol::{election, heartbeat, membership, monitor};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the end of the node needs of the control plane.
pub(super) struct ControlPlane {
    pub(super) kernel: SharedKernel,
    pub(super) lvs: SharedLvs,
    pub(super) natgw: SharedNatgw,
    /// The gateway's address is given up.
    pub(super) natgw_left: watch::Receiver<bool>,
    pub(super) left: watch::Receiver<bool>,
    pub(super) lock: SharedLock,
    pub(super) peers: PeerLinks,
}

/// Starts everything; nothing is sent before the links are dialled at the end.
pub(super) fn start(
    context: &NodeContext,
    supervisor: &Supervisor,
    timing: Timing,
    data: &DataPlane,
    helper: &Path,
) -> Result<ControlPlane, BootError> {
    let kernel: SharedKernel = Rc::new(RefCell::new(address_kernel(context, timing)?));
    let lvs = super::lvs::kernel(context)?;
    let natgw = super::natgw::kernel(context)?;
    let peers = PeerLinks::default();
    let lock = SharedLock::default();
    let (left_sender, left) = watch::channel(false);
    let (natgw_sender, natgw_left) = watch::channel(false);
    keep_heartbeat(context, supervisor, timing, &peers, &kernel);
    keep_lock(context, supervisor, timing, helper, &lock);
    keep_election(context, supervisor, timing, &lock);
    keep_membership(context, supervisor, timing);
    super::lvs::keep(context, supervisor, &lvs);
    super::natgw::keep(
        context,
        supervisor,
        timing,
        (&kernel, &natgw),
        &natgw_sender,
    );
    keep_takeover(context, supervisor, timing, (&kernel, &lvs), &left_sender);
    keep_links(context, supervisor, data, &peers)?;
    Ok(ControlPlane {
        kernel,
        lvs,
        natgw,
        natgw_left,
        left,
        lock,
        peers,
    })
}

fn seed(context: &NodeContext) -> u64 {
    context.links.identity.instance.0
}

fn electorate(context: &NodeContext) -> Electorate {
    let nodes = context.links.identity.nodes.live();
    Electorate::new(nodes, context.settings.cluster.lock != LockSetting::None)
}

fn keep_heartbeat(
    context: &NodeContext,
    supervisor: &Supervisor,
    timing: Timing,
    peers: &PeerLinks,
    kernel: &SharedKernel,
) {
    let (context, peers, kernel) = (context.clone(), peers.clone(), kernel.clone());
    let memory = HeartbeatMemory::default();
    supervisor.keep("heartbeat", move |life, again| {
        let now = context.clock.now();
        let machine = Heartbeat::new(own(&context), electorate(&context), timing, now);
        let carry = HeartbeatCarry {
            links: context.links.clone(),
            peers: peers.clone(),
            post: context.post.clone(),
            kernel: kernel.clone(),
            memory: memory.clone(),
            log: context.log.clone(),
        };
        let actor = Duty::new(
            "heartbeat",
            machine,
            carry,
            context.clock,
            &context.fatal,
            life,
        )
        .start();
        context.poisons.put("heartbeat", &actor);
        context.post.heartbeat.occupy(actor.recipient());
        if again {
            teach_heartbeat(&context, timing, &peers, &memory);
        }
    });
}

/// A heartbeat that was started again knows no peer: the links tell which are up, the other duties their state.
fn teach_heartbeat(
    context: &NodeContext,
    timing: Timing,
    peers: &PeerLinks,
    memory: &HeartbeatMemory,
) {
    let heartbeat = &context.post.heartbeat;
    for (peer, link) in peers.borrow().iter() {
        if memory.departed(*peer) {
            let (peer, instance) = (*peer, Instance(0));
            heartbeat.send(heartbeat::io::Input::LinkUp { peer, instance });
            heartbeat.send(heartbeat::io::Input::Goodbye { peer });
        }
        // A link that can't take it is being started again itself.
        let _ = link.try_send(Retell);
    }
    let standing = context.board.standing();
    heartbeat.send(heartbeat::io::Input::Standing(standing));
    let heard_again = context.clock.now() + timing.keepalive_interval * 2;
    if standing.is_leader() && memory.lease_until() < heard_again {
        // The lease may lapse before it is known again who follows, and the plan ends with the lease. A new
        // leadership plans anew.
        let reason = String::from("the heartbeat was started again");
        let post = &context.post.election;
        post.send(election::io::Input::AuthorityLost { reason });
    }
    context.post.membership.send(membership::io::Input::Retell);
}

fn keep_lock(
    context: &NodeContext,
    supervisor: &Supervisor,
    timing: Timing,
    helper: &Path,
    lock: &SharedLock,
) {
    let helper = helper.display().to_string();
    let words = match &context.settings.cluster.lock {
        LockSetting::None => return,
        LockSetting::File(path) => vec![helper.clone(), String::from("mutex-fcntl"), path.clone()],
        LockSetting::Command(words) => words.clone(),
    };
    let mut keeper = vec![helper, String::from("lock-keeper")];
    if context.settings.startup.realtime_scheduling {
        // The daemon's own threads would keep it from a processor else, until it took the daemon for dead.
        keeper.push(String::from("--realtime"));
    }
    let command = LockCommand {
        keeper,
        helper: words,
    };
    let (context, lock) = (context.clone(), lock.clone());
    supervisor.keep("cluster lock", move |life, again| {
        let post = context.post.clone();
        let actor = ClusterLock::new(command.clone(), timing, context.clock, post, life);
        let actor = actor.start();
        context.poisons.put("cluster lock", &actor);
        *lock.borrow_mut() = Some(actor);
        if again {
            // Its child died with it, and the lock with that; of the two the one that concerns counts.
            let reason = String::from("the lock's actor was started again");
            let failed = LockResult::Failed(reason.clone());
            let post = &context.post.election;
            post.send(election::io::Input::Lock(failed));
            post.send(election::io::Input::LockLost { reason });
        }
    });
}

fn keep_election(
    context: &NodeContext,
    supervisor: &Supervisor,
    timing: Timing,
    lock: &SharedLock,
) {
    let (context, lock) = (context.clone(), lock.clone());
    supervisor.keep("election", move |life, again| {
        let now = context.clock.now();
        let machine = Election::new(
            own(&context),
            electorate(&context),
            timing,
            seed(&context) ^ 1,
            now,
        );
        let carry = ElectionCarry {
            links: context.links.clone(),
            post: context.post.clone(),
            lock: lock.clone(),
            board: context.board.clone(),
            log: context.log.clone(),
        };
        let actor = Duty::new(
            "election",
            machine,
            carry,
            context.clock,
            &context.fatal,
            life,
        )
        .start();
        context.poisons.put("election", &actor);
        context.post.election.occupy(actor.recipient());
        if again {
            // It leads and follows nobody; the lock, if it was held, is let go.
            if let Some(lock) = lock.borrow().as_ref() {
                let _ = lock.try_send(crate::lock::Release);
            }
            let standing = Standing::Searching;
            context.board.set_standing(standing);
            context
                .post
                .heartbeat
                .send(heartbeat::io::Input::Standing(standing));
            context
                .post
                .membership
                .send(membership::io::Input::Standing(standing));
            context.post.heartbeat.send(heartbeat::io::Input::Retell);
            context.post.membership.send(membership::io::Input::Retell);
        }
    });
}

fn keep_membership(context: &NodeContext, supervisor: &Supervisor, timing: Timing) {
    let context = context.clone();
    supervisor.once("membership", move |life| {
        let machine = Membership::new(membership_config(&context, timing));
        let carry = MembershipCarry {
            links: context.links.clone(),
            post: context.post.clone(),
            events: context.events.clone(),
            board: context.board.clone(),
            log: context.log.clone(),
        };
        let actor = Duty::new(
            "membership",
            machine,
            carry,
            context.clock,
            &context.fatal,
            life,
        )
        .start();
        context.poisons.put("membership", &actor);
        context.post.membership.occupy(actor.recipient());
        // The shards told theirs before there was a membership.
        let databases = context.databases.list().iter().map(DbEntry::info).collect();
        context
            .post
            .membership
            .send(membership::io::Input::Databases(databases));
        context.post.membership.send(membership::io::Input::Retell);
    });
}

fn membership_config(context: &NodeContext, timing: Timing) -> MembershipConfig {
    let settings = &context.settings;
    let mut capabilities = Capabilities::default();
    capabilities.set(Capabilities::LEADER, settings.cluster.leader_capability);
    capabilities.set(Capabilities::LMASTER, settings.cluster.lmaster_capability);
    let lvs = settings.lvs_capability() && context.public.is_lvs_on();
    capabilities.set(Capabilities::LVS, lvs);
    capabilities.set(Capabilities::NATGW, settings.natgw_capability());
    MembershipConfig {
        own: own(context),
        nodes: context.links.identity.nodes.lines(),
        capabilities,
        start_stopped: settings.startup.state.stopped,
        start_disabled: settings.startup.state.disabled,
        timing,
        bans: tuned::bans(context),
        seed: seed(context) ^ 2,
    }
}

fn keep_takeover(
    context: &NodeContext,
    supervisor: &Supervisor,
    timing: Timing,
    (kernel, lvs): (&SharedKernel, &SharedLvs),
    left: &watch::Sender<bool>,
) {
    let (context, kernel, left) = (context.clone(), kernel.clone(), left.clone());
    let address = context.settings.lvs.as_ref().map(|lvs| lvs.address);
    let lvs = address.zip(lvs.clone());
    supervisor.once("takeover", move |life| {
        let machine = Takeover::new(own(&context), timing, tuned::takeover(&context));
        let carry = TakeoverCarry {
            links: context.links.clone(),
            election: context.post.election.clone(),
            kernel: kernel.clone(),
            events: context.events.clone(),
            lvs: lvs.clone(),
            gateway: context.public.gateway(),
            places: BTreeMap::new(),
            board: context.board.clone(),
            left: left.clone(),
            log: context.log.clone(),
        };
        let actor = Duty::new(
            "takeover",
            machine,
            carry,
            context.clock,
            &context.fatal,
            life,
        )
        .start();
        context.poisons.put("takeover", &actor);
        context.post.takeover.occupy(actor.recipient());
        context.public.configure(&context.post);
        kernel.borrow().retell();
    });
}

/// Starts the monitor, which begins with `init`; the ends of its first events are told to `beginning`.
pub(super) fn keep_monitor(
    context: &NodeContext,
    supervisor: &Supervisor,
    beginning: &watch::Sender<Beginning>,
    listening: &watch::Receiver<bool>,
) {
    let (context, beginning) = (context.clone(), beginning.clone());
    let listening = listening.clone();
    supervisor.keep("monitor", move |life, again| {
        let config = tuned::monitor(&context);
        let carry = MonitorCarry {
            post: context.post.clone(),
            board: context.board.clone(),
            events: context.events.clone(),
            beginning: beginning.clone(),
            fatal: context.fatal.clone(),
            log: context.log.clone(),
        };
        let machine = if again {
            resumed_monitor(&context, config)
        } else {
            Monitor::new(config)
        };
        let actor = Duty::new(
            "monitor",
            machine,
            carry,
            context.clock,
            &context.fatal,
            life,
        )
        .start();
        context.poisons.put("monitor", &actor);
        context.post.monitor.occupy(actor.recipient());
        // What of these its stage does not wait for is ignored.
        context.post.monitor.send(monitor::io::Input::Ready);
        if *listening.borrow() {
            context.post.monitor.send(monitor::io::Input::Listening);
        }
        if again {
            if context.board.view().committed != Generation::INVALID {
                context.post.monitor.send(monitor::io::Input::Recovered);
            }
            context.post.membership.send(membership::io::Input::Retell);
        }
    });
}

/// In the stage and with the health that the other duties last heard of.
fn resumed_monitor(context: &NodeContext, config: MonitorConfig) -> Monitor {
    let view = context.board.view();
    let now = context.clock.now();
    match view.nodes.get(own(context).0 as usize) {
        Some(node) => {
            let healthy = !node.flags.contains(NodeFlags::UNHEALTHY);
            Monitor::resumed(config, node.state.run_state, healthy, now)
        }
        None => Monitor::new(config),
    }
}

fn keep_links(
    context: &NodeContext,
    supervisor: &Supervisor,
    data: &DataPlane,
    peers: &PeerLinks,
) -> Result<(), BootError> {
    let settings = &context.settings;
    let at = SocketAddr::from((settings.cluster.node_address, settings.cluster.port));
    let failed = |source| BootError::Socket {
        what: format!("node links on {at}"),
        source,
    };
    let listener = socket::listening(at).map_err(failed)?;
    let listener = TcpListener::from_std(listener.into()).map_err(failed)?;
    let inbound = Inbound {
        post: context.post.clone(),
        clients: data.inbox(),
        links: context.links.clone(),
        databases: context.locks.counters().clone(),
    };
    let link = LinkContext {
        links: context.links.clone(),
        inbound,
        data_arbiter: data.arbiter(),
        port: settings.cluster.port,
        log: context.log.clone(),
    };
    let keep = {
        let (supervisor, peers) = (supervisor.clone(), peers.clone());
        let poisons = context.poisons.clone();
        move |peer| keep_link(&supervisor, peer, &link, &peers, &poisons)
    };
    let nodes = &context.links.identity.nodes;
    let mut changes = nodes.subscribe();
    let mut kept: BTreeSet<Pnn> = nodes.peers().into_iter().collect();
    kept.iter().copied().for_each(&keep);
    let nodes = nodes.clone();
    actix::spawn(async move {
        while changes.changed().await.is_ok() {
            // The link to a node that was taken out stays, and finds no address to dial.
            for peer in nodes.peers() {
                if kept.insert(peer) {
                    keep(peer);
                }
            }
        }
    });
    let identity = context.links.identity.clone();
    let (log, peers) = (context.log.clone(), peers.clone());
    actix::spawn(listen::run(
        listener,
        identity,
        log,
        move |peer, greeted| {
            if let Some(link) = peers.borrow().get(&peer) {
                // A link that can't take it is being started again; the peer dials anew.
                let _ = link.try_send(Accepted(greeted));
            }
        },
    ));
    Ok(())
}

/// Keeps the link to `peer` alive.
fn keep_link(
    supervisor: &Supervisor,
    peer: Pnn,
    link: &LinkContext,
    peers: &PeerLinks,
    poisons: &PoisonCabinet,
) {
    let (link, peers, poisons) = (link.clone(), peers.clone(), poisons.clone());
    supervisor.keep("link", move |life, _| {
        let actor: Addr<PeerLink> = PeerLink::new(peer, link.clone(), life).start();
        poisons.put(&format!("link {peer}"), &actor);
        peers.borrow_mut().insert(peer, actor);
    });
}

pub(super) fn own(context: &NodeContext) -> Pnn {
    context.links.identity.own
}
