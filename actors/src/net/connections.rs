//! TCP connections of this machine, to list those of an address and to end them.
//!
//! The kernel's `sock_diag` (netlink family 4, `linux/sock_diag.h` and `linux/inet_diag.h`) lists sockets and, where it
//! was built with `INET_DIAG_DESTROY`, ends them: the program sees an error, the other end a reset. The reset needs the
//! local address: once that is off its interface nothing goes out, and the other end learns nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;

use super::error::{NetError, Result};
use super::socket::NetlinkSocket;
use super::wire::{self, Message, Writer};

const NETLINK_SOCK_DIAG: isize = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// Every state but `CLOSE`, `LISTEN` and `TIME_WAIT`: the first has no other end, the second must go on, and the third
/// has nobody who waits for anything.
const STATES: u32 = 0x1b3e;
/// Length of `struct inet_diag_sockid`.
const ID_LEN: usize = 48;
/// Where it stands in `struct inet_diag_msg`: behind family, state, timer and retransmissions.
const ID_AT: usize = 4;
/// Requests sent at once: as many as fit both socket buffers with their acknowledgements.
const BATCH_LEN: usize = 100;

/// A connection of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConnection {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    family: u8,
    id: [u8; ID_LEN],
}

impl TcpConnection {
    fn parse(message: &Message<'_>) -> Option<Self> {
        let family = *message.payload.first()?;
        let id: [u8; ID_LEN] = message
            .payload
            .get(ID_AT..ID_AT + ID_LEN)?
            .try_into()
            .ok()?;
        let port = |at: usize| u16::from_be_bytes([id[at], id[at + 1]]);
        let ip = |at: usize| -> Option<IpAddr> {
            match family {
                AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(&id[at..at + 4]).ok()?).into()),
                AF_INET6 => {
                    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(&id[at..at + 16]).ok()?);
                    // A server that listens for both families at once has its IPv4 clients like this.
                    Some(ip.to_canonical())
                }
                _ => None,
            }
        };
        Some(Self {
            local: SocketAddr::new(ip(4)?, port(0)),
            remote: SocketAddr::new(ip(20)?, port(2)),
            family,
            id,
        })
    }
}

/// The socket for such requests.
pub struct Connections {
    socket: NetlinkSocket,
}

impl Connections {
    /// Opens it in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel has no `sock_diag`.
    pub fn open() -> Result<Self> {
        Ok(Self {
            socket: NetlinkSocket::open(NETLINK_SOCK_DIAG, "connection")?,
        })
    }

    /// Lists the connections whose local end is one of the addresses.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn of(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<Vec<TcpConnection>> {
        let mut found = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let mut request = Writer::default();
            let flags = wire::FLAG_REQUEST | wire::FLAG_DUMP;
            let seq = self.socket.next_seq();
            write_request(
                &mut request,
                (SOCK_DIAG_BY_FAMILY, flags, seq),
                family,
                &[0; ID_LEN],
            );
            self.socket.query(&request.finish(), |message| {
                let connection = TcpConnection::parse(&message);
                found.extend(connection.filter(|one| addresses.contains(&one.local.ip())));
            })?;
        }
        Ok(found)
    }

    /// Ends connections; answers how many, and the first failure. One that has ended by itself is no failure.
    pub fn destroy(&mut self, connections: &[TcpConnection]) -> (usize, Result<()>) {
        let (mut ended, mut result) = (0, Ok(()));
        for chunk in connections.chunks(BATCH_LEN) {
            let mut batch = Writer::default();
            for connection in chunk {
                let flags = wire::FLAG_REQUEST | wire::FLAG_ACK;
                let seq = self.socket.next_seq();
                let head = (SOCK_DESTROY, flags, seq);
                write_request(&mut batch, head, connection.family, &connection.id);
            }
            match self.socket.exchange(&batch.finish()) {
                Ok(answers) => {
                    ended += answers.values().filter(|errno| **errno == 0).count();
                    let mut refused = answers.into_values().filter(|errno| *errno != 0);
                    let refused = refused.find(|errno| *errno != Errno::NOENT.raw_os_error());
                    if let Some(errno) = refused {
                        let errno = Errno::from_raw_os_error(errno);
                        let refused = NetError::kernel("end a TCP connection", errno);
                        result = result.and(Err(refused));
                    }
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        (ended, result)
    }
}

/// `struct inet_diag_req_v2`.
fn write_request(writer: &mut Writer, head: (u16, u16, u32), family: u8, id: &[u8; ID_LEN]) {
    let (kind, flags, seq) = head;
    writer.message(kind, flags, seq);
    writer.raw(&[family, IPPROTO_TCP, 0, 0]);
    writer.raw(&STATES.to_ne_bytes());
    writer.raw(id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        let mut payload = vec![AF_INET6, 1, 0, 0];
        payload.extend([0x01, 0xbd, 0xc3, 0x50]);
        let mapped = |last: u8| Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped().octets();
        payload.extend(mapped(31));
        payload.extend(mapped(9));
        payload.resize(ID_AT + ID_LEN, 7);
        let message = Message {
            kind: SOCK_DIAG_BY_FAMILY,
            seq: 1,
            port: 0,
            payload: &payload,
        };
        let found = TcpConnection::parse(&message).expect("whole");
        assert_eq!(found.local.to_string(), "10.0.0.31:445");
        assert_eq!(found.remote.to_string(), "10.0.0.9:50000");
        assert_eq!(
            found.id[ID_LEN - 8..],
            [7; 8],
            "the cookie goes back as it came"
        );
        let short = Message {
            payload: &payload[..50],
            ..message
        };
        assert_eq!(TcpConnection::parse(&short), None);
    }

    #[test]
    fn listeners_and_what_has_ended_stay() {
        let state = |number: u32| STATES & (1 << number) != 0;
        for number in [1, 2, 3, 4, 5, 8, 9, 11, 12] {
            assert!(state(number), "{number}");
        }
        for number in [0, 6, 7, 10] {
            assert!(!state(number), "{number}");
        }
    }
}
