//! The one hash function of the field: Bob Jenkins' lookup3 `hashlittle`, initial value 0.
//!
//! It names databases ([`db_id`]), picks the lmaster of a key ([`key_hash`] modulo the vnnmap
//! size) and, for volatile databases, the chain inside the TDB file. All three meet Samba's
//! programs, so the function may never change.

/// Database id: the hash of the database name *including* its terminating NUL.
pub fn db_id(name: &str) -> u32 {
    let mut bytes = alloc::vec::Vec::with_capacity(name.len() + 1);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    key_hash(&bytes)
}

/// Hash of a record key, as used for the lmaster and for TDB chains of volatile databases.
pub fn key_hash(key: &[u8]) -> u32 {
    lookup3(key)[2]
}

/// Hash of a record key that is long enough to stand for the key in a directory: its lower half is
/// [`key_hash`], its upper half the second result of the same function (`hashlittle2`).
pub fn wide_key_hash(key: &[u8]) -> u64 {
    let [_, second, first] = lookup3(key);
    u64::from(first) | u64::from(second) << 32
}

/// [`wide_key_hash`] and 32 bits more, which tell most keys apart that share it.
pub fn checked_key_hash(key: &[u8]) -> (u64, u32) {
    let [check, second, first] = lookup3(key);
    (u64::from(first) | u64::from(second) << 32, check)
}

fn lookup3(key: &[u8]) -> [u32; 3] {
    // The length takes part modulo 2^32, as in the original.
    let start = 0xdead_beef_u32.wrapping_add(key.len() as u32);
    let mut state = [start; 3];
    let mut rest = key;
    // The last block, even a full one, is mixed differently: so strictly more than 12 here.
    while rest.len() > 12 {
        let (block, tail) = rest.split_at(12);
        add_block(&mut state, block);
        mix(&mut state);
        rest = tail;
    }
    if !rest.is_empty() {
        add_block(&mut state, rest);
        finish(&mut state);
    }
    state
}

/// Adds up to 12 bytes, little-endian, missing ones counting as zero.
fn add_block(state: &mut [u32; 3], block: &[u8]) {
    for (i, &byte) in block.iter().enumerate() {
        let word = &mut state[i / 4];
        *word = word.wrapping_add(u32::from(byte) << (8 * (i % 4)));
    }
}

fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for (r1, r2, r3) in [(4, 6, 8), (16, 19, 4)] {
        a = a.wrapping_sub(c) ^ c.rotate_left(r1);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(r2);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(r3);
        b = b.wrapping_add(a);
    }
    *state = [a, b, c];
}

fn finish(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    *state = [a, b, c];
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    #[test]
    fn database_ids_are_those_of_a_live_cluster() {
        for (name, id) in [
            ("g_lock.tdb", 0x4d2a_432b),
            ("locking.tdb", 0x7a19_d84d),
            ("brlock.tdb", 0x4e66_c2b2),
            ("leases.tdb", 0x0691_6e77),
            ("secrets.tdb", 0x7132_c184),
            ("registry.tdb", 0x6cf2_837d),
            ("passdb.tdb", 0x3ef1_9640),
            ("share_info.tdb", 0xc307_8fba),
            ("group_mapping.tdb", 0xa141_3774),
            ("account_policy.tdb", 0x2ca2_51cf),
            ("smbXsrv_open_global.tdb", 0x66f7_1b8c),
            ("smbXsrv_session_global.tdb", 0x6b06_a26d),
            ("smbXsrv_tcon_global.tdb", 0x68c1_2c2c),
            ("smbXsrv_client_global.tdb", 0x477d_2e20),
            ("smbXsrv_version_global.tdb", 0x521b_7544),
            ("netlogon_creds_cli.tdb", 0x2d60_8c16),
            ("testv.tdb", 0xeded_a68a),
        ] {
            assert_eq!(db_id(name), id, "{name}");
        }
    }

    #[test]
    fn wide_hashes_of_similar_keys_differ_in_both_halves() {
        let keys = (0..100_000_u32).map(|n| alloc::format!("record-{n}"));
        let hashes: Vec<u64> = keys.map(|key| wide_key_hash(key.as_bytes())).collect();
        assert_eq!(hashes[7] as u32, key_hash(b"record-7"));
        let distinct = |shift: u32| {
            let halves = hashes.iter().map(|hash| (hash >> shift) as u32);
            halves.collect::<BTreeSet<u32>>().len()
        };
        // Of 100,000 values of 32 bits one pair or a few are equal by chance.
        assert!(distinct(0) > 99_990 && distinct(32) > 99_990);
        assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), hashes.len());
    }

    #[test]
    fn the_empty_key_skips_the_final_mix() {
        assert_eq!(key_hash(b""), 0xdead_beef);
    }
}
