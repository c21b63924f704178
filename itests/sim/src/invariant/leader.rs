//! Two running nodes never lead at the same time (design, section 4: the lock holder, or a majority).
//!
//! With the cluster lock this holds but for the moment in which the news that the lock is lost travels through
//! a mailbox. By votes, as in any such protocol, a leader may not have heard yet that a newer one was elected;
//! but the older one's authority rests on acknowledgements that then stay away, so both never have authority
//! for longer than a lease (`timing`).

use super::Watch;
use crate::clock::{MS, Micros};
use crate::world::World;
use ctdb_protocol::id::Pnn;

/// News within a process takes less.
const GRACE: Micros = 30 * MS;

impl World {
    pub(crate) fn check_leaders(&mut self) {
        let now = self.bench.now;
        let has_lock = self.bench.options.has_lock;
        let counts = |process: Option<&crate::node::Process>| {
            has_lock || process.is_some_and(|process| now < process.authority_until)
        };
        let leading = self
            .nodes
            .iter()
            .filter(|node| node.leads() && counts(node.process.as_ref()));
        let leaders: Vec<Pnn> = leading.map(|node| node.pnn).collect();
        let grace = if has_lock {
            GRACE
        } else {
            self.timing.clear_after().as_micros() as Micros
        };
        let Watch {
            two_leaders_since, ..
        } = &mut self.watch;
        if leaders.len() < 2 {
            *two_leaders_since = None;
            return;
        }
        let since = *two_leaders_since.get_or_insert(now);
        if now - since > grace {
            self.watch
                .fail("one leader", format!("at {now} µs nodes {leaders:?} lead"));
        }
    }
}
