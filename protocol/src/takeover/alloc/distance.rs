//! How alike two addresses are.
//!
//! LCP2 takes the length of the common prefix as a sign of a common subnet and network path.
//! All addresses are 128-bit values, IPv4 in the low 32 bits: two IPv4 addresses share at least
//! 96 bits, while an IPv4 and a global IPv6 address share 2 at most.

use core::net::IpAddr;

/// The address as the number that orders and compares it.
pub fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Length in bits of the longest common prefix of two keys, 0 to 128.
pub fn common_prefix(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros()
}

/// What two addresses on one node cost: the square of their common prefix.
pub fn squared(common_prefix: u32) -> i64 {
    i64::from(common_prefix).pow(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(a: &str, b: &str) -> u32 {
        let parse = |text: &str| key(text.parse().expect("an address"));
        common_prefix(parse(a), parse(b))
    }

    #[test]
    fn counts_ipv4_after_96_zero_bits() {
        assert_eq!(prefix("10.0.0.1", "10.0.0.1"), 128);
        assert_eq!(prefix("10.0.0.0", "10.0.0.1"), 127);
        assert_eq!(prefix("10.0.0.1", "10.0.1.1"), 96 + 23);
        assert_eq!(prefix("10.0.0.1", "192.168.0.1"), 96);
        assert_eq!(squared(96), 9216);
    }

    #[test]
    fn sees_little_in_common_between_families() {
        assert_eq!(prefix("10.0.0.1", "2001:db8::1"), 2);
        assert_eq!(prefix("2001:db8::1", "2001:db8::2"), 126);
        assert_eq!(prefix("fd00::1", "2001:db8::1"), 0);
    }
}
