//! Socket options of node links.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// TCP port of node links (service `ctdb`/tcp).
pub const NODE_PORT: u16 = 4379;
/// The kernel gives a connection up when sent data stays unacknowledged for so long. The heartbeat is
/// faster; this frees the socket.
const USER_TIMEOUT: Duration = Duration::from_secs(5);
const BACKLOG: i32 = 128;

/// Options that both ends of a link have.
pub fn configure(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(2))
        .with_interval(Duration::from_secs(1))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)
}

/// A socket that connects from the node's private address, so that the peer can check who calls.
pub fn dialling(from: IpAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address((from, 0).into()),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    configure(&socket)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    Ok(socket)
}

/// The listening socket on the node's private address.
pub fn listening(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
