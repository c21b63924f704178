//! TCP connections of clients to public addresses, to be tickled by whoever takes the address over.

use super::router::Router;
use ctdb_protocol::client::sockaddr::{Connection, SockAddr};
use ctdb_protocol::client::tickle::TickleList;
use ctdb_protocol::client::{ControlFlags, Opcode, Payload, pnn};
use ctdb_protocol::id::{ClientId, Pnn, SrvId};
use ctdb_protocol::wire::message::ClientMessage;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most connections kept.
const CONNECTIONS_MAX: usize = 262_144;

/// Connections by public address.
#[derive(Debug, Default)]
pub(super) struct Tickles {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    of_address: BTreeMap<IpAddr, BTreeSet<Connection>>,
    of_client: BTreeMap<ClientId, BTreeSet<Connection>>,
    count: usize,
    /// Addresses that are on this node.
    here: BTreeSet<IpAddr>,
    /// Addresses whose list changed since it was last spread.
    changed: BTreeSet<IpAddr>,
}

/// The same connection with IPv4 addresses as such, as smbd's dual-stack sockets need it.
fn plain(connection: Connection) -> Connection {
    Connection {
        src: connection.src.canonical(),
        dst: connection.dst.canonical(),
    }
}

impl Tickles {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a connection; one beyond the bound is not noted.
    pub(super) fn add(&self, connection: Connection) {
        let connection = plain(connection);
        let Some(address) = connection.dst.ip() else {
            return;
        };
        let mut table = self.table();
        if table.count < CONNECTIONS_MAX
            && table
                .of_address
                .entry(address)
                .or_default()
                .insert(connection)
        {
            table.count += 1;
            table.changed.insert(address);
        }
    }

    /// Forgets a connection.
    pub(super) fn remove(&self, connection: Connection) {
        let connection = plain(connection);
        let Some(address) = connection.dst.ip() else {
            return;
        };
        let mut table = self.table();
        let Some(list) = table.of_address.get_mut(&address) else {
            return;
        };
        let removed = list.remove(&connection);
        if list.is_empty() {
            table.of_address.remove(&address);
        }
        table.count -= usize::from(removed);
        if removed {
            table.changed.insert(address);
        }
    }

    /// All connections of an address.
    pub(super) fn of(&self, address: IpAddr) -> Vec<Connection> {
        let table = self.table();
        let list = table.of_address.get(&address);
        list.into_iter().flatten().copied().collect()
    }

    /// Replaces the connections of an address.
    pub(super) fn set(&self, address: IpAddr, connections: &[Connection]) {
        for connection in self.of(address) {
            self.remove(connection);
        }
        for connection in connections {
            self.add(*connection);
        }
    }

    /// This node has just taken the address.
    pub(super) fn arrived(&self, address: IpAddr) {
        self.table().here.insert(address);
    }

    /// The address has just left this node. What its local clients had here is for the next node to end, whatever they
    /// say of it now.
    pub(super) fn left(&self, address: IpAddr) {
        let mut table = self.table();
        table.here.remove(&address);
        for connections in table.of_client.values_mut() {
            connections.retain(|connection| connection.dst.ip() != Some(address));
        }
    }

    /// These addresses are on this node, and no others.
    fn only_here(&self, addresses: BTreeSet<IpAddr>) {
        self.table().here = addresses;
    }

    /// Whether this node has it.
    pub(super) fn is_here(&self, address: IpAddr) -> bool {
        self.table().here.contains(&address)
    }

    /// Takes the connections of an address that this node has: those of servers on other nodes, which they are now cut
    /// off from. Those of local clients live.
    pub(super) fn take_strange(&self, address: IpAddr) -> Vec<Connection> {
        let mut table = self.table();
        let Some(all) = table.of_address.remove(&address) else {
            return Vec::new();
        };
        let own: BTreeSet<Connection> = table.of_client.values().flatten().copied().collect();
        let (own, strange): (BTreeSet<_>, BTreeSet<_>) = all
            .into_iter()
            .partition(|connection| own.contains(connection));
        table.count -= strange.len();
        if !own.is_empty() {
            table.of_address.insert(address, own);
        }
        table.changed.insert(address);
        strange.into_iter().collect()
    }

    fn add_of_client(&self, client: ClientId, connection: Connection) {
        let connection = plain(connection);
        self.add(connection);
        let mut table = self.table();
        table
            .of_client
            .entry(client)
            .or_default()
            .insert(connection);
    }

    /// Answers whether it was the client's; from now on it is not.
    fn take_from_client(&self, client: ClientId, connection: Connection) -> bool {
        let mut table = self.table();
        let own = table.of_client.get_mut(&client);
        own.is_some_and(|own| own.remove(&plain(connection)))
    }
}

impl Router {
    /// Notes a connection of a local client, here and at the other nodes.
    pub(super) fn add_connection(&self, client: ClientId, connection: Connection) {
        self.tickles.add_of_client(client, connection);
        self.tell_peers(Opcode::TcpAdd, connection);
    }

