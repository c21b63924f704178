//! The shell of the record machines: operations on the store, walks over it, and what is checked at each.

use crate::clock::MS;
use crate::event::{Mail, Work};
use crate::invariant::record::{copies, newer, writers};
use crate::kept::{KEPT, kept_id};
use crate::sabotage::Sabotage;
use crate::store::{RecordName, Waiter, Walk, increments};
use crate::world::World;
use ctdb_protocol::id::{DbId, Generation, Pnn, Rsn};
use ctdb_protocol::membership;
use ctdb_protocol::membership::io::Recover;
use ctdb_protocol::membership::message::DbInfo;
use ctdb_protocol::membership::message::Scope;
use ctdb_protocol::record::header::{HEADER_BYTES, RecordFlags, RecordHeader};
use ctdb_protocol::record::holdings::{Holding, Holdings};
use ctdb_protocol::record::hot::StickyRules;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::local::{Change, LocalOp, LocalOutcome, apply};
use ctdb_protocol::wire::message::DbKind;
use std::time::Duration;

/// Records become sticky soon, as they never do with 4.17's figures in a run so short.
const STICKY: StickyRules = StickyRules {
    hops: 6,
    duration: Duration::from_secs(5),
    pindown: Duration::from_millis(20),
};
/// Records in one slice of a walk.
const SLICE: usize = 4;

impl World {
    /// Opens a database and tells machine and membership.
    pub(crate) fn open(&mut self, pnn: Pnn, name: &str) {
        let db = crate::client::db_id(name);
        let store = &mut self.nodes[pnn.0 as usize].store;
        if !store.open.insert(db) {
            return;
        }
        let info = |name: &&str| DbInfo {
            id: crate::client::db_id(name),
            name: String::from(*name),
            kind: kind_of(name),
        };
        let list = crate::client::DATABASES.iter().chain([&KEPT]).map(info);
        let list = list.filter(|info| store.open.contains(&info.id)).collect();
        let kind = kind_of(name);
        self.post(pnn, Mail::Record(Input::Opened { db, kind }));
        if self.bench.options.habits.readonly && kind == DbKind::Volatile {
            self.post(pnn, Mail::Record(Input::SetReadonly { db }));
        }
        if self.bench.options.habits.sticky && kind == DbKind::Volatile {
            let rules = STICKY;
            self.post(pnn, Mail::Record(Input::SetSticky { db, rules }));
        }
        self.post(
            pnn,
            Mail::Membership(membership::io::Input::Databases(list)),
        );
    }

    /// An operation of the machine: at once, or when the record is not locked any more.
    pub(crate) fn local(&mut self, pnn: Pnn, name: RecordName, op: LocalOp) -> Option<Mail> {
        let store = &mut self.nodes[pnn.0 as usize].store;
        if !op.waits() && (store.locked.contains_key(&name) || store.waiting.contains_key(&name)) {
            self.bench.census.count("vacuum.busy");
            let ((db, key), outcome) = (name, LocalOutcome::Kept);
            return Some(Mail::Record(Input::Local { db, key, outcome }));
        }
        if store.locked.contains_key(&name) {
            self.bench.census.count("store.busy");
            store
                .waiting
                .entry(name)
                .or_default()
                .push_back(Waiter::Machine(op));
            return None;
        }
        let outcome = self.apply(pnn, &name, &op);
        let (db, key) = name;
        Some(Mail::Record(Input::Local { db, key, outcome }))
    }

