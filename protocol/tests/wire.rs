//! The node protocol's bytes: golden ones for every message, and what hostile frames cost.

use ctdb_protocol::election::message::ElectionMessage;
use ctdb_protocol::flags::{Capabilities, NodeFlags, RunState};
use ctdb_protocol::heartbeat::message::{Claim, Keepalive, NodeState};
use ctdb_protocol::id::{DbId, Generation, Instance, Pnn, Rsn, SrvId, Term};
use ctdb_protocol::lvs::message::LvsMessage;
use ctdb_protocol::membership::message::{Composition, DbInfo, MembershipMessage, Scope, Stamp};
use ctdb_protocol::natgw::message::NatgwMessage;
use ctdb_protocol::record::holdings::Holding;
use ctdb_protocol::record::message::{Grave, RecordBody, RecordMessage, Settle, Tail};
use ctdb_protocol::record::replica::message::{Change, Copy, ReplicaMessage};
use ctdb_protocol::rng::Rng;
use ctdb_protocol::takeover::io::Kind;
use ctdb_protocol::takeover::message::{Assignment, KnownAddress, TakeoverMessage};
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::codec::{DecodeError, LENGTH_BYTES, decode, encode};
use ctdb_protocol::wire::hello::{Hello, Lane, MAGIC, RELEASE, VERSION};
use ctdb_protocol::wire::message::{ClientMessage, ControlMessage, DataMessage, DbKind, Packet};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/wire/testdata/messages.txt"
);

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.as_bytes())
}

fn hello() -> Packet {
    Packet::Hello(Hello {
        magic: MAGIC,
        version: VERSION,
        release: RELEASE,
        features: 1,
        lane: Lane::Data,
        cluster: String::from("nas"),
        pnn: Pnn(1),
        peer: Pnn(0),
        instance: Instance(9),
        generation: 77,
        key_proof: Bytes::default(),
    })
}

fn control() -> Vec<(&'static str, ControlMessage)> {
    let node = NodeState {
        flags: NodeFlags::UNHEALTHY,
        damped: true,
        run_state: RunState::Running,
        capabilities: Capabilities::default(),
        committed: Generation::new(77, 5),
        nodes_file: 0x0123_4567_89ab_cdef,
    };
    let keepalive = Keepalive {
        sent_at_us: 1_000_001,
        echo_us: 900_000,
        node,
        claim: Claim {
            leader: Some(Pnn(2)),
            term: Term(3),
        },
        authority_left_ms: 700,
        old_ack_age_ms: u32::MAX,
    };
    let election = |message| ControlMessage::Election(message);
    vec![
        ("keepalive", ControlMessage::Keepalive(keepalive)),
        ("goodbye", ControlMessage::Goodbye),
        (
            "vote-request",
            election(ElectionMessage::VoteRequest { term: Term(4) }),
        ),
        (
            "vote-grant",
            election(ElectionMessage::VoteGrant { term: Term(4) }),
        ),
    ]
}

fn seat() -> ControlMessage {
    ControlMessage::Lvs(LvsMessage::Seat {
        address: IpAddr::from([10, 1, 1, 237]),
        mac: Some([2, 0, 0, 0, 0, 7]),
    })
}

fn gateways() -> Vec<(&'static str, ControlMessage)> {
    let address = IpAddr::from([10, 0, 0, 227]);
    let (term, lease, number) = (Term(3), 5, 6);
    let all = [
        (
            "natgw-group",
            NatgwMessage::Group {
                members: vec![IpAddr::from([192, 168, 1, 1])],
                linked: true,
            },
        ),
        (
            "natgw-want",
            NatgwMessage::Want {
                term,
                lease,
                address,
            },
        ),
        ("natgw-ask", NatgwMessage::Ask { term, number }),
        (
            "natgw-held",
            NatgwMessage::Held {
                term,
                number,
                address: Some(address),
            },
        ),
        (
            "natgw-grant",
            NatgwMessage::Grant {
                term,
                lease,
                address,
            },
        ),
    ];
    all.map(|(name, message)| (name, ControlMessage::Natgw(message)))
        .to_vec()
}

