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
