//! The NAT gateway: `CTDB_NATGW_*` and the file of the group. A mistake is an error, as in 4.17, where it fails the
//! `setup` event.

use std::net::IpAddr;
use std::path::Path;

use ctdb_protocol::natgw::config::{self, Config};
use ctdb_protocol::natgw::group::Group;
use ctdb_protocol::settings::{GroupLine, Lvs, NatGateway, PublicAddress};

use super::error::Place;
use super::files::read_text;
use super::group_file;
use super::legacy::Legacy;
use super::load::Loader;

const PUBLIC_IP: &str = "CTDB_NATGW_PUBLIC_IP";

/// What this node's configuration says of the NAT gateway; `own` is its private address.
pub(super) fn settings(loader: &mut Loader, legacy: &Legacy, own: IpAddr) -> Option<NatGateway> {
    let variables = &legacy.script_variables;
    let config = match Config::from_variables(variables) {
        Ok(config) => config?,
        Err(fault) => {
            loader.refuse_variable(legacy, fault.variable, fault.message);
            return None;
        }
    };
    let group = match read_text(Path::new(&config.file)) {
        Ok(Some(content)) => {
            let findings = &mut loader.findings;
            group_file::parse(&config.file, &content, findings)
        }
        Ok(None) => {
            let message = format!("{} does not exist", config.file);
            loader.refuse_variable(legacy, config::NODES, message);
            return None;
        }
        Err(message) => {
            let place = Place::whole(&config.file);
            loader.findings.refuse(&place, "", message);
            return None;
        }
    };
    refuse_family(loader, &config, &group);
    let slave_only = config::is_slave_only(variables);
    if Group(group.clone()).may_lead(own)
        && !slave_only
        && let Err(fault) = config.need_public_side()
    {
        let message = format!(
            "{}, and neither {} nor CTDB_NATGW_SLAVE_ONLY keeps this node from being the gateway",
            fault.message, config.file
        );
        loader.refuse_variable(legacy, fault.variable, message);
    }
    Some(NatGateway {
        config,
        group,
        slave_only,
    })
}

/// Routes lead by the nodes' private addresses, so these are of the family of all else.
fn refuse_family(loader: &mut Loader, config: &Config, group: &[GroupLine]) {
    let is_v4 = config.private_network.addr().is_ipv4();
    for line in group.iter().filter(|line| line.address.is_ipv4() != is_v4) {
        let network = config.private_network;
        let message = format!("is of another family than CTDB_NATGW_PRIVATE_NETWORK={network}");
        let place = Place::whole(&config.file);
        let node = line.address.to_string();
        loader.findings.refuse(&place, &node, message);
    }
}

/// The gateway's address is nobody else's.
pub(super) fn refuse_shared(
    loader: &mut Loader,
    legacy: &Legacy,
    natgw: Option<&NatGateway>,
    public: &[PublicAddress],
    lvs: Option<&Lvs>,
) {
    let Some(side) = natgw.and_then(|natgw| natgw.config.public.as_ref()) else {
        return;
    };
    let mut others = public
        .iter()
        .map(|public| public.address)
        .chain(lvs.map(|lvs| lvs.address));
    if others.any(|address| address == side.address) {
        let message = format!("{} is a public address or that of LVS too", side.address);
        loader.refuse_variable(legacy, PUBLIC_IP, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Directory;

    /// The lines of the manual, with the file where the test has it.
    const SEED: &str = "CTDB_NATGW_NODES=$CTDB_BASE/natgw_nodes
CTDB_NATGW_PRIVATE_NETWORK=192.168.1.0/24
CTDB_NATGW_PUBLIC_IP=10.0.0.227/24
CTDB_NATGW_PUBLIC_IFACE=eth0
CTDB_NATGW_DEFAULT_GATEWAY=10.0.0.1
";

    fn cluster(options: &str) -> Directory {
        let directory = Directory::with_nodes();
        directory.write("etc/ctdb/script.options", options);
        directory.write("etc/ctdb/natgw_nodes", "10.0.0.1 slave-only\n10.0.0.2\n");
        directory
    }

    fn natgw(directory: &Directory) -> Option<NatGateway> {
        directory.load().expect("valid").settings.natgw
    }

    #[test]
    fn the_lines_of_the_manual() {
        let found = natgw(&cluster(SEED)).expect("a NAT gateway");
        let side = found.config.public.expect("a public side");
        assert_eq!(side.address, IpAddr::from([10, 0, 0, 227]));
        assert_eq!(found.group.len(), 2);
        assert!(found.group[0].follower_only && !found.slave_only);
        assert_eq!(natgw(&cluster("")), None);
    }

    #[test]
    fn a_node_that_is_never_the_gateway_needs_no_public_side() {
        let lines =
            "CTDB_NATGW_NODES=$CTDB_BASE/natgw_nodes\nCTDB_NATGW_PRIVATE_NETWORK=192.168.1.0/24\n";
        let errors = cluster(lines).errors();
        assert!(errors[0].contains("CTDB_NATGW_PUBLIC_IP: is not set, and"));
        let found = natgw(&cluster(&format!("{lines}CTDB_NATGW_SLAVE_ONLY=yes\n")));
        assert!(found.expect("a NAT gateway").slave_only);
    }

    #[test]
    fn file_and_line_of_what_is_wrong() {
        for (options, part) in [
            (
                "CTDB_NATGW_NODES=/nowhere\nCTDB_NATGW_PRIVATE_NETWORK=10.0.0.0/8\n",
                "script.options:1: CTDB_NATGW_NODES: /nowhere does not exist",
            ),
            (
                &SEED.replace("192.168.1.0/24", "net"),
                "script.options:2: CTDB_NATGW_PRIVATE_NETWORK: \"net\": a network belongs here",
            ),
            (
                &SEED.replace("CTDB_NATGW_PRIVATE_NETWORK", "CTDB_NATGW_SLAVE_ONLY"),
                "script.options: CTDB_NATGW_PRIVATE_NETWORK: is not set",
            ),
        ] {
            let errors = cluster(options).errors();
            let named = errors.iter().any(|error| error.contains(part));
            assert!(named, "{errors:?}");
        }
        let directory = cluster(SEED);
        directory.write("etc/ctdb/natgw_nodes", "10.0.0.1\nnode7\n");
        let errors = directory.errors();
        assert!(errors[0].contains("natgw_nodes:2: node7: "), "{errors:?}");
    }

    #[test]
    fn its_address_is_no_public_one() {
        let directory = cluster(SEED);
        directory.write("etc/ctdb/public_addresses", "10.0.0.227/24 eth0\n");
        let errors = directory.errors();
        let part = "CTDB_NATGW_PUBLIC_IP: 10.0.0.227 is a public address";
        assert!(errors[0].contains(part), "{errors:?}");
    }
}
