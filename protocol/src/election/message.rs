//! Votes, used where no cluster lock decides.

use crate::id::Term;
use serde::{Deserialize, Serialize};

/// Between the election machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElectionMessage {
    /// The sender wants to lead in `term`.
    VoteRequest {
        /// The new leadership's number.
        term: Term,
    },
    /// The receiver may lead in `term` as far as the sender is concerned.
    VoteGrant {
        /// The number asked for.
        term: Term,
    },
}
