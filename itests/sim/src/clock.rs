//! The monotonic clock of one process: it starts at the process's start and runs up to 1 % fast or slow.
//!
//! Wall clocks do not occur: no machine has an input that carries one, so steps of them can't matter.

use ctdb_protocol::time::Instant;

/// Microseconds of the world's time.
pub type Micros = u64;

/// A millisecond.
pub const MS: Micros = 1_000;
/// A second.
pub const SEC: Micros = 1_000_000;

/// Parts in a million, the unit of [`Clock::ppm`].
const MILLION: i128 = 1_000_000;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// When the process started.
    pub born: Micros,
    /// How much faster than the world it runs, in parts per million; at most 10,000 either way.
    pub ppm: i32,
}

impl Clock {
    /// What the process reads at `now`.
    pub fn local(self, now: Micros) -> Instant {
        let lived = i128::from(now.saturating_sub(self.born));
        let shown = lived * (MILLION + i128::from(self.ppm)) / MILLION;
        Instant::from_micros(u64::try_from(shown).unwrap_or(0))
    }

    /// The first moment at which the process reads `local` or more.
    pub fn world(self, local: Instant) -> Micros {
        let rate = MILLION + i128::from(self.ppm);
        let shown = i128::from(local.as_micros());
        let lived = (shown * MILLION + rate - 1) / rate;
        self.born.saturating_add(u64::try_from(lived).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_come_at_its_moment_and_not_before() {
        for ppm in [-10_000, -17, 0, 3, 10_000] {
            let clock = Clock { born: 12_345, ppm };
            for micros in [1, 999, 100_000, 1_150_001] {
                let local = Instant::from_micros(micros);
                let at = clock.world(local);
                assert!(clock.local(at) >= local);
                assert!(clock.local(at - 1) < local);
            }
        }
    }
}
