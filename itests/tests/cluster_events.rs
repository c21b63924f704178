//! Event scripts in real daemons. With `CTDB_TEST_DAEMON=debian` those of 4.17 are held against the same.

use std::time::{Duration, Instant};

use ctdb_itests::client::Client;
use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, wait_until};
use ctdb_protocol::client::srvid;

/// Writes each event with its arguments, and what it gets, to `/var/lib/ctdb/events`.
const RECORDER: &str = r#"echo "$@" >>/var/lib/ctdb/events
[ "$1" != init ] || { env; ls -l /proc/$$/fd | sed 's/.*[0-9] //'; echo "cwd $(pwd)"; } >>/var/lib/ctdb/environment"#;

/// Five times what is promised for the first check after `startup`.
const FIRST_CHECK_LIMIT_S: f64 = 5.0;

fn events(cluster: &Cluster, node: usize) -> Vec<String> {
    let text = cluster.var(node, "events");
    text.lines().map(str::to_owned).collect()
}

fn position(events: &[String], event: &str) -> usize {
    let found = events.iter().position(|seen| seen == event);
    found.unwrap_or_else(|| panic!("{event} in {events:?}"))
}

fn count(events: &[String], word: &str) -> usize {
    let is = |seen: &&String| seen.split(' ').next() == Some(word);
    events.iter().filter(is).count()
}

#[test]
fn events_come_in_order_with_their_arguments() {
    if !have_root("events_come_in_order_with_their_arguments") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("events", 2));
    for node in cluster.nodes() {
        cluster.put_script(node, "01.record", RECORDER);
        cluster.link_script(node, "10.interface");
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "takeip of both addresses", || {
        cluster
            .nodes()
            .all(|node| count(&events(&cluster, node), "takeip") >= 2)
    });
    cluster.ctdb(1, &["disable"]).ok();
    wait_until(patience, "releaseip of both addresses", || {
        count(&events(&cluster, 1), "releaseip") >= 2
    });
    cluster.ctdb(1, &["enable"]).ok();
    cluster.wait_settled("all OK again");
    wait_until(patience, "ipreallocated after all", || {
        events(&cluster, 1)
            .iter()
            .rev()
            .find(|event| *event != "monitor")
            == Some(&"ipreallocated".into())
    });
    cluster.stop(1);
    let seen = events(&cluster, 1);
    println!("{seen:#?}");
    let order = [
        "init",
        "setup",
        "startrecovery",
        "recovered",
        "startup",
        "monitor",
    ];
    let places: Vec<usize> = order.iter().map(|event| position(&seen, event)).collect();
    assert!(places.is_sorted(), "{seen:?}");
    assert_eq!(places[0], 0, "{seen:?}");
    let mut taken = Vec::new();
    for event in &seen {
        let words: Vec<&str> = event.split(' ').collect();
        match words[..] {
            ["takeip", "eth1", address, "16"] => taken.push(address),
            ["releaseip", "eth1", address, "16"] => {
                let place = taken.iter().position(|held| *held == address);
                taken.remove(place.unwrap_or_else(|| panic!("{event} in {seen:?}")));
            }
            [_] => {}
            _ => panic!("{event} in {seen:?}"),
        }
    }
    assert!(taken.is_empty(), "released before shutdown: {seen:?}");
    assert_eq!(
        seen.last().map(String::as_str),
        Some("shutdown"),
        "{seen:?}"
    );
    assert!(count(&seen, "ipreallocated") > 0, "{seen:?}");

    check_environment(&cluster);
    cluster.assert_clean();
}

