//! Whole configurations: the samples of the seeds, of this project and of Debian, and the order of
//! the layers.

use std::time::Duration;

use ctdb_protocol::notice::Level;
use ctdb_protocol::settings::{ClusterLock, LogLocation};

use super::super::testing::{Directory, TestHost};
use super::*;

pub(super) fn conf(text: &str) -> Directory {
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/ctdb.conf", text);
    directory
}

pub(super) fn loaded(directory: &Directory) -> Loaded {
    directory
        .load()
        .map_err(|refused| refused.to_string())
        .expect("valid")
}

#[test]
fn defaults_are_those_of_4_17() {
    let directory = Directory::with_nodes();
    let Loaded {
        settings,
        tunables,
        warnings,
    } = loaded(&directory);
    assert_eq!(warnings, []);
    assert_eq!(tunables, Tunables::default());
    let log = directory
        .path("var/log/ctdb/log.ctdb")
        .display()
        .to_string();
    assert_eq!(settings.logging.location, LogLocation::File(log));
    assert_eq!(settings.logging.level, Level::Notice);
    assert_eq!(settings.logging.script_level, Level::Err);
    assert_eq!(settings.cluster.lock, ClusterLock::None);
    assert!(settings.cluster.leader_capability && settings.cluster.lmaster_capability);
    assert_eq!((settings.cluster.pnn, settings.cluster.nodes.len()), (1, 3));
    assert!(settings.database.tdb_mutexes && settings.startup.realtime_scheduling);
    assert_eq!(settings.console_listen.to_string(), "127.0.0.1:4380");
    assert_eq!(settings.metrics_listen, None);
    assert_eq!(settings.failover.public_addresses, []);
    assert_eq!(
        settings.failover.shutdown_failover_timeout,
        Duration::from_secs(10)
    );
}

#[test]
fn every_key_arrives() {
    let directory = conf(
        "[logging]\nlocation = syslog:udp\nlog level = DEBUG\nformat = json\n\
         [cluster]\nname = nas\ncluster lock = !/bin/helper a b\nleader capability = no\n\
         leader timeout = 9\nnode address = 10.0.0.3\ntransport = tcp\n\
         [database]\ntdb mutexes = false\nlock debug script = l.sh\nrecord shards = 4\n\
         lock warning time = 5\nlock eviction time = 30\n\
         [event]\ndebug script = e.sh\n\
         [failover]\ndisabled = yes\nfast = true\nshutdown failover timeout = 3\n\
         shutdown extra timeout = 2\n\
         [legacy]\nstart as stopped = true\nstart as disabled = true\n\
         realtime scheduling = false\nlmaster capability = false\nscript log level = INFO\n\
         [console]\nlisten = 127.0.0.1:5000\n[metrics]\nlisten = [::1]:5001\n",
    );
    directory.write("etc/ctdb/l.sh", "");
    directory.write("etc/ctdb/e.sh", "");
    let settings = loaded(&directory).settings;
    assert_eq!(settings.logging.location, LogLocation::SyslogUdp);
    assert_eq!(settings.logging.level, Level::Debug);
    assert_eq!(settings.cluster.name, "nas");
    let words = ["/bin/helper", "a", "b"].map(str::to_owned).to_vec();
    assert_eq!(settings.cluster.lock, ClusterLock::Command(words));
    assert_eq!(
        settings.cluster.leader_timeout,
        Some(Duration::from_secs(9))
    );
    assert_eq!(
        (settings.cluster.pnn, settings.database.record_shards),
        (2, Some(4))
    );
    assert!(!settings.cluster.leader_capability && !settings.cluster.lmaster_capability);
    assert!(settings.failover.disabled && settings.failover.fast);
    assert_eq!(
        settings.failover.shutdown_extra_timeout,
        Duration::from_secs(2)
    );
    assert!(settings.startup.state.stopped && settings.startup.state.disabled);
    assert!(!settings.startup.realtime_scheduling && !settings.database.tdb_mutexes);
    let times = (
        settings.database.lock_warning_time,
        settings.database.lock_eviction_time,
    );
    let expected = (Duration::from_secs(5), Some(Duration::from_secs(30)));
    assert_eq!(times, expected);
    assert!(
        settings.database.lock_debug_script.is_some() && settings.events.debug_script.is_some()
    );
    assert_eq!(settings.console_listen.to_string(), "127.0.0.1:5000");
    assert_eq!(settings.metrics_listen.map(|at| at.port()), Some(5001));
}

