//! The keys whose records came to this node most often within a second: `DB_STATISTICS`.

use ctdb_protocol::client::db_statistics::{HOT_KEYS, HotKey};
use ctdb_protocol::wire::bytes::Bytes;
use std::array;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Over which migrations of a key are counted, as in 4.17.
const WINDOW: Duration = Duration::from_secs(1);

/// Keys counted at once; further ones are not counted until old windows end. A hot key comes again and again, so
/// that it finds room sooner or later.
const COUNTED_MAX: usize = 4_096;

/// Migrations of one key since `since`.
#[derive(Debug)]
struct Window {
    since: Instant,
    count: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HotKeys {
    counted: HashMap<Bytes, Window>,
    /// The hottest so far in ascending order of their counts.
    hottest: Vec<HotKey>,
}

impl HotKeys {
    /// A record came to this node.
    pub(super) fn came(&mut self, key: &Bytes, now: Instant) {
        if let Some(count) = self.count(key, now) {
            self.note(key, count);
        }
    }

    /// The table as clients are shown it: ascending, then unused entries, as in 4.17.
    pub(super) fn shown(&self) -> [HotKey; HOT_KEYS] {
        array::from_fn(|at| self.hottest.get(at).cloned().unwrap_or_default())
    }

    fn count(&mut self, key: &Bytes, now: Instant) -> Option<u32> {
        if let Some(window) = self.counted.get_mut(key) {
            if now.saturating_duration_since(window.since) >= WINDOW {
                *window = Window {
                    since: now,
                    count: 0,
                };
            }
            window.count += 1;
            return Some(window.count);
        }
        if self.counted.len() >= COUNTED_MAX {
            self.counted
                .retain(|_, window| now.saturating_duration_since(window.since) < WINDOW);
        }
        if self.counted.len() >= COUNTED_MAX {
            return None;
        }
        let window = Window {
            since: now,
            count: 1,
        };
        self.counted.insert(key.clone(), window);
        Some(1)
    }

    fn note(&mut self, key: &Bytes, count: u32) {
        if self.hottest.len() == HOT_KEYS && count <= self.hottest[0].count {
            return;
        }
        let known = self.hottest.iter().position(|hot| hot.key == **key);
        match known {
            Some(at) if self.hottest[at].count >= count => return,
            Some(at) => self.hottest[at].count = count,
            None => {
                if self.hottest.len() == HOT_KEYS {
                    self.hottest.remove(0);
                }
                let key = key.to_vec();
                self.hottest.push(HotKey { count, key });
            }
        }
        self.hottest.sort_by_key(|hot| hot.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Bytes {
        number.to_le_bytes().to_vec().into()
    }

    #[test]
    fn the_hottest_keys_of_any_second_are_kept_in_order() {
        let mut keys = HotKeys::default();
        let begin = Instant::now();
        for number in 0..20 {
            for _ in 0..=number {
                keys.came(&key(number), begin);
            }
        }
        let counts = keys.shown().map(|hot| hot.count);
        assert_eq!(counts, [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        // A key that comes once in a while is not hot, however long that goes on.
        for second in 1..100 {
            keys.came(&key(77), begin + WINDOW * second);
        }
        assert!(keys.shown().iter().all(|hot| hot.key != *key(77)));
    }

    #[test]
    fn unused_entries_stand_last() {
        let mut keys = HotKeys::default();
        keys.came(&key(5), Instant::now());
        let shown = keys.shown();
        assert_eq!(shown[0].key, *key(5));
        assert!(shown[1..].iter().all(|hot| *hot == HotKey::default()));
    }

    #[test]
    fn many_keys_take_bounded_room() {
        let mut keys = HotKeys::default();
        let begin = Instant::now();
        for number in 0..3 * COUNTED_MAX as u32 {
            keys.came(&key(number), begin);
        }
        assert_eq!(keys.counted.len(), COUNTED_MAX);
        keys.came(&key(u32::MAX), begin + WINDOW);
        assert_eq!(keys.counted.len(), 1, "old windows made room");
    }
}
