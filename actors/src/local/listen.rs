//! The Unix socket that clients connect to.

use super::outbox::Outbox;
use super::router::Router;
use super::session::{READ_BYTES, ReadBuffer, Session};
use crate::log::text;
use crate::poison::Poison;
use crate::supervise::LifeGuard;
use actix::fut::ActorFutureExt;
use actix::prelude::WrapFuture;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, StreamHandler};
use ctdb_protocol::notice::Level;
use futures_util::stream;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// Connections that wait to be accepted, as in 4.17.
const BACKLOG: i32 = 100;
/// Only root may connect.
const MODE: u32 = 0o700;
/// Pause after an accept that failed (no descriptor is left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket; one that an earlier daemon left behind is replaced. Nobody can connect before its
/// mode is set.
pub(crate) fn open(path: &Path) -> io::Result<StdListener> {
    match fs::symlink_metadata(path) {
        Ok(present) if present.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => {
            let what = "there is a file that is no socket: move it away";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts clients.
pub(super) struct Listener {
    router: Arc<Router>,
    socket: Arc<StdListener>,
    buffer: ReadBuffer,
    /// Tells the supervisor when a panic takes this actor down.
    _life: LifeGuard,
}

impl Listener {
    pub(super) fn new(router: Arc<Router>, socket: Arc<StdListener>, life: LifeGuard) -> Self {
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Self {
            router,
            socket,
            buffer: Rc::new(buffer.into()),
            _life: life,
        }
    }

    fn accept(&self, stream: UnixStream) -> io::Result<()> {
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let client = self.router.next_client();
        let tunables = self.router.context.tunables.clone();
        let outbox = Outbox::new(client, pid.unwrap_or(0), stream.into_std()?, tunables)?;
        let session = Session::new(self.router.clone(), outbox, self.buffer.clone()).start();
        let poisons = &self.router.context.poisons;
        poisons.put("client session", &session);
        Ok(())
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let listener = self.socket.try_clone().and_then(UnixListener::from_std);
        match listener {
            Ok(listener) => {
                let accepted = stream::unfold(listener, |listener| async {
                    let accepted = listener.accept().await;
                    if accepted.is_err() {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                    Some((accepted.map(|(stream, _)| stream), listener))
                });
                ctx.add_stream(accepted);
            }
            // Out of descriptors, say. This actor ends with its guard armed: the supervisor tries again.
            Err(error) => {
                let log = &self.router.context.log;
                text(log, Level::Err, format_args!("Client socket: {error}"));
                ctx.stop();
            }
        }
        let telling = super::broadcast::run(self.router.clone()).into_actor(self);
        ctx.spawn(telling.map(|(), _, _| ()));
        // Here a panic in one of these is a death of this actor, so that it is begun anew.
        ctx.spawn(super::vacuum::keep_vacuuming(self.router.clone()).into_actor(self));
        ctx.spawn(super::seqnum::keep_telling(self.router.clone()).into_actor(self));
    }
}

impl StreamHandler<io::Result<UnixStream>> for Listener {
    fn handle(&mut self, accepted: io::Result<UnixStream>, _: &mut Self::Context) {
        if let Err(error) = accepted.and_then(|stream| self.accept(stream)) {
            let said = format_args!("Accepting a client failed: {error}");
            text(&self.router.context.log, Level::Err, said);
        }
    }
}

/// For tests.
impl Handler<Poison> for Listener {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
