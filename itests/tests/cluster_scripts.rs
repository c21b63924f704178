//! Event scripts that misbehave, in the checks of three real daemons: each costs itself only.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Output, have_root, program, wait_until};

/// Time limit of an event in these tests, in seconds.
const LIMIT_S: u64 = 2;

/// A switch that scripts of a node look at.
fn switch(cluster: &Cluster, node: usize, name: &str) -> PathBuf {
    let path = format!("{node}/run/ctdb/{name}");
    cluster.directory().join(path)
}

fn turn_on(cluster: &Cluster, node: usize, name: &str) {
    fs::write(switch(cluster, node, name), "").expect("switch");
}

fn turn_off(cluster: &Cluster, node: usize, name: &str) {
    fs::remove_file(switch(cluster, node, name)).expect("switch");
}

/// A script that does something in monitor events while its switch is on.
fn while_on(name: &str, body: &str) -> String {
    format!("[ \"$1\" = monitor ] && [ -e /run/ctdb/{name} ] || exit 0\n{body}")
}

/// Script and end in the newest monitor event.
fn ends(cluster: &Cluster, node: usize) -> Vec<(String, String)> {
    let status = cluster.ctdb(node, &["event", "status", "legacy", "monitor"]);
    let lines = status.stdout.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    lines.collect()
}

/// Processes of a node whose command line holds that word.
fn processes(cluster: &Cluster, node: usize, word: &str) -> String {
    let script = format!(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep '^{word}'"
    );
    cluster.run(node, &["sh", "-c", &script]).stdout
}

fn layout(name: &str) -> Layout {
    let mut layout = Layout::new(name, 3);
    layout.tunables = format!("EventScriptTimeout={LIMIT_S}\n");
    if layout.daemon == Daemon::Debian {
        layout.tunables += "MonitorTimeoutCount=2\n";
    }
    layout.conf = String::from("[event]\n debug script = debug-hung-script.sh\n");
    layout
}

fn three_nodes(name: &str, scripts: &[(&str, String)]) -> Cluster {
    let cluster = Cluster::build(&layout(name));
    for node in cluster.nodes() {
        // It makes the directory that the debug script needs.
        cluster.link_script(node, "00.ctdb");
        cluster.link_script(node, "10.interface");
        let debug = "debug-hung-script.sh";
        fs::copy(format!("/etc/ctdb/{debug}"), cluster.etc(node, debug)).expect("Debian's ctdb");
        for (name, body) in scripts {
            cluster.put_script(node, name, body);
        }
    }
    cluster
}

#[test]
fn a_script_that_hangs_is_ended_and_the_addresses_move_after_two_time_outs() {
    if !have_root("a_script_that_hangs_is_ended_and_the_addresses_move_after_two_time_outs") {
        return;
    }
    // A child in its group, one that has left it, and itself.
    let hang = while_on(
        "hang",
        "date +%s.%N >>/var/lib/ctdb/hung\nsleep 8111 & setsid sleep 1 & sleep 8112",
    );
    let cluster = three_nodes("scripts-hang", &[("30.hang", hang)]);
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    // By now checks are far apart.
    std::thread::sleep(Duration::from_secs(8));
    turn_on(&cluster, 0, "hang");
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "the first check that hangs", || {
        !cluster.var(0, "hung").is_empty()
    });
    let took = cluster.wait_unhealthy(0, 1);
    println!(
        "addresses moved {:.2} s after the begin of the first check that hangs (limit {LIMIT_S} s)",
        took.as_secs_f64()
    );
    let attempts = cluster.var(0, "hung").lines().count();
    turn_off(&cluster, 0, "hang");
    assert!(
        attempts <= 2 || cluster.layout().daemon == Daemon::Debian,
        "{attempts} attempts"
    );
    cluster.wait_settled("all OK again");
    wait_until(patience, "the end of the hung processes", || {
        processes(&cluster, 0, "sleep 811").is_empty()
    });
    if cluster.layout().daemon == Daemon::Ours {
        let log = cluster.log(0);
        let described = |word: &str| {
            let mut lines = log.lines().filter(|line| line.contains("event.hung"));
            lines.any(|line| line.contains(word))
        };
        assert!(
            described("30.hang") && described("(sleep)"),
            "processes and their stacks: {log}"
        );
        assert!(
            log.contains("event_debug: pstree"),
            "the admin's debug script: {log}"
        );
        assert!(log.contains("monitor.unhealthy"), "{log}");
        assert!(log.contains("event.killed"), "{log}");
    }
    cluster.assert_clean();
}

