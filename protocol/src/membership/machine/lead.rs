//! The leader's part of the machine: when to recover, and the orders of a recovery.

use super::{Membership, Timer, refuse};
use crate::id::{DbId, Generation, Pnn};
use crate::machine::Effects;
use crate::membership::contributors::Answer;
use crate::membership::io::Effect;
use crate::membership::leader::Recovery;
use crate::membership::member::NUMBER_MAX;
use crate::membership::message::{Composition, MembershipMessage, Scope};
use crate::membership::nodes::Arriving;
use crate::membership::vnnmap;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// How long a recovery waits for connected nodes without records that are about to take part.
const SETTLE: Duration = Duration::from_millis(100);
/// How long a recovery waits for a member whose link was just lost. A connection that was reset is dialled
/// anew within 200 ms; a recovery without the node would drop what its clients wrote.
const LINK_GRACE: Duration = Duration::from_millis(300);
/// How long a recovery waits for the links of other members to a node that joins: the node with the higher number dials
/// every 50 to 200 ms. One that came up in the midst of the recovery would have it repeated, since something may have
/// been told before.
const JOIN_GRACE: Duration = Duration::from_millis(250);
/// Times in a row that a node may leave `Prepare` unanswered.
const STRIKES_MAX: u32 = 3;

impl Membership {
    /// Begins a recovery if one is due. Does nothing unless this node leads.
    pub(super) fn consider(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        if !self.standing.is_leader() {
            return;
        }
        let members = self.nodes.fit(self.claim());
        if !members.contains(&self.config.own) {
            self.stop_waiting();
            return self.abort("the leader itself is no member", fx);
        }
        let vnnmap = vnnmap::plan(&self.nodes.slots(), &members, self.config.own);
        let Some(reason) = self.reason(&members, &vnnmap) else {
            return self.stop_waiting();
        };
        self.abort(&reason, fx);
        let since = *self.waiting_since.get_or_insert(now);
        let start_at = (since + self.patience(&members)).max(self.paused_until());
        if now < start_at {
            self.timers.set(Timer::Settle, start_at);
        } else {
            self.begin(now, members, vnnmap, reason, fx);
        }
    }

    /// How long to wait for nodes that are about to take part. Most often the news that a node follows a
    /// new leader is just under way; without waiting, its records would be dropped.
    fn patience(&self, fit: &[Pnn]) -> Duration {
        let members = &self.member.composition().members;
        let is_served = self.member.in_force() != Generation::INVALID;
        let only_grows = || members.iter().all(|pnn| fit.contains(pnn)) && self.wanted.is_none();
        match self.nodes.arriving(self.claim(), members) {
            None if members.iter().any(|pnn| self.lost.contains(pnn)) => LINK_GRACE,
            None if is_served && fit.len() > members.len() && only_grows() => JOIN_GRACE,
            None => Duration::ZERO,
            Some(Arriving::Newcomer) => SETTLE,
            Some(Arriving::Holder) => self.config.timing.dead_after * 2,
        }
    }

    /// The end of the pause that the admin's `RerecoveryTimeout` asks for; in the past without it.
    fn paused_until(&self) -> Instant {
        let (_, ended) = self.member.times();
        ended.map_or(Instant::ZERO, |ended| {
            ended + self.config.timing.rerecovery_pause
        })
    }

    fn stop_waiting(&mut self) {
        self.waiting_since = None;
        self.timers.stop(&Timer::Settle);
    }

    /// Why the composition in force, or being recovered, will not do.
    fn reason(&self, members: &[Pnn], vnnmap: &[Pnn]) -> Option<String> {
        if let Some(reason) = &self.wanted {
            return Some(reason.clone());
        }
        let composition = match &self.recovery {
            Some(recovery) => recovery.composition(),
            None => self.member.composition(),
        };
        if self.recovery.is_none() && self.member.in_force() == Generation::INVALID {
            return Some("this node serves no composition".into());
        }
        let old = &composition.members;
        if let Some(joined) = members.iter().find(|pnn| !old.contains(pnn)) {
            return Some(format!("node {joined} joined"));
        }
        if let Some(left) = old.iter().find(|pnn| !members.contains(pnn)) {
            return Some(format!("node {left} left"));
        }
        if composition.vnnmap != vnnmap {
            return Some("other nodes may be lmaster".into());
        }
        if self.recovery.is_some() {
            return None;
        }
        let generation = composition.generation;
        let astray = members.iter().find(|pnn| {
            self.nodes.committed(**pnn) != generation && !self.unconfirmed.contains(pnn)
        })?;
        Some(format!("node {astray} does not serve this composition"))
    }

    fn begin(
        &mut self,
        now: Instant,
        members: Vec<Pnn>,
        vnnmap: Vec<Pnn>,
        reason: String,
        fx: &mut Effects<Effect>,
    ) {
        self.wanted = None;
        self.stop_waiting();
        self.unconfirmed.clear();
        self.timers.stop(&Timer::Confirm);
        self.timers
            .set(Timer::Step, now + self.config.timing.recovery_timeout);
        let generation = self.next_generation();
        self.member.saw(generation);
        let composition = Composition {
            generation,
            members,
            vnnmap,
        };
        self.recovery = Some(Recovery::new(now, composition.clone()));
        fx.push(Effect::Log(Notice::RecoveryStarted {
            generation,
            reason: reason.clone(),
        }));
        let term = self.claim().term;
        self.order(
            &MembershipMessage::Prepare {
                term,
                composition,
                reason,
            },
            fx,
        );
    }

