//! Who leads, as one node sees it.

use crate::heartbeat::message::Claim;
use crate::id::{Pnn, Term};
use serde::{Deserialize, Serialize};

/// What a leader's right to lead rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mandate {
    /// Enough nodes acknowledge it (and it holds the cluster lock, if there is one).
    Side,
    /// It holds the cluster lock and nobody else was to be found: the last nodes of a cluster.
    LockAlone,
}

/// A node's place in the leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// No leader is known.
    #[default]
    Searching,
    /// Another node leads.
    Follower {
        /// That node.
        leader: Pnn,
        /// The number of its leadership.
        term: Term,
    },
    /// This node leads.
    Leader {
        /// The number of this leadership.
        term: Term,
        /// What it rests on.
        mandate: Mandate,
    },
}

impl Standing {
    /// The leader, if one is known.
    pub const fn leader(self, own: Pnn) -> Option<Pnn> {
        match self {
            Self::Searching => None,
            Self::Follower { leader, .. } => Some(leader),
            Self::Leader { .. } => Some(own),
        }
    }

    /// Whether this node leads.
    pub const fn is_leader(self) -> bool {
        matches!(self, Self::Leader { .. })
    }

    /// The claim that keepalives carry; `highest` is the highest term seen.
    pub const fn claim(self, own: Pnn, highest: Term) -> Claim {
        match self {
            Self::Searching => Claim {
                leader: None,
                term: highest,
            },
            Self::Follower { leader, term } => Claim {
                leader: Some(leader),
                term,
            },
            Self::Leader { term, .. } => Claim {
                leader: Some(own),
                term,
            },
        }
    }
}
