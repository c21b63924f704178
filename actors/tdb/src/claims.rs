//! Taking the mutexes of a file from outside libtdb, for the thread of [`crate::ChainWaiter`] only: who
//! takes one must release it.
//!
//! The rules are libtdb's: who has a chain looks at the state of the whole file and, if somebody holds
//! that, gives the chain back and waits for the whole file's mutex.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use rustix::thread::futex;

use crate::mutexes::{Mutexes, OWNER, Place, WAITERS};

/// State of the whole file: the lock types of `fcntl`.
const UNLOCKED: u16 = 2;
const LOCKED: u16 = 1;

const _: () = assert!(UNLOCKED as i32 == libc::F_UNLCK && LOCKED as i32 == libc::F_WRLCK);

/// Answer of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// Somebody holds it.
    No,
    /// The mutex is damaged.
    Never,
}

/// What to sleep on.
#[derive(Debug)]
pub(crate) enum Armed<'a> {
    /// Nothing: try again.
    Free,
    /// This word, as long as it has this value.
    Held(&'a AtomicU32, u32),
}

impl Mutexes {
    /// Takes a chain. `is_marked`: the whole file's mutex is held by this thread. `has_slept`: this thread
    /// slept for it, so others may sleep too, whom only this thread will wake.
    pub(crate) fn try_lock_chain(&self, chain: u32, is_marked: bool, has_slept: bool) -> Taken {
        let place = Place::Chain(chain);
        let taken = self.try_lock(place);
        if taken != Taken::Yes {
            return taken;
        }
        if has_slept {
            self.word(place).fetch_or(WAITERS, Ordering::Relaxed);
        }
        if is_marked || self.state().load(Ordering::Acquire) == UNLOCKED {
            return Taken::Yes;
        }
        self.unlock(place);
        // Its holder may be dead.
        if self.owner(Place::WholeFile).is_none() && self.try_lock(Place::WholeFile) == Taken::Yes {
            self.state().store(UNLOCKED, Ordering::Release);
            self.pass_on(Place::WholeFile);
        }
        Taken::No
    }

    /// Releases a chain that this thread took.
    pub(crate) fn unlock_chain(&self, chain: u32) {
        self.unlock(Place::Chain(chain));
    }

    /// What keeps a chain from this thread, with the bit that gets it woken.
    pub(crate) fn arm(&self, chain: u32, is_marked: bool) -> Armed<'_> {
        let is_whole_held = || !is_marked && self.state().load(Ordering::Acquire) != UNLOCKED;
        for place in [Place::Chain(chain), Place::WholeFile] {
            if place == Place::WholeFile && !is_whole_held() {
                break;
            }
            let word = self.word(place);
            let mark = |value| (value & OWNER != 0).then_some(value | WAITERS);
            if let Ok(value) = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, mark) {
                return Armed::Held(word, value | WAITERS);
            }
        }
        Armed::Free
    }

    /// Wakes one who sleeps for a chain.
    pub(crate) fn wake_chain(&self, chain: u32) {
        let _ = futex::wake(self.word(Place::Chain(chain)), futex::Flags::empty(), 1);
    }

    /// Lets newcomers wait as if the whole file was locked. False if somebody else holds it.
    pub(crate) fn mark(&self) -> bool {
        if self.try_lock(Place::WholeFile) != Taken::Yes {
            return false;
        }
        self.state().store(LOCKED, Ordering::Release);
        true
    }

    /// Ends [`Mutexes::mark`], in the same thread.
    pub(crate) fn unmark(&self) {
        self.state().store(UNLOCKED, Ordering::Release);
        self.pass_on(Place::WholeFile);
    }

    /// Releases and wakes one, whether or not the word says that somebody sleeps.
    fn pass_on(&self, place: Place) {
        self.word(place).fetch_or(WAITERS, Ordering::Relaxed);
        self.unlock(place);
    }

    fn try_lock(&self, place: Place) -> Taken {
        let mutex = self.mutex(place);
        // SAFETY: an initialised process-shared mutex inside the mapping, which stays until this value is
        // dropped; whoever holds one of its mutexes keeps it alive.
        match unsafe { libc::pthread_mutex_trylock(mutex) } {
            0 => Taken::Yes,
            libc::EOWNERDEAD => {
                if place == Place::WholeFile {
                    self.state().store(UNLOCKED, Ordering::Release);
                }
                // SAFETY: as above, and this thread has just got the mutex from a dead owner.
                match unsafe { libc::pthread_mutex_consistent(mutex) } {
                    0 => Taken::Yes,
                    _ => Taken::Never,
                }
            }
            libc::EBUSY | libc::EDEADLK => Taken::No,
            _ => Taken::Never,
        }
    }

    fn unlock(&self, place: Place) {
        // SAFETY: as in `try_lock`. In a thread that does not hold the mutex the call only fails.
        let code = unsafe { libc::pthread_mutex_unlock(self.mutex(place)) };
        debug_assert_eq!(code, 0, "{place} is not held by this thread");
    }

    /// The state of the whole file, behind its mutex.
    fn state(&self) -> &AtomicU16 {
        self.half_word_at(Place::Freelist.offset() - 8)
    }
}
