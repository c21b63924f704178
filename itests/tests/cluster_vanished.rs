//! Records that go from the file of the node that has them, behind the daemon's back: whoever asks is answered.

use std::collections::BTreeSet;

use ctdb_itests::cluster::{Cluster, Layout, have_root, json_line, wait_until};
use ctdb_protocol::hash::key_hash;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "vanished.tdb";
const READONLY_DB: &str = "vanished-readonly.tdb";
/// Times that a record was counted up before it goes: on another node, and on the one that loses it.
const EARLIER: &str = "2";
const LATER: &str = "3";

/// What becomes of the value in the file.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Deleted on the node that has it.
    There,
    /// Cut off in its header on that node.
    Damaged,
    /// Deleted on all nodes.
    Everywhere,
}

/// A record, and who takes part.
#[derive(Clone, Copy, Debug)]
struct Scene {
    db: &'static str,
    loss: Loss,
    lmaster: usize,
    dmaster: usize,
    asker: usize,
}

impl Scene {
    fn all() -> Vec<Self> {
        let mut scenes = Vec::new();
        for db in [DB, READONLY_DB] {
            for loss in [Loss::There, Loss::Damaged, Loss::Everywhere] {
                for number in 0..27 {
                    let [lmaster, dmaster, asker] = [number / 9, number / 3 % 3, number % 3];
                    scenes.push(Self {
                        db,
                        loss,
                        lmaster,
                        dmaster,
                        asker,
                    });
                }
            }
        }
        scenes
    }

    fn play(&self, cluster: &Cluster) {
        let key = self.key();
        let run = |node: usize, word: &str, rest: &[&str]| {
            let words = [&[word, SOCKET, self.db, &key], rest].concat();
            json_line(cluster.client(node, &words))
        };
        let other = (self.dmaster + 1) % 3;
        run(other, "counter", &[EARLIER]);
        run(self.dmaster, "counter", &[LATER]);
        if self.db == READONLY_DB {
            run(other, "readonly", &[]);
        }
        match self.loss {
            Loss::There => drop(run(self.dmaster, "raw", &[])),
            Loss::Damaged => drop(run(self.dmaster, "raw", &["010203"])),
            Loss::Everywhere => cluster.nodes().for_each(|node| drop(run(node, "raw", &[]))),
        }
        let shown = run(self.asker, "read", &[])["value"].as_u64().unwrap_or(0);
        let kept: BTreeSet<u64> = match self.loss {
            // The copy that the other node gave away, or its read-only copy.
            Loss::There | Loss::Damaged => BTreeSet::from([2, 5]),
            Loss::Everywhere => BTreeSet::from([0]),
        };
        assert!(kept.contains(&shown), "{self:?} shows {shown}");
        for node in cluster.nodes() {
            run(node, "counter", &["1"]);
        }
        let value = run(self.asker, "read", &[])["value"].clone();
        assert_eq!(value, shown + 3, "{self:?} has shown {shown}");
    }

    /// One of its lmaster that no other scene has.
    fn key(&self) -> String {
        let name = format!("{self:?}");
        (0..100_000)
            .map(|number| format!("{name} {number}"))
            .find(|key| key_hash(key.as_bytes()) as usize % 3 == self.lmaster)
            .expect("a key")
    }
}

#[test]
fn a_vanished_record_is_found_or_begins_anew() {
    if !have_root("a_vanished_record_is_found_or_begins_anew") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("vanished", 3));
    for db in [DB, READONLY_DB] {
        cluster.attach(0, &[db]);
    }
    for node in cluster.nodes() {
        cluster.ctdb(node, &["setdbreadonly", READONLY_DB]).ok();
    }
    wait_until(cluster.layout().daemon.patience(), "copies", || {
        let map = cluster.ctdb(0, &["getdbmap"]).ok();
        map.lines()
            .any(|line| line.contains(READONLY_DB) && line.contains("READONLY"))
    });
    let scenes = Scene::all();
    std::thread::scope(|scope| {
        for some in scenes.chunks(scenes.len().div_ceil(4)) {
            let cluster = &cluster;
            scope.spawn(move || some.iter().for_each(|scene| scene.play(cluster)));
        }
    });
    cluster.assert_clean();
}
