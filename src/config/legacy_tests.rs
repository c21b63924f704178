//! One test per variable that the two seed documents name, then the rules that hold for all.

use ctdb_protocol::notice::Level;
use ctdb_protocol::settings::{ClusterLock, LogLocation};
use ctdb_protocol::tunable::TunableId;

use crate::config::Loaded;
use crate::config::testing::Directory;

/// The configuration with these lines in the sysconfig file, which must give no warning.
fn clean(text: &str) -> Loaded {
    let loaded = loaded(text);
    assert_eq!(loaded.warnings, [], "{text}");
    loaded
}

fn loaded(text: &str) -> Loaded {
    let directory = Directory::with_nodes();
    directory.write("etc/sysconfig/ctdb", text);
    directory
        .load()
        .map_err(|refused| refused.to_string())
        .expect(text)
}

fn warnings(text: &str) -> Vec<String> {
    let directory = Directory::with_nodes();
    directory.write("etc/sysconfig/ctdb", text);
    directory.warnings()
}

/// A script variable arrives under its own name.
fn script_variable(line: &str) {
    let (name, value) = line.split_once('=').expect("an assignment");
    assert_eq!(clean(line).settings.events.script_variables[name], value);
}

#[test]
fn ctdb_nodes() {
    let directory = Directory::new();
    directory.write("shared/nodes", "10.0.0.2\n");
    let file = directory.path("shared/nodes");
    directory.write(
        "etc/sysconfig/ctdb",
        &format!("CTDB_NODES={}\n", file.display()),
    );
    let loaded = directory.load().expect("valid");
    assert_eq!((loaded.settings.cluster.pnn, loaded.warnings.len()), (0, 0));
}

#[test]
fn ctdb_nodes_that_does_not_exist_leaves_the_usual_file() {
    let found = warnings("CTDB_NODES=/nonexistent/nodes\n");
    let expected = "/etc/sysconfig/ctdb:1: CTDB_NODES=/nonexistent/nodes is skipped: \
                    there is no such file";
    assert_eq!(found, [expected]);
}

