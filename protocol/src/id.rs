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
    /// Number of one composition of the cluster; record traffic of another generation is dropped.
    Generation(u32)
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

impl Generation {
    /// A node that belongs to no composition (CTDB's `INVALID_GENERATION`).
    pub const INVALID: Self = Self(1);

    /// The generation after this one, never 0 or [`Generation::INVALID`].
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1).max(2))
    }
}
