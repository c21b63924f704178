//! A digest of a database's content that does not depend on the order of its records.
//!
//! Each record has a 64-bit digest of its own, and that of the content is their sum modulo 2^64. So a change of
//! one record changes the sum by a difference that only its old and new digest decide, and nobody has to read
//! the whole database to know the new one.

/// Odd, and its bits look random: the fractional part of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The digest of one record with its stored value (header and data).
pub fn record_digest(key: &[u8], value: &[u8]) -> u64 {
    // The lengths go first, so that no byte can move from the key to the value unseen.
    let state = absorb(FACTOR, key.len() as u64 ^ (value.len() as u64) << 32);
    finish(absorb_bytes(absorb_bytes(state, key), value))
}

fn absorb_bytes(mut state: u64, bytes: &[u8]) -> u64 {
    for block in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..block.len()].copy_from_slice(block);
        state = absorb(state, u64::from_le_bytes(word));
    }
    state
}

const fn absorb(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(FACTOR);
    mixed ^ mixed >> 29
}

/// Spreads the last word's bits.
const fn finish(state: u64) -> u64 {
    let state = (state ^ state >> 32).wrapping_mul(FACTOR);
    state ^ state >> 32
}

#[cfg(test)]
mod tests {
    use super::record_digest;
    use alloc::collections::BTreeSet;
    use alloc::format;

    #[test]
    fn every_byte_and_its_place_count() {
        let mut seen = BTreeSet::new();
        for number in 0..1_000_u32 {
            let key = format!("key {number}");
            for value in [&b"0"[..], b"1", b"", b"00", b"00000000", b"00000001"] {
                assert!(seen.insert(record_digest(key.as_bytes(), value)));
            }
        }
        assert_ne!(record_digest(b"ab", b"c"), record_digest(b"a", b"bc"));
        assert_ne!(record_digest(b"", b"\0"), record_digest(b"\0", b""));
    }
}
