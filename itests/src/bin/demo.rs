//! Shows a cluster of three nodes on this machine: it starts, a record migrates over all nodes, a node dies and
//! its addresses move. As root with real addresses in network namespaces, else on loopback in test mode.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cluster, Layout, Loopback, Output, Whom, tool, wait_until};

const NODES: usize = 3;
/// The node that dies.
const VICTIM: usize = 2;
const DB: &str = "demo.tdb";
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let root = rustix::process::geteuid().is_root();
    let outcome = std::panic::catch_unwind(|| if root { in_namespaces() } else { on_loopback() });
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        eprintln!("The demonstration failed; what it had started is gone.");
        ExitCode::FAILURE
    }
}

fn step(text: &str) {
    println!("\n== {text}");
    let _ = std::io::stdout().flush();
}

/// Runs a command of the tool and shows both.
fn show(run: impl Fn(&[&str]) -> Output, node: usize, args: &[&str]) -> String {
    println!("node{node}# ctdb {}", args.join(" "));
    let text = run(args).ok();
    print!("{text}");
    text
}

fn in_namespaces() {
    step("Three nodes, each in its own namespaces; a client beside them");
    let layout = Layout::new("demo", NODES);
    let cluster = Cluster::build(&layout);
    let addresses = layout.public_addresses();
    println!("private network 10.99.0.0/24, public network 10.88.0.0/16, client 10.88.0.50");

    step("Start");
    let begin = cluster.start_all();
    cluster.wait_settled("all nodes OK");
    wait_until(PATIENCE, "every address answers", || {
        cluster.all_answer(&addresses)
    });
    println!(
        "all nodes OK and all {} addresses answer the client {:.2} s after start",
        addresses.len(),
        begin.elapsed().as_secs_f64()
    );
    let tool = tool();
    let tool = tool.to_string_lossy();
    let run = |node: usize| {
        let (cluster, tool) = (&cluster, &tool);
        move |args: &[&str]| cluster.run(node, &[&[&**tool], args].concat())
    };
    show(run(0), 0, &["status"]);
    show(run(0), 0, &["ip", "all"]);
    record(&run);

    step(&format!(
        "Node {VICTIM} dies (every process of its daemon killed)"
    ));
    let watch = cluster.watch();
    sleep(Duration::from_millis(500));
    assert!(cluster.kill(VICTIM, Whom::All) > 0);
    sleep(Duration::from_secs(2));
    let survivors: Vec<usize> = cluster.nodes().filter(|node| *node != VICTIM).collect();
    wait_until(PATIENCE, "its addresses have moved", || {
        cluster.settled_among(&survivors) && cluster.all_answer(&addresses)
    });
    let seen = watch.end();
    for (ip, gap) in &seen.outage.0 {
        let gap_ms = gap.map_or(f64::NAN, |gap| gap.length_s * 1000.0);
        println!("{ip:<15} longest silence seen by the client: {gap_ms:5.0} ms");
    }
    println!(
        "for so long two nodes answered for an address at once: {:.3} s",
        seen.dual.longest_s
    );
    show(run(0), 0, &["status"]);
    show(run(0), 0, &["ip", "all"]);

    step("Node is started again");
    cluster.start(VICTIM);
    let settled = cluster.wait_settled("all nodes OK again");
    println!("all nodes OK again {:.2} s later", settled.as_secs_f64());

    step("Removal");
    cluster.assert_clean();
    println!("no process, namespace, mount, rule or file is left");
}

/// A record that each node in turn changes.
fn record<R: Fn(&[&str]) -> Output>(run: &impl Fn(usize) -> R) {
    step("A record migrates over all nodes");
    show(run(0), 0, &["attach", DB]);
    for node in 0..NODES {
        show(
            run(node),
            node,
            &[
                "writekey",
                DB,
                "greeting",
                &format!("hello from node {node}"),
            ],
        );
        let next = (node + 1) % NODES;
        let text = show(run(next), next, &["readkey", DB, "greeting"]);
        assert!(
            text.contains(&format!("hello from node {node}")),
            "another value"
        );
    }
    show(run(0), 0, &["catdb", DB]);
}

fn on_loopback() {
    step(
        "Three nodes on 127.0.0.1 to .3, in test mode: not root, so addresses are recorded, not set",
    );
    let begin = Instant::now();
    let mut nodes = Loopback::start(NODES);
    let settled = settle(&nodes, &[0, 1, 2]);
    if !settled {
        (0..NODES).for_each(|node| println!("--- log of node {node}\n{}", nodes.log(node)));
        panic!("not all nodes OK within {PATIENCE:?}");
    }
    println!(
        "all nodes OK {:.2} s after start",
        begin.elapsed().as_secs_f64()
    );
    let tool = tool();
    let run = |node: usize| {
        let (nodes, tool): (&Loopback, &Path) = (&nodes, &tool);
        move |args: &[&str]| nodes.tool(node, tool, args)
    };
    show(run(0), 0, &["status"]);
    show(run(0), 0, &["ip", "all"]);
    record(&run);

    step(&format!("Node {VICTIM} dies"));
    let begin = Instant::now();
    nodes.kill(VICTIM);
    assert!(settle(&nodes, &[0, 1]), "the others do not settle");
    println!(
        "the others have its addresses {:.0} ms later",
        begin.elapsed().as_secs_f64() * 1000.0
    );
    let run = |args: &[&str]| nodes.tool(0, &tool, args);
    show(run, 0, &["status"]);
    show(run, 0, &["ip", "all"]);

    step("Removal");
    drop(nodes);
    println!("no process or file is left");
}

/// Waits until these nodes are OK and hold all addresses, as each of them says.
fn settle(nodes: &Loopback, members: &[usize]) -> bool {
    let tool = tool();
    let holds = |node: usize| {
        let status = nodes.tool(node, &tool, &["nodestatus", "all"]).stdout;
        let ok = |member: &usize| {
            let pnn = format!("pnn:{member} ");
            status
                .lines()
                .any(|line| line.starts_with(&pnn) && line.contains(" OK"))
        };
        let ip = nodes.tool(node, &tool, &["ip", "all"]);
        let held = |line: &str| {
            let owner = line
                .split(' ')
                .next_back()
                .and_then(|text| text.parse().ok());
            owner.is_some_and(|owner| members.contains(&owner))
        };
        let lines = ip.stdout.lines().skip(1);
        members.iter().all(ok)
            && ip.success()
            && lines.clone().count() > 0
            && lines.clone().all(held)
    };
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if members.iter().all(|node| holds(*node)) {
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    false
}
