//! Takeover runs: from a plan to its confirmation, for the log and for those who asked.

use super::Leader;
use crate::id::Pnn;
use crate::machine::Effects;
use crate::notice::Notice;
use crate::takeover::cluster::Cluster;
use crate::takeover::io::{Effect, Kind};
use crate::takeover::message::TakeoverMessage;
use crate::time::Instant;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// The tunable `TakeoverTimeout`'s default: askers get their answer by then.
const RUN_TIMEOUT: Duration = Duration::from_secs(9);
/// Most requests at a time; who is not answered asks again.
const ASKERS_MAX: usize = 1_024;

/// A plan that is being carried out.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) since: Instant,
    pub(super) moved: u32,
}

/// Somebody who waits for the end of a run.
#[derive(Debug)]
pub(super) struct Asker {
    peer: Pnn,
    request: u64,
    pub(super) until: Instant,
}

impl Leader {
    /// Plans now; the asker is answered when all is done.
    pub(in crate::takeover) fn ask(&mut self, now: Instant, peer: Pnn, request: u64) {
        if self.note_asker(now, peer, request) {
            self.reason
                .get_or_insert_with(|| alloc::format!("node {peer} asked for it"));
            self.plan_pace.want(now);
        }
    }

    /// Moves one address, if that node can host it; the asker is answered when it is there. The rest of the
    /// plan stays as it is.
    pub(in crate::takeover) fn place(
        &mut self,
        now: Instant,
        (peer, request): (Pnn, u64),
        address: IpAddr,
        to: Pnn,
        cluster: &Cluster,
    ) {
        if !self.planned || !self.note_asker(now, peer, request) {
            return;
        }
        let can_host = cluster.fit().contains(&to)
            && self
                .reports
                .get(&to)
                .and_then(|reported| reported.addresses.get(&address))
                .is_some_and(|known| known.available && known.kind == Kind::Public);
        if can_host && self.slots.contains_key(&address) {
            self.assign(address, Some(to));
        }
    }

    /// Whether the asker is a new one.
    fn note_asker(&mut self, now: Instant, peer: Pnn, request: u64) -> bool {
        let known = |asker: &Asker| asker.peer == peer && asker.request == request;
        if self.askers.len() >= ASKERS_MAX || self.askers.iter().any(known) {
            return false;
        }
        self.askers.push(Asker {
            peer,
            request,
            until: now + RUN_TIMEOUT,
        });
        true
    }

    /// Whether every address is where the plan wants it.
    fn is_settled(&self) -> bool {
        self.planned
            && !self.unsent
            && self.waiting.is_empty()
            && self.plan_pace.deadline().is_none()
            && self.slots.iter().all(|(address, slot)| {
                slot.owner.is_none_or(|owner| {
                    self.reports
                        .get(&owner)
                        .and_then(|reported| reported.addresses.get(address))
                        .is_some_and(|known| known.held && known.settled)
                })
            })
    }

    pub(super) fn finish_runs(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        out: &mut Effects<Effect>,
    ) {
        if self.run.is_none() && self.askers.is_empty() && !self.untold {
            return;
        }
        if !self.is_settled() {
            let late = |asker: &Asker| asker.until <= now;
            self.finish(late, out);
            return;
        }
        if let Some(run) = self.run.take() {
            out.push(Effect::Log(Notice::TakeoverDone {
                moved: run.moved,
                duration_ms: now.since(run.since).as_millis() as u64,
            }));
        }
        self.finish_all(cluster, out);
    }

    /// Answers all askers, and tells every node if there was anything to do or to answer.
    pub(super) fn finish_all(&mut self, cluster: &Cluster, out: &mut Effects<Effect>) {
        if self.untold || !self.askers.is_empty() {
            self.untold = false;
            let term = self.term;
            for peer in cluster.others().filter(|pnn| cluster.is_connected(*pnn)) {
                let message = TakeoverMessage::RunOver { term };
                out.push(Effect::Send { peer, message });
            }
            out.push(Effect::Reallocated);
        }
        self.finish(|_| true, out);
    }

    fn finish(&mut self, done: impl Fn(&Asker) -> bool, out: &mut Effects<Effect>) {
        let (over, rest): (Vec<Asker>, Vec<Asker>) = self.askers.drain(..).partition(done);
        self.askers = rest;
        for Asker { peer, request, .. } in over {
            if peer == self.own {
                self.done.push(request);
            } else {
                let message = TakeoverMessage::RunDone { request };
                out.push(Effect::Send { peer, message });
            }
        }
    }
}
