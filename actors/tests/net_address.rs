//! Addresses, links, the monitor, announcements and the guard's clean-up in real network namespaces.

mod netns;

use std::net::IpAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ctdb_actors::net::address::{Addresses, HeldAddress, Outcome};
use ctdb_actors::net::announce::Announcer;
use ctdb_actors::net::cleanup::release_all;
use ctdb_actors::net::gate::{Gate, GateConfig};
use ctdb_actors::net::link;
use ctdb_actors::net::sysctl::PromoteSecondaries;
use ctdb_actors::net::watch::{NetEvent, NetWatch};
use netns::{Client, held, inside, sh, until};

fn many(count: u16, interface: &str) -> Vec<HeldAddress> {
    let address = |n: u16| match n % 2 {
        0 => held(&format!("10.9.{}.{}", n / 250, n % 250 + 1), 16, interface),
        _ => held(&format!("fd09::{n:x}"), 64, interface),
    };
    (0..count).map(address).collect()
}

fn present(kernel: &mut Addresses, interface: &str) -> Vec<HeldAddress> {
    let all = kernel
        .list()
        .unwrap()
        .into_iter()
        .map(|present| present.held);
    let link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    all.filter(|held| held.interface == interface && !link_local(held.ip))
        .collect()
}

fn cable() {
    sh("ip link add eth1 type veth peer name p1; ip link set p1 up; ip link set eth1 up");
}

#[test]
fn adding_and_removing_are_idempotent() {
    inside("adding_and_removing_are_idempotent", || {
        cable();
        let mut kernel = Addresses::open().unwrap();
        let both = [held("10.9.0.1", 16, "eth1"), held("fd09::1", 64, "eth1")];
        let outcomes = |results: Vec<Result<_, _>>| {
            results
                .into_iter()
                .map(Result::unwrap)
                .collect::<Vec<Outcome>>()
        };
        assert_eq!(outcomes(kernel.add(&both, None)), [Outcome::Done; 2]);
        assert_eq!(
            outcomes(kernel.add(&both, Some(30))),
            [Outcome::Unchanged; 2]
        );
        let listed = kernel.list().unwrap();
        for address in &both {
            let found = listed
                .iter()
                .find(|present| present.held == *address)
                .unwrap();
            assert!(
                found
                    .valid_s
                    .is_some_and(|valid| (28..=30).contains(&valid)),
                "{found:?}"
            );
        }
        let shown = sh("ip addr show dev eth1");
        assert!(shown.contains("brd 10.9.255.255"), "{shown}");
        assert!(shown.contains("fd09::1/64 scope global nodad"), "{shown}");
        assert_eq!(outcomes(kernel.remove(&both)), [Outcome::Done; 2]);
        assert_eq!(outcomes(kernel.remove(&both)), [Outcome::Unchanged; 2]);
        assert_eq!(
            outcomes(kernel.remove(&[held("10.9.0.1", 16, "none")])),
            [Outcome::Unchanged]
        );
        assert_eq!(present(&mut kernel, "eth1"), []);
    });
}

#[test]
fn one_bad_address_does_not_hurt_the_others() {
    inside("one_bad_address_does_not_hurt_the_others", || {
        cable();
        let mut kernel = Addresses::open().unwrap();
        let list = [
            held("10.9.0.1", 16, "eth1"),
            held("10.9.0.2", 16, "none"),
            held("10.9.0.3", 99, "eth1"),
            held("fd09::4", 64, "eth1"),
        ];
        let results = kernel.add(&list, Some(60));
        assert!(results[0].is_ok() && results[3].is_ok());
        let text = results[1].as_ref().unwrap_err().to_string();
        assert!(text.starts_with("add 10.9.0.2/16 on none: "), "{text}");
        assert!(results[2].is_err());
    });
}

