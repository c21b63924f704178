//! Fills in a public address's missing prefix from the networks that the host is connected to.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network that an interface is directly connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceNetwork {
    /// Interface name.
    pub interface: String,
    /// The network.
    pub network: IpNet,
}

/// The prefix length of the one connected network on `interfaces` that contains `address`.
///
/// The same network on several interfaces counts once; the error says why there is no one answer.
pub(super) fn prefix_of(
    address: IpAddr,
    interfaces: &[String],
    networks: &[InterfaceNetwork],
) -> Result<u8, String> {
    let mut found: Vec<IpNet> = networks
        .iter()
        .filter(|known| interfaces.contains(&known.interface))
        .filter(|known| known.network.contains(&address) && known.network.prefix_len() > 0)
        .map(|known| known.network.trunc())
        .collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [network] => Ok(network.prefix_len()),
        [] => Err(format!(
            "the mask is missing, and no network connected to {} contains the address",
            interfaces.join(", ")
        )),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(format!(
                "the mask is missing, and several connected networks contain the address: {}",
                names.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(interface: &str, network: &str) -> InterfaceNetwork {
        let network = network.parse().expect("a network");
        InterfaceNetwork {
            interface: interface.to_owned(),
            network,
        }
    }

    fn answer(networks: &[InterfaceNetwork]) -> Result<u8, String> {
        let address = "192.168.1.99".parse().expect("an address");
        prefix_of(address, &["eth2".to_owned(), "eth3".to_owned()], networks)
    }

    #[test]
    fn the_one_network_on_its_interfaces_counts() {
        let networks = [
            network("eth0", "192.168.0.0/16"),
            network("eth2", "192.168.1.0/24"),
            network("eth3", "192.168.1.7/24"),
            network("eth3", "10.0.0.0/8"),
        ];
        assert_eq!(answer(&networks), Ok(24));
    }

    #[test]
    fn none_or_several_give_no_answer() {
        assert!(
            answer(&[network("eth0", "192.168.1.0/24")])
                .expect_err("none")
                .contains("eth2, eth3")
        );
        let several = [
            network("eth2", "192.168.1.0/24"),
            network("eth3", "192.168.0.0/16"),
        ];
        assert!(
            answer(&several)
                .expect_err("two")
                .contains("192.168.0.0/16, 192.168.1.0/24")
        );
        assert!(
            answer(&[network("eth2", "0.0.0.0/0")]).is_err(),
            "a default route is no network"
        );
    }
}
