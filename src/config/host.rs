//! What the configuration asks of the host: interfaces, connected networks, own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::prefix::InterfaceNetwork;

/// The questions; tests answer them from a table.
pub trait Host {
    /// Names of all interfaces.
    fn interfaces(&self) -> Vec<String>;
    /// Networks that they are directly connected to.
    fn networks(&self) -> Vec<InterfaceNetwork>;
    /// Is this an address of the host?
    fn can_bind(&self, address: IpAddr) -> bool;
}

/// The machine (or network namespace) that the process runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn interfaces(&self) -> Vec<String> {
        // An unreadable /proc means no names, and the caller names the interface it misses.
        interfaces_in(&std::fs::read_to_string("/proc/net/dev").unwrap_or_default())
    }

    fn networks(&self) -> Vec<InterfaceNetwork> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mut networks = networks_in_v4(&read("/proc/net/route"));
        networks.extend(networks_in_v6(&read("/proc/net/ipv6_route")));
        networks
    }

    fn can_bind(&self, address: IpAddr) -> bool {
        TcpListener::bind((address, 0)).is_ok()
    }
}

/// Names in `/proc/net/dev`: two header lines, then `NAME: counters`.
fn interfaces_in(text: &str) -> Vec<String> {
    let lines = text.lines().skip(2);
    lines
        .filter_map(|line| line.rsplit_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// Routes without gateway in `/proc/net/route`; addresses are hexadecimal, lowest byte first.
fn networks_in_v4(text: &str) -> Vec<InterfaceNetwork> {
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, "00000000", _, _, _, _, mask, ..] = words.as_slice() else {
            return None;
        };
        let address = |word| {
            u32::from_str_radix(word, 16)
                .ok()
                .map(|n| Ipv4Addr::from(n.to_le_bytes()))
        };
        let network = Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?;
        Some(InterfaceNetwork {
            interface: (*interface).to_owned(),
            network: IpNet::V4(network),
        })
    };
    text.lines().skip(1).filter_map(parse).collect()
}

/// Routes without gateway in `/proc/net/ipv6_route`, of the size of a network.
fn networks_in_v6(text: &str) -> Vec<InterfaceNetwork> {
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, _, _, _, _, interface] = words.as_slice() else {
            return None;
        };
        let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
        let length = u8::from_str_radix(length, 16)
            .ok()
            .filter(|length| *length < 128)?;
        let connected = gateway.bytes().all(|byte| byte == b'0') && !address.is_multicast();
        let network = Ipv6Net::new(address, length).ok().filter(|_| connected)?;
        Some(InterfaceNetwork {
            interface: (*interface).to_owned(),
            network: IpNet::V6(network),
        })
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names() {
        let text = "Inter-| Receive\n face |bytes\n    lo: 1 2\n  eth0.7: 3 4\n";
        assert_eq!(interfaces_in(text), ["lo", "eth0.7"]);
        assert!(SystemHost.interfaces().contains(&"lo".to_owned()));
    }

    #[test]
    fn connected_networks() {
        let text = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                    eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0\n\
                    eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n";
        let networks = networks_in_v4(text);
        assert_eq!(networks.len(), 1);
        assert_eq!(networks[0].network.to_string(), "192.168.1.0/24");
        let zeros = "0".repeat(32);
        let text = format!(
            "fd000000000000000000000000000000 40 {zeros} 00 {zeros} 100 1 0 1 eth1\n\
             ff000000000000000000000000000000 08 {zeros} 00 {zeros} 100 1 0 1 eth1\n\
             {zeros} 00 {zeros} 00 fd000000000000000000000000000001 400 1 0 3 eth1\n"
        );
        let networks = networks_in_v6(&text);
        assert_eq!(networks.len(), 1);
        assert_eq!(networks[0].network.to_string(), "fd00::/64");
    }

    #[test]
    fn loopback_is_an_own_address() {
        assert!(SystemHost.can_bind("127.0.0.9".parse().expect("ip")));
        assert!(!SystemHost.can_bind("192.0.2.77".parse().expect("ip")));
    }
}
