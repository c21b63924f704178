//! Records (client-protocol.md sections 5.4 and 6.5; `ctdb_protocol::record`):
//! * of the running nodes that serve one composition at most one may write a record;
//! * the sequence number of a node's copy never goes back, and neither does what is counted in it, until the
//!   node loses its memory or drops it because the cluster went on without it;
//! * what was acknowledged is in the record at the end, but for what only such a lost copy had: the updates
//!   made on that node since the record last left another one.

use crate::node::{Life, Node};
use crate::store::{RecordName, count_of, counts};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::view::RecoveryMode;
use ctdb_protocol::record::header::RecordHeader;
use std::collections::BTreeMap;

/// Why `new` is no successor of `old` on one node.
pub(crate) fn newer(old: &[u8], new: &[u8]) -> Option<String> {
    let ((old, old_data), (new, new_data)) = (RecordHeader::split(old)?, RecordHeader::split(new)?);
    if new.rsn < old.rsn {
        return Some(format!(
            "the sequence number fell from {} to {}",
            old.rsn, new.rsn
        ));
    }
    let (before, after) = (counts(old_data), counts(new_data));
    let lost = (0..before.len() as u32)
        .map(Pnn)
        .find(|pnn| count_of(&after, *pnn) < count_of(&before, *pnn))?;
    Some(format!(
        "increments of node {lost} fell from {before:?} to {after:?}"
    ))
}

/// Who may write the record beside `pnn`, in the same composition.
pub(crate) fn writers(nodes: &[Node], pnn: Pnn, name: &RecordName) -> Option<String> {
    let serving = |node: &Node| {
        let process = node
            .process
            .as_ref()
            .filter(|_| node.life == Life::Running)?;
        let view = &process.view;
        (view.mode == RecoveryMode::Normal).then_some(view.composition.generation)
    };
    let generation = serving(&nodes[pnn.0 as usize])?;
    let other = nodes.iter().find(|node| {
        node.pnn != pnn
            && serving(node) == Some(generation)
            && node.store.is_writable(name, node.pnn)
    })?;
    Some(format!(
        "node {pnn} and node {} may write {name:?} of {generation}",
        other.pnn
    ))
}

/// What is known of one record's increments, by node.
#[derive(Clone, Debug, Default)]
struct Account {
    acknowledged: BTreeMap<Pnn, u64>,
    lost: BTreeMap<Pnn, u64>,
}

/// What clients were told, and what may be missing.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<RecordName, Account>,
}

impl Ledger {
    /// A client of `pnn` was told that its increment is stored.
    pub fn acknowledge(&mut self, name: &RecordName, pnn: Pnn) {
        let account = self.accounts.entry(name.clone()).or_default();
        *account.acknowledged.entry(pnn).or_default() += 1;
    }

    /// Node `pnn` loses its copy: what no other copy has may be missing from now on.
    pub fn write_off(&mut self, nodes: &[Node], pnn: Pnn, name: &RecordName) {
        let Some((_, mine)) = nodes[pnn.0 as usize].store.read(name) else {
            return;
        };
        let others: Vec<Vec<u64>> = nodes
            .iter()
            .filter(|node| node.pnn != pnn)
            .filter_map(|node| Some(node.store.read(name)?.1))
            .collect();
        let account = self.accounts.entry(name.clone()).or_default();
        for of in (0..mine.len() as u32).map(Pnn) {
            let kept = others
                .iter()
                .map(|counts| count_of(counts, of))
                .max()
                .unwrap_or(0);
            *account.lost.entry(of).or_default() += count_of(&mine, of).saturating_sub(kept);
        }
    }

    /// At rest: each record has one dmaster at most, and nothing is missing but what may be.
    pub(crate) fn judge(&self, nodes: &[Node]) -> Result<(), String> {
        for (name, account) in &self.accounts {
            let holders = nodes
                .iter()
                .filter(|node| node.store.is_writable(name, node.pnn));
            let holders: Vec<&Node> = holders.collect();
            if holders.len() > 1 {
                let holders: Vec<Pnn> = holders.iter().map(|node| node.pnn).collect();
                return Err(format!("{name:?} has dmasters {holders:?}"));
            }
            let shown = holders.first().and_then(|node| node.store.read(name));
            let shown = shown.map(|(_, counts)| counts).unwrap_or_default();
            for (pnn, acknowledged) in &account.acknowledged {
                let lost = account.lost.get(pnn).copied().unwrap_or(0);
                let count = count_of(&shown, *pnn);
                if count > *acknowledged || count + lost < *acknowledged {
                    return Err(format!(
                        "{name:?} shows {count} increments of node {pnn}; {acknowledged} were \
                         acknowledged, {lost} may be lost"
                    ));
                }
            }
        }
        Ok(())
    }
}
