//! What nodes do for the clients of other nodes.

use super::node::Node;
use crate::board::Event;
use ctdb_protocol::client::packet::{Tunnel, TunnelFlags};
use ctdb_protocol::client::srvid_message::DisableMessage;
use ctdb_protocol::client::traverse::{RecordData, TraverseStart};
use ctdb_protocol::client::{CallId, Opcode, Payload, Reply, Request, pnn, srvid};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::wire::hello::Lane;

const PORT: u64 = 0xBE00_0000_0000_0077;

#[test]
fn messages_cross_nodes() {
    let [one, two] = Node::pair("messages");
    let (mut here, mut there) = (one.connect(), two.connect());
    here.register(PORT);
    there.register(PORT);
    here.message(1, PORT, b"to two");
    let packet = there.packet().expect("delivered");
    let header = ctdb_protocol::client::Header::parse(&packet).expect("header");
    assert_eq!(
        (header.envelope.srcnode, header.envelope.reqid),
        (1, 0),
        "the local pnn"
    );
    there.message(pnn::BROADCAST_CONNECTED, PORT, b"to both");
    assert_eq!(there.recv().data, b"to both");
    assert_eq!(here.recv().data, b"to both");
    there.message(pnn::BROADCAST_ACTIVE, PORT, b"to all in service");
    assert_eq!(there.recv().data, b"to all in service");
    assert_eq!(here.recv().data, b"to all in service");
    here.message(9, PORT, b"to nobody");
    assert_eq!(here.status(0, Opcode::GetPnn, &[]), 0);
}

#[test]
fn controls_are_forwarded_and_end_when_the_node_is_lost() {
    let [one, two] = Node::pair("forward");
    let mut client = one.connect();
    assert_eq!(client.status(1, Opcode::GetPnn, &[]), 1);
    assert_eq!(
        client.control(7, Opcode::GetPnn, &[]).error,
        "ctdb_control to disconnected node"
    );
    let echo = [&60_000_u32.to_le_bytes()[..], &1_u32.to_le_bytes(), b"x"].concat();
    let flags = ctdb_protocol::client::ControlFlags::empty();
    let reqid = client.control_with(1, Opcode::EchoData, 0, flags, &echo);
    assert_eq!(client.status(1, Opcode::GetPnn, &[]), 1);
    one.context.links.close(Pnn(1));
    let lost = client.control_reply(reqid);
    assert_eq!((lost.status, &*lost.error), (-1, "node is disconnected"));
    let refused = client.control(1, Opcode::GetPnn, &[]);
    assert_eq!(refused.error, "ctdb_control to disconnected node");
    drop(two);
}

#[test]
fn a_control_that_is_not_answered_times_out() {
    let [one, _two] = Node::pair("timeout");
    let mut client = one.connect();
    one.context
        .tunables
        .write()
        .unwrap()
        .set("ControlTimeout", 0);
    let echo = [&60_000_u32.to_le_bytes()[..], &1_u32.to_le_bytes(), b"x"].concat();
    let reply = client.control(1, Opcode::EchoData, &echo);
    assert_eq!(
        (reply.status, &*reply.error),
        (-1, "ctdb_control timed out")
    );
}

#[test]
fn an_attached_database_is_opened_everywhere() {
    let [one, two] = Node::pair("attach");
    let (mut here, mut there) = (one.connect(), two.connect());
    let db = here.attach("everywhere.tdb");
    let begun = std::time::Instant::now();
    while there.status(1, Opcode::GetDbName, &db.to_bytes()) != 0 {
        assert!(begun.elapsed().as_secs() < 30);
    }
}

/// Records of a traverse, and whether its end came.
fn traverse(client: &mut super::raw::Raw, db_id: u32) -> Vec<RecordData> {
    client.register(PORT);
    let start = TraverseStart {
        db_id,
        reqid: 5,
        srvid: PORT,
    };
    assert_eq!(
        client.status(pnn::CURRENT, Opcode::TraverseStart, &start.to_bytes()),
        0
    );
    let mut records = Vec::new();
    loop {
        let message = client.recv();
        let record = RecordData::parse(&message.data).expect("a record, unpadded");
        assert_eq!((message.srvid, record.reqid), (PORT, 5));
        if record.is_end() {
            return records;
        }
        records.push(record);
    }
}

