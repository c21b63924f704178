//! What read-only copies make of a stored record.

use super::super::header::{RecordFlags, RecordHeader};
use super::super::local::{Change, LocalOp, LocalOutcome, copy, mine};
use crate::id::{Pnn, Rsn};
use crate::wire::bytes::Bytes;

/// The dmaster's number grows by so much when the first copy leaves, as 4.17's.
const DELEGATION_STEP: u64 = 3;
/// A copy's number is so much below the dmaster's: above all older copies, and below all that is written later.
const COPY_BEHIND: u64 = 2;

/// Applies an operation on copies, as [`super::super::local::apply`].
pub(in super::super) fn apply(
    op: &LocalOp,
    own: Pnn,
    present: Option<(RecordHeader, &[u8])>,
) -> (LocalOutcome, Change) {
    match (op, present) {
        (
            LocalOp::StoreCopy {
                rsn,
                dmaster,
                flags,
                data,
            },
            present,
        ) => {
            let header = RecordHeader {
                rsn: *rsn,
                dmaster: *dmaster,
                flags: RecordFlags::from_bits_retain(*flags),
            };
            store_copy(present, own, header, data)
        }
        (LocalOp::Delegate, Some((header, data))) if header.dmaster == own => {
            delegate(header, data)
        }
        (LocalOp::EndDelegations, Some((header, data))) if header.dmaster == own => {
            end_delegations(header, data)
        }
        (LocalOp::EndDelegations, Some((header, data)))
            if header.flags.contains(RecordFlags::RO_HAVE_READONLY) =>
        {
            (copy(header, data), Change::Nothing)
        }
        (LocalOp::DropCopy, Some((header, data))) if header.dmaster == own => {
            (mine(header, data), Change::Nothing)
        }
        (LocalOp::DropCopy, Some((header, data))) => drop_copy(header, data),
        (_, other) => {
            let rsn = other.map(|(header, _)| header.rsn);
            (LocalOutcome::NotMine { rsn }, Change::Nothing)
        }
    }
}

/// Makes a copy of a record of which this node is dmaster.
fn delegate(header: RecordHeader, data: &[u8]) -> (LocalOutcome, Change) {
    let is_first = !header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS);
    let step = if is_first { DELEGATION_STEP } else { 0 };
    let delegated = RecordHeader {
        rsn: Rsn(header.rsn.0.saturating_add(step)),
        flags: header.flags | RecordFlags::RO_HAVE_DELEGATIONS,
        ..header
    };
    let mut flags = header.flags - RecordFlags::RO_ANY - RecordFlags::TRANSIENT;
    if !data.is_empty() {
        flags |= RecordFlags::MIGRATED_WITH_DATA;
    }
    let outcome = LocalOutcome::Delegated {
        rsn: Rsn(delegated.rsn.0.saturating_sub(COPY_BEHIND)),
        flags: flags.bits(),
        data: Bytes::from(data),
    };
    let change = if is_first {
        Change::store(delegated, data)
    } else {
        Change::Nothing
    };
    (outcome, change)
}

/// Stores a copy, unless this node is dmaster or has a newer one.
fn store_copy(
    present: Option<(RecordHeader, &[u8])>,
    own: Pnn,
    new: RecordHeader,
    data: &[u8],
) -> (LocalOutcome, Change) {
    match present {
        Some((header, kept)) if header.dmaster == own => (mine(header, kept), Change::Nothing),
        Some((header, _)) if header.rsn > new.rsn => {
            let rsn = Some(header.rsn);
            (LocalOutcome::NotMine { rsn }, Change::Nothing)
        }
        Some(_) | None => {
            let flags = new.flags | RecordFlags::RO_HAVE_READONLY;
            let header = RecordHeader { flags, ..new };
            (copy(header, data), Change::store(header, data))
        }
    }
}

/// Takes the read-only mark from another node's record; what is here stays as an older copy.
fn drop_copy(header: RecordHeader, data: &[u8]) -> (LocalOutcome, Change) {
    let rsn = Some(header.rsn);
    (LocalOutcome::NotMine { rsn }, without_marks(header, data))
}

/// Lets clients of the dmaster write again.
fn end_delegations(header: RecordHeader, data: &[u8]) -> (LocalOutcome, Change) {
    let flags = header.flags - RecordFlags::RO_ANY;
    let ended = RecordHeader { flags, ..header };
    (mine(ended, data), without_marks(header, data))
}

fn without_marks(header: RecordHeader, data: &[u8]) -> Change {
    let flags = header.flags - RecordFlags::RO_ANY;
    if flags == header.flags {
        Change::Nothing
    } else {
        Change::store(RecordHeader { flags, ..header }, data)
    }
}
