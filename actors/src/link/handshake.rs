//! The hellos at the start of a lane, from both sides.

use super::table::Identity;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::limits;
use ctdb_protocol::wire::codec;
use ctdb_protocol::wire::frame::FrameSplitter;
use ctdb_protocol::wire::hello::{Expected, Hello, Lane};
use ctdb_protocol::wire::message::Packet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A peer that says nothing for so long is a stranger.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// We refuse the peer; it was told why.
    #[error("{0}")]
    Refused(String),
    /// The peer refuses us.
    #[error("the peer refuses this node: {0}")]
    RefusedByPeer(String),
    /// It sent something else than a hello.
    #[error("no hello: {0}")]
    NoHello(String),
    /// The connection failed.
    #[error("{0}")]
    Connection(#[from] std::io::Error),
}

/// A lane whose hellos are done.
#[derive(Debug)]
pub struct Greeted {
    /// The connection.
    pub stream: TcpStream,
    /// What the peer said.
    pub hello: Hello,
    /// Holds what came together with the hello.
    pub splitter: FrameSplitter,
}

/// The dialling side: speaks first.
pub async fn dial(
    mut stream: TcpStream,
    identity: &Identity,
    peer: Pnn,
    lane: Lane,
) -> Result<Greeted, HandshakeError> {
    send(&mut stream, &Packet::Hello(identity.hello(peer, lane))).await?;
    let (hello, splitter) = receive(&mut stream).await?;
    check(&mut stream, identity, &hello).await?;
    if hello.pnn != peer || hello.lane != lane {
        return Err(HandshakeError::NoHello(format!(
            "node {} answers for node {peer}",
            hello.pnn
        )));
    }
    identity
        .check_release(&hello)
        .map_err(HandshakeError::Refused)?;
    Ok(Greeted {
        stream,
        hello,
        splitter,
    })
}

/// The accepting side: hears first.
pub async fn accept(mut stream: TcpStream, identity: &Identity) -> Result<Greeted, HandshakeError> {
    let (hello, splitter) = receive(&mut stream).await?;
    check(&mut stream, identity, &hello).await?;
    send(
        &mut stream,
        &Packet::Hello(identity.hello(hello.pnn, hello.lane)),
    )
    .await?;
    // The other side has our hello, and finds the same.
    identity
        .check_release(&hello)
        .map_err(HandshakeError::Refused)?;
    Ok(Greeted {
        stream,
        hello,
        splitter,
    })
}

async fn check(
    stream: &mut TcpStream,
    identity: &Identity,
    hello: &Hello,
) -> Result<(), HandshakeError> {
    let real_address = stream.peer_addr()?.ip();
    let expected = Expected {
        cluster: &identity.cluster,
        own: identity.own,
        claimed_address: identity.nodes.address(hello.pnn),
        real_address,
    };
    if let Err(reason) = hello.check(&expected) {
        // The peer may be gone already; then it does not want to know.
        let _ = send(stream, &Packet::Refused(reason.clone())).await;
        return Err(HandshakeError::Refused(reason));
    }
    Ok(())
}

async fn send(stream: &mut TcpStream, packet: &Packet) -> Result<(), HandshakeError> {
    let mut frame = Vec::new();
    codec::encode(packet, &mut frame);
    stream.write_all(&frame).await?;
    Ok(())
}

async fn receive(stream: &mut TcpStream) -> Result<(Hello, FrameSplitter), HandshakeError> {
    let mut splitter = FrameSplitter::new(limits::HELLO_FRAME_BYTES_MAX);
    let reading = async {
        let mut buffer = [0; limits::HELLO_FRAME_BYTES_MAX];
        loop {
            let frame = splitter
                .next_frame()
                .map_err(|e| HandshakeError::NoHello(e.to_string()))?;
            if let Some(body) = frame {
                return codec::decode(body).map_err(|e| HandshakeError::NoHello(e.to_string()));
            }
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Err(HandshakeError::NoHello(String::from(
                    "the connection was closed",
                )));
            }
            splitter.feed(&buffer[..count]);
        }
    };
    let packet = tokio::time::timeout(HELLO_TIMEOUT, reading)
        .await
        .unwrap_or_else(|_| Err(HandshakeError::NoHello(String::from("silence"))))?;
    match packet {
        Packet::Hello(hello) => Ok((hello, splitter)),
        Packet::Refused(reason) => Err(HandshakeError::RefusedByPeer(reason)),
        Packet::Control(_) | Packet::Data(_) => {
            Err(HandshakeError::NoHello(String::from("another message")))
        }
    }
}

/// Whether the peer's address is one of the nodes file; anybody else is not even listened to.
pub fn is_node(identity: &Identity, address: IpAddr) -> bool {
    identity.nodes.has_address(address)
}
