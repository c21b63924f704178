//! Operations on the local copy of one record, applied by the shell under the record's chain lock: read,
//! decide (here, purely), write, unlock, all without waiting.

use super::header::{HEADER_BYTES, RecordFlags, RecordHeader};
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
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocalOutcome {
    /// This node is dmaster of the record (after `Read`, `Take`, `Adopt`).
    Mine {
        /// Sequence number.
        rsn: Rsn,
        /// Flags.
        flags: u32,
        /// Data without header.
        data: Bytes,
    },
    /// This node is not dmaster (after `Read`, `Give`, `Adopt`, `Demote`).
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
    /// The store failed (disk full, corrupt file); the record is unchanged.
    Failed,
}

/// Applies `op` on node `own` to the stored `value`; answers the outcome and the value to store, if any.
pub fn apply(op: &LocalOp, own: Pnn, value: Option<&[u8]>) -> (LocalOutcome, Option<Vec<u8>>) {
    let present = value.and_then(RecordHeader::split);
    match (op, present) {
        (LocalOp::Read, Some((header, data))) if header.dmaster == own => {
            (mine(header, data), None)
        }
        (LocalOp::Give { to }, Some((header, data))) if header.dmaster == own => {
            give(header, data, *to)
        }
        (LocalOp::Take { rsn, flags, data }, _) => take(present, own, *rsn, *flags, data),
        (LocalOp::Adopt, Some((header, data))) => {
            let header = RecordHeader {
                rsn: Rsn(header.rsn.0 + 1),
                dmaster: own,
                ..header
            };
            (mine(header, data), Some(join(header, data)))
        }
        (LocalOp::Demote { to }, Some((header, data))) if header.dmaster == own => {
            let demoted = RecordHeader {
                dmaster: *to,
                ..header
            };
            (
                LocalOutcome::NotMine {
                    rsn: Some(header.rsn),
                },
                Some(join(demoted, data)),
            )
        }
        (LocalOp::Read | LocalOp::Give { .. } | LocalOp::Adopt | LocalOp::Demote { .. }, other) => {
            (
                LocalOutcome::NotMine {
                    rsn: other.map(|(header, _)| header.rsn),
                },
                None,
            )
        }
    }
}

fn take(
    present: Option<(RecordHeader, &[u8])>,
    own: Pnn,
    rsn: Rsn,
    flags: u32,
    data: &Bytes,
) -> (LocalOutcome, Option<Vec<u8>>) {
    match present {
        // A copy that is newer than what comes can only be ours: never go back.
        Some((header, kept)) if header.rsn >= rsn && header.dmaster == own => {
            (mine(header, kept), None)
        }
        Some((header, _)) if header.rsn >= rsn => {
            let raised = RecordHeader {
                rsn: Rsn(header.rsn.0 + 1),
                dmaster: own,
                flags: RecordFlags::from_bits_retain(flags),
            };
            (mine(raised, data), Some(join(raised, data)))
        }
        Some(_) | None => {
            let header = RecordHeader {
                rsn,
                dmaster: own,
                flags: RecordFlags::from_bits_retain(flags),
            };
            (mine(header, data), Some(join(header, data)))
        }
    }
}

fn give(header: RecordHeader, data: &[u8], to: Pnn) -> (LocalOutcome, Option<Vec<u8>>) {
    let mut flags = header.flags - RecordFlags::TRANSIENT;
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
    (outcome, Some(join(left, data)))
}

fn mine(header: RecordHeader, data: &[u8]) -> LocalOutcome {
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
