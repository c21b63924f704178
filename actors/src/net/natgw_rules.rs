//! The text of the rules by which a gateway translates, for nftables and for iptables. Pure.
//!
//! What leaves by the gateway's interface has the gateway's address and no other, also where public addresses are on
//! that interface; what leaves by another one has that one's, as with 4.17's script. New TCP connections to the address
//! itself are refused: nobody serves it.

use std::fmt::Write;
use std::net::IpAddr;

use ctdb_protocol::natgw::config::Config;

use super::error::Result;
use super::gate_rules::check_name;

/// Our nftables table, of the family `ip` or `ip6`.
pub(crate) const TABLE: &str = "ctdb_natgw";
/// Our chain in each of iptables' tables.
pub(crate) const CHAIN: &str = "ctdb-natgw";

/// What the rules shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Translate.
    Translate,
    /// Let nothing through, since it would leave untranslated.
    Hold,
}

/// The nftables family of the configuration.
pub(crate) fn family(config: &Config) -> &'static str {
    if is_v4(config) { "ip" } else { "ip6" }
}

pub(crate) fn is_v4(config: &Config) -> bool {
    config.private_network.addr().is_ipv4()
}

/// What goes to many is not for the outside.
fn multicast(config: &Config) -> &'static str {
    if is_v4(config) {
        "224.0.0.0/4"
    } else {
        "ff00::/8"
    }
}

/// A batch that builds the table anew.
pub(crate) fn nft(config: &Config, mode: Mode) -> Result<String> {
    let (family, inside) = (family(config), config.private_network);
    let mut text = super::nft::removal(family, TABLE);
    let outbound = format!("{family} saddr {inside} {family} daddr != {inside}");
    let _ = writeln!(text, "table {family} {TABLE} {{");
    match (mode, &config.public) {
        (Mode::Translate, Some(side)) => {
            check_name(&side.interface)?;
            let (address, interface, many) = (side.address, &side.interface, multicast(config));
            let _ = writeln!(
                text,
                "  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    oifname \"lo\" return
    {family} daddr {many} return
    {outbound} oifname \"{interface}\" snat to {address}
    {outbound} masquerade
  }}
  chain input {{
    type filter hook input priority 0; policy accept;
    {family} daddr {address} tcp flags & (fin | syn | rst | ack) == syn reject
  }}"
            );
        }
        (Mode::Hold, _) | (Mode::Translate, None) => {
            let _ = writeln!(
                text,
                "  chain forward {{
    type filter hook forward priority 0; policy accept;
    {outbound} drop
  }}"
            );
        }
    }
    text.push_str("}\n");
    Ok(text)
}

/// Batches for iptables-restore(8) that fill our chains, and the place from where each is called: table, chain. The
/// batches leave all other chains as they are.
pub(crate) fn iptables(config: &Config, mode: Mode) -> Result<(String, Vec<Hook>)> {
    let inside = config.private_network;
    let outbound = format!("-s {inside} ! -d {inside}");
    match (mode, &config.public) {
        (Mode::Translate, Some(side)) => {
            check_name(&side.interface)?;
            let (address, interface, many) = (side.address, &side.interface, multicast(config));
            let batch = format!(
                "*nat\n:{CHAIN} - [0:0]
-A {CHAIN} -o lo -j RETURN
-A {CHAIN} -d {many} -j RETURN
-A {CHAIN} {outbound} -o {interface} -j SNAT --to-source {address}
-A {CHAIN} {outbound} -j MASQUERADE
COMMIT
*filter\n:{CHAIN} - [0:0]
-A {CHAIN} -d {} -p tcp --syn -j REJECT
COMMIT\n",
                host(address)
            );
            Ok((batch, vec![("nat", "POSTROUTING"), ("filter", "INPUT")]))
        }
        (Mode::Hold, _) | (Mode::Translate, None) => {
            let batch =
                format!("*filter\n:{CHAIN} - [0:0]\n-A {CHAIN} {outbound} -j DROP\nCOMMIT\n");
            Ok((batch, vec![("filter", "FORWARD")]))
        }
    }
}

/// A table of iptables, and one of its chains.
pub(crate) type Hook = (&'static str, &'static str);

/// All places from where our chains may be called.
pub(crate) const HOOKS: [Hook; 3] = [
    ("nat", "POSTROUTING"),
    ("filter", "INPUT"),
    ("filter", "FORWARD"),
];

fn host(address: IpAddr) -> String {
    let prefix = super::address::host_prefix(address);
    format!("{address}/{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn config(private: &str, public: &str, interface: &str) -> Config {
        let variables = [
            ("CTDB_NATGW_NODES", "natgw_nodes"),
            ("CTDB_NATGW_PRIVATE_NETWORK", private),
            ("CTDB_NATGW_PUBLIC_IP", public),
            ("CTDB_NATGW_PUBLIC_IFACE", interface),
        ];
        let variables: BTreeMap<String, String> = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let config = Config::from_variables(&variables);
        config.expect("good").expect("wanted")
    }

    #[test]
    fn exactly_the_gateways_address_on_its_interface() {
        let four = config("192.168.1.0/24", "10.0.0.227/24", "eth0");
        let text = nft(&four, Mode::Translate).expect("rules");
        let rule = "ip saddr 192.168.1.0/24 ip daddr != 192.168.1.0/24 oifname \"eth0\" snat to 10.0.0.227\n";
        assert!(text.contains(rule), "{text}");
        let (batch, hooks) = iptables(&four, Mode::Translate).expect("rules");
        let rule = "-s 192.168.1.0/24 ! -d 192.168.1.0/24 -o eth0 -j SNAT --to-source 10.0.0.227\n";
        assert!(batch.contains(rule), "{batch}");
        assert!(batch.contains("-d 10.0.0.227/32 -p tcp --syn -j REJECT\n"));
        assert_eq!(hooks.len(), 2);

        let six = config("fd00::/64", "fd88::227/64", "eth0");
        let text = nft(&six, Mode::Translate).expect("rules");
        assert!(text.contains("table ip6 ctdb_natgw"), "{text}");
        assert!(text.contains("snat to fd88::227\n"), "{text}");
    }

    #[test]
    fn a_gateway_without_its_address_lets_nothing_through() {
        let config = config("192.168.1.0/24", "10.0.0.227/24", "eth0");
        let text = nft(&config, Mode::Hold).expect("rules");
        assert!(
            text.contains("hook forward") && !text.contains("snat"),
            "{text}"
        );
        let (batch, hooks) = iptables(&config, Mode::Hold).expect("rules");
        assert!(
            batch.contains("-j DROP") && !batch.contains("SNAT"),
            "{batch}"
        );
        assert_eq!(hooks, [("filter", "FORWARD")]);
    }

    #[test]
    fn an_interface_name_is_no_place_for_rules() {
        let config = config("192.168.1.0/24", "10.0.0.227/24", "eth0\" drop");
        assert!(nft(&config, Mode::Translate).is_err());
        assert!(iptables(&config, Mode::Translate).is_err());
    }
}
