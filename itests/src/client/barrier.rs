//! The common start of test clients on all nodes, as Samba's test programs do it: everybody tells
//! node 0 that it is there, and node 0 tells everybody when it has heard of all.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ctdb_protocol::client::{Message, Payload, pnn, srvid};

use super::connection::Client;
use super::error::{ClientError, Result};

/// Time between two announcements of one client.
const REPEAT: Duration = Duration::from_millis(200);

/// Returns when a client has called this on each of the nodes 0 to `nodes` - 1. Messages of other
/// srvids that arrive meanwhile, from clients that are off already, are returned.
pub fn wait_for_all(client: &mut Client, nodes: u32, limit: Duration) -> Result<Vec<Message>> {
    let leads = client.pnn() == 0;
    let start = Instant::now();
    let mut present = BTreeSet::new();
    let mut early = Vec::new();
    client.register_srvid(srvid::TEST_SYNC)?;
    if leads {
        client.register_srvid(srvid::TEST_JOIN)?;
    }
    let mut next_join = start;
    loop {
        if start.elapsed() > limit {
            return Err(ClientError::Timeout {
                what: "the other clients".into(),
                waited: limit,
            });
        }
        if Instant::now() >= next_join {
            client.send_message(0, srvid::TEST_JOIN, &client.pnn().to_bytes())?;
            next_join = Instant::now() + REPEAT;
        }
        let Some(message) = client.recv_message(REPEAT)? else {
            continue;
        };
        match message.srvid {
            srvid::TEST_JOIN => {
                present.insert(u32::parse(&message.data)?);
                if (0..nodes).all(|node| present.contains(&node)) {
                    client.send_message(pnn::BROADCAST_CONNECTED, srvid::TEST_SYNC, &[])?;
                }
            }
            srvid::TEST_SYNC => break,
            _ => early.push(message),
        }
    }
    client.deregister_srvid(srvid::TEST_SYNC)?;
    if leads {
        client.deregister_srvid(srvid::TEST_JOIN)?;
    }
    Ok(early)
}