/// Ours, on a node with the same script.
#[test]
fn our_debug_script_tells_of_a_hung_script() {
    let name = "our_debug_script_tells_of_a_hung_script";
    let mut layout = layout("scripts-debug");
    if !have_root(name) {
        return;
    }
    layout.nodes = 1;
    let cluster = Cluster::build(&layout);
    cluster.link_script(0, "00.ctdb");
    cluster.link_script(0, "10.interface");
    cluster.put_script(0, "30.hang", &while_on("hang", "sleep 8113"));
    let debug = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/debug-hung-script.sh");
    fs::copy(debug, cluster.etc(0, "debug-hung-script.sh")).expect("the script");
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    turn_on(&cluster, 0, "hang");
    let said = |log: &str, words: &str| {
        let mut lines = log.lines().filter(|line| line.contains("event_debug: "));
        lines.any(|line| line.contains(words))
    };
    let signs = [
        "hung script: process ",
        ", event monitor",
        // By pstree(1) or ps(1).
        "8113",
        "processes that wait for a disk or a filesystem:",
        // The newest result that there is.
        "30.hang ",
    ];
    let what = "all that the script has to say is in the log";
    cluster.wait(what, || {
        let log = cluster.log(0);
        signs.iter().all(|words| said(&log, words))
    });
    turn_off(&cluster, 0, "hang");
    cluster.wait_settled("OK again");
    wait_until(
        layout.daemon.patience(),
        "the end of the hung processes",
        || processes(&cluster, 0, "sleep 8113").is_empty(),
    );
    cluster.assert_clean();
}

#[test]
fn strange_scripts_in_the_checks_leave_all_nodes_ok() {
    if !have_root("strange_scripts_in_the_checks_leave_all_nodes_ok") {
        return;
    }
    let vanish = "rm -f /etc/ctdb/events/legacy/24.vanished.script";
    let cluster = three_nodes(
        "scripts-strange",
        &[
            ("20.flood", while_on("on", "yes | head -c 3000000")),
            ("21.daemon", while_on("on", "setsid sleep 300 & exit 0")),
            ("22.norun", String::from("exit 1")),
            ("23.vanish", while_on("on", vanish)),
            ("24.vanished", String::from("exit 0")),
            ("25.last", String::from("exit 0")),
        ],
    );
    for node in cluster.nodes() {
        let norun = cluster.etc(node, "events/legacy/22.norun.script");
        fs::set_permissions(norun, Permissions::from_mode(0o644)).expect("mode");
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    for node in cluster.nodes() {
        turn_on(&cluster, node, "on");
    }
    let expected = [
        ("00.ctdb", "OK"),
        ("10.interface", "OK"),
        ("20.flood", "OK"),
        ("21.daemon", "OK"),
        ("22.norun", "DISABLED"),
        ("23.vanish", "OK"),
        ("24.vanished", "DISABLED"),
        ("25.last", "OK"),
    ]
    .map(|(name, end)| (name.to_owned(), end.to_owned()));
    let patience = cluster.layout().daemon.patience();
    for node in cluster.nodes() {
        wait_until(patience, "a check in which a script vanishes", || {
            !cluster
                .etc(node, "events/legacy/24.vanished.script")
                .exists()
        });
        wait_until(patience, "the end of that check", || {
            ends(&cluster, node) == expected
        });
        turn_off(&cluster, node, "on");
    }
    assert!(cluster.settled(), "none of it counts against a node");
    for node in cluster.nodes() {
        cluster.stop(node);
        cluster.run(node, &["sh", "-c", "kill $(pidof sleep)"]).ok();
    }
    cluster.assert_clean();
}

/// Gives a node an executable file below its `/etc/ctdb`.
fn put_hook(cluster: &Cluster, file: &str, body: &str) {
    let path = cluster.etc(0, file);
    fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("hook");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("run bit");
}

#[test]
fn the_admins_hooks_hear_of_stages_and_health_and_hold_nothing_up() {
    if !have_root("the_admins_hooks_hear_of_stages_and_health_and_hold_nothing_up") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("notify", 1));
    cluster.link_script(0, "10.interface");
    cluster.put_script(0, "50.fail", &while_on("bad", "echo no service; exit 1"));
    let notify = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/notify.sh");
    fs::copy(notify, cluster.etc(0, "notify.sh")).expect("notify.sh");
    let record = "echo \"$0 $*\" | sed 's,.*/,,' >>/var/lib/ctdb/told";
    put_hook(&cluster, "notify.d/10-mail", record);
    put_hook(
        &cluster,
        "notify.d/10-mail~",
        "echo never >>/var/lib/ctdb/told",
    );
    // It hangs in one of them, fails in another.
    let strange = format!("{record}\n[ $1 != setup ] || sleep 300\n[ $1 != startup ] || exit 7");
    put_hook(&cluster, "events/notification/20.pager.script", &strange);
    put_hook(
        &cluster,
        "events/notification/README",
        "echo never >>/var/lib/ctdb/told",
    );
    cluster.start_all();
    cluster.wait_settled("OK although a notification hangs");
    let patience = cluster.layout().daemon.patience();
    turn_on(&cluster, 0, "bad");
    wait_until(patience, "UNHEALTHY", || cluster.sees(0, 0, "Unhealthy"));
    turn_off(&cluster, 0, "bad");
    cluster.wait_settled("OK again");
    let told = || -> Vec<String> {
        let mut told: Vec<String> = cluster.var(0, "told").lines().map(str::to_owned).collect();
        told.sort();
        told
    };
    let mut expected = Vec::new();
    for what in [
        "init",
        "setup",
        "startup",
        "healthy",
        "unhealthy",
        "healthy",
    ] {
        expected.extend([format!("10-mail {what}"), format!("20.pager.script {what}")]);
    }
    expected.sort();
    wait_until(patience, "all hooks", || told().len() == expected.len());
    assert_eq!(told(), expected);
    if cluster.layout().daemon == Daemon::Ours {
        let log = cluster.log(0);
        for line in [
            "Notification init: OK [notify.done event=init",
            "Notification startup failed: ended with 1 [notify.failed event=startup",
            "notify: 20.pager.script startup ended with 7",
            "Notification unhealthy: OK",
        ] {
            assert!(log.contains(line), "{line} in {log}");
        }
        assert_eq!(log.matches("Notification healthy: OK").count(), 2, "{log}");
    }
    cluster.run(0, &["sh", "-c", "kill $(pidof sleep)"]).ok();
    cluster.assert_clean();
}

