//! Raw declarations of libtdb, written by hand from `tdb.h` 1.4.8.
//!
//! Nothing here is public outside the crate and nothing here is safe to call by itself: the rules
//! stand in the crate's documentation and are kept by [`crate::Tdb`]. Four functions are exported by
//! Debian's library but not declared in `tdb.h`: `tdb_lock_nonblock`, `tdb_unlock` and
//! `tdb_transaction_write_lock_mark`/`_unmark` (symbol versions 1.2.1 and 1.2.10). A library
//! without one of them fails at link or load time, never at run time.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libc::{mode_t, size_t};

/// `struct tdb_context`, only ever handled by pointer.
#[repr(C)]
pub(crate) struct Context {
    _opaque: [u8; 0],
}

/// `TDB_DATA`: a pointer and a length in bytes, passed by value.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Datum {
    pub(crate) data: *mut u8,
    pub(crate) len: size_t,
}

const _: () = assert!(
    size_of::<Datum>() == size_of::<*mut u8>() + size_of::<size_t>()
        && std::mem::offset_of!(Datum, len) == size_of::<*mut u8>()
);

/// Parser of `tdb_parse_record`: key, value, private pointer.
pub(crate) type ParseFn = unsafe extern "C" fn(Datum, Datum, *mut c_void) -> c_int;
/// Visitor of `tdb_traverse_chain`: context, key, value, private pointer; nonzero ends the walk.
pub(crate) type TraverseFn = unsafe extern "C" fn(*mut Context, Datum, Datum, *mut c_void) -> c_int;
/// Hash override of `tdb_open_ex`; always absent here.
pub(crate) type HashFn = unsafe extern "C" fn(*mut Datum) -> c_uint;
/// Check callback of `tdb_check`; always absent here.
pub(crate) type CheckFn = unsafe extern "C" fn(Datum, Datum, *mut c_void) -> c_int;

/// `TDB_REPLACE` of `tdb_store`.
pub(crate) const REPLACE: c_int = 1;

/// `enum TDB_ERROR`, the values that this crate tells apart.
pub(crate) const ERR_LOCK: c_int = 3;
/// A lock of a transaction was not to be had.
pub(crate) const ERR_NOLOCK: c_int = 6;
/// No such record.
pub(crate) const ERR_NOEXIST: c_int = 8;

#[link(name = "tdb")]
unsafe extern "C" {
    pub(crate) fn tdb_runtime_check_for_robust_mutexes() -> bool;
    pub(crate) fn tdb_jenkins_hash(key: *mut Datum) -> c_uint;

    pub(crate) fn tdb_open_ex(
        name: *const c_char,
        hash_size: c_int,
        tdb_flags: c_int,
        open_flags: c_int,
        mode: mode_t,
        log_ctx: *const c_void,
        hash_fn: Option<HashFn>,
    ) -> *mut Context;
    pub(crate) fn tdb_close(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_set_max_dead(tdb: *mut Context, max_dead: c_int);
    pub(crate) fn tdb_fd(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_error(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_errorstr(tdb: *mut Context) -> *const c_char;

    pub(crate) fn tdb_hash_size(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_map_size(tdb: *mut Context) -> size_t;
    pub(crate) fn tdb_get_flags(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_add_flags(tdb: *mut Context, flags: c_uint);
    pub(crate) fn tdb_remove_flags(tdb: *mut Context, flags: c_uint);

    pub(crate) fn tdb_parse_record(
        tdb: *mut Context,
        key: Datum,
        parser: ParseFn,
        private: *mut c_void,
    ) -> c_int;
    pub(crate) fn tdb_exists(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_store(tdb: *mut Context, key: Datum, value: Datum, flag: c_int) -> c_int;
    pub(crate) fn tdb_storev(
        tdb: *mut Context,
        key: Datum,
        parts: *const Datum,
        num_parts: c_int,
        flag: c_int,
    ) -> c_int;
    pub(crate) fn tdb_delete(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_traverse_chain(
        tdb: *mut Context,
        chain: c_uint,
        visitor: TraverseFn,
        private: *mut c_void,
    ) -> c_int;

    pub(crate) fn tdb_chainlock(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_chainlock_nonblock(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_chainunlock(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_chainlock_mark(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_chainlock_unmark(tdb: *mut Context, key: Datum) -> c_int;
    pub(crate) fn tdb_lock_nonblock(tdb: *mut Context, list: c_int, lock_type: c_int) -> c_int;
    pub(crate) fn tdb_unlock(tdb: *mut Context, list: c_int, lock_type: c_int) -> c_int;

    pub(crate) fn tdb_lockall(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_lockall_nonblock(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_unlockall(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_lockall_mark(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_lockall_unmark(tdb: *mut Context) -> c_int;

    pub(crate) fn tdb_transaction_active(tdb: *mut Context) -> bool;
    pub(crate) fn tdb_transaction_start_nonblock(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_transaction_prepare_commit(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_transaction_commit(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_transaction_cancel(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_transaction_write_lock_mark(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_transaction_write_lock_unmark(tdb: *mut Context);

    pub(crate) fn tdb_get_seqnum(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_increment_seqnum_nonblock(tdb: *mut Context);
    pub(crate) fn tdb_wipe_all(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_repack(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_freelist_size(tdb: *mut Context) -> c_int;
    pub(crate) fn tdb_check(
        tdb: *mut Context,
        check: Option<CheckFn>,
        private: *mut c_void,
    ) -> c_int;
}
