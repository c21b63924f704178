//! Waiting for chains that other processes hold: one thread for all of them, no process, no polling.
//!
//! The thread sleeps on the futex words of all the mutexes it waits for at once (`futex_waitv`, Linux
//! 5.16). When one is released it takes the mutex itself, through a mapping of its own, and hands out a
//! [`Grant`]: the owner of the handle then works under [`Grant::lock`], which is bookkeeping only, and
//! dropping the grant lets the thread release the mutex. So a mutex is released by the thread that took
//! it, and it is robust like any other: should this process die, the kernel releases it.
//!
//! # Others who sleep on the same word
//!
//! glibc wakes one sleeper at an unlock, if a bit of the word says that somebody sleeps. A sleeper sets
//! the bit before it sleeps, and again when it gets the mutex after a sleep, since there may be more of
//! its kind. This thread does the same. Who was woken and does not want the mutex any more wakes the next.
//!
//! # Being overtaken
//!
//! A mutex goes to whoever is quicker, and a client that wants it again at once is quicker than anybody
//! who has to wake up first. Where a chain was lost so [`LOSSES`] times and for [`PATIENCE`], the file is
//! marked as wanted as a whole for [`MARK_MAX`] at most: libtdb's newcomers then wait in front, the next
//! release is ours, and the mark goes.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::ClockId;
use rustix::thread::futex::{self, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{Timespec, clock_gettime};

use crate::claims::{Armed, Taken};
use crate::error::{Error, Result};
use crate::locks::ChainLock;
use crate::mutexes::Mutexes;
use crate::tdb::Tdb;

/// Most words that the kernel takes at once, less the bell.
const WORDS_MAX: usize = 127;
/// Beyond that number the rest is looked at so often.
const REST_PAUSE: Duration = Duration::from_millis(5);
/// A chain was overtaken so often ...
const LOSSES: u32 = 3;
/// ... and for so long before newcomers are held back ...
const PATIENCE: Duration = Duration::from_millis(5);
/// ... for so long at most.
const MARK_MAX: Duration = Duration::from_millis(20);

/// A chain of a file that somebody waits for.
#[derive(Debug)]
pub struct Wanted {
    /// Chosen by the caller; comes back with the grant.
    pub ticket: u64,
    /// The file.
    pub mutexes: Arc<Mutexes>,
    /// The chain.
    pub chain: u32,
}

/// What the thread has to say.
#[derive(Debug)]
pub enum Turn {
    /// The chain is ours.
    Granted(Grant),
    /// It can't be had in this way: the mutex is damaged.
    Refused(u64),
}

#[derive(Debug)]
enum Order {
    Want(Wanted),
    Forget(u64),
    Release(Arc<Mutexes>, u32),
    End,
}

/// What owners of grants and the thread share.
#[derive(Debug, Default)]
struct Desk {
    orders: Mutex<Vec<Order>>,
    /// Counts the orders; the thread sleeps on it too.
    bell: AtomicU32,
}

impl Desk {
    fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        // Every change is one list operation: a panic elsewhere leaves the list whole.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, order: Order) {
        self.orders().push(order);
        self.bell.fetch_add(1, Ordering::Release);
        let _ = futex::wake(&self.bell, futex::Flags::empty(), 1);
    }
}

/// The handle of the thread, which ends with it.
#[derive(Debug)]
pub struct ChainWaiter {
    desk: Arc<Desk>,
}

impl ChainWaiter {
    /// Starts the thread, which calls `begin` first and then `turn` for each chain that was wanted. Fails
    /// where the kernel can't wait for many words.
    pub fn start(
        begin: impl FnOnce() + Send + 'static,
        turn: impl FnMut(Turn) + Send + 'static,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        // A word that is not as expected: the answer tells whether the call exists.
        let probe = [wait_for(&desk.bell, 1)];
        match futex::waitv(&probe, WaitvFlags::empty(), None, ClockId::Monotonic) {
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(io::ErrorKind::Unsupported.into()),
        }
        let waiting = Waiting {
            desk: Arc::clone(&desk),
            wants: VecDeque::new(),
            marks: Vec::new(),
            turn: Box::new(turn),
        };
        thread::Builder::new()
            .name("lock wait".into())
            .spawn(move || {
                begin();
                waiting.run();
            })?;
        Ok(Self { desk })
    }

