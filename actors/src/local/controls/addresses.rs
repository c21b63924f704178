//! Public addresses and their interfaces as the takeover duty sees them; TCP connections on them.

use super::{Answer, Ask, Done, Refused, data, done};
use crate::local::router::Router;
use ctdb_protocol::client::iface::{Iface, IfaceList};
use ctdb_protocol::client::public_ip::{PublicIp, PublicIpInfo, PublicIpList};
use ctdb_protocol::client::sockaddr::{Connection, SockAddr};
use ctdb_protocol::client::tickle::TickleList;
use ctdb_protocol::client::{ControlFlags, Opcode, pnn};
use ctdb_protocol::id::ClientId;
use ctdb_protocol::takeover;
use ctdb_protocol::takeover::view::{AddressStatus, AddressView, InterfaceStatus};
use std::net::IpAddr;
use std::sync::Arc;

/// Index of the active interface when the address is on none here.
const NO_INTERFACE: u32 = u32::MAX;
/// Status for an address that is no public address of this node.
const UNKNOWN_ADDRESS: i32 = 1;

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let view = || router.context.board.addresses();
    let reply: Done = match ask.opcode {
        Opcode::GetPublicIps => {
            let available = ask.flags.contains(ControlFlags::PUBLIC_IPS_ONLY_AVAILABLE);
            data(&list(&view(), available))
        }
        Opcode::GetPublicIpInfo => info(&view(), ask),
        Opcode::GetIfaces => data(&IfaceList {
            ifaces: view().interfaces.iter().map(shown).collect(),
        }),
        Opcode::SetIfaceLinkState => set_link(router, &view(), ask),
        Opcode::TcpClient => tcp_client(router, &view(), ask),
        // These two are sent by Samba's later releases.
        Opcode::TcpClientDisconnected => of_client(ask, |client, connection| {
            router.end_connection(client, connection);
        }),
        Opcode::TcpClientPassed => of_client(ask, |client, connection| {
            router.pass_connection(client, connection);
        }),
        Opcode::TcpAdd => ask.parse().and_then(|connection| {
            router.tickles.add(connection);
            done()
        }),
        Opcode::TcpAddDelayedUpdate => ask.parse().and_then(|connection| {
            router.tickles.add(connection);
            router.tell_peers(Opcode::TcpAdd, connection);
            done()
        }),
        Opcode::TcpRemove => ask.parse().and_then(|connection| {
            router.tickles.remove(connection);
            done()
        }),
        Opcode::GetTcpTickleList => tickles(router, &view(), ask),
        Opcode::SetTcpTickleList => set_tickles(router, &view(), ask),
        _ => return None,
    };
    Some(reply.into())
}

fn public_ip(status: &AddressStatus) -> PublicIp {
    PublicIp {
        pnn: status.owner.map_or(pnn::UNKNOWN, |owner| owner.0),
        addr: SockAddr::from(status.address),
    }
}

fn shown(interface: &InterfaceStatus) -> Iface {
    Iface {
        name: interface.name.clone(),
        link: u16::from(interface.up),
        references: interface.references,
    }
}

fn list(view: &AddressView, only_available: bool) -> PublicIpList {
    let is_up = |name: &String| view.interfaces.iter().any(|i| i.name == *name && i.up);
    let wanted = |status: &&AddressStatus| !only_available || status.interfaces.iter().any(is_up);
    let ips = view.addresses.iter().filter(wanted).map(public_ip);
    PublicIpList { ips: ips.collect() }
}

fn find(view: &AddressView, address: IpAddr) -> Option<&AddressStatus> {
    view.addresses
        .iter()
        .find(|status| status.address == address)
}

/// The address in the control's data.
fn address(ask: &Ask<'_>) -> Result<IpAddr, Refused> {
    let address: SockAddr = ask.parse()?;
    address.canonical().ip().ok_or_else(Refused::plainly)
}

fn info(view: &AddressView, ask: &Ask<'_>) -> Done {
    let status = find(view, address(ask)?).ok_or_else(Refused::plainly)?;
    let names = &status.interfaces;
    let active = names
        .iter()
        .position(|name| status.active.as_ref() == Some(name));
    let interface = |name: &String| {
        let known = view
            .interfaces
            .iter()
            .find(|interface| interface.name == *name);
        known.map_or_else(
            || Iface {
                name: name.clone(),
                ..Iface::default()
            },
            shown,
        )
    };
    data(&PublicIpInfo {
        ip: public_ip(status),
        active: active.map_or(NO_INTERFACE, |index| index as u32),
        ifaces: names.iter().map(interface).collect(),
    })
}

fn set_link(router: &Router, view: &AddressView, ask: &Ask<'_>) -> Done {
    let iface: Iface = ask.parse()?;
    let known = view.interfaces.iter().any(|known| known.name == iface.name);
    if !known || iface.references != 0 || iface.link > 1 {
        return Err(Refused::plainly());
    }
    let (name, up) = (iface.name, iface.link == 1);
    let input = takeover::io::Input::Interface { name, up };
    router.context.post.takeover.send(input);
    done()
}

fn tcp_client(router: &Router, view: &AddressView, ask: &Ask<'_>) -> Done {
    let client = ask.client()?;
    let connection: Connection = ask.parse()?;
    let Some(server) = connection.dst.canonical().ip() else {
        return Err(Refused::plainly());
    };
    match find(view, server) {
        // Not one of ours to move.
        None => done(),
        Some(status) if status.owner == Some(router.own) => {
            router.add_connection(client, connection);
            done()
        }
        Some(_) => Err(Refused::plainly()),
    }
}

/// What a client says of a connection that it told of before; of one that is not its own it may say anything.
fn of_client(ask: &Ask<'_>, change: impl FnOnce(ClientId, Connection)) -> Done {
    change(ask.client()?, ask.parse()?);
    done()
}

fn tickles(router: &Router, view: &AddressView, ask: &Ask<'_>) -> Done {
    let wanted: SockAddr = ask.parse()?;
    let address = address(ask)?;
    find(view, address).ok_or_else(|| Refused::status(UNKNOWN_ADDRESS))?;
    let mut connections = router.tickles.of(address);
    // Port 0 stands for all.
    connections.retain(|one| wanted.port() == 0 || one.dst.port() == wanted.port());
    data(&TickleList {
        addr: SockAddr::from(address),
        connections,
    })
}

fn set_tickles(router: &Router, view: &AddressView, ask: &Ask<'_>) -> Done {
    let list: TickleList = ask.parse()?;
    let address = list.addr.canonical().ip().ok_or_else(Refused::plainly)?;
    find(view, address).ok_or_else(|| Refused::status(UNKNOWN_ADDRESS))?;
    router.tickles.set(address, &list.connections);
    if ask.peer.is_some() && router.tickles.is_here(address) {
        // A node that had it until now; what it tells of ended there.
        router.context.board.connections_stranded(address);
    }
    done()
}
