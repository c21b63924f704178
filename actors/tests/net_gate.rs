//! The lease gate between two real network namespaces.

mod netns;

use std::time::{Duration, Instant};

use ctdb_actors::net::address::Addresses;
use ctdb_actors::net::announce::Announcer;
use ctdb_actors::net::gate::{self, Gate, GateConfig, GateState};
use netns::{Client, Wire, held, inside, sh};

const PUBLIC_V4: &str = "10.7.1.1";
const PUBLIC_V6: &str = "fd07::1:1";

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn guarded() -> Gate {
    Gate::probe().expect("nft and netdev hooks work here");
    let addresses = [held(PUBLIC_V4, 16, "eth1"), held(PUBLIC_V6, 64, "eth1")];
    for result in Addresses::open().unwrap().add(&addresses, None) {
        result.unwrap();
    }
    let addresses = addresses.into_iter().map(|address| address.ip).collect();
    Gate::open(&GateConfig {
        interfaces: vec!["eth1".to_owned()],
        addresses,
    })
    .unwrap()
}

#[test]
fn shut_by_default_and_open_while_refreshed() {
    inside("shut_by_default_and_open_while_refreshed", || {
        let client = Client::new();
        let mut gate = guarded();
        assert!(
            client.hears("10.7.0.1") && client.hears("fd07::1"),
            "own addresses always pass"
        );
        assert!(
            !client.pings(PUBLIC_V4) && !client.pings(PUBLIC_V6),
            "shut before the first refresh"
        );
        gate.refresh(ms(60_000)).unwrap();
        assert!(client.hears(PUBLIC_V4) && client.hears(PUBLIC_V6), "open");
        gate.close_now().unwrap();
        // The client knows the hardware addresses now: this is IP traffic alone.
        assert!(
            !client.pings(PUBLIC_V4) && !client.pings(PUBLIC_V6),
            "shut at once"
        );
        assert!(
            client.hears("10.7.0.1") && client.hears("fd07::1"),
            "own addresses always pass"
        );
        gate.refresh(ms(60_000)).unwrap();
        assert!(
            client.hears(PUBLIC_V4) && client.hears(PUBLIC_V6),
            "open again"
        );
        gate.set_addresses(&[]).unwrap();
        gate.close_now().unwrap();
        assert!(
            client.hears(PUBLIC_V4) && client.hears(PUBLIC_V6),
            "no longer guarded"
        );
        assert_eq!(gate.verify().unwrap(), GateState::Intact);
        gate.remove().unwrap();
        assert_eq!(sh("nft list tables"), "");
    });
}

fn shuts_by_itself(test: &str, ip: &'static str) {
    inside(test, move || {
        let client = Client::new();
        let mut gate = guarded();
        let asking = client.ask(ip, ms(2500));
        std::thread::sleep(ms(200));
        let opened = Instant::now();
        let mut last = opened;
        while opened.elapsed() < ms(600) {
            last = Instant::now();
            gate.refresh(ms(300)).unwrap();
            std::thread::sleep(ms(100));
        }
        let answers = asking.join().unwrap();
        assert!(
            answers.iter().all(|at| *at > opened),
            "answered before it was opened"
        );
        assert!(
            answers.len() > 100,
            "only {} answers in 800 ms",
            answers.len()
        );
        let gap = answers
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap();
        let over = answers
            .last()
            .unwrap()
            .saturating_duration_since(last + ms(300));
        println!("{ip}: last answer {over:?} after the end; longest gap while refreshed {gap:?}");
        assert!(over < ms(1000), "still answered {over:?} after the end");
    });
}

#[test]
fn arp_ends_with_the_timeout() {
    shuts_by_itself("arp_ends_with_the_timeout", PUBLIC_V4);
}

#[test]
fn neighbour_discovery_ends_with_the_timeout() {
    shuts_by_itself("neighbour_discovery_ends_with_the_timeout", PUBLIC_V6);
}

#[test]
fn our_own_announcements_are_held_back_too() {
    inside("our_own_announcements_are_held_back_too", || {
        let client = Client::new();
        let mut gate = guarded();
        let heard = |client: &Client| {
            let listening = client.run(|| {
                let mut wire = Wire::open("eth1");
                let start = Instant::now();
                let mut seen = [false; 3];
                while start.elapsed() < ms(600) {
                    let Some(frame) = wire.receive() else {
                        continue;
                    };
                    let arp = |operation| {
                        frame[12..14] == [8, 6]
                            && frame[20..22] == [0, operation]
                            && frame[28..32] == [10, 7, 1, 1]
                    };
                    seen[0] |= arp(1);
                    seen[1] |= arp(2);
                    seen[2] |= frame[12..14] == [0x86, 0xdd]
                        && frame.get(54) == Some(&136)
                        && frame[62..78]
                            == "fd07::1:1".parse::<std::net::Ipv6Addr>().unwrap().octets();
                }
                seen
            });
            std::thread::sleep(ms(200));
            let addresses = [PUBLIC_V4.parse().unwrap(), PUBLIC_V6.parse().unwrap()];
            // A dropped frame may be reported as such, or not at all.
            let _ = Announcer::open("eth1").unwrap().announce(&addresses);
            listening.join().unwrap()
        };
        assert_eq!(heard(&client), [false; 3], "shut");
        gate.refresh(ms(60_000)).unwrap();
        assert_eq!(heard(&client), [true; 3], "open");
    });
}

