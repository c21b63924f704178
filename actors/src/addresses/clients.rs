//! The TCP connections of clients to an address that leaves this node.

use crate::board::Board;
use crate::net::connections::{Connections, TcpConnection};
use crate::net::error::NetError;
use crate::net::gate::Block;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Ends the connections of addresses that are still here and go for good: their clients are reset, and reach nobody
/// any more.
pub(super) fn forsake(addresses: &[IpAddr]) -> Result<(), NetError> {
    if addresses.is_empty() {
        return Ok(());
    }
    // Without a block a client that connects anew at once would be heard once more.
    let blocked = Block::ButResets.begin(addresses);
    let (mut kernel, connections) = find(addresses)?;
    kernel.destroy(&connections).1.and(blocked.map(drop))
}

/// Ends the block that `forsake` began, once the addresses are gone.
pub(super) fn unblock(addresses: &[IpAddr]) -> Result<(), NetError> {
    if addresses.is_empty() {
        return Ok(());
    }
    Block::ButResets.end(addresses).map(drop)
}

/// Ends the connections of addresses that are gone, and tells of them: their clients know nothing of it yet.
pub(super) fn cut(addresses: &[IpAddr], board: &Board) -> Result<(), NetError> {
    if addresses.is_empty() {
        return Ok(());
    }
    let (mut kernel, connections) = find(addresses)?;
    let mut of_address: BTreeMap<IpAddr, Vec<_>> = BTreeMap::new();
    for connection in connections.iter().filter(|one| has_client(one)) {
        let ends = (connection.local, connection.remote);
        of_address.entry(ends.0.ip()).or_default().push(ends);
    }
    for (address, ends) in of_address {
        board.connections_cut(address, ends);
    }
    let blocked = Block::Outgoing.begin(addresses);
    let ended = kernel.destroy(&connections).1;
    let unblocked = Block::Outgoing.end(addresses);
    ended.and(blocked).and(unblocked).map(drop)
}

fn find(addresses: &[IpAddr]) -> Result<(Connections, Vec<TcpConnection>), NetError> {
    let addresses: BTreeSet<IpAddr> = addresses.iter().copied().collect();
    let mut kernel = Connections::open()?;
    let found = kernel.of(&addresses)?;
    Ok((kernel, found))
}

/// Whether its other end is somebody who could be told.
fn has_client(connection: &TcpConnection) -> bool {
    connection.remote.ip() != connection.local.ip() && !connection.remote.ip().is_loopback()
}
