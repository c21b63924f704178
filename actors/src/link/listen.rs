//! Accepts lanes from the other nodes.

use super::handshake::{self, Greeted, HandshakeError};
use super::table::Identity;
use crate::log::notice;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::notice::Notice;
use slog::Logger;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Most handshakes at once; strangers can't use up descriptors.
const HANDSHAKES_MAX: usize = 256;
/// Out of descriptors: wait for some to come back.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts until the task is dropped; greeted lanes go to `deliver`.
pub async fn run(
    listener: TcpListener,
    identity: Arc<Identity>,
    log: Logger,
    deliver: impl Fn(Pnn, Greeted) + 'static,
) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let deliver = Rc::new(deliver);
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_BACK_OFF).await;
            continue;
        };
        if !handshake::is_node(&identity, from.ip()) {
            let reason = String::from("its address is not in the nodes file");
            notice(
                &log,
                &Notice::HelloRefused {
                    peer: from.to_string(),
                    reason,
                },
            );
            continue;
        }
        let (identity, log, deliver) = (identity.clone(), log.clone(), deliver.clone());
        actix::spawn(async move {
            let _slot = slot;
            match greet(stream, &identity).await {
                Ok(greeted) => deliver(greeted.hello.pnn, greeted),
                Err(error) => {
                    let reason = error.to_string();
                    notice(
                        &log,
                        &Notice::HelloRefused {
                            peer: from.to_string(),
                            reason,
                        },
                    );
                }
            }
        });
    }
}

async fn greet(stream: TcpStream, identity: &Identity) -> Result<Greeted, HandshakeError> {
    super::socket::configure(&socket2::SockRef::from(&stream))?;
    handshake::accept(stream, identity).await
}
