//! Rust closures as callbacks of libtdb.
//!
//! The closure sees keys and values in place. Two things keep that sound: the handle refuses every
//! call while it runs (nothing can move the map), and a panic is caught here and goes on only when
//! libtdb has returned, since it must not unwind through C.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::sys;

/// A Rust closure on its way through libtdb, and the panic it may have come back with.
pub(crate) struct Callback<'a> {
    call: &'a mut dyn FnMut(&[u8], &[u8]) -> c_int,
    panic: Option<Box<dyn Any + Send>>,
}

impl<'a> Callback<'a> {
    /// `call` gets key and value, and answers nonzero to end a walk.
    pub(crate) fn new(call: &'a mut dyn FnMut(&[u8], &[u8]) -> c_int) -> Self {
        Self { call, panic: None }
    }

    /// # Safety
    /// `key` and `value` must be readable and unchanging until this returns.
    unsafe fn run(&mut self, key: sys::Datum, value: sys::Datum) -> c_int {
        // SAFETY: promised by the caller.
        let (key, value) = unsafe { (bytes(&key), bytes(&value)) };
        match catch_unwind(AssertUnwindSafe(|| (self.call)(key, value))) {
            Ok(code) => code,
            Err(panic) => {
                self.panic = Some(panic);
                1
            }
        }
    }

    /// Lets a caught panic go on, now that libtdb has returned.
    pub(crate) fn resume(self) {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
    }
}

/// # Safety
/// If `datum.len` is not 0, that many bytes at `datum.data` must be readable and unchanging for `'a`.
unsafe fn bytes<'a>(datum: &sys::Datum) -> &'a [u8] {
    if datum.len == 0 || datum.data.is_null() {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(datum.data, datum.len) }
}

/// Parser given to `tdb_parse_record`; `private` is a [`Callback`].
pub(crate) unsafe extern "C" fn parse_callback(
    key: sys::Datum,
    value: sys::Datum,
    private: *mut c_void,
) -> c_int {
    // SAFETY: `private` is the `Callback` that the caller of libtdb keeps alive and untouched. libtdb
    // shows memory inside its map (or a copy) and holds the chain lock until this returns; the
    // ledger refuses every call on this handle that could move the map.
    unsafe { (*private.cast::<Callback<'_>>()).run(key, value) }
}

/// Visitor given to `tdb_traverse_chain`; `private` is a [`Callback`].
pub(crate) unsafe extern "C" fn traverse_callback(
    _: *mut sys::Context,
    key: sys::Datum,
    value: sys::Datum,
    private: *mut c_void,
) -> c_int {
    // SAFETY: as in `parse_callback`.
    unsafe { (*private.cast::<Callback<'_>>()).run(key, value) }
}
