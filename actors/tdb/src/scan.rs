//! Walking all records without ever waiting for a client.
//!
//! A chain is visited in one go under its read lock, so a record that stays put is seen exactly once:
//! its key decides its chain. Chains that somebody holds are put aside and tried again later.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};

use crate::callback::{Callback, traverse_callback};
use crate::error::Result;
use crate::locks::clear_errno;
use crate::registry::FileId;
use crate::sys;
use crate::tdb::Tdb;

/// After so many held chains in a row somebody probably holds the whole file.
const MAX_BUSY_IN_A_ROW: u32 = 64;

const LOCK_TYPE: c_int = libc::F_RDLCK as c_int;

/// Answer of [`Tdb::scan_chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ChainVisit {
    /// Another process holds the chain; nothing was shown.
    Busy,
    /// So many records were shown.
    Visited(u32),
}

/// Answer of [`Scan::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ScanState {
    /// The budget is used up; call again at once or later.
    More,
    /// Chains are left that other processes hold; call again after a while.
    Busy,
    /// Every chain was visited.
    Done,
}

/// A walk over all records, in portions. It borrows nothing, so it can be kept beside the handle.
#[derive(Clone, Debug)]
pub struct Scan {
    file: FileId,
    chains: u32,
    /// Chains below this number were visited or stand in `busy`.
    next: u32,
    /// Chains found held, at most `chains` of them.
    busy: VecDeque<u32>,
}

impl Scan {
    /// A walk over `tdb` that starts at the first chain.
    pub fn new(tdb: &Tdb) -> Self {
        Self {
            file: tdb.id(),
            chains: tdb.hash_size(),
            next: 0,
            busy: VecDeque::new(),
        }
    }

    /// Number of chains found held and not visited since.
    pub fn busy_chains(&self) -> usize {
        self.busy.len()
    }

    /// Visits chains until `budget_records` is used up, where a chain costs its records and at least
    /// one. A chain is never split, so the budget is exceeded by up to one chain.
    ///
    /// An error names the file and leaves the scan behind the failed chain, of which a part may have
    /// been shown.
    ///
    /// While `visitor` runs, calls on `tdb` are refused ([`crate::Error::InCallback`]).
    pub fn advance(
        &mut self,
        tdb: &Tdb,
        budget_records: u32,
        visitor: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<ScanState> {
        if tdb.id() != self.file {
            return Err(tdb.misuse("scan", "the scan belongs to another file".to_owned()));
        }
        let mut budget = budget_records;
        let mut busy_in_a_row = 0;
        let mut retries = self.busy.len();
        while budget > 0 {
            let chain = if self.next < self.chains {
                self.next += 1;
                self.next - 1
            } else if retries > 0
                && let Some(chain) = self.busy.pop_front()
            {
                retries -= 1;
                chain
            } else {
                break;
            };
            match tdb.scan_chain(chain, visitor)? {
                ChainVisit::Busy => {
                    self.busy.push_back(chain);
                    budget -= 1;
                    busy_in_a_row += 1;
                    if busy_in_a_row >= MAX_BUSY_IN_A_ROW {
                        return Ok(ScanState::Busy);
                    }
                }
                ChainVisit::Visited(records) => {
                    budget = budget.saturating_sub(records.max(1));
                    busy_in_a_row = 0;
                }
            }
        }
        Ok(self.state(retries))
    }

    fn state(&self, retries_left: usize) -> ScanState {
        if self.next < self.chains || retries_left > 0 {
            ScanState::More
        } else if self.busy.is_empty() {
            ScanState::Done
        } else {
            ScanState::Busy
        }
    }
}

impl Tdb {
    /// Shows every record of one chain, under its read lock taken without waiting. Fails with
    /// [`crate::Error::Misuse`] for a chain number that the file does not have.
    pub fn scan_chain(
        &self,
        chain: u32,
        visitor: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<ChainVisit> {
        self.walk_chain(chain, &mut |key, value| {
            visitor(key, value);
            0
        })
    }

    /// Whether the file has no record. Looks at chains until the first record; a chain that another
    /// process holds counts as not empty, since somebody is at work in it.
    ///
    /// Meant for the moment after an open with [`crate::TdbFlags::CLEAR_IF_FIRST`], where a record
    /// means that another process still has the file open.
    pub fn is_empty(&self) -> Result<bool> {
        for chain in 0..self.hash_size() {
            if self.walk_chain(chain, &mut |_, _| 1)? != ChainVisit::Visited(0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `call` answers nonzero to end the walk.
    fn walk_chain(
        &self,
        chain: u32,
        call: &mut dyn FnMut(&[u8], &[u8]) -> c_int,
    ) -> Result<ChainVisit> {
        const NAME: &str = "tdb_traverse_chain";
        self.enter(NAME)?;
        if chain >= self.hash_size() {
            let why = format!("no chain {chain} among {}", self.hash_size());
            return Err(self.misuse(NAME, why));
        }
        let list = chain.cast_signed();
        clear_errno();
        // SAFETY: the context is open and the chain exists (libtdb would trust any number).
        let code = unsafe { sys::tdb_lock_nonblock(self.raw(), list, LOCK_TYPE) };
        if !self.taken("tdb_lock_nonblock", code)? {
            return Ok(ChainVisit::Busy);
        }
        let mut callback = Callback::new(call);
        let count = self.ledger.in_callback(|| {
            // SAFETY: the context is open; the visitor gets the `Callback` it expects, which
            // outlives the call. The lock that the function takes nests in ours.
            unsafe {
                sys::tdb_traverse_chain(
                    self.raw(),
                    chain,
                    traverse_callback,
                    (&raw mut callback).cast::<c_void>(),
                )
            }
        });
        let walked = u32::try_from(count).map_err(|_| self.failure(NAME));
        // SAFETY: releases the lock taken above, in the same thread.
        let code = unsafe { sys::tdb_unlock(self.raw(), list, LOCK_TYPE) };
        if code != 0 {
            self.ledger.count_stuck_lock();
        }
        callback.resume();
        let walked = walked?;
        self.done("tdb_unlock", code)?;
        Ok(ChainVisit::Visited(walked))
    }
}
