//! The cluster lock: a lock on the cluster filesystem, and the keeper processes before it.
//!
//! A keeper holds the lock as long as bytes come from its worker (`actors/src/lock.rs`), and a stopped worker
//! sends none. The cluster filesystem has its own network: cuts do not reach it.

use crate::clock::{MS, Micros};
use crate::event::{Event, KeeperId, Mail, Work};
use crate::sabotage::Sabotage;
use crate::world::World;
use ctdb_protocol::election::io::{Input, LockResult};
use ctdb_protocol::heartbeat;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::time::Instant;
use std::collections::BTreeMap;

/// Pings within the keeper's patience, as the worker's.
const PINGS_A_HOLD: u32 = 10;

/// The digit of a helper that holds the lock.
const HELD: u8 = b'0';
/// Another one holds it.
const CONTENDED: u8 = b'1';
/// The helper can't tell.
const FAILED: u8 = b'3';
/// The answer to a ping.
const PONG: u8 = b'.';

/// All keepers and the holder among them.
#[derive(Debug, Default)]
pub struct LockService {
    keepers: BTreeMap<KeeperId, Keeper>,
    holder: Option<KeeperId>,
    started: KeeperId,
    /// Faults: longest extra time of an answer; helpers fail.
    pub(crate) slow: Micros,
    pub(crate) broken: bool,
}

#[derive(Debug)]
struct Keeper {
    node: Pnn,
    life: u32,
    number: u64,
    last_ping: Micros,
    holds: bool,
}

/// The worker's side of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    number: u64,
    keeper: KeeperId,
    answered: bool,
    sent: Instant,
    sent_before: Instant,
    outstanding: bool,
}

impl World {
    pub(crate) fn take_lock(&mut self, pnn: Pnn) {
        self.end_attempt(pnn);
        let now = self.bench.now;
        self.lock.started += 1;
        let keeper = self.lock.started;
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        process.attempts += 1;
        let (number, life) = (process.attempts, process.life);
        let local = process.clock.local(now);
        process.attempt = Some(Attempt {
            number,
            keeper,
            answered: false,
            sent: local,
            sent_before: local,
            outstanding: false,
        });
        let new = Keeper {
            node: pnn,
            life,
            number,
            last_ping: now,
            holds: false,
        };
        self.lock.keepers.insert(keeper, new);
        let wait = self.bench.between(2 * MS, 20 * MS) + self.lock_delay();
        self.bench.after(wait, Event::KeeperTries(keeper));
        let patience = self.lock_hold();
        self.bench.after(patience, Event::KeeperPatience(keeper));
        self.lock_ping(pnn, number);
    }

    fn lock_delay(&mut self) -> Micros {
        self.bench.rng.below(self.lock.slow + 1)
    }

    fn lock_hold(&self) -> Micros {
        self.timing.lock_hold.as_micros() as Micros
    }

    /// Gives the lock up, or ends the attempt.
    pub(crate) fn end_attempt(&mut self, pnn: Pnn) {
        let process = self.nodes[pnn.0 as usize].process.as_mut();
        if let Some(attempt) = process.and_then(|process| process.attempt.take()) {
            let wait = self.bench.between(100, 5 * MS);
            self.bench.after(wait, Event::KeeperEnd(attempt.keeper));
        }
    }

    pub(crate) fn lock_ping(&mut self, pnn: Pnn, number: u64) {
        let now = self.bench.now;
        let every = self.lock_hold() / Micros::from(PINGS_A_HOLD);
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let (life, local) = (process.life, process.clock.local(now));
        let Some(attempt) = process.attempt.as_mut().filter(|a| a.number == number) else {
            return;
        };
        self.bench.work(every, pnn, life, Work::LockPing { number });
        if attempt.answered && attempt.outstanding {
            return;
        }
        attempt.sent_before = attempt.sent;
        attempt.sent = local;
        attempt.outstanding = true;
        let keeper = attempt.keeper;
        let pipe = self.bench.between(20, 500);
        self.bench.after(pipe, Event::KeeperPing(keeper));
    }

