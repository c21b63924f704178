//! Operations on the local copy of one record, applied by the shell under the record's chain lock: read,
//! decide (here, purely), write, unlock, all without waiting.

use super::header::{HEADER_BYTES, RecordFlags, RecordHeader};
use super::readonly::apply;
use crate::id::{Pnn, Rsn};
use crate::wire::bytes::Bytes;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What to do with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocalOp {
    /// Look whether this node is dmaster.
    Read,
    /// If this node is dmaster, make `to` the dmaster and hand out the data.
    Give {
        /// The next dmaster.
        to: Pnn,
    },
    /// Become dmaster with this content, unless a copy with a higher number is here already.
    Take {
        /// Sequence number to store.
        rsn: Rsn,
        /// Flags to store.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// Become dmaster of the copy that is here, raising its number.
    Adopt,
    /// Stop being dmaster; `to` is.
    Demote {
        /// The dmaster.
        to: Pnn,
    },
    /// If it is an empty record of this node with this number: delete it, if this node is its lmaster and no
    /// other one can have a copy.
    Bury {
        /// The number.
        rsn: Rsn,
        /// Whether this node is the lmaster.
        is_lmaster: bool,
    },
    /// Delete the record if it is an empty one of this node with this number.
    Delete {
        /// The number.
        rsn: Rsn,
    },
    /// Delete a copy that is not newer than this, if another node is dmaster.
    Discard {
        /// Number of the dmaster's copy.
        rsn: Rsn,
    },
    /// If this node is dmaster, note that copies are out and make one.
    Delegate,
    /// Store a read-only copy, unless this node is dmaster or has something newer.
    StoreCopy {
        /// Sequence number to store.
        rsn: Rsn,
        /// The dmaster.
        dmaster: Pnn,
        /// Flags to store, beside that which marks the copy.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// Let nobody read the read-only copy any more, if there is one.
    DropCopy,
    /// As [`LocalOp::Read`]; if this node is dmaster, its clients may write again: no copy is left.
    EndDelegations,
}

impl LocalOp {
    /// Whether the operation waits while a client holds the record. Those of the vacuum don't.
    pub const fn waits(&self) -> bool {
        !matches!(
            self,
            Self::Bury { .. } | Self::Delete { .. } | Self::Discard { .. }
        )
    }
}

/// What becomes of the stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays.
    Nothing,
    /// This one takes its place.
    Store(Vec<u8>),
    /// The record goes.
    Delete,
}

impl Change {
    pub(super) fn store(header: RecordHeader, data: &[u8]) -> Self {
        Self::Store(join(header, data))
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocalOutcome {
    /// This node is dmaster of the record (after `Read`, `Take`, `Adopt`, `StoreCopy`, `EndDelegations`).
    Mine {
        /// Sequence number.
        rsn: Rsn,
        /// Flags.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// A read-only copy is here (after `Read`, `StoreCopy`, `EndDelegations`).
    Copy {
        /// Sequence number of the copy.
        rsn: Rsn,
        /// The dmaster that made it.
        dmaster: Pnn,
        /// Flags of the copy.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// This is to be sent as a read-only copy (after `Delegate`).
    Delegated {
        /// Sequence number of the copy.
        rsn: Rsn,
        /// Flags of the copy.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// This node is not dmaster (after `Read`, `Give`, `Adopt`, `Demote`, `Delegate`, `DropCopy`), or has something
    /// newer (after `StoreCopy`).
    NotMine {
        /// Sequence number of the copy here, if there is one.
        rsn: Option<Rsn>,
    },
    /// Was given away (after `Give`).
    Given {
        /// The next dmaster.
        to: Pnn,
        /// Sequence number.
        rsn: Rsn,
        /// Flags.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// There is no record here (any more; after `Bury`, `Delete`, `Discard`).
    Gone,
    /// An empty record of this node, of which other nodes may have copies (after `Bury`).
    Grave,
    /// The record stays, because it is not as it must be or somebody uses it (after `Bury`, `Delete`,
    /// `Discard`).
    Kept,
    /// The store failed (disk full, corrupt file); the record is unchanged.
    Failed,
}

/// Applies `op` on node `own` to the stored `value`; answers the outcome and what becomes of the value.
pub fn apply(op: &LocalOp, own: Pnn, value: Option<&[u8]>) -> (LocalOutcome, Change) {
    let present = value.and_then(RecordHeader::split);
    match (op, present) {
        (LocalOp::Read, Some((header, data))) if header.dmaster == own => {
            (mine(header, data), Change::Nothing)
        }
        (LocalOp::Read, Some((header, data)))
            if header.flags.contains(RecordFlags::RO_HAVE_READONLY) =>
        {
            (copy(header, data), Change::Nothing)
        }
        (LocalOp::Give { to }, Some((header, data))) if header.dmaster == own => {
            give(header, data, *to)
        }
        (LocalOp::Take { rsn, flags, data }, _) => take(present, own, *rsn, *flags, data),
        (LocalOp::Adopt, Some((header, data))) => {
            let header = RecordHeader {
                rsn: Rsn(header.rsn.0 + 1),
                dmaster: own,
                flags: header.flags - RecordFlags::RO_ANY,
            };
            (mine(header, data), Change::store(header, data))
        }
        (LocalOp::Demote { to }, Some((header, data))) if header.dmaster == own => {
            let demoted = RecordHeader {
                dmaster: *to,
                flags: header.flags - RecordFlags::RO_ANY,
                ..header
            };
            let rsn = Some(header.rsn);
            (LocalOutcome::NotMine { rsn }, Change::store(demoted, data))
        }
        (LocalOp::Read | LocalOp::Give { .. } | LocalOp::Adopt | LocalOp::Demote { .. }, other) => {
            let rsn = other.map(|(header, _)| header.rsn);
            (LocalOutcome::NotMine { rsn }, Change::Nothing)
        }
        (LocalOp::Bury { rsn, .. } | LocalOp::Delete { rsn }, Some((header, data)))
            if header.dmaster == own && header.rsn == *rsn && is_grave(header, data) =>
        {
            match op {
                LocalOp::Bury { is_lmaster, .. } if !is_lmaster || has_moved(header) => {
                    (LocalOutcome::Grave, Change::Nothing)
                }
                _ => (LocalOutcome::Gone, Change::Delete),
            }
        }
        (LocalOp::Bury { .. } | LocalOp::Delete { .. }, _) => (LocalOutcome::Kept, Change::Nothing),
        (LocalOp::Discard { rsn }, present) => discard(present, own, *rsn),
        (
            LocalOp::Delegate
            | LocalOp::StoreCopy { .. }
            | LocalOp::DropCopy
            | LocalOp::EndDelegations,
            present,
        ) => apply::apply(op, own, present),
    }
}

/// Whether a record has no data and no read-only copies.
fn is_grave(header: RecordHeader, data: &[u8]) -> bool {
    data.is_empty() && !header.flags.intersects(RecordFlags::RO_ANY)
}

/// Whether a record was ever on another node: one that is new in the cluster comes with the number 0, and
/// each node that takes a record raises it.
fn has_moved(header: RecordHeader) -> bool {
    header.rsn > Rsn(1) || header.flags.contains(RecordFlags::MIGRATED_WITH_DATA)
}

fn discard(present: Option<(RecordHeader, &[u8])>, own: Pnn, rsn: Rsn) -> (LocalOutcome, Change) {
    match present {
        None => (LocalOutcome::Gone, Change::Nothing),
        Some((header, _))
            if header.dmaster == own
                || header.rsn > rsn
                || header.flags.intersects(RecordFlags::RO_ANY) =>
        {
            (LocalOutcome::Kept, Change::Nothing)
        }
        Some(_) => (LocalOutcome::Gone, Change::Delete),
    }
}

fn take(
    present: Option<(RecordHeader, &[u8])>,
    own: Pnn,
    rsn: Rsn,
    flags: u32,
    data: &Bytes,
) -> (LocalOutcome, Change) {
    match present {
        // A copy that is newer than what comes can only be ours: never go back.
        Some((header, kept)) if header.rsn >= rsn && header.dmaster == own => {
            (mine(header, kept), Change::Nothing)
        }
        Some((header, _)) if header.rsn >= rsn => {
            let raised = RecordHeader {
                rsn: Rsn(header.rsn.0 + 1),
                dmaster: own,
                flags: RecordFlags::from_bits_retain(flags),
            };
            (mine(raised, data), Change::store(raised, data))
        }
        Some(_) | None => {
            let header = RecordHeader {
                rsn,
                dmaster: own,
                flags: RecordFlags::from_bits_retain(flags),
            };
            (mine(header, data), Change::store(header, data))
        }
    }
}

fn give(header: RecordHeader, data: &[u8], to: Pnn) -> (LocalOutcome, Change) {
    // Only the next dmaster can have a read-only copy still, and it stores this in its place.
    let mut flags = header.flags - RecordFlags::TRANSIENT - RecordFlags::RO_ANY;
    if !data.is_empty() {
        flags |= RecordFlags::MIGRATED_WITH_DATA;
    }
    // The data stays behind as the newest copy should the next dmaster be lost.
    let left = RecordHeader {
        dmaster: to,
        flags,
        ..header
    };
    let outcome = LocalOutcome::Given {
        to,
        rsn: header.rsn,
        flags: flags.bits(),
        data: Bytes::from(data),
    };
    (outcome, Change::store(left, data))
}

pub(super) fn copy(header: RecordHeader, data: &[u8]) -> LocalOutcome {
    LocalOutcome::Copy {
        rsn: header.rsn,
        dmaster: header.dmaster,
        flags: header.flags.bits(),
        data: Bytes::from(data),
    }
}

pub(super) fn mine(header: RecordHeader, data: &[u8]) -> LocalOutcome {
    LocalOutcome::Mine {
        rsn: header.rsn,
        flags: header.flags.bits(),
        data: Bytes::from(data),
    }
}

fn join(header: RecordHeader, data: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + data.len());
    value.extend_from_slice(&header.to_bytes());
    value.extend_from_slice(data);
    value
}
