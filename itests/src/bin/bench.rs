//! Figures of our daemon beside Debian's, measured in one run on this machine: start, counters, failover, Samba.
//! Needs root. Rates of rings and loops: `bench-rates`.

use std::collections::BTreeMap;
use std::process::{Child, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ctdb_itests::cluster::{Cable, Cluster, Daemon, Layout, Whom, program, wait_until};
use ctdb_itests::samba::{self, Release, Samba};
use serde_json::Value;

const NODES: usize = 3;
const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "bench.tdb";
/// Increments of each client.
const INCREMENTS: &str = "2000";

/// How long the directory is opened.
const OPENS_SECONDS: u64 = 10;

/// Figures by name; a unit ends each name.
type Figures = BTreeMap<&'static str, f64>;

fn main() -> ExitCode {
    if !ctdb_itests::cluster::have_root("bench") {
        return ExitCode::SUCCESS;
    }
    let ours = measure(Daemon::Ours);
    let debian = measure(Daemon::Debian);
    println!(
        "\n{:<34} {:>12} {:>12} {:>8}",
        "", "Debian 4.17", "ours", "ratio"
    );
    for (name, ours) in &ours {
        let Some(debian) = debian.get(name) else {
            continue;
        };
        // What is a time is better when it is less; a rate ends in `_s` too.
        let is_time = name.ends_with("_s") && !name.ends_with("_per_s");
        let ratio = if is_time {
            debian / ours
        } else {
            ours / debian
        };
        println!("{name:<34} {debian:>12.3} {ours:>12.3} {ratio:>7.1}x");
    }
    ExitCode::SUCCESS
}

fn measure(daemon: Daemon) -> Figures {
    println!("== {daemon:?}");
    let mut figures = Figures::new();
    let layout = Layout {
        daemon,
        ..Layout::new("bench", NODES)
    };
    let cluster = Cluster::build(&layout);
    let begin = cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    note(
        &mut figures,
        "start_to_all_ok_s",
        begin.elapsed().as_secs_f64(),
    );
    records(&cluster, &mut figures);
    failover(&cluster, &mut figures);
    cluster.assert_clean();
    samba(daemon, &mut figures);
    figures
}

/// One directory that clients open and close through all nodes, and through one.
fn samba(daemon: Daemon, figures: &mut Figures) {
    let layout = Layout {
        daemon,
        ..samba::layout("samba")
    };
    let cluster = Cluster::up(&layout);
    let mut samba = Samba::up(&cluster, Release::Installed);
    let addresses = samba.addresses();
    let one = samba.path_contention(&addresses[..1], OPENS_SECONDS);
    note(figures, "smb_opens_one_node_per_s", one);
    let all = samba.path_contention(&addresses, OPENS_SECONDS);
    note(figures, "smb_opens_all_nodes_per_s", all);
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}

fn note(figures: &mut Figures, name: &'static str, value: f64) {
    println!("{name:<34} {value:>12.3}");
    figures.insert(name, value);
}

fn records(cluster: &Cluster, figures: &mut Figures) {
    cluster.ctdb(0, &["attach", DB]).ok();
    let one = everywhere(cluster, 1, &["counter", SOCKET, DB, "alone", INCREMENTS]);
    note(figures, "counter_one_node_per_s", sum(&one, "per_s"));
    let all = everywhere(
        cluster,
        NODES,
        &["counter", SOCKET, DB, "contended", INCREMENTS],
    );
    note(figures, "counter_all_nodes_per_s", sum(&all, "per_s"));
}

/// Runs `ctdb-client` on the first nodes at once.
fn everywhere(cluster: &Cluster, nodes: usize, args: &[&str]) -> Vec<Value> {
    let program = program("ctdb-client");
    let children: Vec<Child> = (0..nodes)
        .map(|node| {
            let mut command = cluster.command(node, &program.to_string_lossy());
            command
                .args(args)
                .stdout(Stdio::piped())
                .spawn()
                .expect("nsenter(1) runs")
        })
        .collect();
    let line = |child: Child| {
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "ctdb-client {args:?}");
        serde_json::from_slice(&output.stdout).expect("a line of JSON")
    };
    children.into_iter().map(line).collect()
}

fn sum(lines: &[Value], field: &str) -> f64 {
    lines.iter().filter_map(|line| line[field].as_f64()).sum()
}

/// A planned move, then a death: the longest silence of any address.
fn failover(cluster: &Cluster, figures: &mut Figures) {
    // Not the leader: Debian's ctdbd never gets the lock back from one that is cut off.
    let leader = cluster.leader(0).expect("a leader");
    let victim = (leader + 1) % NODES;
    let others: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
    let addresses = cluster.layout().public_addresses();
    let patience = cluster.layout().daemon.patience();
    let gap = |what: &str, act: &dyn Fn()| {
        let watch = cluster.watch();
        sleep(Duration::from_millis(500));
        act();
        sleep(Duration::from_secs(2));
        wait_until(patience, what, || {
            cluster.settled_among(&others) && cluster.all_answer(&addresses)
        });
        let seen = watch.end();
        println!("{what}: dual {:.3} s", seen.dual.longest_s);
        seen.longest_gap_s().unwrap_or(f64::INFINITY)
    };
    let disabled = gap("disable", &|| {
        cluster.ctdb(victim, &["disable"]).ok();
    });
    note(figures, "disable_silence_s", disabled);
    cluster.ctdb(victim, &["enable"]).ok();
    cluster.wait_settled("all OK after enable");
    let cut = gap("both cables cut", &|| cluster.cut(victim, Cable::Both));
    note(figures, "cut_silence_s", cut);
    cluster.heal(victim);
    cluster.wait_settled("all OK after the cut");
    let killed = gap("all processes killed", &|| {
        cluster.kill(victim, Whom::All);
    });
    note(figures, "kill_silence_s", killed);
}
