//! Debian's winbindd beside the servers.

use std::time::Duration;

use super::Samba;
use crate::cluster::wait_until;

/// How long winbindd may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Samba<'_> {
    /// Starts winbindd on a node; it answers when this returns, and ends with the node.
    pub fn start_winbind(&self, node: usize) {
        self.run(node, "winbindd", &["-D"]).ok();
        wait_until(PATIENCE, &format!("winbindd on node {node}"), || {
            self.run(node, "wbinfo", &["-p"]).success()
        });
    }
}
