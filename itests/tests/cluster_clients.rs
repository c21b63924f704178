//! Clients of an address that moves as planned learn of it at once, registered or not: the node that takes it resets
//! them. Where nobody takes it the node that has it does, while it has it.

mod clients;

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clients::{CLIENT, PORT, Program, can_run, dump, dump_where, now, owner, servers, time_of};
use ctdb_itests::cluster::{Cluster, Layout, wait_until};
use ctdb_itests::samba::{self, Release, Samba};

/// What is promised for a client's way to its address's next node, in seconds.
const PROMISE_S: f64 = 1.0;
/// All announcements of an address have been sent by then, those of 4.17 after 2.2 s.
const ROUNDS: Duration = Duration::from_secs(4);
/// Waits for the end of a connection and tells how it came.
const WAITER: &str = "
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print('here', flush=True)
try:
    s.recv(1)
    print('closed', time.time(), flush=True)
except ConnectionResetError:
    print('reset', time.time(), flush=True)
";

/// An address of that node, as node 0 sees it.
fn address_of(cluster: &Cluster, node: usize, ipv6: bool) -> IpAddr {
    let mut found = None;
    wait_until(
        cluster.layout().daemon.patience(),
        "the node has an address",
        || {
            let all = cluster.layout().public_addresses();
            let mut own = all
                .into_iter()
                .filter(|address| owner(cluster, 0, *address) == Some(node));
            found = own.find(|address| address.is_ipv6() == ipv6);
            found.is_some()
        },
    );
    found.expect("waited for")
}

/// A client of an address of `node` from before to after a planned move.
fn moves(cluster: &Cluster, name: &str, address: IpAddr, plan: impl FnOnce()) {
    let mut seen = dump(cluster);
    let python = cluster.client_command("python3");
    let mut client = Program::start(python, &["-c", CLIENT, &address.to_string(), PORT]);
    client.line();
    let begin = now();
    plan();
    let reset = time_of(&client.line(), "reset") - begin;
    let connected = time_of(&client.line(), "connected") - begin;
    println!(
        "{name}: {address}: reset {reset:.3} s after the order, connected anew after {connected:.3} s (promised: {PROMISE_S} s)"
    );
    let from = format!("{address}.{PORT} > ");
    let text = seen.lines_until(&[&from, "Flags [R"]);
    let mut from_server = text.lines().filter(|line| line.contains(&from));
    assert!(
        from_server.any(|line| line.contains("win 1234")),
        "no tickle:\n{text}"
    );
}

#[test]
fn a_client_is_reset_by_the_node_that_takes_its_address() {
    let name = "a_client_is_reset_by_the_node_that_takes_its_address";
    if !can_run(name) {
        return;
    }
    let mut layout = Layout::new("clients", 3);
    layout.ipv6 = true;
    let cluster = Cluster::up(&layout);
    let servers = servers(&cluster);
    for ipv6 in [false, true] {
        let address = address_of(&cluster, 1, ipv6);
        moves(&cluster, "moveip", address, || {
            cluster.ctdb(0, &["moveip", &address.to_string(), "2"]).ok();
        });
        let address = address_of(&cluster, 1, ipv6);
        moves(&cluster, "disable", address, || {
            cluster.ctdb(1, &["disable"]).ok();
        });
        cluster.ctdb(1, &["enable"]).ok();
        cluster.wait_settled("all nodes OK again");
    }
    let address = address_of(&cluster, 1, false);
    moves(&cluster, "shutdown", address, || {
        cluster.ctdb(1, &["shutdown"]).ok();
    });
    // The last node that could have addresses gives its own up.
    cluster.ctdb(2, &["disable"]).ok();
    let address = address_of(&cluster, 0, false);
    let mut seen = dump(&cluster);
    let python = cluster.client_command("python3");
    let mut client = Program::start(python, &["-c", WAITER, &address.to_string(), PORT]);
    assert_eq!(client.line(), "here");
    let begin = now();
    cluster.ctdb(0, &["disable"]).ok();
    let reset = time_of(&client.line(), "reset") - begin;
    println!("disable of the last node: {address}: reset {reset:.3} s after the order");
    let from = format!("{address}.{PORT} > ");
    let text = seen.lines_until(&[&from, "Flags [R"]);
    let mut from_server = text.lines().filter(|line| line.contains(&from));
    assert!(
        !from_server.any(|line| line.contains("win 1234")),
        "nobody tickles:\n{text}"
    );
    drop((client, servers, seen));
    cluster.assert_clean();
}