/// Debian's `ctdb-event` and both of our programs: what they print and how they end is the same.
fn agree(cluster: &Cluster, words: &[&str]) -> Output {
    let debians = cluster.run(0, &[&["/usr/libexec/ctdb/ctdb-event"], words].concat());
    let helper = program("ctdb-helper").display().to_string();
    let helpers = cluster.run(0, &[&[helper.as_str(), "event"], words].concat());
    for own in [our_event(cluster, words), helpers] {
        assert_eq!(
            (&own.stdout, own.code),
            (&debians.stdout, debians.code),
            "{words:?}"
        );
    }
    debians
}

fn our_event(cluster: &Cluster, words: &[&str]) -> Output {
    cluster.our_ctdb(0, &[&["event"], words].concat())
}

/// A node with scripts of both kinds, no daemon yet; `None` where this can't run.
fn event_words(name: &str) -> Option<Cluster> {
    let layout = Layout::new(name, 1);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        println!("NOT RUN: {name}: needs root and our daemon");
        return None;
    }
    let cluster = Cluster::build(&layout);
    cluster.link_script(0, "00.ctdb");
    cluster.link_script(0, "10.interface");
    let fail = "[ \"$1\" = strange ] && { echo no service; exit 3; }; exit 0";
    cluster.put_script(0, "50.fail", fail);
    cluster.put_script(0, "60.off", "exit 0");
    Some(cluster)
}

#[test]
fn scripts_are_listed_and_changed_without_a_daemon() {
    let Some(cluster) = event_words("event-list") else {
        return;
    };
    our_event(&cluster, &["script", "disable", "legacy", "60.off"]).ok();
    our_event(&cluster, &["script", "enable", "legacy", "05.system"]).ok();
    let list = agree(&cluster, &["script", "list", "legacy"]).stdout;
    assert!(list.contains("* 05.system\n  06.nfs\n"), "{list}");
    assert!(list.ends_with("\n\n* 50.fail\n  60.off\n"), "{list}");
    for words in [
        ["script", "enable", "legacy", "77.none"],
        ["script", "enable", "other", "50.fail"],
        ["script", "disable", "legacy", "77.none"],
    ] {
        agree(&cluster, &words);
    }
    our_event(&cluster, &["disable", "05.system"]).ok();
    let list = our_event(&cluster, &["list"]).ok();
    assert!(list.contains("  05.system\n"), "{list}");
    cluster.assert_clean();
}

#[test]
fn our_event_words_say_what_debians_do() {
    let Some(cluster) = event_words("event-words") else {
        return;
    };
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    agree(&cluster, &["run", "10", "legacy", "strange"]);
    let failed = agree(&cluster, &["status", "legacy", "strange"]);
    assert!(
        failed.stdout.contains("  OUTPUT: no service\n"),
        "{failed:?}"
    );
    assert_eq!(failed.code, Some(3));
    agree(&cluster, &["status", "legacy", "never"]);
    agree(&cluster, &["status", "other", "monitor"]);
    let passed = agree(&cluster, &["run", "10", "legacy", "ipreallocated"]);
    assert_eq!(passed.code, Some(0));
    let status = |words: &[&str]| cluster.our_ctdb(0, words).stdout;
    assert_eq!(
        status(&["scriptstatus", "startup"]),
        cluster.ctdb(0, &["scriptstatus", "startup"]).stdout
    );
    let machine = status(&["-X", "scriptstatus", "strange"]);
    assert!(machine.contains("|50.fail|3|ERROR|"), "{machine}");
    let json = status(&["-j", "event", "status", "strange"]);
    let expected = "\"script\":\"50.fail\",\"status\":\"ERROR\",\"result\":3";
    assert!(json.contains(expected), "{json}");
    cluster.assert_clean();
}