/// Until then the node is UNHEALTHY and has no addresses.
#[test]
fn the_first_check_comes_soon_after_startup() {
    if !have_root("the_first_check_comes_soon_after_startup") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("first-check", 2));
    for node in cluster.nodes() {
        cluster.link_script(node, "10.interface");
        let times = "echo $1 $(date +%s.%N) >>/var/lib/ctdb/times";
        cluster.put_script(node, "01.times", times);
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    for node in cluster.nodes() {
        let times = cluster.var(node, "times");
        let at_s = |event: &str| -> f64 {
            let mut lines = times.lines().filter_map(|line| line.split_once(' '));
            let (_, time) = lines.find(|(name, _)| *name == event).expect(event);
            time.parse().expect("a time")
        };
        let after_s = at_s("monitor") - at_s("startup");
        println!("node {node}: first check {after_s:.3} s after startup (promised: 1 s)");
        assert!((0.0..FIRST_CHECK_LIMIT_S).contains(&after_s), "{times}");
    }
    cluster.assert_clean();
}

/// A message of the daemon to its clients follows the scripts' event, not the plan: programs that look at addresses then
/// find what the scripts have done.
#[test]
fn clients_are_told_after_the_scripts_of_ipreallocated() {
    let name = "clients_are_told_after_the_scripts_of_ipreallocated";
    // Samba's daemon sends it after 4.17.
    if !have_root(name) || Daemon::from_env() == Daemon::Debian {
        return;
    }
    let cluster = Cluster::build(&Layout::new("reallocated", 2));
    let slow = "[ \"$1\" = ipreallocated ] || exit 0\nsleep 1\necho >>/var/lib/ctdb/reallocated";
    cluster.put_script(1, "01.slow", slow);
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    let ended = || cluster.var(1, "reallocated").lines().count();
    let socket = cluster.directory().join("1/run/ctdb/ctdbd.socket");
    let mut client = Client::connect(socket).expect("the daemon");
    client.register_srvid(srvid::IPREALLOCATED).expect("srvid");
    // What the start has left over.
    while client
        .recv_message(Duration::from_secs(3))
        .expect("a message")
        .is_some()
    {}
    let before = ended();
    cluster.ctdb(0, &["ipreallocate"]).ok();
    let told = client.recv_message(Daemon::Ours.patience());
    let told = told.expect("a connection").expect("a message");
    assert_eq!((told.srvid, &*told.data), (srvid::IPREALLOCATED, &[][..]));
    assert!(ended() > before, "the scripts are not done");
    drop(client);
    cluster.assert_clean();
}