    /// Waits for a chain, behind those that are wanted already.
    pub fn want(&self, wanted: Wanted) {
        self.desk.give(Order::Want(wanted));
    }

    /// The chain is not wanted any more. A grant may be on its way nevertheless.
    pub fn forget(&self, ticket: u64) {
        self.desk.give(Order::Forget(ticket));
    }
}

impl Drop for ChainWaiter {
    fn drop(&mut self) {
        self.desk.give(Order::End);
    }
}

/// A chain that is locked for us. Released by drop, in any thread.
#[derive(Debug)]
pub struct Grant {
    ticket: u64,
    mutexes: Arc<Mutexes>,
    chain: u32,
    desk: Arc<Desk>,
}

impl Grant {
    /// As it was wanted.
    pub const fn ticket(&self) -> u64 {
        self.ticket
    }

    /// The chain of `key` as a lock of `tdb`. Fails if that is another chain or another file.
    pub fn lock<'a>(&'a self, tdb: &'a Tdb, key: &'a [u8]) -> Result<ChainLock<'a>> {
        let chain = crate::jenkins_chain(key, tdb.hash_size().max(1));
        if tdb.id() != self.mutexes.file() || chain != self.chain {
            return Err(Error::Misuse {
                path: tdb.path().to_owned(),
                operation: "grant",
                why: format!("chain {} of another file or key was granted", self.chain),
            });
        }
        tdb.chain_mark(key)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let mutexes = Arc::clone(&self.mutexes);
        self.desk.give(Order::Release(mutexes, self.chain));
    }
}

/// A chain that the thread waits for.
struct Want {
    wanted: Wanted,
    since: Instant,
    /// How often it was woken and came too late.
    losses: u32,
    has_slept: bool,
}

/// A file in which newcomers are held back.
struct Mark {
    mutexes: Arc<Mutexes>,
    ticket: u64,
    until: Instant,
}

/// The thread.
struct Waiting {
    desk: Arc<Desk>,
    wants: VecDeque<Want>,
    marks: Vec<Mark>,
    turn: Box<dyn FnMut(Turn) + Send>,
}

impl Waiting {
    fn run(mut self) {
        loop {
            // Before the orders are taken: one that comes later finds another number.
            let bell = self.desk.bell.load(Ordering::Acquire);
            if self.take_orders() {
                break;
            }
            self.try_all();
            self.end_marks();
            self.sleep(bell);
        }
        for mark in self.marks.drain(..) {
            mark.mutexes.unmark();
        }
        for want in &self.wants {
            want.wanted.mutexes.wake_chain(want.wanted.chain);
        }
    }

    /// True at the end.
    fn take_orders(&mut self) -> bool {
        let orders = mem::take(&mut *self.desk.orders());
        let mut ends = false;
        for order in orders {
            match order {
                Order::Want(wanted) => self.wants.push_back(Want {
                    wanted,
                    since: Instant::now(),
                    losses: 0,
                    has_slept: false,
                }),
                Order::Forget(ticket) => self.forget(ticket),
                Order::Release(mutexes, chain) => mutexes.unlock_chain(chain),
                Order::End => ends = true,
            }
        }
        ends
    }

    fn forget(&mut self, ticket: u64) {
        let is_it = |want: &Want| want.wanted.ticket == ticket;
        let Some(want) = self
            .wants
            .iter()
            .position(is_it)
            .and_then(|at| self.wants.remove(at))
        else {
            return;
        };
        self.end_mark(ticket);
        // It may have been woken for a release that is now somebody else's.
        want.wanted.mutexes.wake_chain(want.wanted.chain);
    }

