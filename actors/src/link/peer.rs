//! The actor of one peer: pairs its two lanes, dials them if this node has the higher number, and tells the
//! heartbeat when the pair is up or gone.

use super::handshake::{self, Greeted, HandshakeError};
use super::inbound::Inbound;
use super::lane::LaneSender;
use super::socket;
use super::table::Links;
use crate::log::notice;
use crate::poison::Poison;
use crate::supervise::LifeGuard;
use actix::prelude::Message;
use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture,
};
use actix_rt::ArbiterHandle;
use ctdb_protocol::heartbeat;
use ctdb_protocol::id::{Instance, Pnn};
use ctdb_protocol::notice::Notice;
use ctdb_protocol::wire::frame::FrameSplitter;
use ctdb_protocol::wire::hello::Lane;
use slog::Logger;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// Between attempts to reach a peer.
const REDIAL: Duration = Duration::from_millis(200);
/// An attempt that takes longer has met a silent network.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

/// What a link needs to know.
#[derive(Clone)]
pub struct LinkContext {
    /// The lanes.
    pub links: Links,
    /// Where packets go.
    pub inbound: Inbound,
    /// Reads the data lanes.
    pub data_arbiter: ArbiterHandle,
    /// TCP port of all nodes.
    pub port: u16,
    /// Log.
    pub log: Logger,
}

/// Control and data.
const LANES: usize = 2;

/// See the module.
pub struct PeerLink {
    peer: Pnn,
    context: LinkContext,
    /// Lanes that are up, with the peer's life and the number of their pair.
    lanes: Vec<(Lane, Instance)>,
    /// How many of them have a reader.
    running: usize,
    /// Counts pairs, so that the end of an old lane is not taken for the end of a new one.
    pair: u64,
    told_up: bool,
    /// The last refusal logged; the same again is not.
    last_refusal: String,
    /// The attempt to reach the peer that runs or waits: there is never more than one.
    dialling: Option<SpawnHandle>,
    _life: LifeGuard,
}

impl PeerLink {
    /// The link to `peer`.
    pub fn new(peer: Pnn, context: LinkContext, life: LifeGuard) -> Self {
        Self {
            peer,
            context,
            lanes: Vec::new(),
            running: 0,
            pair: 0,
            told_up: false,
            last_refusal: String::new(),
            dialling: None,
            _life: life,
        }
    }

    /// The peer's private address; none while it is deleted.
    fn address(&self) -> Option<IpAddr> {
        self.context.links.identity.nodes.address(self.peer)
    }

    /// The same for the log.
    fn shown_address(&self) -> String {
        let address = self.address();
        address.map_or_else(|| String::from("deleted"), |address| address.to_string())
    }

    fn dials(&self) -> bool {
        self.context.links.identity.own > self.peer
    }

