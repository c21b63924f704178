//! Accepts console connections.

use super::execute::Executor;
use super::session::{Limits, Session};
use super::token::Token;
use crate::poison::Poison;
use crate::supervise::{LifeGuard, Supervisor};
use actix::prelude::*;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Out of descriptors: wait for some to come back.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);
/// What a connection hears that is one too many; it fits any socket's buffer.
const FULL: &[u8] = b"ERR 11 too many console sessions\n";

/// Accepts connections and gives each an actor of its own.
struct Listener {
    socket: Option<StdListener>,
    executor: Executor,
    token: Token,
    limits: Limits,
    places: Arc<Semaphore>,
    /// Its drop asks the supervisor for the next listener.
    _guard: LifeGuard,
}

/// Listens at `address` and keeps the listener alive on this arbiter. Gives the address that was bound.
///
/// # Errors
/// The address can't be bound.
pub fn start(
    supervisor: &Supervisor,
    address: SocketAddr,
    executor: Executor,
    token: Token,
    limits: Limits,
) -> std::io::Result<SocketAddr> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let listener = Rc::new(listener);
    let places = Arc::new(Semaphore::new(limits.sessions_max));
    supervisor.keep("console", move |guard, _restarted| {
        let actor = Listener {
            socket: listener.try_clone().ok(),
            executor: executor.clone(),
            token: token.clone(),
            limits,
            places: places.clone(),
            _guard: guard,
        }
        .start();
        executor.cluster.poisons().put("console", &actor);
    });
    Ok(bound)
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let listener = self.socket.take().map(TcpListener::from_std);
        let Some(Ok(listener)) = listener else {
            // Without a descriptor there is nothing to accept from: dropping the guard asks for another try.
            context.stop();
            return;
        };
        let (executor, token) = (self.executor.clone(), self.token.clone());
        let (limits, places) = (self.limits, self.places.clone());
        let accept = async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_BACK_OFF).await;
                    continue;
                };
                let Ok(place) = places.clone().try_acquire_owned() else {
                    refuse(stream);
                    continue;
                };
                let session = Session {
                    stream: Some(stream),
                    executor: executor.clone(),
                    token: token.clone(),
                    limits,
                    place,
                }
                .start();
                let poisons = executor.cluster.poisons();
                poisons.put("console session", &session);
            }
        };
        context.spawn(accept.into_actor(self));
    }
}

fn refuse(mut stream: TcpStream) {
    actix::spawn(async move {
        // The peer may be gone already.
        let _ = stream.write_all(FULL).await;
    });
}

/// For tests.
impl Handler<Poison> for Listener {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
