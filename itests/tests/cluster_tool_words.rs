//! Each word that changes something, or reads what only it reads, given with Debian's tool and with ours to one
//! cluster: exit code and standard output agree to the letter, and what Debian's tool shows afterwards does too.

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Output, find, have_root, program};

const DEBIANS: &str = "/usr/bin/ctdb";

/// A word with what surrounds it; all of it are shell commands on node 0 in which `ctdb` is a tool.
struct Case {
    /// Given with ours before either one, as it waits less; may fail.
    before: &'static [&'static str],
    /// Given with either tool.
    word: &'static str,
    /// Given with Debian's tool after either one.
    after: &'static [&'static str],
}

const fn case(word: &'static str) -> Case {
    Case {
        before: &[],
        word,
        after: &[],
    }
}

impl Case {
    const fn before(mut self, before: &'static [&'static str]) -> Self {
        self.before = before;
        self
    }

    const fn after(mut self, after: &'static [&'static str]) -> Self {
        self.after = after;
        self
    }
}

/// Runs a shell command on node 0, `ctdb` in it being that tool.
fn shell(cluster: &Cluster, tool: &str, text: &str) -> Output {
    let script = format!("ctdb() {{ {tool} \"$@\"; }}\n{text}");
    cluster.run(0, &["bash", "-c", &script])
}

/// What both show: a word's code and output, and what Debian's tool says afterwards.
fn seen(cluster: &Cluster, tool: &str, case: &Case) -> (Option<i32>, String, Vec<String>) {
    let ours = program("ctdb");
    for before in case.before {
        let _ = shell(cluster, &ours.to_string_lossy(), before);
    }
    let word = shell(cluster, tool, case.word);
    let panicked = word.stderr.contains("panicked");
    assert!(!panicked, "{}: {}", case.word, word.stderr);
    let after = case.after.iter();
    let after = after.map(|after| shell(cluster, DEBIANS, after).stdout);
    (word.code, word.stdout, after.collect())
}

/// Compares all; what a tool leaves behind may take a moment to be seen.
fn compare(name: &str, cases: &[Case], prepare: impl FnOnce(&Cluster)) {
    if !have_root(name) {
        return;
    }
    if find("ctdb").is_none() || Daemon::from_env() == Daemon::Debian {
        println!("NOT RUN: {name}: needs our tool and our daemon");
        return;
    }
    let cluster = Cluster::up(&Layout {
        ipv6: true,
        ..Layout::new("words", 3)
    });
    prepare(&cluster);
    let ours = program("ctdb");
    let ours = ours.to_string_lossy();
    let mut different = 0;
    for case in cases {
        let debian = seen(&cluster, DEBIANS, case);
        let mut our = seen(&cluster, &ours, case);
        for _ in 0..20 {
            if our.2 == debian.2 {
                break;
            }
            let after = case.after.iter();
            our.2 = after
                .map(|after| shell(&cluster, DEBIANS, after).stdout)
                .collect();
        }
        if our != debian {
            different += 1;
            println!("--- {}: Debian's tool\n{debian:#?}", case.word);
            let again = shell(&cluster, &ours, case.word);
            println!("--- {}: ours\n{our:#?}\nagain: {again:#?}", case.word);
        }
        json(&cluster, &ours, case);
    }
    let count = cases.len();
    assert_eq!(different, 0, "of {count} words differ");
    cluster.assert_clean();
}

/// Every answer of ours has a JSON form.
fn json(cluster: &Cluster, ours: &str, case: &Case) {
    let answer = shell(cluster, &format!("{ours} -j"), case.word);
    let text = &answer.stdout;
    let last = case.word.rsplit("| ").next();
    let is_answer = last.is_some_and(|last| last.starts_with("ctdb"));
    // What fails says so as without.
    if is_answer && answer.success() && !text.is_empty() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
        assert!(parsed.is_ok(), "{} -j: {text}", case.word);
    }
}

