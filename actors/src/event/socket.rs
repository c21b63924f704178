//! `eventd.socket`: 4.17's `ctdb event …` as a client.
//!
//! A request is carried out beside the others of its connection; the answers name their requests. A packet
//! that is none costs its sender the connection. A run goes on when its client has gone.

use super::command::COMPONENT;
use super::desk::EventDesk;
use super::scripts::ScriptDirectory;
use crate::context::NodeContext;
use crate::log::text;
use crate::poison::{Poison, PoisonCabinet};
use crate::supervise::{LifeGuard, Supervisor};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, WrapFuture};
use ctdb_protocol::event::errno::{EINVAL, EIO, ENOENT};
use ctdb_protocol::event::io::EventRun;
use ctdb_protocol::event::packet::{Answer, HEADER_BYTES, Request};
use ctdb_protocol::limits::EVENT_PACKET_BYTES_MAX;
use ctdb_protocol::notice::Level;
use slog::Logger;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore};

/// Connections at a time.
const SESSIONS_MAX: usize = 64;
/// Requests of one connection that are under way.
const REQUESTS_MAX: usize = 64;
/// A client that does not read its answer is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an accept that failed (no descriptor is left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A run without a limit; longer than any daemon lives.
const NO_TIMEOUT: u32 = u32::MAX;

/// What the sessions work with. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    desk: EventDesk,
    directory: ScriptDirectory,
    log: Logger,
}

/// Listens at `path` and keeps the listener alive on this arbiter.
pub(super) fn start(
    supervisor: &Supervisor,
    path: &Path,
    service: &Service,
    poisons: &PoisonCabinet,
) -> io::Result<()> {
    let socket = Rc::new(crate::local::open_socket(path)?);
    let places = Arc::new(Semaphore::new(SESSIONS_MAX));
    let (service, poisons) = (service.clone(), poisons.clone());
    supervisor.keep("event socket", move |life, _| {
        let actor = Listener {
            socket: socket.clone(),
            service: service.clone(),
            places: places.clone(),
            _life: life,
        };
        poisons.put("event socket", &actor.start());
    });
    Ok(())
}

struct Listener {
    socket: Rc<StdListener>,
    service: Service,
    places: Arc<Semaphore>,
    /// Tells the supervisor when a panic takes this actor down.
    _life: LifeGuard,
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let listener = self.socket.try_clone().and_then(UnixListener::from_std);
        let Ok(listener) = listener else {
            // Out of descriptors, say: the supervisor tries again.
            return ctx.stop();
        };
        let (service, places) = (self.service.clone(), self.places.clone());
        let accept = async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                // One too many is closed at once.
                if let Ok(place) = places.clone().try_acquire_owned() {
                    let service = service.clone();
                    actix::spawn(async move {
                        talk(stream, service).await;
                        drop(place);
                    });
                }
            }
        };
        ctx.spawn(accept.into_actor(self));
    }
}

/// For tests.
impl Handler<Poison> for Listener {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}

async fn talk(stream: UnixStream, service: Service) {
    let (mut reader, writer) = stream.into_split();
    let writer = Rc::new(Mutex::new(writer));
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    while let Ok(Some(packet)) = read(&mut reader).await {
        let (number, request) = match Request::parse(&packet) {
            Ok(parsed) => parsed,
            Err(error) => {
                text(
                    &service.log,
                    Level::Warning,
                    format_args!("Closing a connection on the event socket: {error}"),
                );
                return;
            }
        };
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (service, writer) = (service.clone(), writer.clone());
        actix::spawn(async move {
            let answer = service.answer(&request).await.to_packet(number);
            write(&writer, &answer).await;
            drop(place);
        });
    }
}

/// The next packet; `None` at the end.
async fn read(reader: &mut OwnedReadHalf) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if reader.read_exact(&mut length).await.is_err() {
        return Ok(None);
    }
    let bytes = u32::from_le_bytes(length) as usize;
    if !(HEADER_BYTES..=EVENT_PACKET_BYTES_MAX).contains(&bytes) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut packet = vec![0; bytes];
    packet[..4].copy_from_slice(&length);
    reader.read_exact(&mut packet[4..]).await?;
    Ok(Some(packet))
}

async fn write(writer: &Mutex<OwnedWriteHalf>, packet: &[u8]) {
    let mut writer = writer.lock().await;
    // Who has gone, or does not read, needs no answer.
    let _ = tokio::time::timeout(WRITE_TIMEOUT, writer.write_all(packet)).await;
}

impl Service {
    /// That of a running node.
    pub fn of(context: &NodeContext) -> Self {
        Self {
            desk: context.events.clone(),
            directory: super::directory(&context.settings),
            log: context.log.clone(),
        }
    }

    /// Where the scripts are.
    pub const fn directory(&self) -> &ScriptDirectory {
        &self.directory
    }

    /// Carries out a request.
    pub async fn answer(&self, request: &Request) -> Answer {
        let (Request::Run { component, .. }
        | Request::Status { component, .. }
        | Request::Script { component, .. }) = request;
        if component != COMPONENT {
            return Answer::to(request, ENOENT);
        }
        match request {
            Request::Run {
                event,
                args,
                timeout,
                all,
                ..
            } => {
                let timeout = match *timeout {
                    0 => NO_TIMEOUT,
                    seconds => seconds,
                };
                let end = self.desk.order(EventRun {
                    event: event.clone(),
                    args: args.split_whitespace().map(str::to_string).collect(),
                    timeout: Duration::from_secs(timeout.into()),
                    all: *all,
                    merges: false,
                });
                Answer::to(request, end.await.result)
            }
            Request::Status { event, .. } => match self.desk.result(event) {
                Some(result) => Answer {
                    status: Some(result),
                    ..Answer::to(request, 0)
                },
                None => Answer::to(request, EINVAL),
            },
            Request::Script { script, enable, .. } => {
                let (directory, script) = (self.directory.clone(), script.clone());
                let enable = *enable;
                let changed =
                    tokio::task::spawn_blocking(move || directory.set_run_bit(&script, enable));
                let changed = changed.await.unwrap_or(Err(EIO));
                Answer::to(request, changed.err().unwrap_or(0))
            }
        }
    }
}
