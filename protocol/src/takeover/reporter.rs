//! Keeps the leader's picture of this node's addresses up to date: a report goes out when it changed, when
//! the leader or its term changed, and again until the leader has noted it.

use super::message::{KnownAddress, TakeoverMessage};
use super::pace::Pace;
use crate::id::{Pnn, Term};
use crate::time::Instant;
use alloc::vec::Vec;
use core::time::Duration;

/// Between reports of a burst of changes.
const GAP: Duration = Duration::from_millis(5);
/// After this time without an answer a report is sent again.
const RESEND_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Reporter {
    leader: Option<(Pnn, Term)>,
    /// Of the last report.
    number: u64,
    last: Option<(u64, Vec<KnownAddress>)>,
    pace: Pace,
    /// The next report goes out even if it says nothing new.
    forced: bool,
    resend_at: Option<Instant>,
}

impl Reporter {
    pub(super) const fn new() -> Self {
        Self {
            leader: None,
            number: 0,
            last: None,
            pace: Pace::new(GAP),
            forced: false,
            resend_at: None,
        }
    }

    pub(super) const fn leader(&self) -> Option<(Pnn, Term)> {
        self.leader
    }

    pub(super) fn follow(&mut self, now: Instant, leader: Option<(Pnn, Term)>) {
        self.leader = leader;
        self.force(now);
    }

    /// Sends a report whatever it says.
    pub(super) fn force(&mut self, now: Instant) {
        self.forced = true;
        self.pace.want(now);
    }

    /// Something in it changed.
    pub(super) fn changed(&mut self, now: Instant) {
        self.pace.want(now);
    }

    /// Something in it changed that nobody waits for.
    pub(super) fn changed_slightly(&mut self, now: Instant) {
        self.pace.want_soon(now);
    }

    /// It changed and there is no time to wait for more.
    pub(super) fn changed_at_last(&mut self, now: Instant) {
        self.pace.want_at(now);
    }

    /// Number of the next report: plans that know of it or a later one know this node as it is now.
    pub(super) const fn next_number(&self) -> u64 {
        self.number + 1
    }

    /// The leader knows the report.
    pub(super) fn noted(&mut self, number: u64) {
        if number == self.number {
            self.resend_at = None;
        }
    }

    /// The report that is due; `addresses` is asked only then.
    pub(super) fn due(
        &mut self,
        now: Instant,
        sequence: u64,
        addresses: impl FnOnce() -> Vec<KnownAddress>,
    ) -> Option<(Pnn, TakeoverMessage)> {
        let (leader, term) = self.leader?;
        let again = self.resend_at.is_some_and(|at| at <= now);
        if !self.pace.take(now) && !again {
            return None;
        }
        let addresses = addresses();
        let news = match &self.last {
            Some((told, last)) => *told != sequence || *last != addresses,
            None => true,
        };
        if !news && !again && !self.forced {
            return None;
        }
        self.forced = false;
        self.number += 1;
        self.resend_at = Some(now + RESEND_AFTER);
        self.last = Some((sequence, addresses.clone()));
        let report = TakeoverMessage::Report {
            term,
            sequence,
            number: self.number,
            addresses,
        };
        Some((leader, report))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.leader?;
        [self.pace.deadline(), self.resend_at]
            .into_iter()
            .flatten()
            .min()
    }
}