#[test]
fn a_flushed_ruleset_is_found_and_rebuilt_and_other_tables_are_left_alone() {
    inside(
        "a_flushed_ruleset_is_found_and_rebuilt_and_other_tables_are_left_alone",
        || {
            let client = Client::new();
            sh(
                "nft add table inet admin; nft add chain inet admin own; nft add table netdev other",
            );
            let before = sh("nft list table inet admin; nft list table netdev other");
            let mut gate = guarded();
            assert_eq!(gate.verify().unwrap(), GateState::Intact);
            gate.refresh(ms(1)).unwrap();
            assert_eq!(
                gate.verify().unwrap(),
                GateState::Intact,
                "a refresh is no change"
            );
            assert_eq!(
                sh("nft list table inet admin; nft list table netdev other"),
                before
            );
            for damage in [
                "flush ruleset",
                "flush table netdev ctdb",
                "flush set netdev ctdb v4",
                "delete element netdev ctdb v4 { 10.7.1.1 }",
                "delete table netdev ctdb",
            ] {
                sh(&format!("nft \"{damage}\""));
                assert!(
                    client.pings(PUBLIC_V4) || client.pings(PUBLIC_V6),
                    "{damage}: fails open"
                );
                assert_eq!(gate.verify().unwrap(), GateState::Rebuilt, "{damage}");
                assert!(
                    !client.pings(PUBLIC_V4) && !client.pings(PUBLIC_V6),
                    "{damage}: shut again"
                );
                gate.refresh(ms(1)).unwrap();
            }
            // Whether this lets anything through depends on what the neighbours remember.
            sh("nft 'delete element netdev ctdb v6 { fd07::1:1 }'");
            assert_eq!(gate.verify().unwrap(), GateState::Rebuilt);
            sh("nft add table inet admin");
            gate::remove_table().unwrap();
            assert_eq!(sh("nft list tables").trim(), "table inet admin");
        },
    );
}

#[test]
fn an_interface_that_comes_later_is_guarded_by_verify() {
    inside("an_interface_that_comes_later_is_guarded_by_verify", || {
        let interfaces = vec!["eth7".to_owned(), "eth8".to_owned()];
        let mut gate = Gate::open(&GateConfig {
            interfaces,
            addresses: Vec::new(),
        })
        .unwrap();
        assert!(gate.guarded().is_empty());
        gate.refresh(ms(100)).unwrap();
        sh("ip link add eth7 type veth peer name p7; ip link add eth8 type veth peer name p8");
        assert_eq!(gate.verify().unwrap(), GateState::Rebuilt);
        assert_eq!(gate.guarded(), ["eth7", "eth8"]);
        gate.refresh(ms(100)).unwrap();
        sh("ip link del eth7");
        assert_eq!(gate.verify().unwrap(), GateState::Rebuilt);
        assert_eq!(gate.guarded(), ["eth8"]);
    });
}

#[test]
fn a_refresh_costs_the_same_for_900_addresses() {
    inside("a_refresh_costs_the_same_for_900_addresses", || {
        for at in 0..4 {
            sh(&format!("ip link add eth{at} type veth peer name p{at}"));
        }
        let many: Vec<std::net::IpAddr> = (0..900_u16)
            .map(|n| match n % 2 {
                0 => format!("10.9.{}.{}", n / 250, n % 250).parse().unwrap(),
                _ => format!("fd09::{n:x}").parse().unwrap(),
            })
            .collect();
        for (interfaces, addresses) in [(1, &many[..2]), (1, &many), (4, &many)] {
            let names = (0..interfaces).map(|at| format!("eth{at}")).collect();
            let config = GateConfig {
                interfaces: names,
                addresses: addresses.to_vec(),
            };
            let mut gate = Gate::open(&config).unwrap();
            let mut costs: Vec<Duration> = (0..500)
                .map(|_| {
                    let start = Instant::now();
                    gate.refresh(ms(400)).unwrap();
                    start.elapsed()
                })
                .collect();
            costs.sort();
            let start = Instant::now();
            assert_eq!(gate.verify().unwrap(), GateState::Intact);
            println!(
                "{} addresses, {interfaces} interfaces: refresh median {:?}, worst of 500 {:?}; verify {:?}",
                addresses.len(),
                costs[250],
                costs[499],
                start.elapsed()
            );
        }
    });
}

#[test]
fn a_refresh_revives_an_element_that_just_expired() {
    inside("a_refresh_revives_an_element_that_just_expired", || {
        let client = Client::new();
        let mut gate = guarded();
        for _ in 0..300 {
            gate.refresh(ms(1)).unwrap();
            std::thread::sleep(Duration::from_micros(900));
        }
        gate.refresh(ms(60_000)).unwrap();
        assert!(client.hears(PUBLIC_V4));
    });
}
