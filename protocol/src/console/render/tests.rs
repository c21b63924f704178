//! Golden outputs: what Debian's 4.17.12 printed for the same data, plus the seeds' lines.

use super::addresses::{Ifaces, IpInfo, IpLine, IpList};
use super::database::{
    DbInfo, DbList, DbStatus, Dump, FileDump, RecordLine, RecordText, RecordValue,
};
use super::node::{ListNodes, NodeLine, NodeList, Status};
use super::simple::{CapabilityList, Ping, ProcessExists, Single, Variables};
use super::statistics::{DbStatisticsReport, StatisticsReport};
use super::times::UptimeReport;
use super::*;
use crate::client::db_statistics::DbStatistics;
use crate::client::dbmap::DbFlags;
use crate::client::iface::{Iface, IfaceList};
use crate::client::public_ip::PublicIpInfo;
use crate::client::statistics::{Latency, Statistics};
use crate::client::uptime::{TimeVal, Uptime};
use crate::flags::{Capabilities, NodeFlags};
use alloc::string::ToString;
use alloc::vec;

fn shown(report: &dyn Report, format: Format, verbose: bool) -> String {
    let options = Options {
        format,
        verbose,
        ..Options::default()
    };
    String::from_utf8(render(report, &options)).expect("text")
}

fn human(report: &dyn Report) -> String {
    shown(report, Format::Human, false)
}

fn machine(report: &dyn Report) -> String {
    shown(report, Format::Machine('|'), false)
}

fn json(report: &dyn Report) -> serde_json::Value {
    serde_json::from_str(&shown(report, Format::Json, false)).expect("JSON")
}

fn node(pnn: u32, flags: NodeFlags) -> NodeLine {
    NodeLine {
        pnn,
        address: alloc::format!("127.66.1.{}", pnn + 1),
        flags,
        partially_online: false,
        this_node: pnn == 0,
        unknown: false,
    }
}

fn status() -> Status {
    Status {
        nodes: NodeList {
            nodes: vec![node(0, NodeFlags::STOPPED), node(1, NodeFlags::empty())],
            heading: true,
        },
        generation: 1,
        vnnmap: vec![0, 1],
        recovering: true,
        leader: Some(1),
        reasons: Vec::new(),
    }
}

#[test]
fn status_is_that_of_4_17_and_the_seed() {
    assert_eq!(
        human(&status()),
        "Number of nodes:2\n\
         pnn:0 127.66.1.1       STOPPED|INACTIVE (THIS NODE)\n\
         pnn:1 127.66.1.2       OK\n\
         Generation:INVALID\n\
         Size:2\n\
         hash:0 lmaster:0\n\
         hash:1 lmaster:1\n\
         Recovery mode:RECOVERY (1)\n\
         Leader:1\n\
         Recovery master:1\n"
    );
    assert_eq!(
        machine(&status()),
        "|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|\n\
         |0|127.66.1.1|0|0|0|0|0|1|1|0|Y|\n\
         |1|127.66.1.2|0|0|0|0|0|0|0|0|N|\n"
    );
    let value = json(&status());
    assert_eq!(value["node_status"]["node_count"], 2);
    assert_eq!(value["node_status"]["nodes"]["0"]["flags"]["stopped"], true);
    assert_eq!(value["vnn_status"]["vnn_map"][1]["lmaster"], 1);
    assert_eq!(value["leader"], 1);
}

#[test]
fn a_node_that_was_not_heard_of_is_unknown() {
    let mut status = status();
    status.nodes.nodes[1].unknown = true;
    assert!(human(&status).contains("pnn:1 127.66.1.2       UNKNOWN\n"));
    assert!(machine(&status).contains("|1|127.66.1.2|0|1|0|0|0|0|0|0|N|\n"));
    let value = json(&status);
    assert_eq!(value["node_status"]["nodes"]["1"]["flags"]["unknown"], true);
}

#[test]
fn the_seeds_status_has_its_lines_in_order() {
    let nodes = (0..4).map(|pnn| node(pnn, NodeFlags::empty())).collect();
    let status = Status {
        nodes: NodeList {
            nodes,
            heading: true,
        },
        generation: 7,
        vnnmap: vec![0, 1, 2, 3],
        recovering: false,
        leader: Some(0),
        reasons: Vec::new(),
    };
    let text = human(&status);
    let mut lines = text.lines();
    for wanted in [
        "Number of nodes:4",
        "hash:0 lmaster:0",
        "hash:3 lmaster:3",
        "Recovery mode:NORMAL (0)",
        "Recovery master:0",
    ] {
        assert!(lines.any(|line| line == wanted), "{wanted} in {text}");
    }
}