    /// A name that no composition has had: the next number above all known ones, and a nonce.
    fn next_generation(&mut self) -> Generation {
        let known = self.member.highest();
        let number = if known <= Generation::INVALID {
            // The upper half is left for what is to come.
            2 + self.rng.below(1 << 31) as u32
        } else {
            known.number + 1
        };
        Generation::new(number, self.rng.next_u64() as u32)
    }

    /// Gives up a recovery under way.
    pub(super) fn abort(&mut self, reason: &str, fx: &mut Effects<Effect>) {
        self.timers.stop(&Timer::Step);
        if let Some(recovery) = self.recovery.take() {
            fx.push(Effect::Log(Notice::RecoveryAborted {
                generation: recovery.generation(),
                reason: reason.into(),
            }));
        }
    }

    /// Sends an order to all members of the recovery.
    fn order(&mut self, message: &MembershipMessage, fx: &mut Effects<Effect>) {
        let Some(recovery) = &self.recovery else {
            return;
        };
        for peer in recovery.composition().members.clone() {
            self.send(peer, message.clone(), fx);
        }
    }

    /// Whether a recovery is under way that will do for one more wish.
    pub(super) fn is_preparing(&self) -> bool {
        self.recovery.as_ref().is_some_and(Recovery::is_preparing)
    }

    /// A member answered `Prepare`.
    pub(super) fn prepared(
        &mut self,
        now: Instant,
        peer: Pnn,
        generation: Generation,
        answer: Answer,
        fx: &mut Effects<Effect>,
    ) {
        let Some(recovery) = self.matching(generation) else {
            return;
        };
        let seen = answer.prepared.generation;
        if seen.number > NUMBER_MAX {
            return refuse(peer, "an impossible generation", fx);
        }
        if seen >= generation {
            self.member.saw(seen);
            self.wanted = Some(format!("node {peer} has seen generation {seen}"));
            return;
        }
        let rebuild = recovery.prepared(peer, answer);
        let scope = match recovery.scope() {
            Scope::Whole => "all that nodes hold",
            Scope::Touched(_) => "what the change of members touched",
        };
        self.strikes.remove(&peer);
        if let Some(rebuild) = rebuild {
            fx.push(Effect::Log(Notice::RecoveryScope {
                generation,
                scope: scope.into(),
            }));
            self.progress(now, &rebuild, fx);
        }
    }

    /// An lmaster is ready.
    pub(super) fn ready(
        &mut self,
        now: Instant,
        peer: Pnn,
        generation: Generation,
        (db, whole): (DbId, bool),
        fx: &mut Effects<Effect>,
    ) {
        let Some(recovery) = self.matching(generation) else {
            return;
        };
        if let Some(serve) = recovery.ready(peer, db, whole) {
            self.progress(now, &serve, fx);
        } else if recovery.is_done() {
            self.finish(now, fx);
        }
    }

    fn matching(&mut self, generation: Generation) -> Option<&mut Recovery> {
        self.recovery
            .as_mut()
            .filter(|recovery| recovery.generation() == generation)
    }

    /// Gives an order; ends the recovery if it was the last.
    fn progress(&mut self, now: Instant, message: &MembershipMessage, fx: &mut Effects<Effect>) {
        self.timers
            .set(Timer::Step, now + self.config.timing.recovery_timeout);
        self.order(message, fx);
        if self.recovery.as_ref().is_some_and(Recovery::is_done) {
            self.finish(now, fx);
        }
    }

    fn finish(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        let Some(recovery) = self.recovery.clone() else {
            return;
        };
        let generation = recovery.generation();
        self.order(&MembershipMessage::Commit { generation }, fx);
        self.recovery = None;
        self.strikes.clear();
        self.unconfirmed = recovery.composition().members.iter().copied().collect();
        self.timers.stop(&Timer::Step);
        // A member that is connected says how it is at least once in this time.
        self.timers
            .set(Timer::Confirm, now + self.config.timing.dead_after * 2);
        let took = now.since(recovery.began());
        fx.push(Effect::Log(Notice::RecoveryFinished {
            generation,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            databases: recovery.databases(),
        }));
    }

    /// The deadline has come, perhaps.
    pub(super) fn timeout(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        if self.flags.is_ban_over(now) {
            self.ban(now, 0, String::new(), fx);
        }
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                // Looked at after every input.
                Timer::Settle => {}
                Timer::Confirm => self.unconfirmed.clear(),
                Timer::Step => self.step_timeout(now, fx),
            }
        }
    }

    /// Repeats the recovery. Who leaves `Prepare` unanswered again and again, though connected, is
    /// banned; a late `Ready` is no offence, since a client that sits on a record lock can cause it.
    fn step_timeout(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        let silent = self.recovery.as_ref().map(Recovery::silent);
        self.wanted = Some("a step took too long".into());
        for peer in silent.unwrap_or_default() {
            let (count, last) = self.strikes.entry(peer).or_insert((0, now));
            if now.since(*last) > self.config.bans.grace {
                *count = 0;
            }
            *last = now;
            *count += 1;
            if *count < STRIKES_MAX || !self.config.bans.enabled {
                continue;
            }
            self.strikes.remove(&peer);
            let seconds = self.config.bans.period_s;
            let reason = format!("{STRIKES_MAX} recoveries in a row left unanswered");
            fx.push(Effect::Log(Notice::Banned {
                node: peer,
                seconds,
                reason: reason.clone(),
            }));
            self.send(peer, MembershipMessage::Ban { seconds, reason }, fx);
        }
    }
}