#[test]
fn a_traverse_brings_much_from_both_nodes_without_losing_any() {
    const COUNT: usize = 40;
    let [one, two] = Node::pair("traverse");
    let mut clients = [one.connect(), two.connect()];
    let db = clients[0].attach("many.tdb");
    clients[1].attach("many.tdb");
    for (node, client) in [&one, &two].into_iter().zip(&mut clients) {
        let pnn = node.context.links.identity.own;
        for number in 0..COUNT {
            let key = format!("{pnn}-{number}");
            client.call(db, CallId::Null, key.as_bytes());
            assert!(matches!(client.reply().1, Reply::Call(_)));
        }
        let path = node.dir().join(format!("volatile/many.tdb.{pnn}"));
        fill(&path, pnn.0, COUNT);
    }
    let records = traverse(&mut clients[0], db);
    assert_eq!(records.len(), 2 * COUNT);
    assert!(records.iter().all(|record| record.data.len() == 24 + BIG));
    let mut keys: Vec<_> = records.into_iter().map(|record| record.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2 * COUNT);
}

/// Bytes of a record in the large traverse: several windows in total.
const BIG: usize = 400_000;

/// Stores data into called records as another process does: with Debian's Python binding.
fn fill(path: &std::path::Path, pnn: u32, count: usize) {
    let script = "import sys, tdb, os\n\
        t = tdb.Tdb(sys.argv[1], 0, int(sys.argv[2]), os.O_RDWR)\n\
        for n in range(int(sys.argv[4])):\n\
        \x20 k = ('%s-%d' % (sys.argv[3], n)).encode()\n\
        \x20 v = t.get(k)\n\
        \x20 assert len(v) == 24\n\
        \x20 t.store(k, v + b'x' * int(sys.argv[5]))\n";
    let flags = 0x1c41;
    let status = std::process::Command::new("/usr/bin/python3")
        .args(["-I", "-c", script])
        .arg(path)
        .args([flags, pnn as usize, count, BIG].map(|number| number.to_string()))
        .status();
    assert!(status.expect("python3-tdb is installed").success());
}

#[test]
fn tunnels_join_two_clients() {
    let [one, two] = Node::pair("tunnel");
    let (mut here, mut there) = (one.connect(), two.connect());
    assert_eq!(there.srvid(Opcode::TunnelRegister, srvid::TUNNEL_TEST), 0);
    assert_eq!(there.srvid(Opcode::TunnelRegister, srvid::TUNNEL_TEST), -1);
    let tunnel = Tunnel {
        tunnel_id: srvid::TUNNEL_TEST,
        flags: TunnelFlags::REQUEST,
        data: b"through".to_vec(),
    };
    let reqid = here.send(1, &Request::Tunnel(tunnel.clone()));
    let (header, reply) = there.reply();
    assert_eq!(reply, Reply::Tunnel(tunnel));
    assert_eq!((header.envelope.srcnode, header.envelope.reqid), (0, reqid));
}

#[test]
fn every_node_answers_those_who_want_quiet() {
    let [_one, two] = Node::pair("quiet");
    let mut asker = two.connect();
    asker.register(PORT);
    let disable = DisableMessage {
        pnn: 1,
        srvid: PORT,
        timeout_s: 1,
    };
    for node in [0_u32, 1] {
        for port in [srvid::DISABLE_TAKEOVER_RUNS, srvid::DISABLE_RECOVERIES] {
            asker.message(node, port, &disable.to_bytes());
            assert_eq!(asker.recv().data, node.to_le_bytes());
        }
    }
}

#[test]
fn clients_hear_of_recoveries_elections_and_moved_addresses() {
    use ctdb_protocol::election::standing::Standing;
    let [one, _two] = Node::pair("events");
    let mut client = one.connect();
    for port in [
        srvid::RECONFIGURE,
        srvid::RELEASE_IP,
        srvid::TAKE_IP,
        srvid::IPREALLOCATED,
    ] {
        client.register(port);
    }
    let board = &one.context.board;
    board.recovered();
    assert_eq!(client.recv().srvid, srvid::RECONFIGURE);
    board.address_released([10, 0, 0, 1].into());
    let released = client.recv();
    assert_eq!(
        (released.srvid, &*released.data),
        (srvid::RELEASE_IP, &b"10.0.0.1\0"[..])
    );
    board.address_taken([10, 0, 0, 1].into());
    assert_eq!(client.recv().srvid, srvid::TAKE_IP);
    board.reallocated();
    let reallocated = client.recv();
    assert_eq!(
        (reallocated.srvid, &*reallocated.data),
        (srvid::IPREALLOCATED, &[][..])
    );
    client.register(srvid::LEADER);
    let mut events = board.subscribe();
    board.set_standing(Standing::Searching);
    assert_eq!(events.try_recv(), Ok(Event::Standing(Standing::Searching)));
    // An announcement may have been under way.
    while client.recv().data != pnn::UNKNOWN.to_le_bytes() {}
    assert!(
        one.context.links.connected().contains(&Pnn(1)),
        "{:?}",
        Lane::Data
    );
}
