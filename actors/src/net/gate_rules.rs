//! The text of the gate's table. Pure.
//!
//! One chain per interface and direction, since a netdev chain is bound to a device. Both hooks see every frame that
//! the host's own stack receives or sends, raw sockets included.

use super::error::{NetError, Result};

/// Name of our table (family netdev). It carries nothing else.
pub(crate) const TABLE: &str = "ctdb";
/// The set of interfaces whose lease is alive; its elements time out.
pub(crate) const SET_LEASE: &str = "lease";
pub(crate) const SET_V4: &str = "v4";
pub(crate) const SET_V6: &str = "v6";
/// The IPv6 addresses again, as raw bits: nft before 1.0.8 has no name for the target field of neighbour discovery,
/// and compares raw bits only with a set of raw bits.
pub(crate) const SET_ND: &str = "nd";
/// Addresses that are being given up for good: whatever the lease says, nothing of them passes but our resets. Elements
/// time out, should their owner die before it takes them back.
pub(crate) const SETS_GOING: [&str; 2] = ["going4", "going6"];
/// Addresses that are another node's by now: not even our resets pass, which IPv6 sends without having the address.
pub(crate) const SETS_GONE: [&str; 2] = ["gone4", "gone6"];
/// Before all filters of the admin.
const PRIORITY: i32 = -500;
/// `IFNAMSIZ` without the closing zero byte.
const NAME_MAX: usize = 15;

/// Refuses names that cannot stand between quotes in an nft batch.
pub(crate) fn check_name(interface: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '/' | '\\' | '*' | '$');
    if interface.is_empty() || interface.len() > NAME_MAX || !interface.chars().all(plain) {
        return Err(NetError::Invalid(format!(
            "interface name {interface:?} is not usable"
        )));
    }
    Ok(())
}

/// A batch that removes the table, whether it exists or not.
pub(crate) fn removal() -> String {
    super::nft::removal("netdev", TABLE)
}

/// A batch that builds the table anew with empty sets, atomically. The empty lease set means: shut.
pub(crate) fn ruleset(interfaces: &[String]) -> String {
    use std::fmt::Write;
    let ([going4, going6], [gone4, gone6]) = (SETS_GOING, SETS_GONE);
    let mut text = removal();
    let _ = writeln!(
        text,
        "table netdev {TABLE} {{
  set {SET_LEASE} {{ type ifname; flags timeout; }}
  set {SET_V4} {{ type ipv4_addr; }}
  set {SET_V6} {{ type ipv6_addr; }}
  set {SET_ND} {{ typeof @th,64,128; }}
  set {going4} {{ type ipv4_addr; flags timeout; }}
  set {going6} {{ type ipv6_addr; flags timeout; }}
  set {gone4} {{ type ipv4_addr; flags timeout; }}
  set {gone6} {{ type ipv6_addr; flags timeout; }}"
    );
    for (at, interface) in interfaces.iter().enumerate() {
        // Incoming advertisements about our addresses come from others and stay allowed: an address that is not
        // ours at the moment must be reachable from this node too.
        let _ = writeln!(
            text,
            "  chain in{at} {{
    type filter hook ingress device \"{interface}\" priority {PRIORITY}; policy accept;
    ip daddr @{going4} drop
    ip6 daddr @{going6} drop
    meta iifname @{SET_LEASE} accept
    ip daddr @{SET_V4} drop
    arp daddr ip @{SET_V4} drop
    ip6 daddr @{SET_V6} drop
    icmpv6 type nd-neighbor-solicit @th,64,128 @{SET_ND} drop
  }}
  chain out{at} {{
    type filter hook egress device \"{interface}\" priority {PRIORITY}; policy accept;
    ip saddr @{going4} tcp flags & rst != rst drop
    ip6 saddr @{going6} tcp flags & rst != rst drop
    ip saddr @{gone4} drop
    ip6 saddr @{gone6} drop
    meta oifname @{SET_LEASE} accept
    ip saddr @{SET_V4} drop
    arp saddr ip @{SET_V4} drop
    ip6 saddr @{SET_V6} drop
    icmpv6 type nd-neighbor-advert @th,64,128 @{SET_ND} drop
  }}"
        );
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_chain_per_interface_and_direction() {
        let text = ruleset(&["eth1".to_owned(), "bond0.10".to_owned()]);
        for part in ["chain in0", "chain out0", "chain in1", "chain out1"] {
            assert_eq!(text.matches(part).count(), 1, "{part}");
        }
        assert_eq!(text.matches("device \"bond0.10\"").count(), 2);
        assert!(
            text.starts_with(
                "add table netdev ctdb\ndelete table netdev ctdb\ntable netdev ctdb {"
            )
        );
    }

    #[test]
    fn names_that_would_break_the_batch_are_refused() {
        for bad in ["", "a\"b", "a b", "a/b", "eth*", "interface-too-long"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["eth1", "bond0.10", "br-lan", "eth0:1"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}
