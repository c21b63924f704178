//! Records (client-protocol.md sections 5.4 and 6.5; `ctdb_protocol::record`):
//! * of the running nodes that serve one composition at most one may write a record;
//! * while a client may write it, no client of another such node reads a read-only copy of it, and a copy shows
//!   what the dmaster has;
//! * the sequence number of a node's copy never goes back, and neither does what is counted in it, until the
//!   node loses its memory or drops it because the cluster went on without it;
//! * what was acknowledged is in the record at the end, but for what only such a lost copy had: the updates
//!   made on that node since the record last left another one;
//! * what a client deleted does not come back, unless only such a lost copy knew of it.
//!
//! While a side is cut off its clients go on writing what they are dmaster of (nothing can stop them). If the
//! other side recovers meanwhile without those living nodes, two copies of a record may go on: of these one
//! wins, and what only the other ones had may be missing too.

use crate::node::{Life, Node};
use crate::store::{RecordName, increments};
use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::membership::view::RecoveryMode;
use ctdb_protocol::record::header::RecordHeader;
use std::collections::{BTreeMap, BTreeSet};

/// Why `new` is no successor of `old` on one node; what clients deleted need not be in it.
pub(crate) fn newer(old: &[u8], new: &[u8], is_deleted: impl Fn(u32) -> bool) -> Option<String> {
    let ((old, old_data), (new, new_data)) = (RecordHeader::split(old)?, RecordHeader::split(new)?);
    if new.rsn < old.rsn {
        return Some(format!(
            "the sequence number fell from {} to {}",
            old.rsn, new.rsn
        ));
    }
    let (before, after) = (increments(old_data), increments(new_data));
    let mut missing = before.iter().filter(|id| after.binary_search(id).is_err());
    let lost = missing.find(|id| !is_deleted(**id))?;
    Some(format!(
        "increment {lost} of {} is not in the new copy",
        before.len()
    ))
}

/// The composition that a node serves.
fn serving(node: &Node) -> Option<Generation> {
    let process = node
        .process
        .as_ref()
        .filter(|_| node.life == Life::Running)?;
    let view = &process.view;
    (view.mode == RecoveryMode::Normal).then_some(view.composition.generation)
}

/// Who may write the record beside `pnn`, in the same composition.
pub(crate) fn writers(nodes: &[Node], pnn: Pnn, name: &RecordName) -> Option<String> {
    let generation = serving(&nodes[pnn.0 as usize])?;
    let other = nodes.iter().find(|node| {
        node.pnn != pnn
            && serving(node) == Some(generation)
            && node.store.is_dmaster(name, node.pnn)
    })?;
    Some(format!(
        "node {pnn} and node {} may write {name:?} of {generation}",
        other.pnn
    ))
}

/// A client may read a copy of the record while another one may write it, in the same composition, or reads something
/// else than the dmaster has.
pub(crate) fn copies(nodes: &[Node], name: &RecordName) -> Option<String> {
    let readers = nodes.iter().filter(|node| node.store.is_copy(name));
    for reader in readers {
        let Some(generation) = serving(reader) else {
            continue;
        };
        let dmasters = nodes
            .iter()
            .filter(|node| node.store.is_dmaster(name, node.pnn));
        for dmaster in dmasters.filter(|node| serving(node) == Some(generation)) {
            let (theirs, ours) = (dmaster.store.read(name), reader.store.read(name));
            let is_equal = theirs.map(|(_, data)| data) == ours.map(|(_, data)| data);
            if !is_equal || dmaster.store.is_writable(name, dmaster.pnn) {
                return Some(format!(
                    "node {} reads a copy of {name:?}, of which node {} is dmaster in {generation}",
                    reader.pnn, dmaster.pnn
                ));
            }
        }
    }
    None
}

/// What is known of one record's increments.
#[derive(Clone, Debug, Default)]
struct Account {
    acknowledged: Vec<u32>,
    lost: BTreeSet<u32>,
    /// Clients emptied the record that had these.
    deleted: BTreeSet<u32>,
    /// Nobody who still lives knows of the deletion for certain: these may come back.
    undone: BTreeSet<u32>,
}

impl Account {
    /// What of `value` was deleted may come back.
    fn undo(&mut self, shown: &[u32]) {
        let deleted = shown.iter().filter(|id| self.deleted.contains(id));
        self.undone.extend(deleted);
    }
}

/// What clients were told, and what may be missing.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<RecordName, Account>,
    /// Nodes for which a living node was left out of a recovery since they last served: both sides may
    /// have gone on with the same record.
    forked: BTreeSet<Pnn>,
    /// Copies that lost against another side's; what only they had is written off.
    stale: BTreeSet<(Pnn, RecordName)>,
}

