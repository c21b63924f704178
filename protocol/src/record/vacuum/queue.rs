//! Records that wait for something, bounded in number and bytes.

use crate::limits::{VACUUM_BATCH, VACUUM_QUEUE_BYTES_MAX, VACUUM_QUEUE_MAX};
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A batch takes no more keys when it has so many bytes of them.
const BATCH_BYTES: usize = 1 << 20;

/// Keys, each with what is to be known of it. A full queue takes no more.
#[derive(Debug)]
pub(super) struct Queue<T> {
    entries: BTreeMap<Bytes, T>,
    bytes: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Adds a record, or renews what is known of it.
    pub(super) fn insert(&mut self, key: Bytes, known: T) {
        if let Some(present) = self.entries.get_mut(&key) {
            *present = known;
        } else if self.entries.len() < VACUUM_QUEUE_MAX
            && self.bytes + key.len() <= VACUUM_QUEUE_BYTES_MAX
        {
            self.bytes += key.len();
            self.entries.insert(key, known);
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes out as many records as fit into one message.
    pub(super) fn take_batch(&mut self) -> Vec<(Bytes, T)> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < VACUUM_BATCH
            && bytes < BATCH_BYTES
            && let Some((key, known)) = self.entries.pop_first()
        {
            bytes += key.len();
            batch.push((key, known));
        }
        self.bytes -= bytes;
        batch
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Self {
        core::mem::take(self)
    }

    /// The records, in order.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (Bytes, T)> {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn batches_end_by_number_and_by_bytes() {
        let mut queue = Queue::default();
        for number in 0..VACUUM_BATCH as u32 + 2 {
            queue.insert(Bytes::from(&number.to_be_bytes()[..]), number);
        }
        queue.insert(Bytes::from(&[0; 4][..]), 7);
        let batch = queue.take_batch();
        assert_eq!((batch.len(), batch[0].1), (VACUUM_BATCH, 7));
        assert_eq!(queue.take_batch().len(), 2);
        assert_eq!(queue.bytes, 0);
        for number in 0..3 {
            queue.insert(Bytes(vec![number; BATCH_BYTES - 1]), 0);
        }
        assert_eq!(queue.take_batch().len(), 2);
        assert!(!queue.is_empty());
    }

    #[test]
    fn a_full_queue_takes_no_more() {
        let mut queue = Queue::default();
        let large = |fill| Bytes(vec![fill; VACUUM_QUEUE_BYTES_MAX / 2 + 1]);
        queue.insert(large(0), 1);
        queue.insert(large(1), 2);
        assert_eq!(queue.into_entries().count(), 1);
    }
}
