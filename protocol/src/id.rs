//! Newtypes of CTDB's vocabulary, so that a node number can't be passed where a database id is due.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id!(
    /// Node number: the position of a node in the nodes file, counted from 0.
    Pnn(u32)
);
id!(
    /// Database id: the hash of the database name with its final NUL.
    DbId(u32)
);
id!(
    /// Record sequence number: grows with every migration; the highest copy is the newest.
    Rsn(u64)
);
id!(
    /// Number of a leadership: grows with each election.
    Term(u64)
);
id!(
    /// Message port of a client (client-protocol.md section 4).
    SrvId(u64)
);
id!(
    /// Connection of a local client; never 0, which means "another daemon".
    ClientId(u32)
);
id!(
    /// One life of a daemon process; a restarted node has another one.
    Instance(u64)
);

/// Names one composition of the cluster; record traffic of another generation is dropped.
///
/// A leader that restarted may count up to a number that only nodes now out of its reach remember, so each
/// composition has a random part as well. Clients and the log see the number alone.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation {
    /// Grows with each recovery; that of a composition is never 0 or 1.
    pub number: u32,
    /// Tells compositions of one number apart.
    pub nonce: u32,
}

impl Generation {
    /// A node that belongs to no composition (CTDB's `INVALID_GENERATION`).
    pub const INVALID: Self = Self::new(1, 0);

    /// The generation of this name.
    pub const fn new(number: u32, nonce: u32) -> Self {
        Self { number, nonce }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number, f)
    }
}
