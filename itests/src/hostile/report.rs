//! What was thrown at a door.

use serde_json::{Value, json};

/// Counts of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Frames or lines sent.
    pub sent: u64,
    /// Of these after a valid beginning.
    pub greeted: u64,
    /// Connections opened.
    pub connections: u64,
    /// Connections that the daemon closed.
    pub closed: u64,
    /// Connections refused at the start: the daemon was gone, or held them off.
    pub refused: u64,
}

impl Report {
    /// One JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "sent": self.sent, "greeted": self.greeted, "connections": self.connections,
            "closed": self.closed, "refused": self.refused,
        })
    }
}
