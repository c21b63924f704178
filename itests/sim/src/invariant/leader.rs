//! Two running nodes never lead at the same time, but for the moment in which the news that the lock is lost
//! travels through a mailbox (design, section 4: the lock holder, or a majority).

use super::Watch;
use crate::clock::{MS, Micros};
use crate::world::World;
use ctdb_protocol::id::Pnn;

/// News within a process takes less.
const GRACE: Micros = 30 * MS;

impl World {
    pub(crate) fn check_leaders(&mut self) {
        let now = self.bench.now;
        let leaders: Vec<Pnn> = self
            .nodes
            .iter()
            .filter(|node| node.leads())
            .map(|n| n.pnn)
            .collect();
        let Watch {
            two_leaders_since, ..
        } = &mut self.watch;
        if leaders.len() < 2 {
            *two_leaders_since = None;
            return;
        }
        let since = *two_leaders_since.get_or_insert(now);
        if now - since > GRACE {
            self.watch
                .fail("one leader", format!("at {now} µs nodes {leaders:?} lead"));
        }
    }
}