    /// Dials after a while, in place of what was planned before.
    fn dial_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if let Some(earlier) = self.dialling.take() {
            ctx.cancel_future(earlier);
        }
        self.dialling = Some(ctx.run_later(wait, |this, ctx| {
            this.dialling = None;
            this.dial(ctx);
        }));
    }

    /// Dials both lanes, one after the other, until both are up.
    fn dial(&mut self, ctx: &mut Context<Self>) {
        if !self.dials() || self.told_up {
            return;
        }
        let Some(address) = self.address() else {
            // It was taken out of the nodes file, and may come back.
            return self.dial_later(REDIAL, ctx);
        };
        let (peer, address) = (self.peer, SocketAddr::from((address, self.context.port)));
        let links = self.context.links.clone();
        let dialling = async move {
            let both = async {
                let control = dial_lane(&links, peer, address, Lane::Control).await?;
                let data = dial_lane(&links, peer, address, Lane::Data).await?;
                Ok::<_, HandshakeError>((control, data))
            };
            tokio::time::timeout(DIAL_TIMEOUT, both).await
        };
        let dialling = dialling.into_actor(self).map(|result, this, ctx| {
            this.dialling = None;
            match result {
                Ok(Ok((control, data))) => {
                    this.add(control, ctx);
                    this.add(data, ctx);
                }
                Ok(Err(error)) => {
                    this.log_refusal(&error);
                    this.dial_later(REDIAL, ctx);
                }
                Err(_) => this.dial_later(REDIAL, ctx),
            }
        });
        self.dialling = Some(ctx.spawn(dialling));
    }

    fn log_refusal(&mut self, error: &HandshakeError) {
        // That nobody answers is normal while a node is down.
        if matches!(error, HandshakeError::Connection(_)) {
            return;
        }
        let reason = error.to_string();
        if reason != self.last_refusal {
            let peer = format!("node {} ({})", self.peer, self.shown_address());
            notice(
                &self.context.log,
                &Notice::HelloRefused {
                    peer,
                    reason: reason.clone(),
                },
            );
            self.last_refusal = reason;
        }
    }

    /// Takes a greeted lane; the second one of a life makes the pair complete.
    fn add(&mut self, greeted: Greeted, ctx: &mut Context<Self>) {
        let Greeted {
            stream,
            hello,
            splitter,
        } = greeted;
        let fresh = self
            .lanes
            .iter()
            .any(|(lane, life)| *lane == hello.lane || *life != hello.instance);
        if fresh {
            self.drop_pair("it connected anew");
        }
        self.lanes.push((hello.lane, hello.instance));
        let Ok(stream) = stream.into_std() else {
            self.drop_pair("its socket could not be handed over");
            return;
        };
        let reader = Reader {
            peer: self.peer,
            lane: hello.lane,
            pair: self.pair,
            context: self.context.clone(),
            link: ctx.address(),
        };
        let spawned = match hello.lane {
            Lane::Control => {
                actix::spawn(reader.run(stream, splitter));
                true
            }
            Lane::Data => self
                .context
                .data_arbiter
                .spawn(reader.run(stream, splitter)),
        };
        if !spawned {
            self.drop_pair("the data plane has ended");
        }
    }

    /// A lane's reader runs; with both the peer is up.
    fn lane_up(&mut self, lane: Lane, sender: LaneSender) {
        self.context.links.insert(self.peer, lane, sender);
        self.running += 1;
        let Some((_, instance)) = self.lanes.first().copied() else {
            return;
        };
        if self.told_up || self.running < LANES {
            return;
        }
        self.told_up = true;
        self.last_refusal.clear();
        let address = self.shown_address();
        notice(
            &self.context.log,
            &Notice::LinkUp {
                peer: self.peer,
                address,
            },
        );
        let input = heartbeat::io::Input::LinkUp {
            peer: self.peer,
            instance,
        };
        self.context.inbound.post.heartbeat.send(input);
    }

    fn drop_pair(&mut self, reason: &str) {
        self.pair += 1;
        self.running = 0;
        self.lanes.clear();
        self.context.links.close(self.peer);
        if std::mem::take(&mut self.told_up) {
            let (peer, reason) = (self.peer, reason.to_string());
            let post = &self.context.inbound.post;
            post.heartbeat
                .send(heartbeat::io::Input::LinkDown { peer, reason });
        }
    }
}

async fn dial_lane(
    links: &Links,
    peer: Pnn,
    to: SocketAddr,
    lane: Lane,
) -> Result<Greeted, HandshakeError> {
    let own = links
        .identity
        .nodes
        .address(links.identity.own)
        .unwrap_or(to.ip());
    let socket = TcpSocket::from_std_stream(socket::dialling(own)?.into());
    let stream = socket.connect(to).await?;
    handshake::dial(stream, &links.identity, peer, lane).await
}

/// Reads one lane on the arbiter of its plane.
struct Reader {
    peer: Pnn,
    lane: Lane,
    pair: u64,
    context: LinkContext,
    link: actix::Addr<PeerLink>,
}