#[test]
fn node_states_and_deleted_nodes() {
    let both = NodeFlags::DISABLED | NodeFlags::UNHEALTHY;
    let mut partial = node(3, NodeFlags::empty());
    partial.partially_online = true;
    let list = NodeList {
        nodes: vec![
            node(0, both),
            node(1, NodeFlags::DELETED | NodeFlags::DISCONNECTED),
            node(2, NodeFlags::DISCONNECTED | NodeFlags::BANNED),
            partial,
        ],
        heading: true,
    };
    assert_eq!(
        human(&list),
        "Number of nodes:4 (including 1 deleted nodes)\n\
         pnn:0 127.66.1.1       DISABLED|UNHEALTHY (THIS NODE)\n\
         pnn:2 127.66.1.3       DISCONNECTED|BANNED|INACTIVE\n\
         pnn:3 127.66.1.4       PARTIALLYONLINE\n"
    );
    assert_eq!(list.all_flags(), 1 | 2 | 4 | 8);
    let separated = shown(&list, Format::Machine(','), false);
    assert!(
        separated.ends_with(",3,127.66.1.4,0,0,0,0,0,0,0,1,N,\n"),
        "{separated}"
    );
    let list = ListNodes {
        nodes: vec![(0, "127.66.1.1".into()), (2, "127.66.1.3".into())],
    };
    assert_eq!(human(&list), "127.66.1.1\n127.66.1.3\n");
    assert_eq!(machine(&list), "|0|127.66.1.1|\n|2|127.66.1.3|\n");
}

fn iface(name: &str, link: u16) -> Iface {
    Iface {
        name: name.into(),
        link,
        references: 2,
    }
}

#[test]
fn addresses_in_all_forms() {
    let info = |active| PublicIpInfo {
        active,
        ifaces: vec![iface("lo", 1), iface("eth2", 0)],
        ..PublicIpInfo::default()
    };
    let ip = |last: u8, pnn, active| IpLine {
        address: [10, 66, 9, last].into(),
        pnn,
        info: Some(info(active)),
    };
    let list = IpList {
        node: Some(0),
        addresses: vec![ip(1, Some(0), 0), ip(2, None, u32::MAX)],
    };
    assert_eq!(
        human(&list),
        "Public IPs on node 0\n10.66.9.1 0\n10.66.9.2 -1\n"
    );
    assert_eq!(
        shown(&list, Format::Human, true),
        "Public IPs on node 0\n\
         10.66.9.1 node[0] active[lo] available[lo] configured[lo,eth2]\n\
         10.66.9.2 node[-1] active[] available[lo] configured[lo,eth2]\n"
    );
    assert_eq!(
        machine(&list),
        "|Public IP|Node|\n|10.66.9.1|0|\n|10.66.9.2|-1|\n"
    );
    assert_eq!(
        shown(&list, Format::Machine('|'), true),
        "|Public IP|Node|ActiveInterfaces|AvailableInterfaces|ConfiguredInterfaces|\n\
         |10.66.9.1|0|lo|lo|lo,eth2|\n\
         |10.66.9.2|-1||lo|lo,eth2|\n"
    );
    assert!(
        human(&IpList {
            node: None,
            addresses: vec![]
        })
        .starts_with("Public IPs on ALL nodes\n")
    );
    let info = IpInfo {
        node: 0,
        address: [10, 66, 9, 1].into(),
        pnn: Some(0),
        info: info(0),
    };
    assert_eq!(
        human(&info),
        "Public IP[10.66.9.1] info on node 0\nIP:10.66.9.1\nCurrentNode:0\nNumInterfaces:2\n\
         Interface[1]: Name:lo Link:up References:2 (active)\n\
         Interface[2]: Name:eth2 Link:down References:2\n"
    );
    let ifaces = |ifaces| Ifaces {
        node: 0,
        list: IfaceList { ifaces },
    };
    assert_eq!(
        human(&ifaces(vec![])),
        "No interfaces configured on node 0\n"
    );
    assert_eq!(
        human(&ifaces(vec![iface("lo", 1)])),
        "Interfaces on node 0\nname:lo link:up references:2\n"
    );
    assert_eq!(
        machine(&ifaces(vec![iface("lo", 1)])),
        "|Name|LinkStatus|References|\n|lo|1|2|\n"
    );
}