    fn apply(&mut self, pnn: Pnn, name: &RecordName, op: &LocalOp) -> LocalOutcome {
        let fails = self.store_fails && self.bench.one_in(10);
        let store = &mut self.nodes[pnn.0 as usize].store;
        if fails && !matches!(op, LocalOp::Read) {
            self.bench.census.count("store.failed");
            return LocalOutcome::Failed;
        }
        let old = store.records.get(name).cloned();
        let (outcome, change) = apply(op, pnn, old.as_deref());
        let sabotage = self.bench.options.sabotage;
        if sabotage == Some(Sabotage::VacuumOfTheLiving) && !op.waits() {
            self.ledger.replace(pnn, name);
            self.nodes[pnn.0 as usize].store.records.remove(name);
            return LocalOutcome::Gone;
        }
        let new = match change {
            Change::Nothing => return outcome,
            Change::Store(new) => new,
            Change::Delete => {
                let is_copy = matches!(op, LocalOp::Discard { .. });
                if !(is_copy && sabotage == Some(Sabotage::CopiesStay)) {
                    if is_copy && self.ledger.is_forked(pnn) {
                        // The other side's empty record won.
                        self.ledger.write_off(&self.nodes, pnn, name);
                    }
                    self.nodes[pnn.0 as usize].store.records.remove(name);
                    self.ledger.replace(pnn, name);
                }
                self.bench.census.count("vacuum.delete");
                let now = self.bench.now;
                let line = || format!("record {name:?} vacuumed: {op:?}");
                self.bench.trace.line(now, Some(pnn), line);
                return outcome;
            }
        };
        let new = sabotaged(self.bench.options.sabotage, op, pnn, new);
        match op {
            LocalOp::Delegate => self.bench.census.count("readonly.delegated"),
            LocalOp::DropCopy => self.bench.census.count("readonly.dropped"),
            LocalOp::EndDelegations => self.bench.census.count("readonly.revoked"),
            _ => {}
        }
        let revives = matches!(
            op,
            LocalOp::Take { .. } | LocalOp::Adopt | LocalOp::StoreCopy { .. }
        );
        let written_off = revives && self.ledger.replace(pnn, name);
        let is_deleted = |id| self.ledger.is_deleted(name, id);
        let complaint = old.as_deref().and_then(|old| newer(old, &new, is_deleted));
        if let Some(complaint) = complaint.filter(|_| !written_off) {
            let now = self.bench.now;
            let detail = format!("at {now} µs, node {pnn}, {name:?}, {op:?}: {complaint}");
            self.watch.fail("records never go back", detail);
        }
        let now = self.bench.now;
        self.bench
            .trace
            .line(now, Some(pnn), || record_line(name, op, &new));
        let mine = RecordHeader::split(&new).is_some_and(|(header, _)| header.dmaster == pnn);
        store.records.insert(name.clone(), new);
        if let Some(detail) = copies(&self.nodes, name) {
            let now = self.bench.now;
            let detail = format!("at {now} µs: {detail}");
            self.watch.fail("read-only copies are current", detail);
        }
        if mine && let Some(detail) = writers(&self.nodes, pnn, name) {
            let now = self.bench.now;
            self.watch
                .fail("one dmaster", format!("at {now} µs: {detail}"));
        }
        outcome
    }

    /// A client lets a record go: whoever waits is next.
    pub(crate) fn unlock(&mut self, pnn: Pnn, name: &RecordName) {
        self.nodes[pnn.0 as usize].store.locked.remove(name);
        loop {
            let store = &mut self.nodes[pnn.0 as usize].store;
            let Some(queue) = store.waiting.get_mut(name) else {
                return;
            };
            match queue.pop_front() {
                None => {
                    store.waiting.remove(name);
                    return;
                }
                Some(Waiter::Machine(op)) => {
                    let outcome = self.apply(pnn, name, &op);
                    let (db, key) = name.clone();
                    self.post(pnn, Mail::Record(Input::Local { db, key, outcome }));
                }
                Some(Waiter::Client(number)) => {
                    store.locked.insert(name.clone(), number);
                    return self.locked(number);
                }
            }
        }
    }

    /// Begins a walk; those of older compositions end.
    pub(crate) fn walk(&mut self, pnn: Pnn, generation: Generation, db: DbId, wipe: bool) {
        let node = &mut self.nodes[pnn.0 as usize];
        let life = node.lives;
        node.store
            .walks
            .retain(|walk| walk.db != db || walk.generation == generation);
        let left = node.store.keys(db);
        node.store.walks.push_back(Walk {
            generation,
            db,
            wipe,
            left,
        });
        let wait = self.bench.between(20, MS);
        self.bench.work(wait, pnn, life, Work::WalkSlice);
    }

    /// One slice of the walk whose turn it is.
    pub(crate) fn walk_slice(&mut self, pnn: Pnn) {
        let store = &mut self.nodes[pnn.0 as usize].store;
        let Some(mut walk) = store.walks.pop_front() else {
            return;
        };
        let (mut holdings, mut gone) = (Holdings::new(), Vec::new());
        for _ in 0..SLICE.min(walk.left.len()) {
            let Some(key) = walk.left.pop_front() else {
                break;
            };
            let name = (walk.db, key.clone());
            if store.locked.contains_key(&name) {
                walk.left.push_back(key);
            } else if walk.wipe {
                gone.push(name);
            } else if let Some(value) = store.records.get(&name)
                && let Some(holding) = Holding::of(&name.1, value, pnn)
            {
                holdings.push(holding);
            }
        }
        for name in gone {
            self.forfeit(pnn, &name);
        }
        let (generation, db, done) = (walk.generation, walk.db, walk.left.is_empty());
        match (walk.wipe, done) {
            (true, true) => self.post(pnn, Mail::Record(Input::Wiped { generation, db })),
            (true, false) => {}
            (false, _) => {
                let scanned = Input::Scanned {
                    generation,
                    db,
                    holdings,
                    done,
                };
                self.post(pnn, Mail::Record(scanned));
            }
        }
        if !done {
            self.nodes[pnn.0 as usize].store.walks.push_back(walk);
        }
        let node = &self.nodes[pnn.0 as usize];
        if !node.store.walks.is_empty() {
            let life = node.lives;
            let wait = self.bench.between(20, 2 * MS);
            self.bench.work(wait, pnn, life, Work::WalkSlice);
        }
    }

