//! Many clients on one node, of which most are idle: memory and latency, with our daemon and with Debian's. Needs root.

use std::fs;
use std::process::ExitCode;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, json_line};
use serde_json::Value;

const USAGE: &str =
    "usage: bench-crowd [--clients N] [--active N] [--seconds N] [--rest MS] [--only DAEMON]
      --clients  how many connect to one node (10000)
      --active   how many of them ask for something (1000)
      --seconds  for how long (10)
      --rest     between two requests of one client (500)
      --only     ours or debian; else one after the other";

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "crowd.tdb";
/// Records of node 1, which the clients of node 0 fetch.
const PREFIX: &str = "far";
const RECORDS: &str = "1000";

/// What is shown: name, member of the client's line, member of that, unit.
const FIGURES: &[(&str, &str, &str, &str)] = &[
    ("all connected and attached", "connected_s", "", "s"),
    ("control, median", "pings", "median_ms", "ms"),
    ("control, p99", "pings", "p99_ms", "ms"),
    ("control, longest", "pings", "max_ms", "ms"),
    (
        "record of another node, median",
        "fetches",
        "median_ms",
        "ms",
    ),
    ("record of another node, p99", "fetches", "p99_ms", "ms"),
    ("record of another node, longest", "fetches", "max_ms", "ms"),
    ("message, median", "messages", "median_ms", "ms"),
    ("message, p99", "messages", "p99_ms", "ms"),
    ("message, longest", "messages", "max_ms", "ms"),
    ("one message to all", "told_s", "", "s"),
    ("all gone", "gone_s", "", "s"),
];

/// What is asked for.
struct Plan {
    clients: String,
    active: String,
    seconds: String,
    rest_ms: String,
    daemons: Vec<Daemon>,
}

impl Plan {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut plan = Self {
            clients: "10000".into(),
            active: "1000".into(),
            seconds: "10".into(),
            rest_ms: "500".into(),
            daemons: vec![Daemon::Debian, Daemon::Ours],
        };
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word.as_str() {
                "--clients" => plan.clients = value,
                "--active" => plan.active = value,
                "--seconds" => plan.seconds = value,
                "--rest" => plan.rest_ms = value,
                "--only" => plan.daemons = vec![Daemon::named(&value)?],
                _ => return None,
            }
        }
        Some(plan)
    }

    /// The line of JSON of one daemon's crowd.
    fn measure(&self, daemon: Daemon) -> Value {
        let layout = Layout {
            daemon,
            ..Layout::new("crowd", 3)
        };
        let cluster = Cluster::up(&layout);
        cluster.attach(0, &[DB]);
        json_line(cluster.client(1, &["fill", SOCKET, DB, PREFIX, RECORDS, "100"]));
        let Self {
            clients,
            active,
            seconds,
            rest_ms,
            ..
        } = self;
        let line = json_line(cluster.client(
            0,
            &[
                "crowd", SOCKET, DB, PREFIX, RECORDS, clients, active, seconds, rest_ms,
            ],
        ));
        cluster.assert_clean();
        line
    }

    fn print(&self, columns: &[(Daemon, Value)]) {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        println!(
            "\n{} clients, {} active, load {load}",
            self.clients, self.active
        );
        let clients: f64 = self.clients.parse().unwrap_or(f64::NAN);
        print!("{:<34}", "");
        for (daemon, _) in columns {
            print!(" {:>12}", format!("{daemon:?}"));
        }
        println!("{:>8}", if columns.len() > 1 { "ratio" } else { "" });
        let row = |name: &str, unit: &str, of: &dyn Fn(&Value) -> f64| {
            let values: Vec<f64> = columns.iter().map(|(_, line)| of(line)).collect();
            print!("{:<34}", format!("{name} ({unit})"));
            for value in &values {
                print!(" {value:>12.3}");
            }
            match values[..] {
                [debian, ours] => println!(" {:>7.2}", debian / ours),
                _ => println!(),
            }
        };
        let kib = |line: &Value, when: &str| line[when].as_f64().unwrap_or(f64::NAN);
        for (name, field) in [
            ("memory before", "before_kib"),
            ("with all clients", "connected_kib"),
            ("after their work", "worked_kib"),
            ("when they are gone", "after_kib"),
        ] {
            row(name, "MiB", &|line| kib(line, field) / 1024.0);
        }
        row("memory of a client", "KiB", &|line| {
            (kib(line, "connected_kib") - kib(line, "before_kib")) / clients
        });
        for (name, field, part, unit) in FIGURES {
            row(name, unit, &|line| {
                let value = &line[field];
                let value = if part.is_empty() { value } else { &value[part] };
                value.as_f64().unwrap_or(f64::NAN)
            });
        }
    }
}

fn main() -> ExitCode {
    if !have_root("bench-crowd") {
        return ExitCode::SUCCESS;
    }
    let Some(plan) = Plan::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let columns: Vec<(Daemon, Value)> = plan
        .daemons
        .iter()
        .map(|daemon| (*daemon, plan.measure(*daemon)))
        .collect();
    plan.print(&columns);
    ExitCode::SUCCESS
}