/// An address changes to a live interface, and back when that has its share, without leaving its node: `updateip`, and
/// neither `releaseip` nor `takeip`.
#[test]
fn an_address_changes_its_interface_with_updateip() {
    if !have_root("an_address_changes_its_interface_with_updateip") {
        return;
    }
    let mut layout = Layout::new("updateip", 2);
    let addresses = layout.public_addresses();
    let line = |address| format!("{address}/16 eth2,eth1\n");
    let file: String = addresses.iter().map(line).collect();
    layout = layout.with_file(None, "ctdb/public_addresses", &file);
    let cluster = Cluster::build(&layout);
    for node in cluster.nodes() {
        cluster.put_script(node, "01.record", RECORDER);
        for words in [
            "link add eth2 link eth1 type macvlan mode bridge",
            "link set eth2 up",
        ] {
            let words: Vec<&str> = std::iter::once("ip").chain(words.split(' ')).collect();
            cluster.run(node, &words).ok();
        }
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    let patience = layout.daemon.patience();
    let of_kind = |kind: &str| -> Vec<String> {
        let all = events(&cluster, 1);
        all.into_iter()
            .filter(|event| event.starts_with(kind))
            .collect()
    };
    // A node that is first takes all, and gives half of them up again; the scripts hear of it later.
    let mut moved = None;
    wait_until(
        patience,
        "half of the addresses, one of them on eth2",
        || {
            let owners = cluster.owners(1).unwrap_or_default();
            let own = owners.iter().filter(|(_, owner)| **owner == Some(1));
            let own: Vec<String> = own.map(|(address, _)| address.to_string()).collect();
            let taken = of_kind("takeip eth2 ");
            let place = |event: &String| event.strip_prefix("takeip eth2 ").map(str::to_owned);
            let mut places = taken.iter().filter_map(place);
            moved =
                places.find(|place| own.iter().any(|own| place.starts_with(&format!("{own} "))));
            own.len() == addresses.len() / 2 && moved.is_some()
        },
    );
    let place = moved.expect("it");
    let of_place = || -> Vec<String> {
        let all = of_kind("takeip ").into_iter().chain(of_kind("releaseip "));
        all.filter(|event| event.contains(&place)).collect()
    };
    let before = of_place();
    cluster.run(1, &["ip", "link", "set", "eth2", "down"]).ok();
    wait_until(patience, "updateip", || {
        of_kind("updateip ") == [format!("updateip eth2 eth1 {place}")]
    });
    wait_until(patience, "all addresses answer", || {
        cluster.all_answer(&addresses)
    });
    cluster.run(1, &["ip", "link", "set", "eth2", "up"]).ok();
    wait_until(patience, "one of the two goes back", || {
        of_kind("updateip eth1 eth2 ").len() == 1
    });
    assert_eq!(before, of_place(), "it did not leave the node");
    cluster.assert_clean();
}

fn check_environment(cluster: &Cluster) {
    let environment = cluster.var(1, "environment");
    for line in [
        "CTDB_BASE=/etc/ctdb",
        "CTDB_DEBUGLEVEL=NOTICE",
        "CTDB_LOGGING=file:/var/log/ctdb/log.ctdb",
    ] {
        assert!(
            environment.lines().any(|seen| seen == line),
            "{line} in {environment}"
        );
    }
    if cluster.layout().daemon == Daemon::Ours {
        let strange = |line: &&str| {
            ["socket:", ".tdb", "anon_inode", ".socket"]
                .iter()
                .any(|word| line.contains(word))
        };
        let fds = environment.lines().filter(|line| line.starts_with("-> "));
        assert_eq!(
            fds.filter(strange).collect::<Vec<_>>(),
            [""; 0],
            "inherited"
        );
    }
}

#[test]
fn a_failing_script_makes_its_node_unhealthy_and_moves_its_addresses() {
    if !have_root("a_failing_script_makes_its_node_unhealthy_and_moves_its_addresses") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("events-fail", 2));
    cluster.put_script(
        0,
        "50.fail",
        r#"[ "$1" = monitor ] && [ -e /run/ctdb/bad ] && { echo "no service"; exit 1; }; exit 0"#,
    );
    for node in cluster.nodes() {
        cluster.link_script(node, "10.interface");
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    let bad = cluster.directory().join("0/run/ctdb/bad");
    std::fs::write(&bad, "").expect("file");
    let took = cluster.wait_unhealthy(0, 1);
    println!("moved {:.1} s after the fault", took.as_secs_f64());
    let status = cluster.ctdb(0, &["event", "status", "legacy", "monitor"]);
    assert!(status.stdout.contains("ERROR"), "{status:?}");
    assert!(
        status.stdout.contains("  OUTPUT: no service\n"),
        "{status:?}"
    );
    std::fs::remove_file(&bad).expect("file");
    cluster.wait_settled("all OK again");
    if cluster.layout().daemon == Daemon::Ours {
        let log = cluster.log(0);
        assert!(
            log.contains(
                "Node became UNHEALTHY: monitor event failed - disabling node: 50.fail: no service"
            ),
            "{log}"
        );
        assert!(log.contains("50.fail: no service"), "{log}");
        assert!(log.contains("Node became HEALTHY"), "{log}");
    }
    cluster.assert_clean();
}

/// One monitor check, asked for by the tool; the time that it took.
fn check(cluster: &Cluster, node: usize) -> Duration {
    let begin = Instant::now();
    let _ = cluster.ctdb(node, &["event", "run", "10", "legacy", "monitor"]);
    begin.elapsed()
}

/// Those whose work the daemon does, whatever their files say.
fn scripts_that_are_not_run_are_named(cluster: &Cluster) {
    if cluster.layout().daemon != Daemon::Ours {
        return;
    }
    let log = cluster.log(0);
    let named = |event: &str, script: &str| {
        log.lines()
            .any(|line| line.contains(event) && line.contains(script))
    };
    assert!(named("[event.native ", "10.interface"), "{log}");
    assert!(named("event.native_changed", "91.lvs"), "{log}");
    assert!(!named("event.native_changed", "10.interface"), "{log}");
    assert!(named("[event.native ", "91.lvs"), "{log}");
}

#[test]
fn strange_scripts_cost_themselves_only() {
    if !have_root("strange_scripts_cost_themselves_only") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("events-strange", 1));
    cluster.link_script(0, "10.interface");
    let only = |body: &str| {
        format!(
            r#"[ "$1" = monitor ] || exit 0
[ -e /run/ctdb/"$(basename "$0")" ] || exit 0
{body}"#
        )
    };
    cluster.put_script(0, "20.flood", &only("yes | head -c 3000000"));
    cluster.put_script(0, "21.daemon", &only("setsid sleep 300 & exit 0"));
    cluster.put_script(0, "22.last", &only("exit 0"));
    cluster.put_script(0, "23.norun", "exit 1");
    // Never run: LVS is the daemon's own work, of which there is none without its variables.
    cluster.put_script(0, "91.lvs", "exit 1");
    let norun = cluster.etc(0, "events/legacy/23.norun.script");
    std::fs::set_permissions(&norun, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("mode");
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    scripts_that_are_not_run_are_named(&cluster);
    let on = |name: &str| {
        std::fs::write(
            cluster
                .directory()
                .join(format!("0/run/ctdb/{name}.script")),
            "",
        )
        .expect("file");
    };
    let off = |name: &str| {
        std::fs::remove_file(
            cluster
                .directory()
                .join(format!("0/run/ctdb/{name}.script")),
        )
        .expect("file");
    };
    on("20.flood");
    assert!(check(&cluster, 0) < Duration::from_secs(9));
    off("20.flood");
    on("21.daemon");
    assert!(
        check(&cluster, 0) < Duration::from_secs(9),
        "its daemon holds the pipe open"
    );
    let status = cluster
        .ctdb(0, &["event", "status", "legacy", "monitor"])
        .ok();
    let first_two = |line| {
        let mut words = str::split_whitespace(line);
        Some((words.next()?, words.next()?))
    };
    let ends: Vec<(&str, &str)> = status.lines().filter_map(first_two).collect();
    let expected = [
        ("10.interface", "OK"),
        ("20.flood", "OK"),
        ("21.daemon", "OK"),
        ("22.last", "OK"),
        ("23.norun", "DISABLED"),
        ("91.lvs", "OK"),
    ];
    assert_eq!(ends, expected);
    assert!(cluster.settled());
    cluster.stop(0);
    cluster.run(0, &["sh", "-c", "kill $(pidof sleep)"]).ok();
    cluster.assert_clean();
}

/// 4.17's 10.interface reports every link at each monitor event; what a client said of it lasts no longer.
#[test]
fn an_interface_that_a_client_set_down_comes_back_with_the_next_monitor_event() {
    if !have_root("an_interface_that_a_client_set_down_comes_back") {
        return;
    }
    let mut layout = Layout::new("setiface", 2);
    layout.tunables = "MonitorInterval=2\n".into();
    let cluster = Cluster::build(&layout);
    for node in cluster.nodes() {
        cluster.link_script(node, "10.interface");
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    cluster.ctdb(1, &["setifacelink", "eth1", "down"]).ok();
    let patience = cluster.layout().daemon.patience();
    // The next check may come at once: too soon to see the addresses on the other node.
    for change in ["up => down", "down => up"] {
        let line = format!("iface[eth1] has changed it's link status {change}");
        wait_until(patience, &line, || cluster.log(1).contains(&line));
    }
    cluster.wait_settled("all OK again");
    let shared = || {
        let owners = cluster.owners(0);
        owners.is_some_and(|owners| owners.values().any(|owner| *owner == Some(1)))
    };
    wait_until(patience, "it serves addresses again", shared);
    cluster.assert_clean();
}
