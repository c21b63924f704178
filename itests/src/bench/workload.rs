//! What the clients do.

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "bench.tdb";
/// Of read-only copies.
const READONLY_DB: &str = "bench-readonly.tdb";
/// Of transactions.
const PERSISTENT_DB: &str = "bench-persistent.tdb";

/// One client a node, all at once. The names are those of Samba's own programs, which do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Two messages go round in opposite directions.
    MessageRing,
    /// A message and a record that everybody changes go round.
    FetchRing,
    /// Everybody takes one lock of `g_lock.tdb` and gives it back.
    GLockLoop,
    /// Everybody locks one record, of which copies are read.
    FetchReadonlyLoop,
    /// The same while node 0 changes the record 100 times a second.
    FetchReadonlyWritten,
    /// Everybody changes the same two records of a persistent database.
    TransactionLoop,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::MessageRing,
        Self::FetchRing,
        Self::GLockLoop,
        Self::FetchReadonlyLoop,
        Self::FetchReadonlyWritten,
        Self::TransactionLoop,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageRing => "message_ring",
            Self::FetchRing => "fetch_ring",
            Self::GLockLoop => "g_lock_loop",
            Self::FetchReadonlyLoop => "fetch_readonly_loop",
            Self::FetchReadonlyWritten => "fetch_readonly_written",
            Self::TransactionLoop => "transaction_loop",
        }
    }

    /// What its rate counts.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::MessageRing => "messages a node",
            Self::FetchRing => "passes a node",
            Self::GLockLoop => "locks in all",
            Self::FetchReadonlyLoop | Self::FetchReadonlyWritten => "reads a node",
            Self::TransactionLoop => "commits in all",
        }
    }

    /// Whether the rates of the nodes are added up: they compete. What goes round passes all of them.
    pub(super) const fn is_shared(self) -> bool {
        matches!(self, Self::GLockLoop | Self::TransactionLoop)
    }

    /// What bare relays pass round for comparison, if they can.
    pub(super) const fn floor(self) -> Option<&'static str> {
        match self {
            Self::MessageRing => Some("message"),
            Self::FetchRing => Some("record"),
            _ => None,
        }
    }

    /// Arguments of `ctdb-client`.
    pub(super) fn arguments(self, nodes: usize, seconds: u64) -> Vec<String> {
        let mut words = match self {
            Self::MessageRing => vec!["message-ring", SOCKET],
            Self::FetchRing => vec!["fetch-ring", SOCKET, DB],
            Self::GLockLoop => vec!["g-lock-loop", SOCKET],
            Self::FetchReadonlyLoop | Self::FetchReadonlyWritten => {
                vec!["fetch-readonly-loop", SOCKET, READONLY_DB]
            }
            Self::TransactionLoop => vec!["transaction-loop", SOCKET, PERSISTENT_DB],
        };
        let (nodes, seconds) = (nodes.to_string(), seconds.to_string());
        words.extend([nodes.as_str(), seconds.as_str()]);
        if self == Self::FetchReadonlyWritten {
            words.push("10");
        }
        words.into_iter().map(String::from).collect()
    }
}
