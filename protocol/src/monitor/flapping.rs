//! Damping of a node whose health flaps.
//!
//! Each fall moves the node's addresses away and each return moves some back, so a service that dies every
//! minute would disturb clients for ever. The first two falls within [`WINDOW`] cost nothing; from the third
//! on the checks must pass for a while before the node is healthy again, longer with each fall. 4.17 has no
//! such thing.

use crate::time::Instant;
use alloc::collections::VecDeque;
use core::time::Duration;

/// Falls older than this are forgotten.
const WINDOW: Duration = Duration::from_secs(600);
/// Falls that have no consequence.
const FALLS_FREE: usize = 2;
/// For how long checks must pass after the first fall that has one; doubled with each further fall.
const HOLD_MIN: Duration = Duration::from_secs(10);
/// Longest time for which they must pass.
const HOLD_MAX: Duration = Duration::from_secs(300);

/// The recent falls, and since when all is well again.
#[derive(Clone, Debug, Default)]
pub(super) struct Flapping {
    /// When the node became unhealthy, oldest first, within [`WINDOW`].
    falls: VecDeque<Instant>,
    /// When the first check of the present row of good ones passed, while the node is unhealthy.
    fit_since: Option<Instant>,
}

impl Flapping {
    /// The node became unhealthy.
    pub(super) fn fell(&mut self, now: Instant) {
        while self.falls.front().is_some_and(|at| now.since(*at) > WINDOW) {
            self.falls.pop_front();
        }
        self.falls.push_back(now);
        self.fit_since = None;
    }

    /// A check failed while the node was unhealthy.
    pub(super) const fn unfit(&mut self) {
        self.fit_since = None;
    }

    /// A check passed while the node was unhealthy: when the node may be healthy again.
    pub(super) fn fit(&mut self, now: Instant) -> Instant {
        *self.fit_since.get_or_insert(now) + self.hold()
    }

    /// The node is healthy again.
    pub(super) const fn rose(&mut self) {
        self.fit_since = None;
    }

    /// Checks pass, and the node is held back.
    pub(super) const fn is_holding(&self) -> bool {
        self.fit_since.is_some()
    }

    /// Recent falls.
    pub(super) fn falls(&self) -> usize {
        self.falls.len()
    }

    fn hold(&self) -> Duration {
        match self.falls.len().checked_sub(FALLS_FREE + 1) {
            None => Duration::ZERO,
            Some(more) => {
                let factor = u32::try_from(more)
                    .ok()
                    .and_then(|more| 1_u32.checked_shl(more));
                factor.map_or(HOLD_MAX, |factor| {
                    HOLD_MIN.saturating_mul(factor).min(HOLD_MAX)
                })
            }
        }
    }
}
