//! When to refresh the gate, and when a refresh came too late. Pure: the caller reads the clock.
//!
//! `until` is the last instant at which this node may answer for its addresses. Each refresh is given a life of at most
//! `gate` and never beyond `until`, counted from a clock reading before it; so the gate is shut at `until` even if this
//! process no longer runs. What a stop between the reading and the sending would add is found by `refreshed`.

use std::time::{Duration, Instant};

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Refresh the gate with this life time, then call `refreshed`.
    Refresh(Duration),
    /// The lease ended that long ago: shut everything. Told once.
    Expire(Duration),
    /// Nothing before that (none: nothing at all).
    Wait(Option<Duration>),
}

/// What a refresh was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// In time; the flag says that the lease was dead before.
    Kept {
        /// The lease was dead before.
        regained: bool,
    },
    /// It came that much too late and may have opened the gate: shut it at once.
    Late(Duration),
    /// It failed.
    Failed,
}

#[derive(Debug)]
pub(crate) struct LeasePlan {
    gate: Duration,
    interval: Duration,
    until: Option<Instant>,
    /// The last good refresh holds till then.
    open_till: Option<Instant>,
    next: Option<Instant>,
    alive: bool,
    /// The lease ended that long before it was extended; not told yet.
    lapsed: Option<Duration>,
}

impl LeasePlan {
    pub(crate) fn new(gate: Duration, interval: Duration) -> Self {
        Self {
            gate,
            interval,
            until: None,
            open_till: None,
            next: None,
            alive: false,
            lapsed: None,
        }
    }

    /// Gives a new end; the last one given counts.
    ///
    /// If the old end has passed unnoticed (a stop), the new one does not bridge the gap: others may have taken over in
    /// it, so the lease is told to have expired before it is regained.
    pub(crate) fn extend(&mut self, until: Instant, now: Instant) {
        if let Some(old) = self.until.filter(|old| self.alive && now >= *old) {
            self.withdraw();
            self.lapsed = Some(now - old);
        }
        self.until = Some(until);
        // A refresh that was cut short by the old end must not wait for its turn.
        if self.next.is_none_or(|next| {
            self.open_till
                .is_none_or(|till| till < next + self.interval)
        }) {
            self.next = None;
        }
    }

    /// Makes the next refresh due at once: the gate was built again and is shut.
    pub(crate) fn refresh_soon(&mut self) {
        self.next = None;
    }

    /// Ends the lease without an `Expire`.
    pub(crate) fn withdraw(&mut self) {
        *self = Self::new(self.gate, self.interval);
    }

