//! The planner against the seed's samples, and against what an admin may write.

use super::config::{Config, Source};
use super::diff::diff;
use super::file;
use super::policy::Policy;
use super::route::{FALLBACK_METRIC, MAIN, Route, Routing, Rule, Scope};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn config(source: Source) -> Config {
    Config {
        source,
        preference: 100,
        low: 1000,
        high: 9000,
    }
}

fn policy(text: &str, names: &[(u32, String)]) -> Policy {
    let mut policy = Policy::new(config(Source::File(String::from("policy"))), names);
    let lines = file::parse(text, |_| true).expect("a good file");
    policy.set_lines(lines).expect("tables");
    policy
}

fn shown(routing: &Routing) -> Vec<String> {
    let rule = |rule: &Rule| {
        let (preference, source, table) = (rule.preference, rule.source, rule.table);
        format!("{preference}: from {source} lookup {table}")
    };
    let rules = routing.rules.iter().map(rule);
    rules
        .chain(routing.routes.iter().map(ToString::to_string))
        .collect()
}

#[test]
fn the_seeds_first_sample() {
    let mut policy = policy(
        "192.168.1.99 192.168.1.1/24\n192.168.1.99 0.0.0.0/0 192.168.1.1\n",
        &[],
    );
    assert_eq!(policy.wanted(), Routing::default(), "it is not here");
    policy
        .hold(ip("192.168.1.99"), 24, "eth2")
        .expect("a table");
    assert_eq!(
        shown(&policy.wanted()),
        [
            "100: from 192.168.1.99 lookup 1000",
            "192.168.1.0/24 dev eth2 table 1000",
            "0.0.0.0/0 via 192.168.1.1 dev eth2 table 1000",
        ]
    );
    assert_eq!(policy.names(), [(1000, String::from("ctdb.192.168.1.99"))]);
    policy
        .hold(ip("192.168.1.99"), 24, "eth3")
        .expect("a table");
    assert!(shown(&policy.wanted())[1].contains("dev eth3"), "it moved");
    policy.release(ip("192.168.1.99"));
    assert_eq!(policy.wanted(), Routing::default(), "it is gone");
}

#[test]
fn tables_keep_their_numbers() {
    let text = "10.0.0.3 10.0.0.0/24\n10.0.0.1 10.0.0.0/24\n";
    let names = [
        (1000, String::from("others")),
        (1002, String::from("ctdb.10.0.0.3")),
        (200, String::from("ctdb.10.0.0.1")),
    ];
    let expected = [
        (1001, String::from("ctdb.10.0.0.1")),
        (1002, String::from("ctdb.10.0.0.3")),
    ];
    assert_eq!(policy(text, &names).names(), expected);
    let mut narrow = Policy::new(
        Config {
            high: 1001,
            ..config(Source::AutoLinkLocal)
        },
        &[],
    );
    for last in [1, 2] {
        narrow
            .hold(IpAddr::from([10, 0, 0, last]), 24, "eth1")
            .expect("a table");
    }
    assert!(narrow.hold(ip("10.0.0.3"), 24, "eth1").is_err());
}