#[test]
fn debians_own_file_loads() {
    let directory = conf(
        "# head\n\n[logging]\n\t# where\n\tlocation = syslog\n\n\t# how much\n\tlog level = NOTICE\n\n\
         [cluster]\n\t# text\n\t#\n\t# cluster lock = !/bin/false CLUSTER LOCK NOT CONFIGURED\n",
    );
    directory.write("etc/ctdb/ctdb.tunables", "# note\n# MutexEnabled=0\n");
    directory.write(
        "etc/ctdb/script.options",
        "# note\nCTDB_RPCINFO_LOCALHOST=\"127.0.0.1\"\n",
    );
    let Loaded {
        settings, warnings, ..
    } = loaded(&directory);
    assert_eq!(settings.logging.location, LogLocation::Syslog);
    assert_eq!(warnings, []);
}

#[test]
fn the_installed_files_of_debian_load() {
    let installed = std::path::Path::new("/etc/ctdb/ctdb.conf");
    let Ok(text) = std::fs::read_to_string(installed) else {
        println!("skipped: Debian's ctdb is not installed");
        return;
    };
    assert_eq!(conf(&text).warnings(), [""; 0]);
}

#[test]
fn the_samples_of_this_project_load() {
    let directory = conf(include_str!("../../conf/ctdb.conf"));
    directory.write("etc/ctdb/nodes", include_str!("../../conf/nodes"));
    directory.write(
        "etc/ctdb/public_addresses",
        include_str!("../../conf/public_addresses"),
    );
    directory.write(
        "etc/ctdb/ctdb.tunables",
        include_str!("../../conf/ctdb.tunables"),
    );
    let loaded = loaded(&directory);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.settings.failover.public_addresses.len(), 4);
}

/// The guide's copy has lost its addresses and settings; these follow its text: a lock on the shared
/// volume, eight addresses on eth2 for four nodes.
#[test]
fn the_glusterfs_guide_loads() {
    let directory = Directory::new();
    let nodes = directory.path("etc/ctdb/nodes").display().to_string();
    let addresses = directory
        .path("etc/ctdb/public_addresses")
        .display()
        .to_string();
    directory.write("etc/ctdb/nodes", "10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n");
    let list: Vec<String> = (11..19).map(|n| format!("192.168.1.{n}/24 eth2")).collect();
    directory.write("etc/ctdb/public_addresses", &list.join("\n"));
    let sysconfig = format!(
        "CTDB_RECOVERY_LOCK=/gluster-volume0/lock/lockfile\nCTDB_PUBLIC_ADDRESSES={addresses}\n\
         CTDB_MANAGES_SAMBA=yes\nCTDB_NODES={nodes}\nCTDB_SAMBA_SKIP_SHARE_CHECK=yes\n"
    );
    directory.write("etc/sysconfig/ctdb", &sysconfig);
    let Loaded {
        settings, warnings, ..
    } = loaded(&directory);
    assert_eq!(warnings, []);
    assert_eq!((settings.cluster.nodes.len(), settings.cluster.pnn), (4, 1));
    assert_eq!(settings.failover.public_addresses.len(), 8);
    let lock = ClusterLock::File("/gluster-volume0/lock/lockfile".to_owned());
    assert_eq!(settings.cluster.lock, lock);
    assert!(settings.events.managed_services.contains("samba"));
}

#[test]
fn the_overviews_addresses_without_mask_take_the_connected_network() {
    let directory = Directory::with_nodes();
    directory.write(
        "etc/ctdb/public_addresses",
        "192.168.1.98 eth2,eth3\n192.168.1.99 eth2,eth3\n",
    );
    let addresses = loaded(&directory).settings.failover.public_addresses;
    assert!(addresses.iter().all(|public| public.prefix == 24));
    let warnings = directory.warnings();
    assert_eq!(warnings.len(), 2);
    let expected = "/etc/ctdb/public_addresses:1: 192.168.1.98 has no mask: taken as /24, the \
                    network connected to eth2, eth3";
    assert_eq!(warnings[0], expected);
}

#[test]
fn the_list_may_come_from_a_command() {
    let directory = conf("[cluster]\nnodes list = !/bin/echo 10.0.0.2\n");
    assert_eq!(loaded(&directory).settings.cluster.nodes.len(), 1);
    directory.write(
        "etc/ctdb/ctdb.conf",
        "[cluster]\nnodes list = !/bin/false\n",
    );
    assert!(directory.errors()[0].starts_with("!/bin/false: [cluster] nodes list: it failed"));
}