    /// A node loses its copy of a record by a rule: what only this copy had is gone.
    fn forfeit(&mut self, pnn: Pnn, name: &RecordName) {
        self.ledger.write_off(&self.nodes, pnn, name);
        self.ledger.replace(pnn, name);
        self.nodes[pnn.0 as usize].store.records.remove(name);
    }

    /// Membership orders a recovery's step of the record machine.
    pub(crate) fn note_recovery(&mut self, pnn: Pnn, order: &Recover) {
        match order {
            Recover::Prepare(composition) => {
                if let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() {
                    process.members.clone_from(&composition.members);
                }
            }
            Recover::Rebuild {
                generation, scope, ..
            } => {
                if *scope != Scope::Whole {
                    self.bench.census.count("recovery.touched");
                }
                let members = self.nodes[pnn.0 as usize]
                    .process
                    .as_ref()
                    .map(|p| p.members.clone());
                let members = members.unwrap_or_default();
                self.kept_rebuild(*generation, &members);
                let left_out = |node: &&crate::node::Node| {
                    node.process.is_some() && !members.contains(&node.pnn)
                };
                if self.nodes.iter().any(|node| left_out(&node)) {
                    self.bench.census.count("recovery.fork");
                    self.ledger.fork(&self.nodes);
                }
            }
            Recover::Serve { generation, db } if *db == kept_id() => {
                self.kept_served(pnn, *generation);
            }
            Recover::Serve { db, .. } => self.ledger.served(&self.nodes, pnn, *db),
            Recover::Commit { .. } => self.ledger.committed(pnn),
            Recover::Suspend => {}
        }
    }

    /// A worker is gone: its volatile databases with it.
    pub(crate) fn clear_store(&mut self, pnn: Pnn) {
        let names: Vec<RecordName> = self.nodes[pnn.0 as usize]
            .store
            .records
            .keys()
            .cloned()
            .collect();
        for name in names {
            self.forfeit(pnn, &name);
        }
        self.nodes[pnn.0 as usize].store = crate::store::Store::default();
    }
}

/// How a database is kept.
fn kind_of(name: &str) -> DbKind {
    if name == KEPT {
        DbKind::Persistent
    } else {
        DbKind::Volatile
    }
}

/// A change of a record, for the trace.
fn record_line(name: &RecordName, op: &LocalOp, value: &[u8]) -> String {
    let stored = RecordHeader::split(value);
    let word = match op {
        LocalOp::Read => "read",
        LocalOp::Give { .. } => "give",
        LocalOp::Take { .. } => "take",
        LocalOp::Adopt => "adopt",
        LocalOp::Demote { .. } => "demote",
        LocalOp::Delegate => "delegate",
        LocalOp::StoreCopy { .. } => "copy",
        LocalOp::DropCopy => "drop copy",
        LocalOp::EndDelegations => "end delegations",
        LocalOp::Bury { .. } | LocalOp::Delete { .. } | LocalOp::Discard { .. } => "vacuum",
    };
    let stored = stored.map(|(header, data)| {
        (
            header.rsn.0,
            header.dmaster.0,
            increments(data).last().copied(),
        )
    });
    format!("record {name:?} {word}: {stored:?}")
}

/// The planted bugs that live in the store.
fn sabotaged(bug: Option<Sabotage>, op: &LocalOp, own: Pnn, mut value: Vec<u8>) -> Vec<u8> {
    let Some((header, data)) = RecordHeader::split(&value) else {
        return value;
    };
    let header = match (bug, op) {
        (Some(Sabotage::KeepDmaster), LocalOp::Give { .. }) => RecordHeader {
            dmaster: own,
            ..header
        },
        (Some(Sabotage::LowRsn), LocalOp::Take { .. }) if header.rsn.0 % 5 == 4 => RecordHeader {
            rsn: Rsn(1),
            ..header
        },
        (Some(Sabotage::LoseData), LocalOp::Take { .. })
            if header.rsn.0 % 7 == 6 && !data.is_empty() =>
        {
            value.truncate(HEADER_BYTES);
            header
        }
        (Some(Sabotage::CopiesOutliveRevoke), LocalOp::DropCopy) => RecordHeader {
            flags: header.flags | RecordFlags::RO_HAVE_READONLY,
            ..header
        },
        _ => header,
    };
    value[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    value
}
