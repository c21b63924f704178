//! Liveness: once the faults have ended, the cluster is whole again within the given time and stays so.

use crate::invariant::Broken;
use crate::node::{Life, Process};
use crate::world::World;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::view::RecoveryMode;
use std::collections::BTreeMap;
use std::net::IpAddr;

impl World {
    /// Notes since when all is well.
    pub(crate) fn check_wellbeing(&mut self) {
        let (now, ended) = (self.bench.now, self.bench.options.faults_end);
        if now < ended {
            return;
        }
        match self.complaint() {
            None => {
                self.watch.well_since.get_or_insert(now);
            }
            Some(complaint) => {
                let since = self.watch.well_since.take();
                if let Some(since) = since
                    && since + self.bench.options.converge_within < now
                {
                    self.watch.fail("what is well stays well", complaint);
                }
            }
        }
    }

    /// At the end of the run.
    pub(crate) fn judge_end(&self) -> Result<(), Broken> {
        let (options, well) = (&self.bench.options, self.watch.well_since);
        let in_time = well.is_some_and(|at| at <= options.faults_end + options.converge_within);
        if in_time {
            let forgotten = self.forgotten().map_or(Ok(()), Err);
            let forgotten = forgotten.map_err(|detail| ("calls are answered", detail));
            let ledger = || self.ledger.judge(&self.nodes);
            let judged = forgotten.and_then(|()| ledger().map_err(|d| ("nothing is lost", d)));
            let kept = || {
                self.judge_kept()
                    .map_err(|d| ("transactions are on all nodes", d))
            };
            let judged = judged.and_then(|()| kept());
            return judged.map_err(|(invariant, detail)| Broken { invariant, detail });
        }
        let detail = self
            .complaint()
            .unwrap_or_else(|| format!("well only at {well:?} µs"));
        Err(Broken {
            invariant: "all is well after the faults",
            detail,
        })
    }

    /// What is not as it should be in a cluster without faults; `None` if all is.
    pub fn complaint(&self) -> Option<String> {
        let mut processes: Vec<(Pnn, &Process)> = Vec::new();
        for node in &self.nodes {
            match &node.process {
                Some(process) if node.life == Life::Running => processes.push((node.pnn, process)),
                _ => return Some(format!("node {} is {:?}", node.pnn, node.life)),
            }
        }
        let (_, first) = *processes.first()?;
        let leader = first.view.standing.leader(first.view.own);
        for (pnn, process) in &processes {
            let view = &process.view;
            if view.standing.leader(*pnn) != leader || leader.is_none() {
                return Some(format!(
                    "node {pnn} has {:?}, node 0 has {leader:?}",
                    view.standing
                ));
            }
            if view.mode != RecoveryMode::Normal {
                return Some(format!("node {pnn} recovers"));
            }
            if view.composition != first.view.composition || view.committed != first.view.committed
            {
                return Some(format!("node {pnn} serves {:?}", view.composition));
            }
            if view.composition.members.len() != self.nodes.len() {
                return Some(format!("members are {:?}", view.composition.members));
            }
            if let Some(node) = view.nodes.iter().find(|node| !node.flags.is_empty()) {
                return Some(format!("node {pnn} sees {:?}", node.flags));
            }
        }
        self.unserved()
    }

    /// An address that nobody answers for though some node could.
    fn unserved(&self) -> Option<String> {
        let answering: BTreeMap<IpAddr, Pnn> = self.answering().into_iter().collect();
        let configured = self.nodes.iter().flat_map(|node| &node.configured);
        let missing = configured
            .map(|known| known.address)
            .find(|a| !answering.contains_key(a));
        missing.map(|address| format!("{address} is not served"))
    }
}