#[test]
fn ctdb_public_addresses() {
    let directory = Directory::with_nodes();
    directory.write("shared/pa", "10.1.1.9/24 eth1\n");
    let file = directory.path("shared/pa");
    directory.write(
        "etc/sysconfig/ctdb",
        &format!("CTDB_PUBLIC_ADDRESSES={}\n", file.display()),
    );
    let loaded = directory.load().expect("valid");
    assert_eq!(loaded.settings.failover.public_addresses.len(), 1);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn ctdb_public_addresses_that_does_not_exist_is_none() {
    assert!(warnings("CTDB_PUBLIC_ADDRESSES=/nonexistent/pa")[0].contains("no public addresses"));
}

#[test]
fn ctdb_recovery_lock() {
    let lock = clean("CTDB_RECOVERY_LOCK=\"/gluster/lock\"")
        .settings
        .cluster
        .lock;
    assert_eq!(lock, ClusterLock::File("/gluster/lock".to_owned()));
}

#[test]
fn ctdb_capability_recmaster() {
    let cluster = clean("CTDB_CAPABILITY_RECMASTER=no").settings.cluster;
    assert!(!cluster.leader_capability && cluster.lmaster_capability);
}

#[test]
fn ctdb_capability_lmaster() {
    let cluster = clean("CTDB_CAPABILITY_LMASTER=no").settings.cluster;
    assert!(cluster.leader_capability && !cluster.lmaster_capability);
}

#[test]
fn ctdb_public_interface_and_ctdb_lvs_public_ip() {
    let text = "CTDB_PUBLIC_INTERFACE=eth1\nCTDB_LVS_PUBLIC_IP=10.1.1.237\n";
    let settings = clean(text).settings;
    assert!(settings.lvs_capability());
    assert_eq!(
        settings.events.script_variables["CTDB_PUBLIC_INTERFACE"],
        "eth1"
    );
    assert_eq!(
        settings.events.script_variables["CTDB_LVS_PUBLIC_IP"],
        "10.1.1.237"
    );
    assert!(
        !clean("CTDB_PUBLIC_INTERFACE=eth1")
            .settings
            .lvs_capability()
    );
}

/// With the lines of the manual, and this one.
fn natgw(line: &str) -> Loaded {
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/natgw_nodes", "10.0.0.2\n");
    let lines = "CTDB_NATGW_NODES=$CTDB_BASE/natgw_nodes\nCTDB_NATGW_PRIVATE_NETWORK=10.0.0.0/24\n\
        CTDB_NATGW_PUBLIC_IP=10.9.0.227/24\nCTDB_NATGW_PUBLIC_IFACE=eth0\n";
    directory.write("etc/sysconfig/ctdb", &format!("{lines}{line}"));
    let loaded = directory.load().expect("valid");
    assert_eq!(loaded.warnings, [], "{line}");
    loaded
}

#[test]
fn ctdb_natgw_nodes() {
    let settings = natgw("").settings;
    assert!(settings.natgw_capability() && !settings.lvs_capability());
}

#[test]
fn ctdb_natgw_slave_only() {
    let settings = natgw("CTDB_NATGW_SLAVE_ONLY=yes\n").settings;
    assert!(!settings.natgw_capability());
}

#[test]
fn ctdb_natgw_private_network() {
    script_variable("CTDB_NATGW_PRIVATE_NETWORK=192.168.1.0/24");
}

#[test]
fn ctdb_natgw_public_ip() {
    script_variable("CTDB_NATGW_PUBLIC_IP=10.0.0.227/24");
}

#[test]
fn ctdb_natgw_public_iface() {
    script_variable("CTDB_NATGW_PUBLIC_IFACE=eth0");
}

#[test]
fn ctdb_natgw_default_gateway() {
    script_variable("CTDB_NATGW_DEFAULT_GATEWAY=10.0.0.1");
}

#[test]
fn ctdb_natgw_static_routes() {
    script_variable("CTDB_NATGW_STATIC_ROUTES=10.2.0.0/16@10.0.0.1");
}

#[test]
fn ctdb_per_ip_routing_conf() {
    let lines = "CTDB_PER_IP_ROUTING_CONF=__auto_link_local__\nCTDB_PER_IP_ROUTING_RULE_PREF=100\n\
        CTDB_PER_IP_ROUTING_TABLE_ID_LOW=1000\nCTDB_PER_IP_ROUTING_TABLE_ID_HIGH=9000\n";
    let variables = clean(lines).settings.events.script_variables;
    assert_eq!(variables["CTDB_PER_IP_ROUTING_CONF"], "__auto_link_local__");
}

#[test]
fn ctdb_per_ip_routing_rule_pref() {
    script_variable("CTDB_PER_IP_ROUTING_RULE_PREF=100");
}

#[test]
fn ctdb_per_ip_routing_table_id_low() {
    script_variable("CTDB_PER_IP_ROUTING_TABLE_ID_LOW=1000");
}

#[test]
fn ctdb_per_ip_routing_table_id_high() {
    script_variable("CTDB_PER_IP_ROUTING_TABLE_ID_HIGH=9000");
}

#[test]
fn ctdb_notify_script() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/own.sh", "");
    let script = directory.path("etc/ctdb/own.sh");
    let text = format!("CTDB_NOTIFY_SCRIPT={}\n", script.display());
    directory.write("etc/sysconfig/ctdb", &text);
    let refused = |fault: &str| format!("/etc/sysconfig/ctdb:1: CTDB_NOTIFY_SCRIPT: {fault}");
    let expected = refused("\"/etc/ctdb/own.sh\" is not executable");
    assert_eq!(directory.errors(), [expected]);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("run bit");
    let paths = directory.load().expect("valid").settings.paths;
    assert_eq!(paths.notify_script, script.display().to_string());
    directory.write("etc/sysconfig/ctdb", "CTDB_NOTIFY_SCRIPT=/none.sh\n");
    assert_eq!(directory.errors(), [refused("\"/none.sh\" does not exist")]);
}