    pub(crate) fn lock_byte(&mut self, pnn: Pnn, number: u64, byte: Option<u8>) {
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let Some(attempt) = process.attempt.as_mut().filter(|a| a.number == number) else {
            return;
        };
        let Some(byte) = byte else {
            let held = attempt.answered;
            self.end_attempt(pnn);
            let reason = String::from("its output ended");
            let input = if held {
                Input::LockLost { reason }
            } else {
                Input::Lock(LockResult::Failed(reason))
            };
            return self.post(pnn, Mail::Election(input));
        };
        attempt.outstanding = false;
        if attempt.answered {
            let proven = heartbeat::io::Input::LockProven(attempt.sent_before);
            return self.post(pnn, Mail::Heartbeat(proven));
        }
        attempt.answered = true;
        let result = match byte {
            HELD => {
                let proven = heartbeat::io::Input::LockProven(attempt.sent);
                self.post(pnn, Mail::Heartbeat(proven));
                LockResult::Held
            }
            CONTENDED => {
                self.end_attempt(pnn);
                LockResult::Contended
            }
            _ => {
                self.end_attempt(pnn);
                LockResult::Failed(String::from("the helper reports an error"))
            }
        };
        self.post(pnn, Mail::Election(Input::Lock(result)));
    }

    // ---- the keepers

    fn keeper_says(&mut self, keeper: KeeperId, byte: Option<u8>) {
        // That a keeper is gone, its kernel tells; however slow the cluster filesystem is.
        let slow = if byte.is_some() {
            self.lock_delay() / 4
        } else {
            0
        };
        let wait = self.bench.between(20, 500) + slow;
        if let Some(Keeper {
            node, life, number, ..
        }) = self.lock.keepers.get(&keeper)
        {
            let work = Work::LockByte {
                number: *number,
                byte,
            };
            self.bench.work(wait, *node, *life, work);
        }
    }

    pub(crate) fn keeper_tries(&mut self, id: KeeperId) {
        let Some(keeper) = self.lock.keepers.get_mut(&id) else {
            return;
        };
        let everybody = self.bench.options.sabotage == Some(Sabotage::LockForEverybody);
        let digit = if self.lock.broken {
            FAILED
        } else if self.lock.holder.is_none() || everybody {
            keeper.holds = true;
            self.lock.holder = Some(id);
            HELD
        } else {
            CONTENDED
        };
        self.keeper_says(id, Some(digit));
        if digit != HELD {
            self.lock.keepers.remove(&id);
        }
    }

    pub(crate) fn keeper_ping(&mut self, id: KeeperId) {
        let now = self.bench.now;
        let Some(keeper) = self.lock.keepers.get_mut(&id) else {
            return;
        };
        keeper.last_ping = now;
        if keeper.holds {
            self.keeper_says(id, Some(PONG));
        }
    }

    pub(crate) fn keeper_patience(&mut self, id: KeeperId) {
        let Some(keeper) = self.lock.keepers.get(&id) else {
            return;
        };
        let ends = keeper.last_ping + self.lock_hold();
        if ends > self.bench.now {
            self.bench.at(ends, Event::KeeperPatience(id));
        } else {
            self.bench.census.count("lock.patience_ended");
            self.keeper_end(id);
        }
    }

    pub(crate) fn keeper_end(&mut self, id: KeeperId) {
        self.keeper_says(id, None);
        self.lock.keepers.remove(&id);
        if self.lock.holder == Some(id) {
            self.lock.holder = None;
        }
    }

    /// The helper of the holder dies, if there is one.
    pub(crate) fn steal_lock(&mut self) {
        if let Some(holder) = self.lock.holder {
            self.keeper_end(holder);
        }
    }

    /// The worker of `pnn` is gone; its keepers notice in `within`.
    pub(crate) fn orphan_keepers(&mut self, pnn: Pnn, within: Micros) {
        let orphans: Vec<KeeperId> = self
            .lock
            .keepers
            .iter()
            .filter(|(_, keeper)| keeper.node == pnn)
            .map(|(id, _)| *id)
            .collect();
        for id in orphans {
            self.bench.after(within, Event::KeeperEnd(id));
        }
    }
}
