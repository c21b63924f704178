//! Every queue is bounded (`limits`): mailboxes, packets that wait in a link, and what is planned at all.

use crate::network::HELD_MAX;
use crate::world::World;

/// A mailbox that holds more is not being emptied. The product's bound is 65,536 for a flood of records; the
/// control plane alone never comes near this.
const MAIL_MAX: usize = 2_000;
/// Events planned per node.
const PLANNED_MAX: usize = 20_000;

impl World {
    pub(super) fn check_queues(&mut self) {
        let fullest = self.nodes.iter().filter_map(|node| {
            let waiting = node.process.as_ref()?.mail_waiting.iter().copied().max()?;
            Some((waiting, node.pnn))
        });
        if let Some((waiting, pnn)) = fullest.max()
            && waiting > MAIL_MAX
        {
            self.watch.fail(
                "queues are bounded",
                format!("{waiting} inputs wait at node {pnn}"),
            );
        }
        let held = self.network.held_most();
        if held > HELD_MAX {
            self.watch.fail(
                "queues are bounded",
                format!("{held} packets wait in a link"),
            );
        }
        let planned = self.bench.planned();
        if planned > PLANNED_MAX * self.nodes.len() {
            self.watch.fail(
                "queues are bounded",
                format!("{planned} events are planned"),
            );
        }
    }

    pub(crate) fn inspect(&mut self) {
        self.check_leaders();
        self.check_queues();
        self.check_wellbeing();
    }
}