#[test]
fn words_about_addresses() {
    const TICKLES: &[&str] = &[
        "ctdb gettickles 10.88.0.101 | sort",
        "ctdb -X gettickles 10.88.0.101 | sort",
    ];
    const KNOWN: &[&str] = &["ctdb ip | grep -c '10.88.0.200 '"];
    const MOVED: &[&str] = &["ctdb ip | grep '10.88.0.101 '"];
    const NEW: &[&str] = &["ctdb delip 10.88.0.200"];
    let cases = [
        case("ctdb addip 10.88.0.200/16 eth1")
            .before(NEW)
            .after(KNOWN),
        case("ctdb addip 10.88.0.200/16 eth1").after(KNOWN),
        case("ctdb addip 10.88.0.200 eth1"),
        case("ctdb addip x/16 eth1"),
        case("ctdb delip 10.88.0.200")
            .before(&["ctdb addip 10.88.0.200/16 eth1"])
            .after(KNOWN),
        case("ctdb delip 10.88.0.200").after(KNOWN),
        case("ctdb delip x"),
        case("ctdb moveip 10.88.0.101 1")
            .before(&["ctdb moveip 10.88.0.101 0"])
            .after(MOVED),
        case("ctdb moveip 10.88.0.101 0")
            .before(&["ctdb moveip 10.88.0.101 1"])
            .after(MOVED),
        case("ctdb moveip x 0"),
        case("ctdb moveip 10.88.0.101 x"),
        case("ctdb -n 1 moveip 10.88.0.101 1"),
        case("ctdb reloadips"),
        case("ctdb reloadips all"),
        case("ctdb reloadips 1,2"),
        case("ctdb reloadips 9"),
        case("ctdb gratarp 10.88.0.101 eth1"),
        case("ctdb gratarp x eth1"),
        case("ctdb gettickles 10.88.0.101"),
        case("ctdb gettickles 10.1.2.3"),
        case("ctdb gettickles x"),
        case("ctdb addtickle 10.88.0.50:1000 10.88.0.101:445").after(TICKLES),
        case("ctdb addtickle [fd88::50]:1000 fd88::1065:445")
            .after(&["ctdb gettickles fd88::1065", "ctdb -X gettickles fd88::1065"]),
        case("ctdb gettickles fd88::1065"),
        case("ctdb addtickle 10.88.0.50 10.88.0.101:445"),
        case("printf '10.88.0.50:1001 10.88.0.101:445\\n10.88.0.50:1002 10.88.0.101:22\\n' | ctdb addtickle")
            .after(TICKLES),
        case("printf 'x\\n' | ctdb addtickle"),
        case("printf '' | ctdb addtickle"),
        case("ctdb gettickles 10.88.0.101 | sort"),
        case("ctdb -X gettickles 10.88.0.101 | sort | cut -c1-"),
        case("ctdb gettickles 10.88.0.101 22"),
        case("ctdb -Y -x , gettickles 10.88.0.101 22 | cut -c1-"),
        case("ctdb gettickles 10.88.0.101 23"),
        case("ctdb deltickle 10.88.0.50:1000 10.88.0.101:445").after(TICKLES),
        case("ctdb deltickle 10.88.0.50:1000 10.88.0.101:445").after(TICKLES),
        case("printf '# all\\n10.88.0.50:1001 10.88.0.101:445\\n' | ctdb deltickle").after(TICKLES),
        case("ctdb -n 1 addtickle 10.88.0.50:7 10.88.0.101:445"),
        case("ctdb tickle 10.88.0.50:1000 10.88.0.101:445"),
        case("printf '10.88.0.50:1 10.88.0.101:445\\n' | ctdb tickle"),
        case("printf 'x y\\n' | ctdb tickle"),
        case("ctdb checktcpport 4444"),
        case("ctdb checktcpport 4379"),
        case("ctdb dumpmemory | cut -c1-31 | head -n 1"),
        case("ctdb rddumpmemory | cut -c1-19 | head -n 1"),
        case("ctdb -n 1 dumpmemory | cut -c1-19 | head -n 1"),
    ];
    compare("words_about_addresses", &cases, |_| {});
}

