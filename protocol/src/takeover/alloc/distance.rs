//! How alike two addresses are.
//!
//! LCP2 takes the length of the common prefix as a sign of a common subnet and network path. All addresses are 128-bit
//! values, IPv4 in the low 32 bits. As 4.17 measures it, each of the four words of 32 bits has a common prefix of its own,
//! and these add up, also behind a word that differs: `fd88::1` and 10.88.0.1 have 32 bits in common in each of the two
//! words in the middle, and 4 in the last.
//!
//! Within one network, where the first three words are the same, that is the common prefix of the whole.

use core::net::IpAddr;

/// Bits of a word.
const WORD: u32 = 32;

/// The address as the number that orders and compares it.
pub fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Bits that two keys have in common, word by word, 0 to 128.
pub fn alike(a: u128, b: u128) -> u32 {
    let differ = a ^ b;
    let words = [0, 1, 2, 3].map(|word| (differ >> (word * WORD)) as u32);
    words.into_iter().map(u32::leading_zeros).sum()
}

/// Length in bits of the longest common prefix of two keys, 0 to 128.
pub fn common_prefix(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros()
}

/// Whether all keys have their first three words in common.
pub fn are_one_network(mut keys: impl Iterator<Item = u128>) -> bool {
    let Some(first) = keys.next() else {
        return true;
    };
    keys.all(|key| key >> WORD == first >> WORD)
}

/// What two addresses on one node cost: the square of what they have in common.
pub fn squared(alike: u32) -> i64 {
    i64::from(alike).pow(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> u128 {
        key(text.parse().expect("an address"))
    }

    /// Both measures of addresses of one network.
    fn prefix(a: &str, b: &str) -> u32 {
        let [a, b] = [a, b].map(parse);
        assert!(are_one_network([a, b].into_iter()));
        assert_eq!(common_prefix(a, b), alike(a, b));
        alike(a, b)
    }

    #[test]
    fn counts_ipv4_after_96_zero_bits() {
        assert_eq!(prefix("10.0.0.1", "10.0.0.1"), 128);
        assert_eq!(prefix("10.0.0.0", "10.0.0.1"), 127);
        assert_eq!(prefix("10.0.0.1", "10.0.1.1"), 96 + 23);
        assert_eq!(prefix("10.0.0.1", "192.168.0.1"), 96);
        assert_eq!(prefix("2001:db8::1", "2001:db8::2"), 126);
        assert_eq!(squared(96), 9216);
    }

    #[test]
    fn adds_up_what_words_have_in_common() {
        let alike = |a: &str, b: &str| {
            let [a, b] = [a, b].map(parse);
            assert!(!are_one_network([a, b].into_iter()));
            alike(a, b)
        };
        assert_eq!(alike("fd88::1065", "10.88.0.101"), 32 + 32 + 4);
        assert_eq!(alike("10.0.0.1", "2001:db8::1"), 2 + 32 + 32 + 4);
        assert_eq!(
            alike("2001:db8:0:1::1", "2001:db8:0:2::1"),
            32 + 30 + 32 + 32
        );
        assert_eq!(alike("8000:0:8000:0:8000:0:8000:0", "::"), 0);
    }
}
