//! What one node does for its clients, and what bad ones can't do.

use super::double::STUCK;
use super::node::{Node, view};
use ctdb_protocol::client::ban::BanState;
use ctdb_protocol::client::server_id::PidSrvid;
use ctdb_protocol::client::srvid_message::{EchoData, NotifyData};
use ctdb_protocol::client::statistics::Statistics;
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::tunable::{TunableName, TunableSetting};
use ctdb_protocol::client::{CallId, ControlFlags, Opcode, Payload, Reply, pnn, srvid};
use ctdb_protocol::flags::RunState;
use ctdb_protocol::membership::view::RecoveryMode;
use std::time::{Duration, Instant};

const PORT: u64 = 0xBE00_0000_0000_0077;
const MAGIC: u32 = 0x4354_4442;

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

/// Waits for what must come to pass.
fn eventually(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it did not happen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn messages_reach_every_registration() {
    let node = Node::alone("registrations");
    let (mut sender, mut twice, mut all) = (node.connect(), node.connect(), node.connect());
    twice.register(PORT);
    twice.register(PORT);
    all.register(srvid::ALL);
    for destination in [0, pnn::CURRENT, pnn::BROADCAST_ALL, pnn::BROADCAST_ACTIVE] {
        sender.message(destination, PORT, b"hello");
        for _ in 0..2 {
            let message = twice.recv();
            assert_eq!((message.srvid, &*message.data), (PORT, &b"hello"[..]));
        }
        let to_all = std::iter::repeat_with(|| all.recv());
        let mut to_all = to_all.filter(|message| message.srvid == PORT);
        assert_eq!(to_all.next().expect("endless").data, b"hello");
    }
    assert_eq!(twice.srvid(Opcode::DeregisterSrvid, PORT), 0);
    sender.message(0, PORT, b"once");
    assert_eq!(twice.recv().data, b"once");
    assert_eq!(twice.srvid(Opcode::DeregisterSrvid, PORT), 0);
    assert_eq!(twice.srvid(Opcode::DeregisterSrvid, PORT), 2);
    sender.message(0, PORT, b"nobody hears it");
    assert_eq!(twice.status(0, Opcode::GetPnn, &[]), 0);
}

#[test]
fn a_client_that_goes_is_forgotten_at_once_and_its_last_words_are_sent() {
    let node = Node::alone("forgotten");
    let mut watcher = node.connect();
    watcher.register(PORT);
    let mut leaver = node.connect();
    leaver.register(77);
    let words = NotifyData {
        srvid: PORT,
        data: b"gone".to_vec(),
    };
    let words = words.to_bytes();
    assert_eq!(leaver.status(0, Opcode::RegisterNotify, &words), 0);
    assert_eq!(leaver.status(0, Opcode::RegisterNotify, &words), -1);
    let check = PidSrvid {
        pid: own_pid(),
        srvid: 77,
    }
    .to_bytes();
    assert_eq!(watcher.status(0, Opcode::CheckPidSrvid, &check), 0);
    assert_eq!(
        watcher.status(0, Opcode::ProcessExists, &own_pid().to_bytes()),
        0
    );
    assert_eq!(
        watcher.status(0, Opcode::ProcessExists, &1_i32.to_bytes()),
        -1
    );
    assert_eq!(watcher.status(0, Opcode::Ping, &[]), 2);
    drop(leaver);
    assert_eq!(watcher.recv().data, b"gone");
    assert_eq!(watcher.status(0, Opcode::CheckPidSrvid, &check), -1);
    assert_eq!(watcher.status(0, Opcode::Ping, &[]), 1);
}

#[test]
fn calls_of_a_client_that_goes_are_taken_back() {
    let node = Node::alone("calls");
    let mut client = node.connect();
    let db = client.attach("calls.tdb");
    client.call(0xDEAD, CallId::Null, b"unknown databases are not answered");
    let reqid = client.call(db, CallId::Null, b"key");
    let (header, reply) = client.reply();
    assert_eq!(header.envelope.reqid, reqid);
    assert!(matches!(reply, Reply::Call(reply) if reply.status == 0 && reply.data.is_empty()));
    client.call(db, CallId::Null, STUCK);
    client.call(db, CallId::Fetch, STUCK);
    let statistics: Statistics = client.ok(Opcode::Statistics, &[]);
    assert_eq!((statistics.total_calls, statistics.pending_calls), (4, 2));
    assert_eq!(statistics.call_latency.num, 1);
    drop(client);
    eventually(|| node.forgotten.lock().unwrap().len() == 2);
}

#[test]
fn an_attach_waits_for_the_end_of_the_recovery() {
    let node = Node::alone("parked");
    let mut recovering = view(0, 1);
    recovering.mode = RecoveryMode::Active;
    node.context.board.set_view(recovering);
    let mut client = node.connect();
    let name = Text("parked.tdb".into()).to_bytes();
    let reqid = client.control_with(0, Opcode::DbAttach, 0, ControlFlags::empty(), &name);
    assert_eq!(
        client.status(0, Opcode::GetRecMode, &[]),
        1,
        "answered out of order"
    );
    node.context.board.set_view(view(0, 1));
    assert_eq!(client.control_reply(reqid).status, 0);
    let mut starting = view(0, 1);
    starting.nodes[0].state.run_state = RunState::FirstRecovery;
    node.context.board.set_view(starting);
    let timeout = TunableSetting {
        value: 0,
        name: "DeferredAttachTO".into(),
    };
    client.ok::<[u8; 0]>(Opcode::SetTunable, &timeout.to_bytes());
    assert_eq!(client.status(0, Opcode::DbAttach, &name), -1);
}

#[test]
fn junk_costs_only_the_client_that_sends_it() {
    let node = Node::alone("junk");
    let mut good = node.connect();
    good.register(PORT);
    let header = |length: u32, magic: u32, operation: u32| {
        let words = [length, magic, 1, 0, operation, 0, 0, 0];
        words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let deadly = [
        header(0, MAGIC, 5),
        header(u32::MAX, MAGIC, 5),
        header(32, MAGIC, 5),
        header(32, MAGIC, 7),
        [header(44, MAGIC, 5), vec![0xFF; 12]].concat(),
    ];
    for junk in deadly {
        let mut bad = node.connect();
        bad.write(&junk);
        assert!(bad.is_closed());
    }
    let mut odd = node.connect();
    odd.write(&header(32, 0x1234_5678, 5));
    odd.write(&header(32, MAGIC, 99));
    assert_eq!(
        odd.status(0, Opcode::GetPnn, &[]),
        0,
        "ignored as 4.17 does"
    );
    odd.message(0, PORT, b"all is well");
    assert_eq!(good.recv().data, b"all is well");
}

#[test]
fn wrong_sizes_and_numbers_are_refused_without_a_text() {
    let node = Node::alone("refused");
    let mut client = node.connect();
    let refused: [(Opcode, &[u8]); 10] = [
        (Opcode::Unknown(2), &[]),
        (Opcode::Unknown(9999), &[]),
        (Opcode::SetDmaster, &[]),
        (Opcode::GetDbName, &[1, 2, 3]),
        (Opcode::GetDbName, &[1, 2, 3, 4]),
        (Opcode::SetDebug, &[]),
        (Opcode::CheckPidSrvid, &[0; 11]),
        // What says everything by its number may have no data.
        (Opcode::Ping, &[0]),
        (Opcode::GetNodeMap, &[0; 4]),
        // None is registered.
        (Opcode::TunnelDeregister, &[]),
    ];
    for (opcode, data) in refused {
        let reply = client.control(pnn::CURRENT, opcode, data);
        assert_eq!(
            (reply.status, &*reply.error, reply.data.len()),
            (-1, "", 0),
            "{opcode}"
        );
    }
    let no_database = client.status(0, Opcode::Trans3Commit, &[0; 8]);
    assert_eq!(no_database, -1);
    let unknown = TunableName {
        name: "Nonsense".into(),
    }
    .to_bytes();
    assert_eq!(client.status(0, Opcode::GetTunable, &unknown), -22);
    let obsolete = TunableSetting {
        value: 1,
        name: "VacuumLimit".into(),
    }
    .to_bytes();
    assert_eq!(client.status(0, Opcode::SetTunable, &obsolete), 1);
    let ban = BanState { pnn: 7, seconds: 1 }.to_bytes();
    assert_eq!(client.status(0, Opcode::SetBanState, &ban), -1);
}

#[test]
fn an_echo_waits_and_later_requests_overtake_it() {
    let node = Node::alone("echo");
    let mut client = node.connect();
    let echo = EchoData {
        timeout_ms: 50,
        data: b"echo".to_vec(),
    }
    .to_bytes();
    let reqid = client.control_with(0, Opcode::EchoData, 0, ControlFlags::empty(), &echo);
    assert_eq!(client.status(0, Opcode::GetPnn, &[]), 0);
    assert_eq!(client.control_reply(reqid).data, echo);
    let silent = ControlFlags::NOREPLY;
    client.control_with(0, Opcode::Ping, 0, silent, &[]);
    client.control_with(
        pnn::BROADCAST_ALL,
        Opcode::Ping,
        0,
        ControlFlags::empty(),
        &[],
    );
    assert_eq!(
        client.status(0, Opcode::Ping, &[]),
        1,
        "the others are not answered"
    );
}

#[test]
fn the_console_uses_the_same_controls_without_a_connection() {
    let node = Node::alone("console");
    let controls = node.controls.clone();
    let (ping, register, stranger) = node.on_arbiter(move || async move {
        (
            controls.call(pnn::CURRENT, Opcode::Ping, vec![]).await,
            controls.call(0, Opcode::RegisterSrvid, vec![]).await,
            controls.call(1, Opcode::Ping, vec![]).await,
        )
    });
    assert_eq!((ping.status, register.status), (0, -1));
    assert_eq!(stranger.error, "ctdb_control to disconnected node");
}

#[test]
fn shutdown_is_asked_for() {
    let node = Node::alone("shutdown");
    assert_eq!(node.connect().status(0, Opcode::Shutdown, &[]), 0);
    assert!(*node.context.shutdown.borrow() || node.context.shutdown.receiver_count() == 0);
}

#[test]
fn an_inactive_node_breaks_with_clients_that_are_asked_for() {
    use ctdb_protocol::flags::NodeFlags;
    let node = Node::alone("inactive");
    let mut client = node.connect();
    let mut stopped = view(0, 1);
    stopped.nodes[0].flags = NodeFlags::STOPPED;
    node.context.board.set_view(stopped);
    let name = Text("inactive.tdb".into()).to_bytes();
    assert_eq!(client.status(0, Opcode::DbAttach, &name), -1);
    let pid = own_pid().to_bytes();
    client.control_with(0, Opcode::ProcessExists, 0, ControlFlags::empty(), &pid);
    assert!(client.is_closed());
}

#[test]
fn the_socket_is_for_root_only_and_replaces_a_stale_one() {
    use std::os::unix::fs::PermissionsExt;
    let node = Node::alone("stale");
    let metadata = std::fs::metadata(node.socket()).expect("there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    let path = node.dir().join("old.socket");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
    crate::local::listen::open(&path).expect("replaced");
    let file = node.dir().join("file");
    std::fs::write(&file, "precious").expect("write");
    assert!(crate::local::listen::open(&file).is_err());
    assert_eq!(std::fs::read(&file).expect("read"), b"precious");
}