impl Reader {
    async fn run(self, stream: std::net::TcpStream, splitter: FrameSplitter) {
        let reason = match TcpStream::from_std(stream) {
            Ok(stream) => self.read(stream, splitter).await,
            Err(error) => error.to_string(),
        };
        let ended = LaneEnded {
            pair: self.pair,
            reason,
        };
        // The link's actor is gone only when the daemon ends.
        let _ = self.link.send(ended).await;
    }

    async fn read(&self, stream: TcpStream, splitter: FrameSplitter) -> String {
        let sender = LaneSender::new(stream, self.lane);
        // Nothing is read before the link knows the lane, so that its answers find a way back.
        let up = LaneUp {
            pair: self.pair,
            lane: self.lane,
            sender: sender.clone(),
        };
        if self.link.send(up).await.is_err() {
            return String::from("the link ended");
        }
        let mut bad = None;
        let reading = sender.read_loop(splitter, |packet| {
            if let Err(reason) = self.context.inbound.deliver(self.peer, packet) {
                bad = Some(reason);
                sender.close();
            }
        });
        let reason = tokio::select! {
            reason = reading => reason,
            result = sender.write_loop() => match result {
                Ok(()) => String::from("the lane was closed"),
                Err(error) => error.to_string(),
            },
        };
        sender.close();
        let Some(reason) = bad else { return reason };
        let peer = format!("node {}", self.peer);
        notice(
            &self.context.log,
            &Notice::BadPeer {
                peer,
                reason: reason.clone(),
            },
        );
        reason
    }
}

impl Actor for PeerLink {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A link that was started again knows nothing of the lanes of its earlier life.
        self.context.links.close(self.peer);
        self.dial(ctx);
    }
}

/// A lane that the listener accepted.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Accepted(pub Greeted);

impl Handler<Accepted> for PeerLink {
    type Result = ();
    fn handle(&mut self, Accepted(greeted): Accepted, ctx: &mut Self::Context) {
        self.add(greeted, ctx);
    }
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct LaneUp {
    pair: u64,
    lane: Lane,
    sender: LaneSender,
}

impl Handler<LaneUp> for PeerLink {
    type Result = ();
    fn handle(&mut self, up: LaneUp, _: &mut Self::Context) {
        if up.pair == self.pair {
            self.lane_up(up.lane, up.sender);
        } else {
            up.sender.close();
        }
    }
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct LaneEnded {
    pair: u64,
    reason: String,
}

impl Handler<LaneEnded> for PeerLink {
    type Result = ();
    fn handle(&mut self, ended: LaneEnded, ctx: &mut Self::Context) {
        if ended.pair == self.pair {
            self.drop_pair(&ended.reason);
            self.dial_later(REDIAL / 4, ctx);
        }
    }
}

/// Closes the link to a silent peer; it is dialled anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CloseLink {
    /// Why, for the log.
    pub reason: String,
}

impl Handler<CloseLink> for PeerLink {
    type Result = ();
    fn handle(&mut self, close: CloseLink, ctx: &mut Self::Context) {
        self.drop_pair(&close.reason);
        self.dial_later(REDIAL, ctx);
    }
}

/// Tells a heartbeat that was started again how this link stands.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Retell;

impl Handler<Retell> for PeerLink {
    type Result = ();
    fn handle(&mut self, _: Retell, _: &mut Self::Context) {
        let (peer, heartbeat) = (self.peer, &self.context.inbound.post.heartbeat);
        let life = self.lanes.first().filter(|_| self.told_up);
        let instance = life.map_or(Instance(0), |(_, instance)| *instance);
        heartbeat.send(heartbeat::io::Input::LinkUp { peer, instance });
        if !self.told_up {
            // Its end may have been told to nobody.
            let reason = String::from("it is not connected");
            heartbeat.send(heartbeat::io::Input::LinkDown { peer, reason });
        }
    }
}

/// Ends the link in order.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct EndLink;

impl Handler<EndLink> for PeerLink {
    type Result = ();
    fn handle(&mut self, _: EndLink, ctx: &mut Self::Context) {
        self.context.links.close(self.peer);
        ctx.stop();
    }
}

/// For tests.
impl Handler<Poison> for PeerLink {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