    /// A client's connection ended, but the client stays.
    pub(super) fn end_connection(&self, client: ClientId, connection: Connection) {
        if self.tickles.take_from_client(client, connection) {
            self.tickles.remove(connection);
            self.tell_peers(Opcode::TcpRemove, connection);
        }
    }

    /// A client's connection has become another client's: it lives on when this one goes.
    pub(super) fn pass_connection(&self, client: ClientId, connection: Connection) {
        self.tickles.take_from_client(client, connection);
    }

    /// Forgets the connections of a client that is gone.
    pub(super) fn forget_connections(&self, client: ClientId) {
        let connections = self.tickles.table().of_client.remove(&client);
        for connection in connections.into_iter().flatten() {
            self.tickles.remove(connection);
            self.tell_peers(Opcode::TcpRemove, connection);
        }
    }

    /// Learns from the published picture which addresses are on this node.
    pub(super) fn look_which_are_here(&self) {
        let view = self.context.board.addresses();
        let active = view.addresses.iter().filter(|one| one.active.is_some());
        self.tickles
            .only_here(active.map(|one| one.address).collect());
    }

    /// An address left this node with these connections: whoever takes it shall know of them.
    pub(super) fn connections_cut(&self, address: IpAddr, ends: &[(SocketAddr, SocketAddr)]) {
        for (server, client) in ends {
            let (src, dst) = (SockAddr::from(*client), SockAddr::from(*server));
            self.tickles.add(Connection { src, dst });
        }
        let list = TickleList {
            addr: SockAddr::from(address),
            connections: self.tickles.of(address),
        };
        for peer in self.context.links.connected() {
            self.send_peer(peer, silent(Opcode::SetTcpTickleList, list.to_bytes()));
        }
    }

    /// Brings the other nodes' lists of this node's addresses up to date: those that changed to all, the
    /// rest to nodes that are new. Single changes are told at once; this mends what was missed.
    pub(super) fn spread_tickles(&self, told: &mut BTreeSet<Pnn>) {
        let changed = std::mem::take(&mut self.tickles.table().changed);
        let peers: BTreeSet<Pnn> = self.context.links.connected().into_iter().collect();
        let view = self.context.board.addresses();
        let own = view.addresses.iter().filter(|a| a.owner == Some(self.own));
        for address in own.map(|status| status.address) {
            let connections = self.tickles.of(address);
            let whole = changed.contains(&address);
            if connections.is_empty() && !whole {
                continue;
            }
            let list = TickleList {
                addr: SockAddr::from(address),
                connections,
            };
            for peer in peers.iter().filter(|peer| whole || !told.contains(peer)) {
                self.send_peer(*peer, silent(Opcode::SetTcpTickleList, list.to_bytes()));
            }
        }
        *told = peers;
    }

    /// Tells all other nodes of a connection.
    pub(super) fn tell_peers(&self, opcode: Opcode, connection: Connection) {
        let message = || silent(opcode, connection.to_bytes());
        self.route(pnn::BROADCAST_CONNECTED, || (), message);
    }
}

/// A control that wants no answer.
fn silent(opcode: Opcode, data: Vec<u8>) -> ClientMessage {
    ClientMessage::Control {
        request: 0,
        opcode: opcode.number(),
        srvid: SrvId(0),
        flags: ControlFlags::NOREPLY.bits(),
        data: data.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(client_port: u16) -> Connection {
        let end = |ip: [u8; 4], port| SockAddr::from(SocketAddr::from((ip, port)));
        Connection {
            src: end([10, 0, 0, 9], client_port),
            dst: end([10, 0, 0, 31], 445),
        }
    }

    #[test]
    fn who_takes_an_address_takes_over_the_connections_of_others_only() {
        let tickles = Tickles::default();
        let address = IpAddr::from([10, 0, 0, 31]);
        tickles.add(connection(1));
        tickles.add_of_client(ClientId(7), connection(2));
        assert_eq!(tickles.take_strange(address), [connection(1)]);
        assert_eq!(tickles.of(address), [connection(2)]);
        assert_eq!(tickles.take_strange(address), []);
        let table = tickles.table();
        assert_eq!(table.count, 1);
        assert!(table.changed.contains(&address), "the others are told");
    }

    #[test]
    fn what_a_client_had_on_an_address_that_left_is_strange() {
        let tickles = Tickles::default();
        let address = IpAddr::from([10, 0, 0, 31]);
        tickles.arrived(address);
        tickles.add_of_client(ClientId(7), connection(2));
        assert!(tickles.is_here(address));
        tickles.left(address);
        assert!(!tickles.is_here(address));
        assert!(
            !tickles.take_from_client(ClientId(7), connection(2)),
            "its end is not told to the others"
        );
        assert_eq!(tickles.of(address), [connection(2)]);
        tickles.arrived(address);
        assert_eq!(tickles.take_strange(address), [connection(2)]);
    }
}
