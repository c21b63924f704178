//! Debian's `ctdb` tool against our socket: what it prints is what 4.17's daemon makes it print.

use super::node::Node;
use std::process::{Command, Output};

fn run(node: &Node, arguments: &[&str]) -> Output {
    Command::new("ctdb")
        .args(arguments)
        .env("CTDB_SOCKET", node.socket())
        .output()
        .expect("Debian's ctdb is installed")
}

pub(super) fn print(node: &Node, arguments: &[&str]) -> String {
    let output = run(node, arguments);
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "ctdb {arguments:?}: {text}{errors}"
    );
    text.into_owned()
}

#[test]
fn basics() {
    let node = Node::alone("tool-basics");
    assert_eq!(print(&node, &["pnn"]), "0\n");
    assert!(print(&node, &["ping"]).starts_with("response from 0 time="));
    assert!(print(&node, &["ping"]).ends_with("(1 clients)\n"));
    assert_eq!(print(&node, &["runstate"]), "RUNNING\n");
    assert_eq!(print(&node, &["leader"]), "0\n");
    assert_eq!(
        print(&node, &["getpid"]),
        format!("{}\n", std::process::id())
    );
    assert_eq!(print(&node, &["getdebug"]), "NOTICE\n");
    print(&node, &["setdebug", "INFO"]);
    assert_eq!(print(&node, &["getdebug"]), "INFO\n");
    assert_eq!(
        print(&node, &["getcapabilities"]),
        "LEADER: YES\nLMASTER: YES\n"
    );
    assert_eq!(print(&node, &["getreclock"]), "/clusterfs/reclock\n");
    assert!(print(&node, &["uptime"]).contains("Ctdbd start time"));
    let memory = print(&node, &["dumpmemory"]);
    assert!(memory.starts_with("full talloc report on "), "{memory}");
    let status = print(&node, &["status"]);
    let expected = "Number of nodes:1\n\
        pnn:0 127.77.1.1       OK (THIS NODE)\n\
        Generation:305419896\n\
        Size:1\n\
        hash:0 lmaster:0\n\
        Recovery mode:NORMAL (0)\n\
        Leader:0\n";
    assert_eq!(status, expected);
    assert_eq!(
        print(&node, &["nodestatus"]),
        "pnn:0 127.77.1.1       OK (THIS NODE)\n"
    );
    print(&node, &["statisticsreset"]);
    let statistics = print(&node, &["statistics"]);
    assert!(
        statistics.contains(" num_clients                        1\n"),
        "{statistics}"
    );
    assert!(print(&node, &["stats", "2"]).contains("Statistics collected since"));
    assert_eq!(print(&node, &["ip"]), "Public IPs on node 0\n");
    assert_eq!(
        print(&node, &["ifaces"]),
        "No interfaces configured on node 0\n"
    );
}

#[test]
fn tunables() {
    let node = Node::alone("tool-tunables");
    let list = print(&node, &["listvars"]);
    assert_eq!(list.lines().count(), 49);
    assert_eq!(
        list.lines().next(),
        Some("SeqnumInterval             = 1000")
    );
    assert_eq!(
        print(&node, &["getvar", "MonitorInterval"]),
        "MonitorInterval            = 15\n"
    );
    print(&node, &["setvar", "MonitorInterval", "7"]);
    assert_eq!(
        print(&node, &["getvar", "monitorinterval"]),
        "monitorinterval            = 7\n"
    );
    let unknown = run(&node, &["getvar", "Nonsense"]);
    assert!(!unknown.status.success());
}

#[test]
fn databases_and_records() {
    let node = Node::alone("tool-databases");
    print(&node, &["attach", "testv.tdb"]);
    print(&node, &["attach", "testp.tdb", "persistent"]);
    print(&node, &["attach", "testr.tdb", "replicated"]);
    let dir = node.dir().display();
    let expected = format!(
        "Number of databases:3\n\
         dbid:0x234b93be name:testr.tdb path:{dir}/volatile/testr.tdb.0 REPLICATED\n\
         dbid:0x954fc36e name:testp.tdb path:{dir}/persistent/testp.tdb.0 PERSISTENT\n\
         dbid:0xededa68a name:testv.tdb path:{dir}/volatile/testv.tdb.0\n"
    );
    assert_eq!(print(&node, &["getdbmap"]), expected);
    assert!(print(&node, &["getdbstatus", "testv.tdb"]).ends_with("HEALTH: OK\n"));
    assert_eq!(print(&node, &["catdb", "testv.tdb"]), "Dumped 0 records\n");
    print(&node, &["writekey", "testv.tdb", "one", "first"]);
    print(&node, &["writekey", "testv.tdb", "two", "second"]);
    assert_eq!(
        print(&node, &["readkey", "testv.tdb", "one"]),
        "Data: size:5 ptr:[first]\n"
    );
    let cat = print(&node, &["catdb", "testv.tdb"]);
    assert!(cat.contains("key(3) = \"one\"\n"), "{cat}");
    assert!(cat.contains("data(6) = \"second\"\n"), "{cat}");
    assert!(cat.ends_with("Dumped 2 records\n"), "{cat}");
    print(&node, &["deletekey", "testv.tdb", "one"]);
    let cat = print(&node, &["catdb", "testv.tdb"]);
    assert!(cat.ends_with("Dumped 1 records\n"), "{cat}");
    let refused = run(&node, &["detach", "testv.tdb"]);
    assert!(!refused.status.success());
    print(&node, &["setvar", "AllowClientDBAttach", "0"]);
    print(&node, &["detach", "testv.tdb"]);
    assert!(print(&node, &["getdbmap"]).starts_with("Number of databases:2\n"));
}

#[test]
fn other_nodes_are_asked_too() {
    let [one, two] = Node::pair("tool-pair");
    assert_eq!(print(&one, &["-n", "1", "runstate"]), "RUNNING\n");
    assert!(print(&one, &["ping", "-n", "1"]).contains("response from 1"));
    let status = print(&two, &["nodestatus", "all"]);
    let expected = "Number of nodes:2\n\
        pnn:0 127.77.1.1       OK\n\
        pnn:1 127.77.1.2       OK (THIS NODE)\n";
    assert_eq!(status, expected);
    assert!(print(&two, &["status"]).ends_with("Leader:0\n"));
    print(&one, &["attach", "both.tdb"]);
    // The other node opens it too, but nobody waits for that.
    print(&two, &["attach", "both.tdb"]);
    print(&one, &["writekey", "both.tdb", "of-one", "1"]);
    print(&two, &["writekey", "both.tdb", "of-two", "2"]);
    let cat = print(&two, &["catdb", "both.tdb"]);
    assert!(
        cat.contains("\"of-one\"") && cat.contains("\"of-two\""),
        "{cat}"
    );
    assert!(cat.ends_with("Dumped 2 records\n"), "{cat}");
    for node in ["0", "1"] {
        print(&one, &["-n", node, "setvar", "AllowClientDBAttach", "0"]);
    }
    // All nodes detach, whichever is asked.
    print(&one, &["detach", "both.tdb"]);
    let begun = std::time::Instant::now();
    while print(&two, &["getdbmap"]).contains("both.tdb") {
        assert!(begun.elapsed().as_secs() < 30, "still attached");
    }
}