fn takeovers() -> Vec<(&'static str, ControlMessage)> {
    let address = IpAddr::from([10, 0, 0, 31]);
    let six: IpAddr = "fd00::31".parse().expect("a literal");
    let takeover = |message| ControlMessage::Takeover(message);
    vec![
        (
            "assign",
            takeover(TakeoverMessage::Assign {
                term: Term(3),
                sequence: 8,
                heard: 2,
                assignments: vec![
                    Assignment {
                        address,
                        owner: Some(Pnn(1)),
                        granted: true,
                    },
                    Assignment {
                        address: six,
                        owner: None,
                        granted: false,
                    },
                ],
            }),
        ),
        (
            "report",
            takeover(TakeoverMessage::Report {
                term: Term(3),
                sequence: 8,
                number: 5,
                addresses: vec![KnownAddress {
                    address,
                    available: true,
                    held: false,
                    settled: true,
                    home: true,
                    kind: Kind::Public,
                }],
            }),
        ),
        (
            "noted",
            takeover(TakeoverMessage::Noted {
                term: Term(3),
                number: 5,
            }),
        ),
        (
            "want-run",
            takeover(TakeoverMessage::WantRun { request: 6 }),
        ),
        (
            "run-done",
            takeover(TakeoverMessage::RunDone { request: 6 }),
        ),
        (
            "want-move",
            takeover(TakeoverMessage::WantMove {
                request: 7,
                address: IpAddr::from([10, 1, 2, 3]),
                to: Pnn(2),
            }),
        ),
        (
            "run-over",
            takeover(TakeoverMessage::RunOver { term: Term(3) }),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "one message after the other")]
fn membership() -> Vec<(&'static str, MembershipMessage)> {
    let generation = Generation::new(78, 6);
    let stamp = Stamp {
        term: Term(3),
        generation,
    };
    let databases = vec![DbInfo {
        id: DbId(0x4d2a_432b),
        name: String::from("g_lock.tdb"),
        kind: DbKind::Volatile,
    }];
    let composition = Composition {
        generation,
        members: vec![Pnn(0), Pnn(2)],
        vnnmap: vec![Pnn(0), Pnn(0), Pnn(2)],
    };
    let db = DbId(0x4d2a_432b);
    let reason = String::from("node 1 left");
    vec![
        (
            "prepare",
            MembershipMessage::Prepare {
                term: Term(3),
                composition: composition.clone(),
                reason: reason.clone(),
            },
        ),
        (
            "prepared",
            MembershipMessage::Prepared {
                generation,
                committed: stamp,
                prepared: stamp,
                rebuilt_with: vec![Pnn(0), Pnn(2)],
                intact: Some(composition.clone()),
                databases: databases.clone(),
            },
        ),
        (
            "rebuild",
            MembershipMessage::Rebuild {
                generation,
                newest: stamp,
                contributors: vec![Pnn(0)],
                scope: Scope::Touched(composition),
                databases,
            },
        ),
        (
            "ready",
            MembershipMessage::Ready {
                generation,
                db,
                whole: true,
            },
        ),
        ("serve", MembershipMessage::Serve { generation, db }),
        ("commit", MembershipMessage::Commit { generation }),
        (
            "want-recovery",
            MembershipMessage::WantRecovery {
                reason: reason.clone(),
            },
        ),
        (
            "ban",
            MembershipMessage::Ban {
                seconds: 300,
                reason,
            },
        ),
        (
            "nodes-file",
            MembershipMessage::NodesFile(vec![Some(IpAddr::from([10, 0, 0, 1])), None]),
        ),
    ]
}

fn records() -> Vec<(&'static str, RecordBody)> {
    let key = bytes("key");
    let (to, hops) = (Pnn(2), 1);
    vec![
        (
            "call",
            RecordBody::Call {
                key: key.clone(),
                requester: to,
                number: 3,
            },
        ),
        (
            "give",
            RecordBody::Give {
                key: key.clone(),
                to,
                heard: 3,
                hops,
            },
        ),
        (
            "migrate",
            RecordBody::Migrate {
                key: key.clone(),
                rsn: Rsn(5),
                flags: 0x1_0000,
                data: bytes("v"),
                hops,
            },
        ),
        (
            "lost",
            RecordBody::Lost {
                key: key.clone(),
                to,
            },
        ),
        ("probe", RecordBody::Probe { key: key.clone() }),
        (
            "probed",
            RecordBody::Probed {
                key: key.clone(),
                rsn: Some(Rsn(5)),
                is_dmaster: true,
            },
        ),
        (
            "directory",
            RecordBody::Directory {
                holdings: [Holding {
                    key: &key,
                    rsn: Rsn(5),
                    is_dmaster: false,
                    is_empty: true,
                    is_readonly: true,
                }]
                .into_iter()
                .collect(),
            },
        ),
        ("directory-end", RecordBody::DirectoryEnd),
    ]
    .into_iter()
    .chain(settling())
    .chain(change())
    .chain(replicas().map(|(name, message)| (name, RecordBody::Replica(message))))
    .collect()
}

fn vacuum() -> [(&'static str, RecordBody); 3] {
    let (key, rsn, batch) = (bytes("key"), Rsn(5), 6);
    let kept = vec![key.clone()];
    let graves = vec![Grave { key, rsn }];
    [
        (
            "vacuum-fetch",
            RecordBody::VacuumFetch {
                graves: graves.clone(),
            },
        ),
        ("discard", RecordBody::Discard { batch, graves }),
        ("discarded", RecordBody::Discarded { batch, kept }),
    ]
}

fn readonly() -> [(&'static str, RecordBody); 6] {
    let key = bytes("key");
    [
        (
            "call-readonly",
            RecordBody::CallReadonly { key: key.clone() },
        ),
        (
            "delegate",
            RecordBody::Delegate {
                key: key.clone(),
                to: Pnn(2),
            },
        ),
        (
            "copy",
            RecordBody::Copy {
                key: key.clone(),
                rsn: Rsn(5),
                flags: 0x1_0000,
                data: bytes("v"),
            },
        ),
        ("no-copy", RecordBody::NoCopy { key: key.clone() }),
        ("revoke", RecordBody::Revoke { key: key.clone() }),
        ("revoked", RecordBody::Revoked { key }),
    ]
}

fn graves() -> Vec<Grave> {
    let (key, rsn) = (bytes("key"), Rsn(5));
    vec![Grave { key, rsn }]
}

fn settling() -> [(&'static str, RecordBody); 2] {
    let key = bytes("key");
    [
        (
            "settle",
            RecordBody::Settle(Settle {
                adopt: vec![key.clone()],
                demote: vec![key.clone()],
                discard: graves(),
                delete: graves(),
                release: vec![key.clone()],
                is_search: true,
            }),
        ),
        (
            "settled",
            RecordBody::Settled {
                count: 2,
                kept: vec![key],
            },
        ),
    ]
}

fn change() -> [(&'static str, RecordBody); 4] {
    let (keys, last) = (vec![bytes("key")], true);
    let (hash, check, node) = (0x0123_4567_89ab_cdef, 7, Pnn(2));
    let tails = vec![Tail { hash, check, node }];
    [
        (
            "moving",
            RecordBody::Moving {
                keys: keys.clone(),
                last,
            },
        ),
        ("hand-over", RecordBody::HandOver { tails, last }),
        ("show", RecordBody::Show { keys, last }),
        ("orphans", RecordBody::Orphans { hashes: vec![hash] }),
    ]
}

fn replicas() -> [(&'static str, ReplicaMessage); 8] {
    let changes = vec![Change {
        key: bytes("key"),
        value: bytes("header and data"),
    }];
    let copy = Copy {
        seqnum: 5,
        digest: 6,
        records: 7,
        empty: 8,
        healthy: true,
    };
    [
        (
            "update",
            ReplicaMessage::Update {
                number: 3,
                changes: changes.clone(),
            },
        ),
        (
            "updated",
            ReplicaMessage::Updated {
                number: 3,
                done: true,
            },
        ),
        (
            "tell",
            ReplicaMessage::Tell {
                copy: Some(copy),
                counts: true,
                sure: false,
            },
        ),
        ("supply", ReplicaMessage::Supply { to: vec![Pnn(2)] }),
        (
            "content",
            ReplicaMessage::Content {
                number: 4,
                changes,
                last: true,
            },
        ),
        ("taken", ReplicaMessage::Taken { number: 4 }),
        ("filled", ReplicaMessage::Filled),
        ("equal", ReplicaMessage::Equal { healthy: true }),
    ]
}

fn clients() -> Vec<(&'static str, ClientMessage)> {
    let (srvid, data) = (SrvId(0xfe00_0000_0000_0002), bytes("payload"));
    vec![
        (
            "message",
            ClientMessage::Message {
                srvid,
                data: data.clone(),
            },
        ),
        (
            "client-control",
            ClientMessage::Control {
                request: 1,
                opcode: 3,
                srvid,
                flags: 0,
                data: data.clone(),
            },
        ),
        (
            "client-reply",
            ClientMessage::ControlReply {
                request: 1,
                status: -1,
                data,
                error: String::from("no"),
            },
        ),
        (
            "attach",
            ClientMessage::Attach {
                name: String::from("a.tdb"),
                kind: DbKind::Replicated,
            },
        ),
        (
            "traverse-start",
            ClientMessage::TraverseStart {
                request: 2,
                db: DbId(9),
                with_empty: true,
            },
        ),
        (
            "traverse-records",
            ClientMessage::TraverseRecords {
                request: 2,
                records: vec![(bytes("k"), bytes("v"))],
                done: true,
            },
        ),
        ("traverse-stop", ClientMessage::TraverseStop { request: 2 }),
        (
            "tunnel",
            ClientMessage::Tunnel {
                tunnel: 7,
                flags: 1,
                reqid: 3,
                from: Pnn(0),
                data: bytes("t"),
            },
        ),
    ]
}

/// One packet of every kind, by a stable name.
fn packets() -> Vec<(&'static str, Packet)> {
    let record = |body| RecordMessage {
        generation: Generation::new(78, 6),
        db: DbId(9),
        body,
    };
    let control = control()
        .into_iter()
        .chain(takeovers())
        .chain([("seat", seat())])
        .chain(gateways())
        .map(|(name, m)| (name, Packet::Control(m)));
    let membership = membership()
        .into_iter()
        .map(|(name, m)| (name, Packet::Control(ControlMessage::Membership(m))));
    let records = records()
        .into_iter()
        .chain(vacuum())
        .chain(readonly())
        .map(|(name, b)| (name, Packet::Data(DataMessage::Record(record(b)))));
    let clients = clients()
        .into_iter()
        .map(|(name, m)| (name, Packet::Data(DataMessage::Client(m))));
    let refused = ("refused", Packet::Refused(String::from("wrong cluster")));
    let head = [("hello", hello()), refused];
    head.into_iter()
        .chain(control)
        .chain(membership)
        .chain(records)
        .chain(clients)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn frame(packet: &Packet) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(packet, &mut frame);
    frame
}

/// A changed byte is a changed protocol: raise `hello::VERSION`, then bless with `CTDB_BLESS=1`.
#[test]
fn bytes_are_golden() {
    let now: BTreeMap<&str, String> = packets()
        .into_iter()
        .map(|(name, packet)| (name, hex(&frame(&packet))))
        .collect();
    if std::env::var_os("CTDB_BLESS").is_some() {
        let mut text = String::new();
        for (name, hex) in &now {
            let _ = writeln!(text, "{name} {hex}");
        }
        std::fs::write(GOLDEN, text).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden file");
    let golden: BTreeMap<&str, String> = golden
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, hex)| (name, hex.to_string()))
        .collect();
    assert_eq!(now, golden);
}

#[test]
fn every_packet_comes_back_as_it_went() {
    for (name, packet) in packets() {
        let frame = frame(&packet);
        let length = u32::from_le_bytes(frame[..LENGTH_BYTES].try_into().expect("four bytes"));
        assert_eq!(length as usize, frame.len() - LENGTH_BYTES, "{name}");
        assert_eq!(decode(&frame[LENGTH_BYTES..]), Ok(packet), "{name}");
    }
}

#[test]
fn a_packet_must_fill_its_frame() {
    for (name, packet) in packets() {
        let mut body = frame(&packet)[LENGTH_BYTES..].to_vec();
        let shorter = &body[..body.len() - 1];
        assert_eq!(
            decode(shorter),
            Err(DecodeError::Malformed(shorter.len())),
            "{name}"
        );
        body.push(0);
        assert_eq!(decode(&body), Err(DecodeError::Trailing(1)), "{name}");
    }
}

#[test]
fn a_claimed_length_costs_nothing() {
    let mut body = frame(&Packet::Refused(String::new()))[LENGTH_BYTES..].to_vec();
    let at = body.len() - 8;
    for claim in [1_u64 << 62, u64::MAX, 1 << 40, 1 << 20] {
        body[at..].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(decode(&body), Err(DecodeError::Malformed(body.len())));
    }
}

#[test]
fn mutated_packets_never_panic() {
    let mut rng = Rng::new(1);
    let frames: Vec<Vec<u8>> = packets()
        .iter()
        .map(|(_, p)| frame(p)[LENGTH_BYTES..].to_vec())
        .collect();
    let mut accepted = 0;
    for _ in 0..200_000 {
        let pick = usize::try_from(rng.below(frames.len() as u64)).expect("small");
        let mut body = frames[pick].clone();
        for _ in 0..=rng.below(4) {
            let at = usize::try_from(rng.below(body.len() as u64)).expect("small");
            body[at] = u8::try_from(rng.below(256)).expect("a byte");
        }
        accepted += usize::from(decode(&body).is_ok());
    }
    // Most mutations hit a value, not the structure.
    assert!(accepted > 1_000);
}
