//! The client socket: as a client that has attached a database and then sends what is almost right.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ctdb_protocol::client::Opcode;
use ctdb_protocol::rng::Rng;

use super::corpus::requests;
use super::mutate::{mutated, random};
use super::report::Report;
use crate::client::{Client, Result};

/// Frames on one connection, at most.
const FRAMES_A_CONNECTION: u64 = 50;
/// Place of the operation in a packet, and of the opcode in a control.
const OPERATION: usize = 16;
const OPCODE: usize = 32;
/// Operation number of a control.
const CONTROL: u32 = 7;
/// Controls that do to a node what an admin may ask for; mutation must not hit them by chance.
const ORDERS: [Opcode; 3] = [Opcode::Shutdown, Opcode::StopNode, Opcode::SetBanState];

/// What asks for a database; one with another name is a new file of 4 MiB on every node.
const ATTACHES: [Opcode; 3] = [
    Opcode::DbAttach,
    Opcode::DbAttachPersistent,
    Opcode::DbAttachReplicated,
];
/// Requests for a database in a run: one with a new name is no bad input, and thousands of them fill the disk.
const ATTACHES_MAX: u64 = 64;

/// Sends `count` frames; most connections belong to clients whose attach was answered.
pub fn client(socket: &str, count: u64, seed: u64) -> Result<Report> {
    let mut rng = Rng::new(seed);
    let valid = requests(harmless);
    let mut report = Report::default();
    let mut asked_for = 0;
    while report.sent < count {
        let mut witness = Client::connect(socket)?;
        witness.attach("hostile.tdb")?;
        // Most: a daemon that answers fast cuts an attached client off after fewer frames than one that it has not accepted yet.
        let attached = rng.chance(5, 6);
        let mut stream = UnixStream::connect(socket)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        report.connections += 1;
        if attached && !attach(&mut stream, &valid)? {
            report.refused += 1;
            continue;
        }
        for _ in 0..FRAMES_A_CONNECTION {
            let frame = if rng.chance(1, 10) {
                random(&mut rng)
            } else {
                mutated(&mut rng, &valid, true)
            };
            if !harmless(&frame) {
                continue;
            }
            if asks_for(&frame, &ATTACHES) {
                asked_for += 1;
                if asked_for > ATTACHES_MAX {
                    continue;
                }
            }
            if stream.write_all(&frame).is_err() || closed(&stream) {
                report.closed += 1;
                break;
            }
            report.sent += 1;
            report.greeted += u64::from(attached);
        }
        // Whatever happened there: this connection is unharmed.
        witness.check_open()?;
        witness.control_ok(Opcode::GetDbMap, &[])?;
    }
    Ok(report)
}

/// Attaches a database with a recorded request, and waits for the answer.
fn attach(stream: &mut UnixStream, valid: &[Vec<u8>]) -> Result<bool> {
    let number = Opcode::DbAttach.number();
    let Some(request) = valid
        .iter()
        .find(|frame| word(frame, OPCODE) == Some(number))
    else {
        return Ok(false);
    };
    stream.write_all(request)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffer = [0; 512];
    Ok(stream.read(&mut buffer)? > 0)
}

fn closed(mut stream: &UnixStream) -> bool {
    let mut buffer = [0; 8192];
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let read = stream.read(&mut buffer);
    let again = stream.set_nonblocking(false);
    match read {
        Ok(count) => count == 0 || again.is_err(),
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

fn harmless(frame: &[u8]) -> bool {
    !asks_for(frame, &ORDERS)
}

/// Whether it is one of these controls.
fn asks_for(frame: &[u8], opcodes: &[Opcode]) -> bool {
    let opcode = word(frame, OPCODE);
    let is_one = opcodes.iter().any(|one| opcode == Some(one.number()));
    word(frame, OPERATION) == Some(CONTROL) && is_one
}

fn word(frame: &[u8], at: usize) -> Option<u32> {
    let bytes = frame.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}
