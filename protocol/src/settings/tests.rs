//! The derivation of timings, case by case.

use alloc::borrow::ToOwned;
use alloc::vec;

use super::*;
use crate::timing::{LONGEST, Timing};
use crate::tunable::Tunables;

fn settings() -> Settings {
    let address = IpAddr::from([10, 0, 0, 1]);
    let text = |text: &str| text.to_owned();
    Settings {
        cluster: Cluster {
            name: String::new(),
            nodes: vec![NodeEntry {
                address,
                deleted: false,
            }],
            pnn: 0,
            node_address: address,
            port: NODE_PORT,
            lock: ClusterLock::None,
            leader_capability: true,
            lmaster_capability: true,
            leader_timeout: None,
        },
        logging: Logging {
            location: LogLocation::Stderr,
            level: Level::Notice,
            script_level: Level::Err,
            format: LogFormat::Text,
        },
        database: Database {
            volatile_directory: text("/v"),
            persistent_directory: text("/p"),
            state_directory: text("/s"),
            tdb_mutexes: true,
            lock_debug_script: None,
            lock_warning_time: Duration::from_secs(10),
            lock_eviction_time: None,
            record_shards: None,
        },
        failover: Failover {
            disabled: false,
            fast: false,
            damp_flapping: true,
            shutdown_failover_timeout: Duration::from_secs(10),
            shutdown_extra_timeout: Duration::ZERO,
            public_addresses: vec![],
        },
        lvs: None,
        natgw: None,
        startup: Startup {
            state: StartState::default(),
            realtime_scheduling: true,
            test_mode: false,
            max_open_files: None,
            suppress_core_file: false,
        },
        console_listen: SocketAddr::from(([127, 0, 0, 1], CONSOLE_PORT)),
        metrics_listen: None,
        events: Events::default(),
        paths: Paths {
            etc: text("/etc/ctdb"),
            run: text("/run/ctdb"),
            var: text("/var/lib/ctdb"),
            socket: text("/run/ctdb/ctdbd.socket"),
            event_socket: text("/run/ctdb/eventd.socket"),
            pid_file: text("/run/ctdb/ctdbd.pid"),
            console_token: text("/run/ctdb/console.token"),
            public_addresses: text("/etc/ctdb/public_addresses"),
            event_scripts: text("/etc/ctdb/events/legacy"),
            notify_script: text("/etc/ctdb/notify.sh"),
        },
    }
}

fn timing(list: &[(&str, u32)], settings: &Settings) -> Timing {
    let mut tunables = Tunables::default();
    for (name, value) in list {
        tunables.set(name, *value);
    }
    Timing::from(&tunables, settings)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn defaults_and_the_fast_setting_keep_their_promise() {
    let mut settings = settings();
    let default = timing(&[], &settings);
    assert_eq!(
        (default.keepalive_interval, default.dead_after),
        (ms(100), ms(700))
    );
    assert_eq!(
        (default.lease_hold, default.lease_gate),
        (ms(1150), ms(400))
    );
    assert_eq!(default.takeover_after(), ms(1200));
    assert!(!default.is_slower_than_promised());
    settings.failover.fast = true;
    let fast = timing(&[], &settings);
    assert_eq!(
        (fast.keepalive_interval, fast.dead_after),
        (ms(50), ms(300))
    );
    assert_eq!(fast.takeover_after(), ms(600));
}

#[test]
fn keepalive_tunables_count_literally_once_set() {
    let slow = timing(&[("KeepaliveInterval", 5)], &settings());
    assert_eq!(
        (slow.keepalive_interval, slow.dead_after),
        (ms(5000), ms(30_000))
    );
    assert_eq!(slow.lease_hold, slow.dead_after + slow.keepalive_interval);
    assert!(slow.is_slower_than_promised());
    let limit = timing(&[("KeepaliveLimit", 1)], &settings());
    assert_eq!(limit.dead_after, ms(10_000));
    let short = timing(
        &[("KeepaliveInterval", 1), ("KeepaliveLimit", 0)],
        &settings(),
    );
    assert_eq!(short.dead_after, ms(1000));
    assert!(short.is_slower_than_promised());
}

#[test]
fn extreme_values_neither_overflow_nor_spin() {
    let most = u32::MAX;
    let huge = timing(
        &[
            ("KeepaliveInterval", most),
            ("KeepaliveLimit", most),
            ("ElectionTimeout", most),
        ],
        &settings(),
    );
    assert_eq!(huge.dead_after, LONGEST);
    assert!(huge.takeover_after() > LONGEST);
    assert_eq!(
        timing(&[("KeepaliveInterval", 0)], &settings()).keepalive_interval,
        ms(1000)
    );
}

#[test]
fn waits_are_zero_until_they_are_set() {
    let mut settings = settings();
    let default = timing(&[], &settings);
    assert_eq!(
        (default.leader_loss_wait, default.rerecovery_pause),
        (ms(0), ms(0))
    );
    settings.cluster.leader_timeout = Some(ms(5000));
    let set = timing(
        &[("RerecoveryTimeout", 10), ("ElectionTimeout", 3)],
        &settings,
    );
    assert_eq!(
        (set.leader_loss_wait, set.rerecovery_pause),
        (ms(8000), ms(10_000))
    );
    assert!(set.is_slower_than_promised());
}

#[test]
fn settings_survive_serde() {
    let settings = settings();
    let text = serde_json::to_string(&settings).expect("plain values");
    assert_eq!(
        serde_json::from_str::<Settings>(&text).expect("just written"),
        settings
    );
}