#[test]
fn short_answers() {
    let ping = Ping {
        node: 1,
        micros: 84,
        clients: 4,
    };
    assert_eq!(
        human(&ping),
        "response from 1 time=0.000084 sec  (4 clients)\n"
    );
    let capabilities = CapabilityList(Capabilities::LEADER | Capabilities::NATGW);
    assert_eq!(
        human(&capabilities),
        "LEADER: YES\nLMASTER: NO\nRECMASTER: YES\nLVS: NO\nNATGW: YES\n"
    );
    assert_eq!(machine(&capabilities), "|LEADER|LMASTER|\n|1|0|\n");
    let variables = Variables(vec![("MonitorInterval".into(), 15)]);
    assert_eq!(human(&variables), "MonitorInterval            = 15\n");
    assert_eq!(machine(&variables), human(&variables));
    assert_eq!(json(&variables)["MonitorInterval"], 15);
    let exists = |srvid| ProcessExists {
        pid: 1,
        srvid,
        exists: false,
    };
    assert_eq!(human(&exists(None)), "PID 1 does not exist\n");
    assert_eq!(
        human(&exists(Some(0x1234))),
        "PID 1 with SRVID 0x1234 does not exist\n"
    );
    assert_eq!(human(&Single::number("pid", 5519)), "5519\n");
    let nodes = render_nodes(
        &[(0, &ping), (1, &ping)],
        &Options {
            format: Format::Json,
            ..Options::default()
        },
    );
    let nodes: serde_json::Value = serde_json::from_slice(&nodes).expect("JSON");
    assert_eq!(nodes[1]["result"]["clients"], 4);
}

fn local_time(seconds: i64) -> String {
    alloc::format!("Sat Nov 21 04:33:07 2026@{}", seconds % 1000)
}

#[test]
fn uptime_is_that_of_4_17() {
    let at = |seconds, micros| TimeVal { seconds, micros };
    let report = UptimeReport {
        node: 0,
        times: Uptime {
            current_time: at(1_000_040, 0),
            ctdbd_start_time: at(1_000_000, 0),
            last_recovery_started: at(1_000_004, 999_000),
            last_recovery_finished: at(1_000_005, 10_332),
        },
        local_time,
    };
    assert_eq!(
        human(&report),
        "Current time of node 0        :                Sat Nov 21 04:33:07 2026@40\n\
         Ctdbd start time              : (000 00:00:40) Sat Nov 21 04:33:07 2026@0\n\
         Time of last recovery/failover: (000 00:00:35) Sat Nov 21 04:33:07 2026@5\n\
         Duration of last recovery/failover: 0.011332 seconds\n"
    );
}

fn db() -> DbInfo {
    DbInfo {
        id: 0xd56f_cbab,
        flags: DbFlags::empty(),
        name: "v.tdb".to_string(),
        path: "/db/v.tdb.0".to_string(),
        unhealthy: None,
    }
}

#[test]
fn databases_and_records() {
    let odd = DbInfo {
        flags: DbFlags::PERSISTENT | DbFlags::STICKY,
        unhealthy: Some("broken".into()),
        ..db()
    };
    let list = DbList(vec![odd, db()]);
    assert_eq!(
        human(&list),
        "Number of databases:2\n\
         dbid:0xd56fcbab name:v.tdb path:/db/v.tdb.0 PERSISTENT STICKY UNHEALTHY\n\
         dbid:0xd56fcbab name:v.tdb path:/db/v.tdb.0\n"
    );
    assert_eq!(
        machine(&list),
        "|ID|Name|Path|Persistent|Sticky|Unhealthy|Readonly|Replicated|\n\
         |0xD56FCBAB|v.tdb|/db/v.tdb.0|1|1|1|0|0|\n\
         |0xD56FCBAB|v.tdb|/db/v.tdb.0|0|0|0|0|0|\n"
    );
    assert_eq!(
        human(&DbStatus(db())),
        "dbid: 0xd56fcbab\nname: v.tdb\npath: /db/v.tdb.0\nPERSISTENT: no\nREPLICATED: no\n\
         STICKY: no\nREADONLY: no\nHEALTH: OK\n"
    );
    let dump = Dump(vec![RecordLine {
        key: b"bin".to_vec(),
        data: b"a\x01b\xff\"\\x".to_vec(),
        dmaster: 0,
        rsn: 2,
        flags: 0,
    }]);
    assert_eq!(
        human(&dump),
        "key(3) = \"bin\"\ndmaster: 0\nrsn: 2\nflags: 0x00000000\n\
         data(7) = \"a\\01b\\FF\\22\\5Cx\"\n\nDumped 1 records\n"
    );
    assert_eq!(json(&dump)[0]["data"]["hex"], "610162ff225c78");
    let record = RecordLine {
        flags: 0x10,
        ..dump.0[0].clone()
    };
    assert!(human(&record).starts_with("dmaster: 0\nrsn: 2\n"));
    let file = FileDump {
        heading: Some("Dumping it".into()),
        records: vec![record],
    };
    let text = human(&file);
    assert!(text.starts_with("Dumping it\nkey(3) = \"bin\"\n"), "{text}");
    assert!(text.ends_with("5Cx\"\n\nDumped 1 record(s)\n"), "{text}");
    assert_eq!(json(&file)[0]["rsn"], 2);
    assert_eq!(human(&RecordText(b"v".to_vec())), "v\n");
    let mut out = Vec::new();
    RecordValue(b"a\xff\n".to_vec()).human(&mut out, false);
    assert_eq!(out, b"Data: size:3 ptr:[a\xff\n]\n");
}

