//! The node port: as a node whose hello is right and whose messages are not.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ctdb_protocol::id::{Instance, Pnn};
use ctdb_protocol::rng::Rng;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::codec;
use ctdb_protocol::wire::hello::{Hello, Lane, MAGIC, RELEASE, VERSION};
use ctdb_protocol::wire::message::Packet;

use super::corpus::{Lanes, lanes};
use super::mutate::{mutated, random};
use super::report::Report;

/// Frames on one connection, at most: one bad frame ends it, so most see fewer.
const FRAMES_A_CONNECTION: u64 = 50;
const LIMIT: Duration = Duration::from_secs(5);

/// Sends `count` frames as node `own` to node `peer`.
pub fn node(to: SocketAddr, own: u32, peer: u32, count: u64, seed: u64) -> Result<Report> {
    let mut rng = Rng::new(seed);
    let lanes = lanes();
    let mut report = Report::default();
    let mut failures = 0;
    while report.sent < count {
        match connection(to, (own, peer), &lanes, &mut rng, &mut report) {
            Ok(()) => failures = 0,
            // The door may be held for a moment; not for ever.
            Err(error) if failures < 100 => {
                failures += 1;
                report.refused += 1;
                let _ = error;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

fn connection(
    to: SocketAddr,
    (own, peer): (u32, u32),
    lanes: &Lanes,
    rng: &mut Rng,
    report: &mut Report,
) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT)?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    report.connections += 1;
    let control = rng.chance(1, 2);
    let (lane, valid) = if control {
        (Lane::Control, &lanes.control)
    } else {
        (Lane::Data, &lanes.data)
    };
    // Three of four say hello; the others begin with what they have.
    let greeted = rng.chance(3, 4);
    if greeted {
        stream.write_all(&hello(own, peer, lane, rng))?;
    }
    for _ in 0..FRAMES_A_CONNECTION {
        let frame = if rng.chance(1, 10) {
            random(rng)
        } else {
            mutated(rng, valid, false)
        };
        if stream.write_all(&frame).is_err() || closed(&stream) {
            report.closed += 1;
            return Ok(());
        }
        report.sent += 1;
        report.greeted += u64::from(greeted);
    }
    Ok(())
}

/// Takes what the daemon has sent, so that it need not wait for us; true at its end.
fn closed(mut stream: &TcpStream) -> bool {
    let mut buffer = [0; 4096];
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let read = stream.read(&mut buffer);
    let again = stream.set_nonblocking(false);
    match read {
        Ok(count) => count == 0 || again.is_err(),
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

fn hello(own: u32, peer: u32, lane: Lane, rng: &mut Rng) -> Vec<u8> {
    let hello = Hello {
        magic: MAGIC,
        version: VERSION,
        release: RELEASE,
        features: 0,
        lane,
        cluster: String::new(),
        pnn: Pnn(own),
        peer: Pnn(peer),
        instance: Instance(rng.next_u64()),
        generation: rng.next_u64() as u32,
        key_proof: Bytes(Vec::new()),
    };
    let mut frame = Vec::new();
    codec::encode(&Packet::Hello(hello), &mut frame);
    frame
}