#[test]
fn drop_ins_environment_and_arguments_lie_on_top() {
    let directory = conf("[cluster]\nname = conf\nleader timeout = 7\n");
    let mut environment = directory.environment();
    let name = |environment: &Environment| {
        load(environment, &TestHost)
            .expect("valid")
            .settings
            .cluster
            .name
    };
    directory.write("etc/ctdb/ctdb.conf.d/20.conf", "[cluster]\nname = twenty\n");
    directory.write("etc/ctdb/ctdb.conf.d/10.conf", "[cluster]\nname = ten\n");
    assert_eq!(name(&environment), "twenty");
    environment
        .variables
        .insert("CTDB__CLUSTER__NAME".to_owned(), "variable".to_owned());
    assert_eq!(name(&environment), "variable");
    let text = |text: &str| text.to_owned();
    let (section, key, value) = (text("cluster"), text("name"), text("argument"));
    environment.overrides.push(Override {
        section,
        key,
        value,
    });
    assert_eq!(name(&environment), "argument");
    let settings = load(&environment, &TestHost).expect("valid").settings;
    assert_eq!(
        settings.cluster.leader_timeout,
        Some(Duration::from_secs(7))
    );
}

#[test]
fn slow_failover_is_named_where_it_was_asked_for() {
    let directory = conf("[cluster]\nleader timeout = 5\n");
    directory.write(
        "etc/ctdb/ctdb.tunables",
        "\nKeepaliveInterval=5\nRerecoveryTimeout=10\n",
    );
    let warnings = directory.warnings();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].starts_with("/etc/ctdb/ctdb.tunables:2: KeepaliveInterval=5 makes"));
    assert!(warnings[1].starts_with("/etc/ctdb/ctdb.conf:2: leader timeout = 5 makes"));
    assert!(warnings[2].starts_with("/etc/ctdb/ctdb.tunables:3: RerecoveryTimeout=10 delays"));
}

#[test]
fn tunables_win_over_legacy_ones_and_drop_ins_over_both() {
    let directory = Directory::with_nodes();
    directory.write("etc/sysconfig/ctdb", "CTDB_SET_MonitorInterval=1\n");
    directory.write("etc/ctdb/ctdb.tunables", "MonitorInterval=2\n");
    let value = |directory: &Directory| loaded(directory).tunables.get(TunableId::MonitorInterval);
    assert_eq!(value(&directory), 2);
    directory.write("etc/ctdb/tunables.d/x.tunables", "MonitorInterval=3\n");
    assert_eq!(value(&directory), 3);
}

#[test]
fn test_mode_asks_for_no_interfaces_and_gives_each_node_its_console() {
    let directory = Directory::new();
    directory.write("nodes", "10.0.0.1\n10.0.0.2\n");
    directory.write("public_addresses", "10.9.9.9/24 nowhere0\n");
    let base = directory.path("").display().to_string();
    let variables = [("CTDB_TEST_MODE", "yes"), ("CTDB_BASE", base.as_str())];
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let layout = Layout::from_variables(&variables).expect("complete");
    let environment = Environment {
        layout,
        variables,
        overrides: Vec::new(),
    };
    let settings = load(&environment, &TestHost).expect("valid").settings;
    assert!(settings.startup.test_mode && !settings.startup.realtime_scheduling);
    assert_eq!(settings.console_listen.to_string(), "127.0.0.2:4380");
}

#[test]
fn the_node_list_alone_loads_beside_other_faults() {
    let directory = conf("[cluster]\nname =\n[nonsense]\n");
    assert!(directory.load().is_err());
    let nodes = directory.load_nodes().expect("the list is good");
    assert_eq!(
        nodes,
        loaded(&Directory::with_nodes()).settings.cluster.nodes
    );
    directory.write("etc/ctdb/nodes", "10.0.0.1\nhost\n");
    let refused = directory.load_nodes().expect_err("no address").to_string();
    assert!(refused.contains("nodes:2: host"), "{refused}");
}

#[test]
fn a_private_address_among_the_public_ones_is_warned_about() {
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/public_addresses", "10.0.0.3/24 eth1\n");
    assert!(directory.warnings()[0].contains("10.0.0.3 is the private address of a node too"));
}

#[test]
fn the_report_lists_errors_warnings_and_values() {
    let directory = conf("[cluster]\nrecovery lock = /lock\n");
    let text = crate::config::report(&directory.load());
    assert!(text.starts_with("WARNING "), "{text}");
    assert!(text.contains("  cluster lock = /lock\n"), "{text}");
    assert!(text.ends_with("configuration is valid\n"), "{text}");
    let text = crate::config::report(&conf("[cluster]\nname =\n").load());
    assert!(
        text.starts_with("ERROR ") && text.contains("1 error(s)"),
        "{text}"
    );
}

#[test]
fn the_manual_names_every_key() {
    let manual = include_str!("../../docs/configuration.md");
    for (section, key) in crate::config::schema::KEYS {
        let row = format!("| {section} | `{key}` |");
        assert!(manual.contains(&row), "no row for [{section}] {key}");
    }
}