#[test]
fn the_seeds_debug_levels() {
    let levels = [
        ("EMERG", Level::Emerg),
        ("ALERT", Level::Alert),
        ("CRIT", Level::Crit),
        ("ERR", Level::Err),
        ("WARNING", Level::Warning),
        ("NOTICE", Level::Notice),
        ("INFO", Level::Info),
        ("DEBUG", Level::Debug),
    ];
    for (number, (name, level)) in (-3..).zip(levels) {
        assert_eq!(
            clean(&format!("CTDB_DEBUGLEVEL={name}"))
                .settings
                .logging
                .level,
            level
        );
        assert_eq!(
            clean(&format!("CTDB_DEBUGLEVEL={number}"))
                .settings
                .logging
                .level,
            level
        );
    }
}

#[test]
fn ctdb_logging() {
    let logging = clean("CTDB_LOGGING=file:/var/log/log.ctdb")
        .settings
        .logging;
    assert_eq!(
        logging.location,
        LogLocation::File("/var/log/log.ctdb".to_owned())
    );
    assert_eq!(
        clean("CTDB_LOGGING=syslog").settings.logging.location,
        LogLocation::Syslog
    );
}

#[test]
fn logging_variables_of_the_oldest_guides() {
    let logging = clean("CTDB_LOGFILE=/var/log/log.ctdb\nCTDB_SYSLOG=no\n")
        .settings
        .logging;
    assert_eq!(
        logging.location,
        LogLocation::File("/var/log/log.ctdb".to_owned())
    );
    assert_eq!(
        clean("CTDB_SYSLOG=yes").settings.logging.location,
        LogLocation::Syslog
    );
}

#[test]
fn managed_services() {
    let text =
        "CTDB_MANAGES_SAMBA=yes\nCTDB_MANAGES_NFS=no\nCTDB_MANAGED_SERVICES=\"vsftpd httpd\"";
    let services = clean(text).settings.events.managed_services;
    assert_eq!(
        services.into_iter().collect::<Vec<_>>(),
        ["httpd", "samba", "vsftpd"]
    );
}

#[test]
fn start_and_limits() {
    let text = "CTDB_START_AS_STOPPED=yes\nCTDB_START_AS_DISABLED=1\nCTDB_NOSETSCHED=yes\n\
                CTDB_MAX_OPEN_FILES=10000\nCTDB_SUPPRESS_COREFILE=yes\nCTDB_SCRIPT_LOG_LEVEL=INFO";
    let settings = clean(text).settings;
    assert!(settings.startup.state.stopped && settings.startup.state.disabled);
    assert!(!settings.startup.realtime_scheduling && settings.startup.suppress_core_file);
    assert_eq!(settings.startup.max_open_files, Some(10_000));
    assert_eq!(settings.logging.script_level, Level::Info);
}

#[test]
fn database_directories() {
    let directory = Directory::with_nodes();
    let place = directory.path("etc").display().to_string();
    let text =
        format!("CTDB_DBDIR={place}\nCTDB_DBDIR_PERSISTENT={place}\nCTDB_DBDIR_STATE={place}");
    directory.write("etc/sysconfig/ctdb", &text);
    let database = directory.load().expect("valid").settings.database;
    assert_eq!(database.volatile_directory, place);
    assert_eq!(database.persistent_directory, place);
    assert_eq!(database.state_directory, place);
}

#[test]
fn debug_scripts() {
    let directory = Directory::with_nodes();
    directory.write("etc/ctdb/d.sh", "");
    let text = "CTDB_DEBUG_LOCKS=/etc/ctdb/d.sh\nCTDB_DEBUG_HUNG_SCRIPT=/x/d.sh\n";
    directory.write("etc/sysconfig/ctdb", text);
    let settings = directory.load().expect("valid").settings;
    let path = directory.path("etc/ctdb/d.sh").display().to_string();
    assert_eq!(settings.database.lock_debug_script, Some(path.clone()));
    assert_eq!(settings.events.debug_script, Some(path));
}

#[test]
fn tunables_and_the_two_that_became_keys() {
    let text = "CTDB_SET_MonitorInterval=7\nCTDB_SET_IPALLOCALGORITHM=0\n\
                CTDB_SET_TDBMutexEnabled=0\nCTDB_SET_DisableIpFailover=1\n";
    let loaded = clean(text);
    assert_eq!(
        loaded.tunables.explicit(TunableId::MonitorInterval),
        Some(7)
    );
    assert_eq!(
        loaded.tunables.explicit(TunableId::IPAllocAlgorithm),
        Some(0)
    );
    assert!(!loaded.settings.database.tdb_mutexes && loaded.settings.failover.disabled);
}