#[test]
fn words_about_databases() {
    const MAP: &[&str] = &["ctdb getdbmap | sort"];
    const OFF: &str = "for n in 0 1 2; do ctdb -n $n setvar AllowClientDBAttach 0; done";
    const ON: &str = "for n in 0 1 2; do ctdb -n $n setvar AllowClientDBAttach 1; done";
    let cases = [
        case("ctdb setdbsticky v.tdb"),
        case("ctdb setdbsticky p.tdb"),
        case("ctdb setdbsticky nosuch.tdb"),
        case("ctdb setdbreadonly v.tdb"),
        case("ctdb setdbreadonly p.tdb"),
        case("ctdb detach v.tdb"),
        case("ctdb detach p.tdb").before(&[OFF]),
        case("ctdb detach nosuch.tdb"),
        case("ctdb detach v.tdb")
            .before(&[ON, "ctdb attach v.tdb", OFF])
            .after(MAP),
        case("ctdb detach v.tdb p.tdb nosuch.tdb")
            .before(&[ON, "ctdb attach v.tdb", OFF])
            .after(MAP),
    ];
    compare("words_about_databases", &cases, |cluster| {
        cluster.attach(0, &["v.tdb"]);
        cluster.attach(0, &["p.tdb", "persistent"]);
    });
}

