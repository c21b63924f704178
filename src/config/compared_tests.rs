//! The readers beside 4.17's own `ctdb-config`, and against junk.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::testing::Directory;
use super::warning::Findings;
use super::{nodes, public_addresses, scan, shell, tunables};

/// Where distributions put 4.17's checker.
const CHECKERS: [&str; 2] = ["/usr/libexec/ctdb/ctdb-config", "/usr/lib/ctdb/ctdb-config"];

/// Files on which 4.17 and this daemon must agree whether they are valid.
const SHARED: &[&str] = &[
    "[logging]\n log level = info\n",
    "[logging]\n log level = 9\n",
    "[logging]\n log level = 11\n",
    "[logging]\n log level = warn\n",
    "[logging]\n log level = foo\n",
    "[logging]\n Log Level = info\n",
    "[Logging]\n log level = info\n log  level = ERROR\n",
    "[logging]\n location = bad\n",
    "[logging]\n location = file:-\n",
    "[logging]\n location = syslog:nonblocking\n",
    "[nope]\n a = 1\n",
    "[cluster]\n nope = 1\n",
    "[cluster]\n cluster lock =\n",
    "[cluster]\n cluster lock\n leader timeout = 7\n",
    "[cluster]\n cluster lock = /a\\b;c # d\n",
    "[cluster]\n cluster lock = /a \\\n  b\n",
    "[cluster] note\r\n leader timeout = 0x10\r\n",
    "[ cluster ]\n leader timeout = 7\n",
    "[cluster]\n leader timeout = 0\n",
    "[cluster]\n leader timeout = 5x\n",
    "[cluster]\n leader timeout = -1\n",
    "[cluster]\n leader timeout = 3000000000\n",
    "[cluster]\n leader timeout: 7\n",
    "[cluster]\n node address = foo\n",
    "[cluster]\n node address = 10.0.0.1\n",
    "[cluster]\n transport = ib\n",
    "[cluster]\n recovery lock = /x\n cluster lock = /y\n",
    "[cluster\n leader timeout = 7\n",
    "[cluster]\n = 5\n",
    "a = 1\n[cluster]\n",
    "\n\nfoo\n[cluster]\n",
    "[database]\n volatile database directory = /nonexistent\n",
    "[database]\n volatile database directory = /tmp\n",
    "[database]\n tdb mutexes = No\n",
    "[event]\n debug script = none.sh\n",
    "[legacy]\n realtime scheduling = 0\n",
    "[legacy]\n realtime scheduling = off\n",
    "[legacy]\n script log level = 3\n",
    "[failover]\n disabled = true\n",
];

#[test]
fn verdicts_agree_with_4_17() {
    let Some(checker) = CHECKERS.into_iter().find(|path| Path::new(path).exists()) else {
        println!("skipped: 4.17's ctdb-config is not installed");
        return;
    };
    for text in SHARED {
        let directory = Directory::with_nodes();
        directory.write("etc/ctdb/ctdb.conf", text);
        let theirs = Command::new(checker)
            .arg("validate")
            .env("CTDB_TEST_MODE", "yes")
            .env("CTDB_BASE", directory.path("etc/ctdb"))
            .output()
            .expect("an installed program");
        let ours = directory.load();
        assert_eq!(ours.is_ok(), theirs.status.success(), "{text:?}: {ours:?}");
    }
}

#[test]
fn junk_never_panics() {
    let seeds = [
        "[cluster]\ncluster lock = !/a \\\n b\n[x",
        "export A=\"$B ${C} `d` $(e)\" 'f' \\\n# g\nCTDB_NODES=$A;B=\\",
        "10.0.0.1/24 eth0,eth1\n#x\nfd00::1/64 e\n10.0.0.1",
        "KeepaliveInterval=0x10\nA=\n=5\n0=0",
    ];
    let alphabet: Vec<char> = "\0\n\r\t \\\"'`$(){}[]=#;&|/,.:!0x9aZé€\u{feff}-_"
        .chars()
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        // xorshift64: enough for picking places, and the same on every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or(0)
    };
    for round in 0..4_000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=random(8) {
            let place = random(text.len());
            match random(3) {
                0 => text[place] = alphabet[random(alphabet.len())],
                1 => text.insert(place, alphabet[random(alphabet.len())]),
                _ => text.truncate(place + 1),
            }
        }
        let text: String = text.into_iter().collect();
        let mut findings = Findings::default();
        scan::scan("f", &text, &mut findings);
        nodes::parse("f", &text, &mut findings);
        public_addresses::parse("f", &text, &mut findings);
        tunables::Chosen::default().read("f", &text, &mut findings);
        shell::read(&text, &BTreeMap::new());
        super::legacy::Legacy::default().read("f", &text, "/etc", &mut findings);
    }
}

#[test]
fn connected_networks_are_those_of_ip_route() {
    use super::Host;
    let networks = super::SystemHost.networks();
    for family in ["-4", "-6"] {
        let command = Command::new("ip")
            .args([family, "route", "show", "table", "main"])
            .output();
        let Ok(output) = command else {
            println!("skipped: there is no ip program");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in text.lines().filter(|line| !line.contains(" via ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [network, "dev", interface, ..] = words.as_slice() else {
                continue;
            };
            let Ok(network) = network.parse::<ipnet::IpNet>() else {
                continue;
            };
            let known = networks
                .iter()
                .any(|n| n.interface == *interface && n.network == network);
            assert!(known, "{line} is missing in {networks:?}");
        }
    }
}

#[test]
fn the_real_host_finds_its_own_node_on_loopback() {
    let directory = Directory::new();
    directory.write("nodes", "192.0.2.1\n#127.0.0.6\n127.0.0.7\n");
    let base = directory.path("").display().to_string();
    let variables: BTreeMap<String, String> =
        [("CTDB_TEST_MODE", "yes"), ("CTDB_BASE", base.as_str())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let layout = super::Layout::from_variables(&variables).expect("complete");
    let environment = super::Environment {
        layout,
        variables,
        overrides: Vec::new(),
    };
    let loaded = super::load(&environment, &super::SystemHost).expect("valid");
    assert_eq!(loaded.settings.cluster.pnn, 2);
    assert_eq!(loaded.settings.console_listen.to_string(), "127.0.0.3:4380");
}
