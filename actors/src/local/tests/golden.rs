//! Recorded requests of Debian's smbd and tool get the recorded answers, apart from the generation.

use super::node::Node;
use ctdb_protocol::client::{Header, RecordHeader};

const RECORDINGS: [&str; 2] = [
    include_str!("../../../../protocol/src/client/testdata/smbd.hex"),
    include_str!("../../../../protocol/src/client/testdata/tool.hex"),
];

/// Answers that do not depend on the cluster of the recording.
const SAME_EVERYWHERE: [&str; 16] = [
    "GET_PNN",
    "REGISTER_SRVID",
    "DB_ATTACH",
    "DB_ATTACH_PERSISTENT",
    "DB_ATTACH_REPLICATED",
    "DB_OPEN_FLAGS",
    "ENABLE_SEQNUM",
    "CALL_ff000001",
    "CALL_ff000002",
    "GET_RUNSTATE",
    "GET_RECMODE",
    "GET_TUNABLE",
    "SET_TUNABLE",
    "GET_CAPABILITIES",
    "GET_DEBUG",
    "LIST_TUNABLES",
];

fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("hex digits")).collect()
}

fn lines(recording: &str) -> Vec<(&str, &str, Vec<u8>)> {
    let lines = recording.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[0], fields[1], from_hex(fields[2]))
    });
    fields.collect()
}

#[test]
fn recorded_requests_get_the_recorded_answers() {
    let node = Node::alone("golden");
    let mut client = node.connect();
    // Attached by packets that the recordings left out.
    for name in [
        "g_lock",
        "brlock",
        "smbXsrv_client_global",
        "testv",
        "locking",
    ] {
        client.attach(&format!("{name}.tdb"));
    }
    let mut compared = 0;
    for recording in RECORDINGS {
        let lines = lines(recording);
        for pair in lines.windows(2) {
            let [(">", kind, request), ("<", answered, expected)] = pair else {
                continue;
            };
            if kind != answered || !SAME_EVERYWHERE.contains(kind) {
                continue;
            }
            client.write(request);
            // Messages about the leader may come in between.
            let mut answer = loop {
                let packet = client.packet().expect("an answer");
                if Header::parse(&packet).expect("header").operation != 5 {
                    break packet;
                }
            };
            answer[12..16].copy_from_slice(&expected[12..16]);
            assert_eq!(&answer, expected, "{kind}");
            compared += 1;
        }
    }
    assert!(compared >= 25, "{compared}");
}

#[test]
fn the_leader_is_announced_as_the_real_daemon_does() {
    let node = Node::alone("golden-leader");
    let mut client = node.connect();
    client.register(0xF101 << 48);
    let packet = client.packet().expect("announced");
    let recorded = lines(RECORDINGS[1]);
    let (_, _, mut expected) = recorded
        .into_iter()
        .find(|(direction, kind, _)| (*direction, *kind) == ("<", "MESSAGE"))
        .expect("recorded");
    expected[12..16].copy_from_slice(&packet[12..16]);
    assert_eq!(packet, expected);
}

#[test]
fn a_called_record_is_here_with_its_header() {
    use ctdb_protocol::client::{CallId, Reply};
    let node = Node::alone("golden-call");
    let mut client = node.connect();
    let db = client.attach("calls.tdb");
    client.call(db, CallId::FetchWithHeader, b"key");
    let Reply::Call(reply) = client.reply().1 else {
        panic!("not a call reply");
    };
    let (header, data) = RecordHeader::split(&reply.data).expect("with header");
    assert_eq!((reply.status, header.dmaster, data), (0, 0, &b""[..]));
}