impl Ledger {
    /// A client was told that its increment is stored.
    pub fn acknowledge(&mut self, name: &RecordName, id: u32) {
        let account = self.accounts.entry(name.clone()).or_default();
        account.acknowledged.push(id);
    }

    /// A client emptied the record, which had these increments.
    pub fn delete(&mut self, name: &RecordName, ids: &[u32]) {
        let is_certain = self.forked.is_empty();
        let account = self.accounts.entry(name.clone()).or_default();
        account.deleted.extend(ids);
        if !is_certain {
            account.undo(ids);
        }
    }

    /// Whether a client deleted this increment.
    pub fn is_deleted(&self, name: &RecordName, id: u32) -> bool {
        let account = self.accounts.get(name);
        account.is_some_and(|account| account.deleted.contains(&id))
    }

    /// A recovery goes on without nodes that live: what they have may win in the end.
    pub fn fork(&mut self, nodes: &[Node]) {
        self.forked.extend(nodes.iter().map(|node| node.pnn));
        for (name, account) in &mut self.accounts {
            for (_, shown) in nodes.iter().filter_map(|node| node.store.read(name)) {
                account.undo(&shown);
            }
        }
    }

    /// Whether a recovery left out a living node since `pnn` served everything.
    pub fn is_forked(&self, pnn: Pnn) -> bool {
        self.forked.contains(&pnn)
    }

    /// Node `pnn` serves a database again: after a fork its copies that are no dmaster's have lost.
    pub fn served(&mut self, nodes: &[Node], pnn: Pnn, db: DbId) {
        if !self.forked.contains(&pnn) {
            return;
        }
        let store = &nodes[pnn.0 as usize].store;
        for name in store.records.keys().filter(|(of, _)| *of == db) {
            if !store.is_dmaster(name, pnn) {
                self.write_off(nodes, pnn, name);
                self.stale.insert((pnn, name.clone()));
            }
        }
    }

    /// Node `pnn` serves everything.
    pub fn committed(&mut self, pnn: Pnn) {
        self.forked.remove(&pnn);
    }

    /// A new copy comes to `pnn`; answers whether the old one was written off.
    pub fn replace(&mut self, pnn: Pnn, name: &RecordName) -> bool {
        self.stale.remove(&(pnn, name.clone()))
    }

    /// Node `pnn` loses its copy: what no other copy has may be missing from now on.
    pub fn write_off(&mut self, nodes: &[Node], pnn: Pnn, name: &RecordName) {
        let Some((_, mine)) = nodes[pnn.0 as usize].store.read(name) else {
            return;
        };
        if self.stale.contains(&(pnn, name.clone())) {
            return;
        }
        let account = self.accounts.entry(name.clone()).or_default();
        let mut others = Vec::new();
        for node in nodes.iter().filter(|node| node.pnn != pnn) {
            let Some((_, shown)) = node.store.read(name) else {
                continue;
            };
            account.undo(&shown);
            if !self.stale.contains(&(node.pnn, name.clone())) {
                others.push(shown);
            }
        }
        let kept = |id: &u32| others.iter().any(|other| other.binary_search(id).is_ok());
        account.lost.extend(mine.into_iter().filter(|id| !kept(id)));
    }

    /// At rest: each record has one dmaster at most, and nothing is missing but what may be.
    pub(crate) fn judge(&self, nodes: &[Node]) -> Result<(), String> {
        for (name, account) in &self.accounts {
            let holders = nodes
                .iter()
                .filter(|node| node.store.is_dmaster(name, node.pnn));
            let holders: Vec<&Node> = holders.collect();
            if holders.len() > 1 {
                let holders: Vec<Pnn> = holders.iter().map(|node| node.pnn).collect();
                return Err(format!("{name:?} has dmasters {holders:?}"));
            }
            let shown = holders.first().and_then(|node| node.store.read(name));
            let shown = shown.map(|(_, increments)| increments).unwrap_or_default();
            let missing = account
                .acknowledged
                .iter()
                .filter(|id| !account.lost.contains(id) && !account.deleted.contains(id))
                .find(|id| shown.binary_search(id).is_err());
            if let Some(missing) = missing {
                return Err(format!(
                    "{name:?} at {:?} lacks increment {missing}",
                    holders.first().map(|node| node.pnn)
                ));
            }
            let mut back = shown.iter().filter(|id| account.deleted.contains(id));
            if let Some(id) = back.find(|id| !account.undone.contains(id)) {
                return Err(format!("{name:?} shows increment {id}, which was deleted"));
            }
            if let Some(id) = shown.iter().find(|id| !account.acknowledged.contains(id)) {
                return Err(format!("{name:?} shows increment {id}, which nobody made"));
            }
        }
        Ok(())
    }
}