    /// True while the addresses may be answered for.
    pub(crate) fn alive_at(&self, now: Instant) -> bool {
        self.alive && self.until.is_some_and(|until| now < until)
    }

    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if let Some(late) = self.lapsed.take() {
            return Step::Expire(late);
        }
        let Some(until) = self.until else {
            return Step::Wait(None);
        };
        if now >= until {
            let was_alive = self.alive;
            self.withdraw();
            return if was_alive {
                Step::Expire(now - until)
            } else {
                Step::Wait(None)
            };
        }
        match self.next {
            Some(next) if now < next => Step::Wait(Some(next.min(until) - now)),
            _ => {
                let life = self.gate.min(until - now);
                self.next = Some(now + self.interval);
                self.open_till = Some(now + life);
                Step::Refresh(life)
            }
        }
    }

    /// Judges the refresh that `step` asked for, by the clock read after it.
    pub(crate) fn refreshed(&mut self, after: Instant, succeeded: bool) -> Verdict {
        match self.until {
            Some(until) if after < until => {}
            until => {
                self.withdraw();
                return Verdict::Late(until.map_or(Duration::ZERO, |until| after - until));
            }
        }
        if !succeeded {
            return Verdict::Failed;
        }
        Verdict::Kept {
            regained: !std::mem::replace(&mut self.alive, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn plan() -> (LeasePlan, Instant) {
        (LeasePlan::new(ms(400), ms(100)), Instant::now())
    }

    #[test]
    fn refreshes_every_interval_and_never_beyond_the_end() {
        let (mut plan, start) = plan();
        assert_eq!(plan.step(start), Step::Wait(None));
        plan.extend(start + ms(550), start);
        assert_eq!(plan.step(start), Step::Refresh(ms(400)));
        assert_eq!(
            plan.refreshed(start + ms(1), true),
            Verdict::Kept { regained: true }
        );
        assert_eq!(plan.step(start + ms(1)), Step::Wait(Some(ms(99))));
        assert_eq!(plan.step(start + ms(100)), Step::Refresh(ms(400)));
        assert_eq!(
            plan.refreshed(start + ms(101), true),
            Verdict::Kept { regained: false }
        );
        assert_eq!(plan.step(start + ms(480)), Step::Refresh(ms(70)));
        assert_eq!(
            plan.refreshed(start + ms(481), true),
            Verdict::Kept { regained: false }
        );
        assert_eq!(plan.step(start + ms(490)), Step::Wait(Some(ms(60))));
        assert!(plan.alive_at(start + ms(549)) && !plan.alive_at(start + ms(550)));
        assert_eq!(plan.step(start + ms(553)), Step::Expire(ms(3)));
        assert_eq!(plan.step(start + ms(554)), Step::Wait(None));
    }

    #[test]
    fn a_refresh_cut_short_is_repeated_as_soon_as_the_lease_is_extended() {
        let (mut plan, start) = plan();
        plan.extend(start + ms(50), start);
        assert_eq!(plan.step(start), Step::Refresh(ms(50)));
        plan.refreshed(start, true);
        plan.extend(start + ms(900), start);
        assert_eq!(plan.step(start + ms(10)), Step::Refresh(ms(400)));
        plan.refreshed(start + ms(10), true);
        plan.extend(start + ms(950), start);
        assert_eq!(plan.step(start + ms(20)), Step::Wait(Some(ms(90))));
    }

    #[test]
    fn stopped_before_the_refresh_nothing_is_sent() {
        let (mut plan, start) = plan();
        plan.extend(start + ms(300), start);
        plan.step(start);
        plan.refreshed(start, true);
        // Stopped for ten seconds; the steps that were due in between are not made up for.
        assert_eq!(plan.step(start + ms(10_000)), Step::Expire(ms(9_700)));
    }

    #[test]
    fn an_extension_does_not_bridge_a_gap() {
        let (mut plan, start) = plan();
        plan.extend(start + ms(300), start);
        plan.step(start);
        plan.refreshed(start, true);
        plan.extend(start + ms(10_600), start + ms(10_000));
        assert_eq!(plan.step(start + ms(10_000)), Step::Expire(ms(9_700)));
        assert_eq!(plan.step(start + ms(10_001)), Step::Refresh(ms(400)));
        assert_eq!(
            plan.refreshed(start + ms(10_002), true),
            Verdict::Kept { regained: true }
        );
    }

    #[test]
    fn stopped_inside_the_refresh_it_is_found_late() {
        let (mut plan, start) = plan();
        plan.extend(start + ms(300), start);
        assert_eq!(plan.step(start), Step::Refresh(ms(300)));
        assert_eq!(
            plan.refreshed(start + ms(5_000), true),
            Verdict::Late(ms(4_700))
        );
        assert!(!plan.alive_at(start));
        assert_eq!(plan.step(start + ms(5_001)), Step::Wait(None));
    }

    #[test]
    fn a_failed_refresh_is_tried_again_an_interval_later() {
        let (mut plan, start) = plan();
        plan.extend(start + ms(900), start);
        plan.step(start);
        assert_eq!(plan.refreshed(start, false), Verdict::Failed);
        assert!(!plan.alive_at(start));
        assert_eq!(plan.step(start), Step::Wait(Some(ms(100))));
        assert_eq!(plan.step(start + ms(100)), Step::Refresh(ms(400)));
    }
}