    /// Takes what is free.
    fn try_all(&mut self) {
        for _ in 0..self.wants.len() {
            let Some(want) = self.wants.pop_front() else {
                return;
            };
            let Wanted {
                ticket,
                ref mutexes,
                chain,
            } = want.wanted;
            let is_marked = self
                .marks
                .iter()
                .any(|mark| Arc::ptr_eq(&mark.mutexes, mutexes));
            match mutexes.try_lock_chain(chain, is_marked, want.has_slept) {
                Taken::No => self.wants.push_back(want),
                Taken::Yes => {
                    self.end_mark(ticket);
                    let grant = Grant {
                        ticket,
                        mutexes: Arc::clone(mutexes),
                        chain,
                        desk: Arc::clone(&self.desk),
                    };
                    (self.turn)(Turn::Granted(grant));
                }
                Taken::Never => {
                    self.end_mark(ticket);
                    (self.turn)(Turn::Refused(ticket));
                }
            }
        }
    }

    /// Sleeps until an order comes or something that is wanted may be free.
    fn sleep(&mut self, bell: u32) {
        let mut words = vec![wait_for(&self.desk.bell, bell)];
        for want in self.wants.iter_mut().take(WORDS_MAX) {
            let Wanted { mutexes, chain, .. } = &want.wanted;
            let is_marked = self
                .marks
                .iter()
                .any(|mark| Arc::ptr_eq(&mark.mutexes, mutexes));
            match mutexes.arm(*chain, is_marked) {
                Armed::Free => return,
                Armed::Held(word, value) => words.push(wait_for(word, value)),
            }
            want.has_slept = true;
        }
        let mut until = self.marks.iter().map(|mark| mark.until).min();
        if self.wants.len() > WORDS_MAX {
            let rest = Instant::now() + REST_PAUSE;
            until = Some(until.map_or(rest, |until| until.min(rest)));
        }
        let until = until.map(deadline);
        let woken = futex::waitv(
            &words,
            WaitvFlags::empty(),
            until.as_ref(),
            ClockId::Monotonic,
        );
        if let Ok(number) = woken
            && let Some(want) = number.checked_sub(1).and_then(|at| self.wants.get_mut(at))
        {
            want.losses += 1;
            let is_overtaken = want.losses > LOSSES && want.since.elapsed() >= PATIENCE;
            let (ticket, mutexes) = (want.wanted.ticket, Arc::clone(&want.wanted.mutexes));
            if is_overtaken {
                want.losses = 0;
                self.mark(ticket, mutexes);
            }
        } else if self.wants.len() > WORDS_MAX {
            self.wants.rotate_left(WORDS_MAX);
        }
    }

    /// Holds newcomers of a file back.
    fn mark(&mut self, ticket: u64, mutexes: Arc<Mutexes>) {
        let is_marked = self
            .marks
            .iter()
            .any(|mark| Arc::ptr_eq(&mark.mutexes, &mutexes));
        if !is_marked && mutexes.mark() {
            let until = Instant::now() + MARK_MAX;
            self.marks.push(Mark {
                mutexes,
                ticket,
                until,
            });
        }
    }

    fn end_mark(&mut self, ticket: u64) {
        self.marks.retain(|mark| {
            let stays = mark.ticket != ticket;
            if !stays {
                mark.mutexes.unmark();
            }
            stays
        });
    }

    fn end_marks(&mut self) {
        let now = Instant::now();
        let over = self.marks.iter().filter(|mark| mark.until <= now);
        let over: Vec<_> = over.map(|mark| mark.ticket).collect();
        for ticket in over {
            self.end_mark(ticket);
        }
    }
}

fn wait_for(word: &AtomicU32, value: u32) -> Wait {
    let mut wait = Wait::new();
    wait.val = value.into();
    wait.uaddr = WaitPtr::new(word.as_ptr().cast());
    wait.flags = WaitFlags::SIZE_U32;
    wait
}

/// A point in time as the kernel counts it.
fn deadline(at: Instant) -> Timespec {
    let left = at.saturating_duration_since(Instant::now());
    let now = clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = now.tv_nsec + i64::from(left.subsec_nanos());
    Timespec {
        tv_sec: now.tv_sec + left.as_secs().cast_signed() + nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    }
}
