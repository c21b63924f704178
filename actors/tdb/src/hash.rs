//! The key hash of libtdb's `INCOMPATIBLE_HASH` files, asked from libtdb itself.

use crate::sys;

/// Bob Jenkins' `hashlittle` of `key` with start value 0, as libtdb computes it.
pub fn jenkins_hash(key: &[u8]) -> u32 {
    let mut datum = sys::Datum {
        data: key.as_ptr().cast_mut(),
        len: key.len(),
    };
    // SAFETY: the function reads `len` bytes at `data`, which `key` owns for the whole call, and
    // writes to neither.
    unsafe { sys::tdb_jenkins_hash(&raw mut datum) }
}

/// Number of the chain that holds `key` in an `INCOMPATIBLE_HASH` file of `hash_size` chains.
///
/// # Panics
/// If `hash_size` is 0, which no TDB file has.
pub fn jenkins_chain(key: &[u8], hash_size: u32) -> u32 {
    jenkins_hash(key) % hash_size
}
