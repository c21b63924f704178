//! Our `onnode` does what Debian's does, on three real daemons with a stand-in for ssh.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ctdb_itests::cluster::{Cluster, Layout, Output, Whom, have_root, program, wait_until};

const DEBIAN: &str = "/usr/bin/onnode";
/// Runs a command as the node of that address would; `ctdb pnn` asks that node's daemon whether it is there. Node 0
/// refuses `ctdb pnn`, so that no more than one node can be the first to answer.
const SSH: &str = r#"#!/bin/sh
options=
while case $1 in -*) true ;; *) false ;; esac; do options="$options $1"; shift; done
node=${1##*.}
node=$((node - 1))
case $2 in
  "ctdb pnn")
    [ "$node" -ne 0 ] || { echo "refused" >&2; exit 255; }
    ctdb -n "$node" ping >/dev/null && echo "$node"
    exit ;;
esac
echo "ssh$options to $1"
NODE=$node sh -c "$2"
"#;
/// Stands in for rsync.
const RSYNC: &str = "#!/bin/sh\necho \"rsync over $RSYNC_RSH: $*\"\n";

/// Options and nodes, then the command, behind a bar. Everything is compared: both outputs and the exit code.
const SAME: &[&str] = &[
    "all|echo hello",
    "0|echo hello",
    "-v 1|echo hello",
    "-q all|echo hello",
    "-qv 0,1|echo hello",
    "2,0|echo hello",
    "0-1|echo hello",
    "0,0|echo hello",
    "ok|echo hello",
    "healthy|echo hello",
    "con|echo hello",
    "connected,ok|echo hello",
    "any|echo hello",
    "any,0|echo hello",
    "-n 10.99.0.2|echo hello",
    "-n all,10.99.0.2|echo hello",
    "-i all|cat",
    "-c 1|pwd",
    "-c all|echo \"$NODE\"",
    "all|exit $NODE",
    "1,0|exit $((NODE * 3))",
    "-p 0|echo hello; echo error >&2",
    "-pq 1|exit 7",
    "-f shorter all|echo hello",
    "-f shorter 2|echo hello",
    "-f /dev/null -n node.7|echo hello",
    "-P all|/etc/hosts",
    "-vP 1|hosts passwd",
    "-qP all|hosts",
];
/// Nodes answer in any order: lines are compared sorted.
const SORTED: &[&str] = &[
    "-p all|echo hello; echo error >&2",
    "-pq all|echo hello",
    "-p all|exit $NODE",
    "-p ok,con|echo hello",
];
/// A file that the admin may have: a function takes the place of ssh.
const CONF: &str = "remote() { echo \"by a function: $*\"; }\nONNODE_SSH=remote\n";
/// With that file.
const WITH_CONF: &[&str] = &["all|echo hello", "-i 1|echo hello", "-pq 2|echo hello"];
/// Refused by both.
const WRONG: &[&str] = &[
    "|",
    "all|",
    "-x all|true",
    "9|true",
    "0,9|true",
    "first|true",
    "0,first|true",
    "-f shorter 1|true",
    "-f nothing all|true",
];

struct Lab {
    cluster: Cluster,
}

impl Lab {
    fn up(name: &str) -> Self {
        let cluster = Cluster::up(&Layout::new(name, 3));
        let shared = cluster.directory().join("shared");
        for (name, text) in [("ssh", SSH), ("rsync", RSYNC)] {
            let path = shared.join(name);
            fs::write(&path, text).expect("a script");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("run bit");
        }
        symlink(program("ctdb-helper"), shared.join("onnode")).expect("a link");
        fs::write(
            cluster.etc(0, "shorter"),
            "10.99.0.1\n#10.99.0.2\n10.99.0.3\n",
        )
        .expect("a file");
        Self { cluster }
    }

    /// Runs one of the two on node 0, in `/etc`.
    fn run(&self, onnode: &str, words: &str) -> Output {
        let shared = self.cluster.directory().join("shared");
        let shared = shared.display();
        let (words, command) = words.split_once('|').expect("a bar");
        let script = format!(
            "cd /etc; export PATH={shared}:$PATH ONNODE_SSH={shared}/ssh; echo input | {onnode} \"$@\""
        );
        let mut all = vec!["sh", "-c", &script, "onnode"];
        all.extend(words.split_whitespace());
        all.extend((!command.is_empty()).then_some(command));
        self.cluster.run(0, &all)
    }

    fn ours(&self) -> String {
        let path = self.cluster.directory().join("shared/onnode");
        path.to_string_lossy().into_owned()
    }

    fn compare(&self, words: &str, is_sorted: bool) {
        let (debian, ours) = (self.run(DEBIAN, words), self.run(&self.ours(), words));
        let text = |output: &Output| {
            let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
            if is_sorted {
                lines.sort();
            }
            format!(
                "{}\n--\n{}\n{:?}",
                lines.join("\n"),
                output.stderr,
                output.code
            )
        };
        println!("onnode {words}\n{}", text(&ours));
        assert_eq!(text(&ours), text(&debian), "onnode {words}");
    }
}

#[test]
fn onnode_does_what_debians_does() {
    if !have_root("onnode_does_what_debians_does") {
        return;
    }
    if !Path::new(DEBIAN).exists() {
        println!("NOT RUN: onnode_does_what_debians_does: needs {DEBIAN}");
        return;
    }
    let lab = Lab::up("onnode");
    lab.cluster.ctdb(0, &["disable", "-n", "1"]).ok();
    wait_until(
        lab.cluster.layout().daemon.patience(),
        "node 1 disabled",
        || lab.cluster.sees(0, 1, "Disabled"),
    );
    assert!(lab.cluster.kill(2, Whom::All) > 0);
    wait_until(
        lab.cluster.layout().daemon.patience(),
        "node 2 gone",
        || lab.cluster.sees(0, 2, "Disconnected"),
    );
    for words in SAME {
        lab.compare(words, false);
    }
    for words in SORTED {
        lab.compare(words, true);
    }
    for words in WRONG {
        let (debian, ours) = (lab.run(DEBIAN, words), lab.run(&lab.ours(), words));
        assert_eq!(
            (ours.code, debian.code),
            (Some(1), Some(1)),
            "{words}: {ours:?}"
        );
        assert!(ours.stderr.starts_with("onnode: "), "{words}: {ours:?}");
    }
    let output = lab.run(&lab.ours(), "-qo /etc/ctdb/said 0,2|echo $NODE");
    assert_eq!((output.code, &*output.stdout), (Some(0), ""), "{output:?}");
    for node in [0, 2] {
        let said = fs::read_to_string(lab.cluster.etc(0, &format!("said.10.99.0.{}", node + 1)));
        let said = said.expect("a file for each node");
        assert!(said.ends_with(&format!("\n{node}\n")), "{said}");
    }
    fs::write(lab.cluster.etc(0, "onnode.conf"), CONF).expect("a file");
    for words in WITH_CONF {
        lab.compare(words, false);
    }
    lab.cluster.assert_clean();
}