/// Bytes of a backup but for its time, and the id of the database, which 4.17's tool does not set.
const BACKUP: &[&str] = &[
    "tail -c +17 /var/lib/ctdb/made.bak | head -c 88 | od -An -tx1",
    "tail -c +109 /var/lib/ctdb/made.bak | od -An -tx1",
    "ctdb dumpdbbackup /var/lib/ctdb/made.bak | tail -n +2",
];

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn words_about_records() {
    const EMPTY: &[&str] = &["ctdb wipedb p.tdb"];
    const FILLED: &[&str] = &[
        "ctdb wipedb p.tdb",
        "ctdb pstore p.tdb k v",
        "ctdb pstore p.tdb 0x00ff 0x22",
        "ctdb pdelete p.tdb k",
    ];
    const SHOWN: &[&str] = &["ctdb cattdb p.tdb", "ctdb getdbseqnum p.tdb"];
    const SHOWN_ALL: &[&str] = &["ctdb cattdb p.tdb", "ctdb catdb v.tdb", "ctdb catdb r.tdb"];
    let cases = [
        case("ctdb pstore p.tdb k v").before(EMPTY).after(SHOWN),
        case("ctdb pstore p.tdb 0x00ff 0x2200")
            .before(EMPTY)
            .after(SHOWN),
        case("ctdb pstore p.tdb 0x0 v").after(SHOWN),
        case("ctdb pstore p.tdb k 0xzz").after(SHOWN),
        case("ctdb pstore r.tdb k v").after(&["ctdb cattdb r.tdb"]),
        case("ctdb pstore v.tdb k v"),
        case("ctdb pfetch p.tdb k").before(FILLED),
        case("ctdb pfetch p.tdb 0x00ff | od -An -tx1"),
        case("ctdb pfetch v.tdb k"),
        case("ctdb pfetch nosuch.tdb k"),
        case("ctdb pdelete p.tdb 0x00ff").before(FILLED).after(SHOWN),
        case("ctdb pdelete p.tdb none").before(FILLED).after(SHOWN),
        case("ctdb ptrans p.tdb /var/lib/ctdb/lines")
            .before(FILLED)
            .after(SHOWN),
        case("cat /var/lib/ctdb/lines | ctdb ptrans p.tdb")
            .before(FILLED)
            .after(SHOWN),
        case("ctdb ptrans p.tdb /var/lib/ctdb/none"),
        case("ctdb ptrans v.tdb /var/lib/ctdb/lines"),
        case("ctdb cattdb p.tdb").before(FILLED),
        case("ctdb cattdb v.tdb"),
        case("ctdb cattdb nosuch.tdb"),
        case("ctdb readkey v.tdb 0x6b6579"),
        case("ctdb writekey v.tdb 0x01 0x0203").after(&["ctdb catdb v.tdb | grep -v rsn"]),
        case("ctdb backupdb p.tdb /var/lib/ctdb/made.bak")
            .before(FILLED)
            .after(BACKUP),
        case("ctdb backupdb v.tdb /var/lib/ctdb/made.bak")
            .before(&["rm /var/lib/ctdb/made.bak"])
            .after(BACKUP),
        case("ctdb backupdb nosuch.tdb /var/lib/ctdb/made.bak"),
        case("ctdb backupdb p.tdb /var/lib/ctdb/none/made.bak"),
        case("ctdb dumpdbbackup /var/lib/ctdb/p.bak"),
        case("ctdb dumpdbbackup /var/lib/ctdb/none"),
        case("ctdb dumpdbbackup /var/lib/ctdb/lines"),
        case("head -c 150 /var/lib/ctdb/p.bak > /var/lib/ctdb/cut; ctdb dumpdbbackup /var/lib/ctdb/cut | cat"),
        case("ctdb wipedb p.tdb").before(FILLED).after(SHOWN_ALL),
        case("ctdb wipedb v.tdb").before(&["ctdb writekey v.tdb a b"]).after(SHOWN_ALL),
        case("ctdb wipedb nosuch.tdb"),
        case("ctdb restoredb /var/lib/ctdb/p.bak").before(EMPTY).after(SHOWN_ALL),
        case("ctdb restoredb /var/lib/ctdb/v.bak").before(&["ctdb wipedb v.tdb"]).after(SHOWN_ALL),
        case("ctdb restoredb /var/lib/ctdb/p.bak r.tdb").before(&["ctdb wipedb r.tdb"]).after(SHOWN_ALL),
        case("ctdb restoredb /var/lib/ctdb/p.bak new.tdb | tail -n 1").after(&["ctdb cattdb new.tdb"]),
        case("ctdb restoredb /var/lib/ctdb/none"),
        case("ctdb restoredb /var/lib/ctdb/lines"),
        // What one tool has made the other one reads.
        case("ctdb backupdb p.tdb /var/lib/ctdb/ours.bak; /usr/bin/ctdb wipedb p.tdb; /usr/bin/ctdb restoredb /var/lib/ctdb/ours.bak | tail -n 1")
            .before(FILLED)
            .after(SHOWN_ALL),
        case("ctdb tfetch /var/lib/ctdb/copy.tdb 0x00ff"),
        case("ctdb tfetch /var/lib/ctdb/copy.tdb 0x00ff /var/lib/ctdb/fetched")
            .after(&["od -An -tx1 /var/lib/ctdb/fetched"]),
        case("ctdb tfetch /var/lib/ctdb/copy.tdb none"),
        case("ctdb tfetch /var/lib/ctdb/none k"),
        case("ctdb tstore /var/lib/ctdb/copy.tdb x y").after(&["ctdb tfetch /var/lib/ctdb/copy.tdb x"]),
        case("ctdb tstore /var/lib/ctdb/copy.tdb x y 5 1").after(&["ctdb tfetch /var/lib/ctdb/copy.tdb x"]),
        case("ctdb tstore /var/lib/ctdb/none x y"),
    ];
    compare("words_about_records", &cases, |cluster| {
        cluster.attach(0, &["v.tdb"]);
        cluster.attach(0, &["p.tdb", "persistent"]);
        cluster.attach(0, &["r.tdb", "replicated"]);
        // Debian's tool does not wait for the other nodes to open a new one.
        cluster.attach(0, &["new.tdb", "persistent"]);
        // A volatile database that was replaced is recovered at once, which ends what begins in that time.
        let wipes = "for _ in {1..15}; do ctdb wipedb v.tdb && ctdb wipedb r.tdb || exit 1; done";
        shell(cluster, &program("ctdb").to_string_lossy(), wipes).ok();
        let prepared = "cd /var/lib/ctdb && \
            printf '\"a\" \"1\"\\n\\n# x\\n  \"b\"\\t\"two words\" x\\n\"k\" \"\"\\n\"0x41\" \"0x42\"\\n\"c\" \"d\\n' > lines && \
            ctdb pstore p.tdb k v && ctdb pstore p.tdb 0x00ff 0x22 && ctdb writekey v.tdb key val && \
            ctdb backupdb p.tdb p.bak && ctdb backupdb v.tdb v.bak && cp persistent/p.tdb.0 copy.tdb";
        shell(cluster, DEBIANS, prepared).ok();
    });
}