#[test]
fn numbers_do_not_depend_on_the_order_in_which_addresses_come() {
    let mut policy = Policy::new(config(Source::AutoLinkLocal), &[]);
    let all = vec![ip("fd00::1"), ip("10.0.0.2"), ip("10.0.0.1")];
    policy.number(all).expect("tables");
    policy.hold(ip("10.0.0.2"), 24, "eth1").expect("a table");
    assert_eq!(shown(&policy.wanted())[0], "100: from 10.0.0.2 lookup 1001");
    let names = policy.names().into_iter().map(|(_, name)| name);
    let expected = ["ctdb.10.0.0.1", "ctdb.10.0.0.2", "ctdb.fd00::1"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn each_address_gets_its_own_network_on_demand() {
    let mut policy = Policy::new(config(Source::AutoLinkLocal), &[]);
    policy.hold(ip("fd00::9"), 64, "eth1").expect("a table");
    policy.hold(ip("10.1.2.3"), 20, "eth1").expect("a table");
    assert_eq!(
        shown(&policy.wanted())[2..],
        [
            "10.1.0.0/20 dev eth1 table 1001",
            "fd00::/64 dev eth1 table 1000"
        ]
    );
}

#[test]
fn lines_of_the_file() {
    let public = |address| address == ip("10.0.0.1") || address == ip("fd00::1");
    let parse = |text: &str| file::parse(text, public);
    let ignored = "# 10.0.0.1 bad\n10.0.0.2 nonsense\nnonsense\n\n";
    assert_eq!(parse(ignored), Ok(Vec::new()));
    let lines =
        parse("\t 10.0.0.1   10.9.8.7/16\t10.0.0.254 \nfd00::1 ::/0 fd00::fe").expect("good");
    assert_eq!(lines[0].network.to_string(), "10.9.0.0/16", "no host bits");
    assert_eq!(lines[1].gateway, Some(ip("fd00::fe")));
    for (bad, why) in [
        ("10.0.0.1", "a network must follow"),
        ("10.0.0.1 10.0.0.0/33", "\"10.0.0.0/33\" is no network"),
        ("10.0.0.1 fd00::/64", "no network of its family"),
        ("10.0.0.1 0.0.0.0/0 gate", "\"gate\" is no gateway"),
        ("10.0.0.1 0.0.0.0/0 10.0.0.254 more", "\"more\" is too much"),
    ] {
        let fault = parse(&format!("# note\n{bad}\n")).expect_err("bad");
        assert!(
            fault.line == 2 && fault.text.contains(why),
            "{bad}: {fault}"
        );
    }
}

#[test]
fn variables() {
    let read = |conf: &str, pref: &str, low: &str, high: &str| {
        let names = ["CONF", "RULE_PREF", "TABLE_ID_LOW", "TABLE_ID_HIGH"];
        let pairs = names.iter().zip([conf, pref, low, high]);
        let variables =
            pairs.map(|(name, value)| (format!("CTDB_PER_IP_ROUTING_{name}"), value.to_string()));
        Config::from_variables(&variables.collect::<BTreeMap<_, _>>())
    };
    assert_eq!(read("", "", "", ""), Ok(None));
    let auto = Ok(Some(config(Source::AutoLinkLocal)));
    assert_eq!(read("__auto_link_local__", "100", "1000", "9000"), auto);
    for (pref, low, high, why) in [
        ("", "1000", "9000", "RULE_PREF"),
        ("32766", "1000", "9000", "RULE_PREF"),
        ("100", "x", "9000", "TABLE_ID_LOW"),
        ("100", "9000", "1000", "must be lower"),
        ("100", "100", "300", "253 to 255"),
        ("100", "255", "300", "253 to 255"),
    ] {
        let error = read("/file", pref, low, high).expect_err("bad");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn only_what_is_ours_is_changed() {
    let rule = |source: &str, preference, table| Rule {
        source: ip(source),
        preference,
        table,
    };
    let route = |network: &str, gateway: Option<&str>, table, metric| Route {
        gateway: gateway.map(ip),
        network: network.parse().expect("a network"),
        interface: Some(String::from("eth1")),
        table,
        metric,
    };
    let present = Routing {
        rules: vec![
            rule("10.0.0.1", 100, 1000),
            rule("10.0.0.2", 100, 1001),
            rule("10.0.0.2", 100, 100),
            rule("10.0.0.2", 90, 1001),
        ],
        routes: vec![
            route("0.0.0.0/0", Some("10.0.0.254"), 1000, 0),
            route("fd00::/64", None, 1000, 1024),
            route("0.0.0.0/0", Some("10.0.0.254"), MAIN, 0),
            route("0.0.0.0/0", Some("10.0.0.253"), MAIN, FALLBACK_METRIC),
        ],
    };
    let wanted = Routing {
        rules: vec![rule("10.0.0.1", 100, 1000)],
        routes: vec![
            route("10.0.0.0/24", None, 1000, 0),
            route("fd00::/64", None, 1000, 0),
        ],
    };
    let changes = diff(&config(Source::AutoLinkLocal).scope(), &wanted, &present);
    assert_eq!(
        shown(&changes.remove),
        [
            "100: from 10.0.0.2 lookup 1001",
            "0.0.0.0/0 via 10.0.0.254 dev eth1 table 1000"
        ]
    );
    assert_eq!(shown(&changes.add), ["10.0.0.0/24 dev eth1 table 1000"]);
    let scope = Scope::Fallback {
        networks: vec!["0.0.0.0/0".parse().expect("a network")],
    };
    let fallback = Routing {
        rules: Vec::new(),
        routes: vec![Route {
            interface: None,
            ..route("0.0.0.0/0", Some("10.0.0.1"), MAIN, FALLBACK_METRIC)
        }],
    };
    let changes = diff(&scope, &fallback, &present);
    assert_eq!(
        shown(&changes.remove),
        ["0.0.0.0/0 via 10.0.0.253 dev eth1 metric 10"]
    );
    assert_eq!(shown(&changes.add), ["0.0.0.0/0 via 10.0.0.1 metric 10"]);
    assert!(
        diff(
            &scope,
            &Routing {
                routes: changes.remove.routes,
                rules: Vec::new()
            },
            &present
        )
        .is_empty()
    );
}
