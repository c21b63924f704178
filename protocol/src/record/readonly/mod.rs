//! Read-only copies of records of a volatile database (client-protocol.md section 5.5).
//!
//! ```text
//!   reader ──CallReadonly──► lmaster ──Delegate──► dmaster ──Copy──► reader
//!      ▲────────NoCopy──────────┘◄────(NoCopy)────────┘
//!
//!   dmaster ──Revoke──► each holder ──Revoked──► dmaster: written here, or given to another node
//! ```
//! The dmaster's file says that copies are out (`RO_HAVE_DELEGATIONS`), and then no client writes there; a holder's
//! file says that clients may read the copy (`RO_HAVE_READONLY`). So the order is: before a copy leaves, the dmaster
//! notes its holder; before the record is written or given on, every other holder has answered that nobody
//! reads its copy any more.
//!
//! Who holds copies is remembered for one composition. A recovery takes the mark from all copies before any
//! lmaster decides, and only then lets dmasters write again; what a holder had stays as an older copy. The same holds for
//! a search: asking a node for what it has of a record ends its read-only copy. A holder that is lost while copies are
//! called back is waited for until the recovery that follows.

pub(super) mod apply;
mod dmaster;
mod reader;

use super::header::RecordHeader;
use super::io::{CallId, CallKind};
use crate::id::Pnn;
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// A copy that came and is not stored yet.
#[derive(Debug)]
pub(super) struct IncomingCopy {
    pub(super) header: RecordHeader,
    pub(super) data: Bytes,
}

/// What is going on with read-only copies of one record at this node.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Calls of local clients that only read.
    pub(super) readers: Vec<(CallId, CallKind)>,
    /// We asked for a copy.
    pub(super) is_asked: bool,
    pub(super) incoming: Option<IncomingCopy>,
    /// dmasters that call our copy back.
    pub(super) drops: Vec<Pnn>,
    /// Nodes that want a copy of ours.
    pub(super) borrowers: VecDeque<Pnn>,
    /// Holders of copies that were called back and have not answered; nothing moves before.
    pub(super) revoking: BTreeSet<Pnn>,
    /// All copies were called back: the next look lets our clients write.
    pub(super) is_recalled: bool,
}

impl Copies {
    /// Keeps only those who want to read.
    pub(super) fn forget_composition(&mut self) {
        let readers = core::mem::take(&mut self.readers);
        *self = Self {
            readers,
            ..Self::default()
        };
    }
}
