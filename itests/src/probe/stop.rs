//! When a probe ends.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After a time, or earlier when standard input ends.
#[derive(Debug, Clone)]
pub struct Stop {
    until: Instant,
    input_ended: Arc<AtomicBool>,
}

impl Stop {
    /// At the latest after `limit`.
    pub fn after(limit: Duration) -> Self {
        Self {
            until: Instant::now() + limit,
            input_ended: Arc::default(),
        }
    }

    /// Also when standard input ends. A thread reads it from now on.
    #[must_use]
    pub fn or_end_of_input(self) -> Self {
        let ended = Arc::clone(&self.input_ended);
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while std::io::stdin()
                .read(&mut buffer)
                .is_ok_and(|count| count > 0)
            {}
            ended.store(true, Ordering::Relaxed);
        });
        self
    }

    /// Whether it is time.
    pub fn reached(&self) -> bool {
        self.input_ended.load(Ordering::Relaxed) || Instant::now() >= self.until
    }
}
