//! What happened, one line per event, and a hash of it all.
//!
//! ```text
//!   12.345678 n2 heartbeat  NodeDead …      a machine's log record
//!             ▲
//!             n2 the node, ── the world
//!   12.345678 n2 ◄ n0 Membership(Prepare …  a packet is read (keepalives are left out)
//!   12.345678 ──  fault  Pause              a fault begins; `mend` it ends
//!   12.345678 n2 kernel  Add(10.0.0.1)      an address order; `lease` its end or return
//! ```

use crate::clock::{Micros, SEC};
use ctdb_protocol::id::Pnn;
use std::collections::VecDeque;
use std::fmt::Display;

/// Lines kept; the oldest go first.
const LINES_MAX: usize = 20_000;

/// See the module.
#[derive(Debug)]
pub struct Trace {
    on: bool,
    lines: VecDeque<String>,
    hash: u64,
}

impl Trace {
    /// Keeps lines only if `on`; the hash is always kept.
    pub fn new(on: bool) -> Self {
        Self {
            on,
            lines: VecDeque::new(),
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Takes a number into the hash (FNV-1a over 64-bit words).
    pub fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23);
    }

    /// Takes a text into the hash.
    pub fn mix_text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.mix(byte.into());
        }
    }

    /// The hash so far.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether lines are kept.
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Adds a line; `text` is made only if lines are kept.
    pub fn line<T: Display>(&mut self, now: Micros, node: Option<Pnn>, text: impl FnOnce() -> T) {
        if !self.on {
            return;
        }
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
        }
        let (seconds, micros) = (now / SEC, now % SEC);
        let place = node.map_or_else(|| String::from("──"), |pnn| format!("n{pnn}"));
        self.lines
            .push_back(format!("{seconds:4}.{micros:06} {place:3} {}", text()));
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
