//! One connected client.
//!
//! The actor does what its client asks in the order in which it asks; answers that must wait come when
//! they are ready. What a broken client sends costs this session only, and so does a panic here.

use super::controls::{Answer, Ask};
use super::outbox::Outbox;
use super::packet::MessageView;
use super::router::Router;
use crate::log::{notice, text};
use crate::poison::Poison;
use actix::fut::ActorFutureExt;
use actix::prelude::WrapFuture;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, StreamHandler};
use ctdb_protocol::client::header::Header;
use ctdb_protocol::client::packet::operation;
use ctdb_protocol::client::{
    Control, ControlFlags, ControlReply, FrameSplitter, Reply, Request, WireError, pnn,
};
use ctdb_protocol::limits::CLIENT_PACKET_BYTES_MAX;
use ctdb_protocol::notice::{Level, Notice};
use futures_util::stream::{self, Stream};
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, ready};

/// Bytes read at once.
pub(super) const READ_BYTES: usize = 256 << 10;
/// Most controls of one client that wait at once.
const WAITING_CONTROLS_MAX: usize = 4_096;

/// All sessions of the arbiter read into the same buffer.
pub(super) type ReadBuffer = Rc<RefCell<Box<[u8]>>>;

/// See the module.
pub(super) struct Session {
    router: Arc<Router>,
    outbox: Outbox,
    /// Filled by the reading stream.
    splitter: Rc<RefCell<FrameSplitter>>,
    buffer: ReadBuffer,
    waiting_controls: usize,
}

/// Why a session ends.
enum Leave {
    /// The client closed the connection, or the network layer did.
    Closed,
    /// The client sent what can't be.
    Junk(String),
}

impl Leave {
    fn junk(error: impl fmt::Display) -> Self {
        Self::Junk(error.to_string())
    }
}

impl From<WireError> for Leave {
    fn from(error: WireError) -> Self {
        Self::junk(error)
    }
}

impl Session {
    pub(super) fn new(router: Arc<Router>, outbox: Outbox, buffer: ReadBuffer) -> Self {
        router.registry_mut().connect(&outbox);
        router
            .context
            .locks
            .client_came(outbox.pid(), outbox.client());
        Self {
            router,
            outbox,
            splitter: Rc::new(FrameSplitter::new(CLIENT_PACKET_BYTES_MAX).into()),
            buffer,
            waiting_controls: 0,
        }
    }

    /// What the client sends, read as soon as it is there.
    fn bytes_read(&self) -> impl Stream<Item = io::Result<usize>> + use<> {
        let (outbox, splitter) = (self.outbox.clone(), self.splitter.clone());
        let buffer = self.buffer.clone();
        stream::poll_fn(move |ctx| {
            let mut buffer = buffer.borrow_mut();
            let count = ready!(outbox.poll_read(ctx, &mut buffer));
            if let Ok(count) = count {
                splitter.borrow_mut().push(&buffer[..count]);
            }
            Poll::Ready(Some(count))
        })
    }

    fn take_packets(&mut self, ctx: &mut Context<Self>) -> Result<(), Leave> {
        let splitter = self.splitter.clone();
        let mut splitter = splitter.borrow_mut();
        while let Some(packet) = splitter.next_packet().map_err(Leave::junk)? {
            self.take(packet, ctx)?;
        }
        Ok(())
    }

    fn take(&mut self, packet: &[u8], ctx: &mut Context<Self>) -> Result<(), Leave> {
        let counters = &self.router.counters;
        counters.client_received.fetch_add(1, Ordering::Relaxed);
        // Packets of another protocol or version, and of kinds that are not for clients, are ignored as
        // 4.17 ignores them.
        let Ok(header) = Header::parse(packet) else {
            return Ok(());
        };
        let envelope = header.envelope;
        match header.operation {
            operation::REQ_MESSAGE => {
                counters.client_messages.fetch_add(1, Ordering::Relaxed);
                let message = MessageView::parse(packet)?;
                self.router.route_message(envelope.destnode, message);
            }
            operation::REQ_CALL | operation::REQ_CONTROL | operation::REQ_TUNNEL => {
                match Request::parse(packet)?.1 {
                    Request::Call(call) => {
                        self.router.count_call();
                        self.router.start_call(&self.outbox, envelope.reqid, call);
                    }
                    Request::Control(control) => {
                        counters.client_controls.fetch_add(1, Ordering::Relaxed);
                        self.control(envelope.destnode, envelope.reqid, &control, ctx);
                    }
                    Request::Tunnel(tunnel) => {
                        counters.client_tunnels.fetch_add(1, Ordering::Relaxed);
                        self.router
                            .route_tunnel(envelope.destnode, envelope.reqid, &tunnel);
                    }
                    // Taken care of above.
                    Request::Message(_) => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn control(&mut self, to: u32, reqid: u32, control: &Control, ctx: &mut Context<Self>) {
        let silent = control.flags.contains(ControlFlags::NOREPLY) || pnn::is_broadcast(to);
        let ask = Ask {
            opcode: control.opcode,
            srvid: control.srvid,
            flags: control.flags,
            data: &control.data,
            client: Some(self.outbox.client()),
            peer: None,
        };
        let reply = if self.waiting_controls < WAITING_CONTROLS_MAX {
            self.router.control(to, &ask)
        } else {
            ControlReply::error("too many controls at once").into()
        };
        match reply {
            Answer::Now(reply) => self.answer(reqid, reply, silent),
            Answer::Later(future) => {
                self.waiting_controls += 1;
                let future = future.into_actor(self);
                ctx.spawn(future.map(move |reply, this, _| {
                    this.waiting_controls -= 1;
                    this.answer(reqid, reply, silent);
                }));
            }
        }
    }

    fn answer(&self, reqid: u32, reply: ControlReply, silent: bool) {
        if !silent {
            self.router
                .reply(&self.outbox, reqid, &Reply::Control(reply));
        }
    }

    fn leave(&self, leave: Leave, ctx: &mut Context<Self>) {
        let (log, outbox) = (&self.router.context.log, &self.outbox);
        let name = format!("client {} (pid {})", outbox.client(), outbox.pid());
        if let Leave::Junk(what) = leave {
            let said = format_args!("Closing connection with {name}: {what}");
            text(log, Level::Warning, said);
        } else if let Some(queued) = outbox.given_up() {
            let (connection, queued) = (name, queued as u64);
            notice(log, &Notice::QueueFull { connection, queued });
        }
        self.end();
        ctx.stop();
    }

    /// Others must see at once that the client is gone.
    fn end(&self) {
        self.outbox.close();
        self.router.disconnect(self.outbox.client());
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(self.bytes_read());
        let outbox = self.outbox.clone();
        let writing = async move { outbox.write_loop().await }.into_actor(self);
        ctx.spawn(writing.map(|_, this, ctx| this.leave(Leave::Closed, ctx)));
    }
}

impl StreamHandler<io::Result<usize>> for Session {
    fn handle(&mut self, count: io::Result<usize>, ctx: &mut Self::Context) {
        let result = match count {
            Ok(0) | Err(_) => Err(Leave::Closed),
            Ok(_) => self.take_packets(ctx),
        };
        if let Err(leave) = result {
            self.leave(leave, ctx);
        }
    }
}

/// A panic in the session or the end of the arbiter.
impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// For tests.
impl Handler<Poison> for Session {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
