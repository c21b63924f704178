//! Programs that Debian's unmodified scripts call, by those scripts.

mod clients;

use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use clients::{CLIENT, PORT, Program, can_run, servers, time_of};
use ctdb_itests::cluster::{
    Cluster, Daemon, Layout, Output, Whom, have_root, json_line, program, wait_until,
};
use rustix::process::Signal;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "locks.tdb";
/// A port mapper and a status monitor, as an NFS client has them; says what the second is told.
const MONITOR: &str = "
import select, socket, struct
mapper, monitor = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
mapper.bind(('', 111))
monitor.bind(('', 40000))
print('ready', flush=True)
while True:
    for s in select.select([mapper, monitor], [], [])[0]:
        call, who = s.recvfrom(1024)
        head = call[:4] + struct.pack('>5I', 1, 0, 0, 0, 0)
        if s is mapper:
            asked = struct.unpack('>4I', call[40:56])
            s.sendto(head + struct.pack('>I', 40000 if asked[:3] == (100024, 1, 17) else 0), who)
            continue
        length, = struct.unpack('>I', call[40:44])
        at = 44 + (length + 3) // 4 * 4
        state, = struct.unpack('>I', call[at:at + 4])
        print('told', who[0], call[44:44 + length].decode(), state, flush=True)
        s.sendto(head, who)
";

/// A node with Debian's `functions`, and our programs under the names that they use.
fn node(name: &str) -> (Cluster, PathBuf) {
    let mut layout = Layout::new(name, 1);
    layout.addresses = 1;
    let cluster = Cluster::up(&layout);
    cluster.link_script(0, "10.interface");
    let helpers = cluster.directory().join("shared/helpers");
    std::fs::create_dir(&helpers).expect("a directory");
    for name in ["ctdb_killtcp", "smnotify"] {
        symlink(program("ctdb-helper"), helpers.join(name)).expect("a link");
    }
    (cluster, helpers)
}

/// Runs a shell script with Debian's `functions` on that node.
fn shell(cluster: &Cluster, helpers: &Path, script: &str) -> Output {
    let helpers = helpers.display();
    let script = format!(
        "CTDB_BASE=/etc/ctdb CTDB_HELPER_BINDIR={helpers} NFS_HOSTNAME=nfs CTDB_NFS_CALLOUT=/bin/true\n\
         export CTDB_BASE CTDB_HELPER_BINDIR NFS_HOSTNAME CTDB_NFS_CALLOUT\n{script}"
    );
    cluster.run(0, &["sh", "-c", &script])
}

/// What Debian's 10.interface does on a release.
#[test]
fn functions_kill_connections_with_our_program() {
    if !can_run("functions_kill_connections_with_our_program") {
        return;
    }
    let (cluster, helpers) = node("killtcp");
    let servers = servers(&cluster);
    let address = cluster.layout().public_addresses()[0];
    let python = cluster.client_command("python3");
    let mut client = Program::start(python, &["-c", CLIENT, &address.to_string(), PORT]);
    client.line();
    let script = format!(". /etc/ctdb/functions; kill_tcp_connections eth1 {address}");
    // They count afterwards what is left: a client that is back by then would count as never killed.
    client.signal(Signal::STOP);
    let said = shell(&cluster, &helpers, &script).ok();
    let killed = format!("Killed 1/1 TCP connections to released IP {address}");
    assert!(said.contains(&killed), "{said}");
    client.signal(Signal::CONT);
    time_of(&client.line(), "reset");
    time_of(&client.line(), "connected");
    drop((client, servers));
    cluster.assert_clean();
}

#[test]
fn statd_callout_tells_nfs_clients_with_our_program() {
    if !can_run("statd_callout_tells_nfs_clients_with_our_program") {
        return;
    }
    let (cluster, helpers) = node("smnotify");
    let address = cluster.layout().public_addresses()[0];
    cluster.attach(0, &["ctdb.tdb", "persistent"]);
    let mut monitor = Program::start(cluster.client_command("python3"), &["-c", MONITOR]);
    assert_eq!(monitor.line(), "ready");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/statd-callout");
    let ours = format!("CTDB={} {ours}", program("ctdb").display());
    for callout in ["/etc/ctdb/statd-callout", &ours] {
        tells(&cluster, address, &mut monitor, &|words| {
            shell(&cluster, &helpers, &format!("{callout} {words}"))
        });
    }
    let wrong = shell(&cluster, &helpers, &format!("{ours} add-client ../x"));
    assert!(wrong.stderr.contains("is no client"), "{wrong:?}");
    drop(monitor);
    cluster.assert_clean();
}