#[test]
fn node_address_and_transport() {
    let text = "CTDB_NODE_ADDRESS=10.0.0.3\nCTDB_TRANSPORT=tcp";
    assert_eq!(clean(text).settings.cluster.pnn, 2);
}

#[test]
fn removed_foreign_and_unknown_ones_are_one_warning_each() {
    for name in [
        "CTDB_BASE",
        "CTDB_PIDFILE",
        "CTDB_SOCKET",
        "CTDB_MAX_PERSISTENT_CHECK_ERRORS",
        "CTDB_SHUTDOWN_TIMEOUT",
        "CTDB_MONITOR_SWAP_USAGE",
        "CTDB_FOO",
        "SOMETHING_ELSE",
        "CTDB_SET_noiphostonalldisabled",
        "CTDB_SET_foobar",
    ] {
        let found = warnings(&format!("# head\n{name}=0\n"));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].starts_with("/etc/sysconfig/ctdb:2: "), "{found:?}");
    }
    assert!(warnings("CTDB_DBDIR=tmpfs")[0].contains("is gone"));
    assert!(warnings("CTDB_NODE=x")[0].ends_with("did you mean \"CTDB_NODES\"?"));
}

#[test]
fn bad_values_never_stop_the_daemon() {
    for line in [
        "CTDB_CAPABILITY_LMASTER=maybe",
        "CTDB_DEBUGLEVEL=LOUD",
        "CTDB_LOGGING=nowhere",
        "CTDB_DBDIR=/nonexistent",
        "CTDB_TRANSPORT=ib",
        "CTDB_MAX_OPEN_FILES=many",
        "CTDB_MANAGES_SAMBA=perhaps",
        "CTDB_NODE_ADDRESS=host",
        "CTDB_DEBUG_LOCKS=/x/none.sh",
        "CTDB_SET_MonitorInterval=often",
        "CTDB_RECOVERY_LOCK=`reboot`",
        "ulimit -c unlimited",
    ] {
        let found = warnings(line);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with("/etc/sysconfig/ctdb:1: "), "{found:?}");
    }
}

#[test]
fn later_files_win_and_ctdb_conf_wins_over_all_of_them() {
    let directory = Directory::with_nodes();
    directory.write(
        "etc/sysconfig/ctdb",
        "CTDB_RECOVERY_LOCK=/a\nCTDB_DEBUGLEVEL=ERR\n",
    );
    directory.write("etc/default/ctdb", "CTDB_RECOVERY_LOCK=/b\n");
    let lock = |directory: &Directory| directory.load().expect("valid").settings.cluster.lock;
    assert_eq!(lock(&directory), ClusterLock::File("/b".to_owned()));
    directory.write("etc/ctdb/ctdbd.conf", "CTDB_RECOVERY_LOCK=/c\n");
    assert_eq!(lock(&directory), ClusterLock::File("/c".to_owned()));
    directory.write("etc/ctdb/ctdb.conf", "[cluster]\n recovery lock = /d\n");
    assert_eq!(lock(&directory), ClusterLock::File("/d".to_owned()));
    let level = directory.load().expect("valid").settings.logging.level;
    assert_eq!(level, Level::Err, "keys that later files leave alone stay");
}

#[test]
fn script_options_win_over_legacy_files() {
    let directory = Directory::with_nodes();
    directory.write("etc/sysconfig/ctdb", "CTDB_NATGW_PUBLIC_IFACE=eth0\n");
    directory.write("etc/ctdb/script.options", "CTDB_NATGW_PUBLIC_IFACE=eth1\n");
    let iface = |directory: &Directory| {
        let settings = directory.load().expect("valid").settings;
        settings.events.script_variables["CTDB_NATGW_PUBLIC_IFACE"].clone()
    };
    assert_eq!(iface(&directory), "eth1");
    directory.write(
        "etc/ctdb/events/legacy/11.natgw.options",
        "CTDB_NATGW_PUBLIC_IFACE=eth2\n",
    );
    assert_eq!(iface(&directory), "eth2");
}