fn statistics() -> Statistics {
    let latency = |num, min_s, max_s, total_s| Latency {
        num,
        min_s,
        max_s,
        total_s,
    };
    let mut s = Statistics {
        num_clients: 2,
        client_packets_sent: 1620,
        pending_childwrite_calls: 5,
        total_calls: 4,
        num_recoveries: 1,
        reclock_ctdbd: latency(1, 0.00701, 0.00701, 0.00701),
        call_latency: latency(4, 0.000_025, 0.000_44, 0.000_76),
        ..Statistics::default()
    };
    s.node.req_control = 1401;
    s
}

#[test]
fn statistics_are_those_of_4_17() {
    let report = StatisticsReport {
        samples: vec![statistics()],
        local_time,
    };
    let text = human(&report);
    for line in [
        "CTDB version 1",
        "Current time of statistics  :                Sat Nov 21 04:33:07 2026@0",
        "Statistics collected since  : (000 00:00:00) Sat Nov 21 04:33:07 2026@0",
        " num_clients                        2",
        " client_packets_sent             1620",
        " node",
        "     req_control                 1401",
        " timeouts",
        "     traverse                       0",
        " total_calls                        4",
        " pending_childwrite_calls             5",
        " hop_count_buckets: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        " reclock_ctdbd      MIN/AVG/MAX     0.007010/0.007010/0.007010 sec out of 1",
        " call_latency       MIN/AVG/MAX     0.000025/0.000190/0.000440 sec out of 4",
        " childwrite_latency MIN/AVG/MAX     0.000000/0.000000/0.000000 sec out of 0",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    assert_eq!(text.lines().count(), 3 + 38 + 4 + 2 + 5);
    let text = machine(&report);
    let (heading, values) = text.trim_end().split_once('\n').expect("two lines");
    assert!(heading.starts_with(
        "CTDB version|Current time of statistics|Statistics collected since|num_clients|"
    ));
    assert!(heading.contains("|node.req_call|") && heading.ends_with("|max_childwrite_latency|"));
    assert!(
        heading.contains("|total_ro_revokes|num_reclock_ctdbd_latency|min_reclock_ctdbd_latency|")
    );
    assert_eq!(heading.matches('|').count(), values.matches('|').count());
    assert!(values.contains("|4|0.000025|0.000190|0.000440|"));
    assert_eq!(json(&report)[0]["node"]["req_control"], 1401);
}

#[test]
fn database_statistics_are_those_of_4_17() {
    let mut statistics = DbStatistics::default();
    statistics.locks.num_calls = 3;
    statistics.hot_keys[0].count = 1;
    statistics.hot_keys[0].key = b"key1".to_vec();
    let text = human(&DbStatisticsReport {
        name: "v.tdb".into(),
        statistics,
    });
    assert!(text.starts_with(
        "DB Statistics v.tdb\n db_ro_delegations                  0\n db_ro_revokes                      0\n \
         locks\n     num_calls                      3\n"
    ));
    assert!(
        text.contains(" Num Hot Keys:     10\n     Count:1 Key:6b657931\n     Count:0 Key:\n"),
        "{text}"
    );
}