/// When each kind of frame was seen that announces the address, in seconds since `begin_s`.
fn announced(seen: &str, address: IpAddr, begin_s: f64) -> Vec<(&'static str, Vec<f64>)> {
    let kinds = match address {
        IpAddr::V4(_) => vec![
            ("request", format!("who-has {address} ")),
            ("reply", format!("Reply {address} is-at ")),
        ],
        IpAddr::V6(_) => vec![("advertisement", format!("tgt is {address},"))],
    };
    let times = kinds.into_iter().map(|(name, sign)| {
        let lines = seen.lines().filter(|line| line.contains(&sign));
        let times = lines.map(|line| {
            let time = line.split(' ').next().and_then(|word| word.parse().ok());
            time.unwrap_or(f64::NAN) - begin_s
        });
        (name, times.collect())
    });
    times.collect()
}

/// A frame may be lost while a switch learns anew, so there are three of each kind.
#[test]
fn an_address_that_moves_is_announced_three_times() {
    let name = "an_address_that_moves_is_announced_three_times";
    if !can_run(name) {
        return;
    }
    let mut layout = Layout::new("announced", 3);
    layout.ipv6 = true;
    let cluster = Cluster::up(&layout);
    // What the start has announced comes to its end.
    sleep(ROUNDS);
    for ipv6 in [false, true] {
        let address = address_of(&cluster, 1, ipv6);
        let filter = "(arp and arp[14:4] = arp[24:4]) or (icmp6 and ip6[40] = 136 and dst ff02::1)";
        let seen = dump_where(&cluster, filter);
        let begin_s = now();
        cluster.ctdb(0, &["moveip", &address.to_string(), "2"]).ok();
        sleep(ROUNDS);
        let times = announced(&seen.end(), address, begin_s);
        println!("moveip of {address}: announced after {times:.2?} s");
        for (kind, times) in &times {
            assert!(times.len() >= 3, "{kind}: {times:?}");
        }
    }
    cluster.assert_clean();
}

#[test]
fn a_transfer_of_smbclient_ends_at_once_when_its_address_moves() {
    let name = "a_transfer_of_smbclient_ends_at_once_when_its_address_moves";
    if !can_run(name) {
        return;
    }
    let cluster = Cluster::up(&samba::layout(name));
    let mut samba = Samba::up(&cluster, Release::Installed);
    // Longer than the test takes to read, and of no weight on the disk.
    let big = std::fs::File::create(samba.share().join("big")).expect("the share");
    big.set_len(1 << 38).expect("a sparse file");
    let address = samba.addresses()[1];
    let patience = cluster.layout().daemon.patience();
    let mut transfer = samba.start_client(address, Some("get big /dev/null"));
    wait_until(patience, "the transfer runs", || {
        let status = samba.run(1, "smbstatus", &["-L"]).stdout;
        status.contains("big")
    });
    assert!(transfer.runs(), "it ended before the move");
    // The transfer itself would be more than tcpdump(1) can show.
    let ends = "tcp port 445 and (tcp[tcpflags] & tcp-rst != 0 or tcp[14:2] = 1234)";
    let seen = dump_where(&cluster, ends);
    let (begin, begin_s) = (Instant::now(), now());
    std::thread::scope(|scope| {
        // Debian's tool takes longer than the address.
        scope.spawn(|| cluster.ctdb(0, &["moveip", &address.to_string(), "2"]).ok());
        wait_until(patience, "smbclient has learnt of it", || !transfer.runs());
        let ended = begin.elapsed();
        samba.smbclient(address, "ls").ok();
        println!(
            "smbclient: its transfer ended {:.3} s after moveip's start, the next one has listed the directory after {:.3} s",
            ended.as_secs_f64(),
            begin.elapsed().as_secs_f64()
        );
    });
    // The client was tickled and answered, so the reset came: it ended the transfer.
    let from_server = format!("IP {address}.445 > ");
    let shown = seen.end();
    let at = |sign: &str| {
        let mut lines = shown.lines().filter(|line| line.contains(&from_server));
        let line = lines.find(|line| line.contains(sign));
        let time = line.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
        time.map(|time| time - begin_s)
    };
    let tickled = at("win 1234");
    println!(
        "smbclient: tickled after {tickled:.3?} s, reset after {:.3?} s",
        at("Flags [R")
    );
    assert!(tickled.is_some(), "no tickle:\n{shown}");
    drop(transfer);
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}