/// One client of the node's only address that has locks, and one whose locks are gone.
fn tells(
    cluster: &Cluster,
    address: IpAddr,
    monitor: &mut Program,
    callout: &dyn Fn(&str) -> Output,
) {
    let callout = |words: &str| callout(words).ok();
    callout("add-client 10.88.0.50");
    callout("add-client 10.88.0.51");
    callout("update");
    let kept = cluster.ctdb(0, &["catdb", "ctdb.tdb"]).ok();
    let key = |client: &str| format!("statd-state@{address}@{client}\"");
    assert!(
        kept.contains(&key("10.88.0.50")) && kept.contains(&key("10.88.0.51")),
        "{kept}"
    );
    callout("del-client 10.88.0.51");
    callout("update");
    callout("notify");
    let told: Vec<String> = (0..4).map(|_| monitor.line()).collect();
    let words: Vec<Vec<&str>> = told.iter().map(|line| line.split(' ').collect()).collect();
    let state = |line: &Vec<&str>| line[3].parse::<u32>().expect("a state");
    let down = state(&words[0]);
    let address = address.to_string();
    let expected = [
        (address.as_str(), down),
        ("nfs", down),
        (&address, down + 1),
        ("nfs", down + 1),
    ];
    for (line, (name, state)) in words.iter().zip(expected) {
        assert_eq!(
            line[..],
            ["told", &address, name, &state.to_string()],
            "{told:?}"
        );
    }
    assert_eq!(down % 2, 0, "first that it is down");
    let left = cluster.ctdb(0, &["catdb", "ctdb.tdb"]).ok();
    assert!(
        !left.contains("10.88.0.5"),
        "nobody is left to tell:\n{left}"
    );
}

/// Our script, run by the daemon with 4.17's arguments.
#[test]
fn the_lock_debug_script_shows_who_has_the_file_open() {
    if !have_root("the_lock_debug_script_shows_who_has_the_file_open") {
        return;
    }
    let conf = "[database]\n lock warning time = 1\n lock debug script = debug.sh\n";
    let cluster = Cluster::build(&Layout {
        conf: conf.into(),
        ..Layout::new("lock-script", 2)
    });
    // The daemon does not listen to it.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/debug_locks.sh");
    for node in cluster.nodes() {
        let wrapper = cluster.etc(node, "debug.sh");
        let text = format!("#!/bin/sh\nexec sh {script} \"$@\" >/var/lib/ctdb/debug.out 2>&1\n");
        std::fs::write(&wrapper, text).expect("a script");
        std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).expect("run bit");
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK");
    cluster.attach(0, &[DB]);
    json_line(cluster.client(0, &["counter", SOCKET, DB, "key", "1"]));
    // It holds the record for a minute.
    let holder = cluster.client(0, &["turns", SOCKET, DB, "key", "60", "60000000", "0"]);
    let wait = || cluster.client(1, &["counter", SOCKET, DB, "key", "1"]);
    let mut waiter = wait();
    let wanted = ["is waited for by process", "ctdb-client turns", "ctdbd"];
    wait_until(
        cluster.layout().daemon.patience(),
        "what the script says",
        || {
            // One that was there before the holder does not wait.
            if waiter.try_wait().expect("a child").is_some() {
                waiter = wait();
            }
            let said = cluster.var(0, "debug.out");
            wanted.iter().all(|word| said.contains(word))
        },
    );
    assert!(cluster.signal_program(0, "ctdb-client", Signal::KILL) > 0);
    json_line(waiter);
    let _ = holder.wait_with_output();
    cluster.assert_clean();
}

/// Addresses on the public interface of node 0.
fn shown(cluster: &Cluster) -> String {
    let words = ["ip", "-o", "addr", "show", "dev", "eth1"];
    cluster.run(0, &words).ok()
}

/// As a cron job on a node whose daemon is dead altogether runs it.
#[test]
fn the_crash_cleanup_removes_public_addresses_and_no_others() {
    if !have_root("the_crash_cleanup_removes_public_addresses_and_no_others") {
        return;
    }
    let mut layout = Layout::new("cleanup", 1);
    layout.addresses = 2;
    layout.ipv6 = true;
    let cluster = Cluster::up(&layout);
    let addresses = layout.public_addresses();
    let present = || {
        let shown = shown(&cluster);
        let here = |ip: &&IpAddr| shown.contains(&format!(" {ip}/"));
        addresses.iter().filter(here).count()
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/ctdb-crash-cleanup.sh");
    cluster.run(0, &[script]).ok();
    assert_eq!(present(), addresses.len(), "the daemon runs");
    cluster.kill(0, Whom::All);
    if layout.daemon == Daemon::Ours {
        cluster.wait("the end of the leases", || present() == 0);
    }
    let address = |text: &str| cluster.run(0, &["ip", "addr", "replace", text, "dev", "eth1"]);
    for ip in &addresses {
        let bits = if ip.is_ipv4() { 16 } else { 64 };
        address(&format!("{ip}/{bits}")).ok();
    }
    // The kernel has them go with the public ones, their primaries, if it is not told otherwise.
    let own = ["10.88.9.9/16", "fd88::9/64"];
    for text in own {
        address(text).ok();
    }
    assert_eq!(present(), addresses.len());
    cluster.run(0, &[script]).ok();
    let left = shown(&cluster);
    assert_eq!(present(), 0, "{left}");
    for text in own {
        assert!(
            left.contains(&format!(" {text} ")),
            "{text} is gone: {left}"
        );
    }
    cluster.assert_clean();
}