#[test]
fn addresses_end_without_renewal_and_stay_with_it() {
    inside("addresses_end_without_renewal_and_stay_with_it", || {
        cable();
        PromoteSecondaries::default().enable("eth1").unwrap();
        let mut kernel = Addresses::open().unwrap();
        let list = many(6, "eth1");
        for result in kernel.add(&list, Some(2)) {
            result.unwrap();
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(4) {
            // The first two, a primary among them, are left to their fate.
            kernel.renew(&list[2..], 2);
            std::thread::sleep(Duration::from_millis(300));
        }
        let left = present(&mut kernel, "eth1");
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(
            list[2..].iter().all(|address| left.contains(address)),
            "{left:?}"
        );
        let took = until("all gone", || present(&mut kernel, "eth1").is_empty());
        println!("gone {took:?} after the last renewal");
    });
}

#[test]
fn secondaries_survive_their_primary() {
    inside("secondaries_survive_their_primary", || {
        cable();
        let value = || {
            sh("cat /proc/sys/net/ipv4/conf/eth1/promote_secondaries")
                .trim()
                .to_owned()
        };
        sh("echo 0 >/proc/sys/net/ipv4/conf/eth1/promote_secondaries");
        let mut promote = PromoteSecondaries::default();
        promote.enable("eth1").unwrap();
        promote.enable("eth1").unwrap();
        assert!(promote.enable("../all").is_err() && promote.enable("none").is_err());
        let mut kernel = Addresses::open().unwrap();
        let list: Vec<_> = (1..4)
            .map(|n| held(&format!("10.9.0.{n}"), 16, "eth1"))
            .collect();
        kernel.add(&list, None);
        kernel.remove(&list[..1]);
        assert_eq!(present(&mut kernel, "eth1"), list[1..]);
        assert_eq!(value(), "1");
        assert!(promote.restore().is_empty());
        assert_eq!(value(), "0");
    });
}

#[test]
fn links_and_the_monitor() {
    inside("links_and_the_monitor", || {
        cable();
        let (send, events) = mpsc::channel();
        let watch = NetWatch::start(move |event| {
            let _ = send.send(event);
        })
        .unwrap();
        let find = || {
            link::links()
                .unwrap()
                .into_iter()
                .find(|link| link.name == "eth1")
                .unwrap()
        };
        until("up", || find().up());
        assert!(find().mac.is_some());
        let expect = |wanted: NetEvent| loop {
            let event = events.recv_timeout(Duration::from_secs(10));
            if event.expect("an event within 10 s") == wanted {
                return;
            }
        };
        let mut kernel = Addresses::open().unwrap();
        let address = held("10.9.0.1", 16, "eth1");
        let (interface, ip) = (address.interface.clone(), address.ip);
        let list = [address];
        // Requests of this very process are announced too.
        kernel.add(&list, Some(60));
        expect(NetEvent::AddressAdded {
            interface: interface.clone(),
            ip,
        });
        kernel.renew(&list, 60);
        kernel.remove(&list);
        let event = events.recv_timeout(Duration::from_secs(10)).unwrap();
        let removed = NetEvent::AddressRemoved {
            interface: interface.clone(),
            ip,
        };
        assert_eq!(event, removed, "a renewal is no event");
        sh("ip link set p1 down");
        expect(NetEvent::LinkChanged {
            name: interface.clone(),
            up: false,
        });
        assert!(!find().up() && find().admin_up);
        sh("ip link set p1 up");
        expect(NetEvent::LinkChanged {
            name: interface.clone(),
            up: true,
        });
        sh("ip link del p1");
        expect(NetEvent::LinkGone { name: interface });
        drop(watch);
        assert!(events.recv_timeout(Duration::from_secs(10)).is_err());
    });
}

#[test]
fn an_announcement_moves_the_neighbours() {
    inside("an_announcement_moves_the_neighbours", || {
        let client = Client::new();
        let addresses = [held("10.7.1.1", 16, "eth1"), held("fd07::1:1", 64, "eth1")];
        Addresses::open().unwrap().add(&addresses, None);
        for ip in ["10.7.1.1", "fd07::1:1"] {
            client.sh(&format!(
                "ip neigh replace {ip} lladdr 02:00:00:00:00:99 dev eth1 nud stale"
            ));
        }
        let ips = addresses.map(|address| address.ip);
        Announcer::open("eth1").unwrap().announce(&ips).unwrap();
        let mac = sh("ip -o link show eth1");
        let mac = mac
            .split("link/ether ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        until("both neighbours moved", || {
            client.sh("ip neigh show dev eth1").matches(&mac).count() >= 2
        });
    });
}

#[test]
fn the_guard_cleans_up_a_hundred_addresses() {
    inside("the_guard_cleans_up_a_hundred_addresses", || {
        cable();
        sh("nft add table inet admin");
        // The hard case; without it the kernel removes the secondaries by itself.
        PromoteSecondaries::default().enable("eth1").unwrap();
        let list = many(100, "eth1");
        let mut kernel = Addresses::open().unwrap();
        for result in kernel.add(&list, Some(60)) {
            result.unwrap();
        }
        kernel.add(&[held("10.200.0.1", 16, "eth1")], None);
        let config = GateConfig {
            interfaces: vec!["eth1".to_owned()],
            addresses: list.iter().map(|address| address.ip).collect(),
        };
        let mut gate = Gate::open(&config).unwrap();
        gate.refresh(Duration::from_secs(60)).unwrap();
        drop(gate);
        // The guard may know addresses that are not there, and an outdated prefix.
        let mut known = list.clone();
        known.push(held("10.9.77.77", 16, "eth1"));
        known[0].prefix_len = 24;
        let start = Instant::now();
        let done = release_all(&known);
        println!(
            "gate shut and 100 addresses removed in {:?}",
            start.elapsed()
        );
        assert!(done.gate_shut && done.failures.is_empty(), "{done:?}");
        assert_eq!(done.removed.len(), 100);
        assert_eq!(
            present(&mut kernel, "eth1"),
            [held("10.200.0.1", 16, "eth1")]
        );
        assert_eq!(sh("nft list tables").trim(), "table inet admin");
        let again = release_all(&known);
        assert!(!again.gate_shut && again.removed.is_empty() && again.failures.is_empty());
    });
}

#[test]
fn nine_hundred_addresses_in_batches() {
    inside("nine_hundred_addresses_in_batches", || {
        cable();
        let list = many(900, "eth1");
        let mut kernel = Addresses::open().unwrap();
        let mut time = |what: &str, results: &mut dyn FnMut(&mut Addresses) -> usize| {
            let start = Instant::now();
            assert_eq!(results(&mut kernel), 900, "{what}");
            println!("{what} 900 addresses: {:?}", start.elapsed());
        };
        let good = |results: Vec<Result<Outcome, _>>| results.iter().filter(|r| r.is_ok()).count();
        time("add", &mut |kernel| good(kernel.add(&list, Some(60))));
        time("renew", &mut |kernel| good(kernel.renew(&list, 60)));
        time("remove", &mut |kernel| good(kernel.remove(&list)));
        assert_eq!(present(&mut kernel, "eth1"), []);
    });
}
