//! Commands about TCP: tickles, and whether a port is free. Those that need no daemon are functions that the tool
//! calls too.

use super::ask::failed;
use super::execute::{Answer, Run};
use crate::net::tickle::TickleSender;
use ctdb_protocol::client::sockaddr::{Connection, SockAddr};
use ctdb_protocol::client::tickle::TickleList;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::command::{Command, TcpAction};
use ctdb_protocol::console::render::render;
use ctdb_protocol::console::render::simple::Done;
use ctdb_protocol::console::render::tcp::Tickles;
use ctdb_protocol::console::{Options, Refusal, Reply};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// C's `EADDRINUSE`: something listens at the port.
const EADDRINUSE: i32 = 98;

/// The answer to a command that needs no daemon: `tickle` and `checktcpport`.
#[must_use]
pub fn without_daemon(command: &Command, options: &Options) -> Option<Reply> {
    let done = match command {
        Command::Tcp {
            action: TcpAction::Tickle,
            connections,
        } => tickle(connections),
        Command::CheckTcpPort(port) => check_port(*port),
        _ => return None,
    };
    Some(done.map_or_else(Reply::from, |()| Reply::text(render(&Done, options))))
}

/// From the second end of each connection to the first one, as 4.17 does it.
fn tickle(connections: &[Connection]) -> Result<(), Refusal> {
    some(connections)?;
    let sender = TickleSender::open().map_err(|error| Refusal::new(error.to_string()))?;
    let ends = |connection: &Connection| Some((end(&connection.dst)?, end(&connection.src)?));
    let notes: Vec<String> = connections
        .iter()
        .filter_map(ends)
        .filter_map(|(server, client)| sender.send(server, client).err())
        .map(|error| error.to_string())
        .collect();
    match notes.len() {
        0 => Ok(()),
        failures => Err(Refusal {
            notes,
            ..Refusal::new(format!("Failed to send {failures} tickles"))
        }),
    }
}

/// The tool reads connections from its standard input when none are given; a session has no such.
fn some(connections: &[Connection]) -> Result<(), Refusal> {
    if connections.is_empty() {
        let message = "Name both ends of each connection: SRCIP:PORT DSTIP:PORT";
        return Err(Refusal::new(message));
    }
    Ok(())
}

fn end(end: &SockAddr) -> Option<SocketAddr> {
    Some(SocketAddr::new(end.ip()?, end.port()))
}

/// Whether a service could listen at the port on all IPv4 addresses.
fn check_port(port: u16) -> Result<(), Refusal> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let Err(error) = bound else {
        return Ok(());
    };
    let code = match error.kind() {
        ErrorKind::AddrInUse => EADDRINUSE,
        _ => error.raw_os_error().unwrap_or(1),
    };
    let message = format!("Failed to bind to TCP port {port}");
    Err(Refusal::coded(code, message))
}

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn tcp_command(
        &self,
        pnn: u32,
        command: &Command,
    ) -> Option<Result<Answer, Refusal>> {
        Some(match command {
            Command::GetTickles { address, port } => self.tickles(pnn, *address, *port).await,
            Command::Tcp {
                action,
                connections,
            } => match action {
                TcpAction::Tickle => return None,
                TcpAction::Add => {
                    let opcode = Opcode::TcpAddDelayedUpdate;
                    self.each(pnn, opcode, connections, "add").await
                }
                TcpAction::Remove => {
                    self.each(pnn, Opcode::TcpRemove, connections, "remove")
                        .await
                }
            },
            _ => return None,
        })
    }

    async fn tickles(
        &self,
        pnn: u32,
        address: IpAddr,
        port: Option<u16>,
    ) -> Result<Answer, Refusal> {
        let query = SockAddr::from(SocketAddr::new(address, port.unwrap_or(0))).to_bytes();
        let list: TickleList = self.ask.get(pnn, Opcode::GetTcpTickleList, query).await?;
        Ok(Answer::new(Tickles {
            address,
            connections: list.connections,
        }))
    }

    /// One control for each connection; one that fails spoils no other.
    async fn each(
        &self,
        pnn: u32,
        opcode: Opcode,
        connections: &[Connection],
        word: &str,
    ) -> Result<Answer, Refusal> {
        some(connections)?;
        let mut notes = Vec::new();
        for connection in connections {
            let reply = self.ask.reply(pnn, opcode, connection.to_bytes()).await?;
            if reply.status != 0 {
                notes.push(failed(opcode, &reply).message);
            }
        }
        match notes.len() {
            0 => Ok(Answer::new(Done)),
            failures => Err(Refusal {
                notes,
                ..Refusal::new(format!("Failed to {word} {failures} tickles"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_told_from_a_free_one() {
        let options = Options::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let reply =
            without_daemon(&Command::CheckTcpPort(port), &options).expect("needs no daemon");
        assert_eq!(reply.code, EADDRINUSE);
        drop(listener);
        let reply =
            without_daemon(&Command::CheckTcpPort(port), &options).expect("needs no daemon");
        assert_eq!(reply, Reply::default());
    }
}
