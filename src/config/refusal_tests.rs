//! Each thing that is refused, with the place and the name that its message gives.

use super::super::testing::{Directory, TestHost};
use super::tests::{conf, loaded};
use super::*;

/// The one error of a `ctdb.conf`.
fn error(text: &str) -> String {
    let mut errors = conf(text).errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn a_mask_that_no_network_gives_is_refused() {
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/public_addresses", "172.16.0.1 eth2\n");
    assert!(
        directory.errors()[0].starts_with("/etc/ctdb/public_addresses:1: 172.16.0.1: the mask")
    );
}

#[test]
fn an_unknown_interface_is_refused_with_the_nearest() {
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/public_addresses", "10.1.1.1/24 ethh1\n");
    let expected = "/etc/ctdb/public_addresses:1: ethh1: this host has no such interface; \
                    did you mean \"eth1\"?";
    assert_eq!(directory.errors(), [expected]);
}

#[test]
fn wrong_types_are_refused_with_file_line_and_key() {
    for (section, line) in [
        ("logging", "log level = LOUD"),
        ("logging", "location = nowhere"),
        ("logging", "format = xml"),
        ("cluster", "leader timeout = 0"),
        ("cluster", "leader timeout = soon"),
        ("cluster", "leader capability = 1"),
        ("cluster", "node address = host"),
        ("cluster", "nodes list = !relative"),
        ("cluster", "transport = ib"),
        ("cluster", "cluster lock = !"),
        ("database", "volatile database directory = /nonexistent"),
        ("database", "state database directory = relative"),
        ("database", "lock debug script = none.sh"),
        ("database", "record shards = 100"),
        ("database", "lock warning time = 0"),
        ("database", "lock eviction time = never"),
        ("event", "debug script = none.sh"),
        ("failover", "shutdown failover timeout = -1"),
        ("console", "listen = 4380"),
        ("metrics", "listen = localhost:1"),
    ] {
        let key = line.split_once(" = ").expect("a setting").0;
        let message = error(&format!("[{section}]\n{line}\n"));
        let start = format!("/etc/ctdb/ctdb.conf:2: [{section}] {key}: ");
        assert!(message.starts_with(&start), "{message}");
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let directory = conf("[logging]\nlog level = LOUD\n[clustr]\n[legacy]\nstart as stoped = no\n");
    directory.write("etc/ctdb/public_addresses", "10.1.1.1/99 eth1\n");
    directory.write("etc/ctdb/nodes", "10.0.0.2\nhost\n10.0.0.2\n");
    assert_eq!(directory.errors().len(), 6, "{:?}", directory.errors());
}

#[test]
fn a_number_with_a_tail_counts_as_4_17_counts_it() {
    let directory = conf("[failover]\nshutdown extra timeout = 5s\n");
    assert_eq!(
        loaded(&directory)
            .settings
            .failover
            .shutdown_extra_timeout
            .as_secs(),
        5
    );
    assert!(directory.warnings()[0].ends_with("\"5s\" counts as 5"));
}

#[test]
fn own_address_not_found_is_refused() {
    let directory = conf("[cluster]\nnode address = 10.0.0.22\n");
    let expected = "/etc/ctdb/ctdb.conf:2: [cluster] node address: own address 10.0.0.22 is not \
                    in the nodes list; did you mean \"10.0.0.2\"?";
    assert_eq!(directory.errors(), [expected]);
    directory.write("etc/ctdb/ctdb.conf", "");
    directory.write("etc/ctdb/nodes", "10.0.0.1\n#10.0.0.2\n");
    assert!(directory.errors()[0].starts_with("/etc/ctdb/nodes: own address not found"));
}

#[test]
fn a_missing_nodes_file_is_refused() {
    let errors = Directory::new().errors();
    assert_eq!(
        errors,
        ["/etc/ctdb/nodes: [cluster] nodes list: does not exist"]
    );
}

#[test]
fn faults_of_environment_and_arguments_name_their_source() {
    let directory = Directory::with_nodes();
    let mut environment = directory.environment();
    let name = "CTDB__LOGGING__LOG_LEVEL".to_owned();
    environment.variables.insert(name, "LOUD".to_owned());
    environment
        .variables
        .insert("CTDB__LOGING__LOG_LEVEL".to_owned(), "INFO".to_owned());
    let (section, key) = ("logging".to_owned(), "log levl".to_owned());
    environment.overrides.push(Override {
        section,
        key,
        value: "INFO".to_owned(),
    });
    let refused = load(&environment, &TestHost).expect_err("two faults");
    let text = refused.to_string();
    assert!(
        text.contains("command line: [logging] log levl: unknown key"),
        "{text}"
    );
    assert!(
        text.contains("environment variable CTDB__LOGGING__LOG_LEVEL: [logging]"),
        "{text}"
    );
    let warning = refused.warnings[0].to_string();
    assert!(
        warning.ends_with("did you mean \"CTDB__LOGGING__LOG_LEVEL\"?"),
        "{warning}"
    );
}

#[test]
fn empty_values_from_outside_are_refused() {
    let directory = Directory::with_nodes();
    let mut environment = directory.environment();
    environment
        .variables
        .insert("CTDB__CLUSTER__CLUSTER_LOCK".to_owned(), " ".to_owned());
    let refused = load(&environment, &TestHost)
        .expect_err("empty")
        .to_string();
    assert!(
        refused.ends_with("[cluster] cluster lock: the value is empty"),
        "{refused}"
    );
}
