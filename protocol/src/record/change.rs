//! A change of members after which lmasters go on with what they know.

use crate::id::Pnn;
use crate::membership::message::Composition;
use alloc::collections::BTreeSet;

/// From one composition to the next one.
#[derive(Clone, Debug)]
pub(super) struct Change {
    before: Composition,
    stayers: BTreeSet<Pnn>,
}

impl Change {
    /// `stayers` served `before` to its end, have their records still, and are members again.
    pub(super) fn new(before: Composition, stayers: BTreeSet<Pnn>) -> Self {
        Self { before, stayers }
    }

    /// Nodes whose records and directories stay.
    pub(super) const fn stayers(&self) -> &BTreeSet<Pnn> {
        &self.stayers
    }

    /// lmasters of the composition before that stay.
    pub(super) fn lmasters_before(&self) -> BTreeSet<Pnn> {
        let before = self.before.vnnmap.iter().copied().collect();
        self.stayers.intersection(&before).copied().collect()
    }

    /// Whether an lmaster is gone.
    pub(super) fn lost_directories(&self) -> bool {
        let mut before = self.before.vnnmap.iter();
        before.any(|lmaster| !self.stayers.contains(lmaster))
    }

    /// Whether nobody knows any more who has the keys of this [`crate::hash::wide_key_hash`].
    pub(super) fn lost_directory_of(&self, hash: u64) -> bool {
        // Its lower half is that by which slots are chosen.
        let lmaster = self.before.lmaster(hash as u32);
        lmaster.is_none_or(|lmaster| !self.stayers.contains(&lmaster))
    }
}
