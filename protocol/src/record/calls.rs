//! How many calls went from one node to another: who orders something says up to which call it had heard.
//!
//! Links keep their order, but an order and a call may cross. A node that wants a record again and gets an order to
//! give it away must know whether the lmaster ordered that before it heard the call (then the record should
//! have been here) or after (then the record will come first).

use crate::id::Pnn;
use alloc::collections::BTreeMap;

/// Number of the last call with each node; for one database and one composition.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: BTreeMap<Pnn, u64>,
}

impl Calls {
    /// The number of the next call to `lmaster`; the first is 1.
    pub(super) fn next(&mut self, lmaster: Pnn) -> u64 {
        let last = self.last.entry(lmaster).or_default();
        *last += 1;
        *last
    }

    /// A call came from `requester`.
    pub(super) fn heard(&mut self, requester: Pnn, number: u64) {
        self.last.insert(requester, number);
    }

    /// The last call heard from `requester`.
    pub(super) fn of(&self, requester: Pnn) -> u64 {
        self.last.get(&requester).copied().unwrap_or_default()
    }
}
