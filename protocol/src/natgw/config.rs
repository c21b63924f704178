//! `CTDB_NATGW_*`: the NAT gateway as the variables want it.

use crate::routing::file::network;
use crate::routing::route::{FALLBACK_METRIC, MAIN, Route, Routing, Scope};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use ipnet::IpNet;

const NODES: &str = "CTDB_NATGW_NODES";
const PUBLIC_IP: &str = "CTDB_NATGW_PUBLIC_IP";
const PUBLIC_IFACE: &str = "CTDB_NATGW_PUBLIC_IFACE";
const PRIVATE_NETWORK: &str = "CTDB_NATGW_PRIVATE_NETWORK";
const DEFAULT_GATEWAY: &str = "CTDB_NATGW_DEFAULT_GATEWAY";
const STATIC_ROUTES: &str = "CTDB_NATGW_STATIC_ROUTES";
/// The name of the file of a group where no variable gives one.
pub const NODES_FILE: &str = "natgw_nodes";

/// Where the gateway's address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicSide {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix.
    pub prefix: u8,
    /// The interface.
    pub interface: String,
}

/// A network that is reached by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// The network.
    pub network: IpNet,
    /// By whom the gateway itself reaches it; none: the default gateway.
    pub gateway: Option<IpAddr>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file of the group.
    pub file: String,
    /// The nodes' own network: what comes from there is translated.
    pub private_network: IpNet,
    /// Where the gateway's address goes; a node that is never the gateway needs none.
    pub public: Option<PublicSide>,
    /// By whom the gateway reaches the outside.
    pub default_gateway: Option<IpAddr>,
    /// What is reached by the gateway.
    pub routes: Vec<StaticRoute>,
}

impl Config {
    /// None if it is not wanted; the error names variable, value and what belongs there.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Option<Self>, String> {
        let get = |name: &str| variables.get(name).map_or("", |value| value.trim());
        let file = match get(NODES) {
            "" => return Ok(None),
            file => file.to_string(),
        };
        let private_network = match get(PRIVATE_NETWORK) {
            "" => return Err(format!("Invalid configuration: {PRIVATE_NETWORK} not set")),
            word => network(word).ok_or_else(|| {
                format!("{PRIVATE_NETWORK}=\"{word}\": a network belongs here, as 192.168.1.0/24")
            })?,
        };
        let default_gateway =
            match get(DEFAULT_GATEWAY) {
                "" => None,
                word => Some(word.parse().map_err(|_| {
                    format!("{DEFAULT_GATEWAY}=\"{word}\": an address belongs here")
                })?),
            };
        let config = Self {
            file,
            private_network,
            public: public_side(get(PUBLIC_IP), get(PUBLIC_IFACE))?,
            default_gateway,
            routes: static_routes(get(STATIC_ROUTES), private_network)?,
        };
        config.check_families()?;
        Ok(Some(config))
    }

    fn check_families(&self) -> Result<(), String> {
        let is_v4 = self.private_network.addr().is_ipv4();
        let public = self.public.iter().map(|side| (PUBLIC_IP, side.address));
        let gateway = self.default_gateway.iter().map(|ip| (DEFAULT_GATEWAY, *ip));
        let routes = self.routes.iter().flat_map(|route| {
            let gateway = route.gateway.into_iter();
            core::iter::once(route.network.addr()).chain(gateway)
        });
        let routes = routes.map(|ip| (STATIC_ROUTES, ip));
        match public
            .chain(gateway)
            .chain(routes)
            .find(|(_, ip)| ip.is_ipv4() != is_v4)
        {
            None => Ok(()),
            Some((name, ip)) => {
                let network = self.private_network;
                Err(format!(
                    "{name}: {ip} is of another family than {PRIVATE_NETWORK}={network}"
                ))
            }
        }
    }

    /// The interface of the gateway's address, if a node may be the gateway; the error says what is missing.
    pub fn public_side(&self) -> Result<&PublicSide, String> {
        let missing = || format!("Invalid configuration: {PUBLIC_IP} and {PUBLIC_IFACE} not set");
        self.public.as_ref().ok_or_else(missing)
    }

    /// What of the kernel's routes is the NAT gateway's.
    pub fn scope(&self) -> Scope {
        Scope::Fallback {
            networks: self.routes.iter().map(|route| route.network).collect(),
        }
    }

    /// The routes of the gateway itself.
    pub fn gateway_routes(&self) -> Routing {
        self.routing(|route| route.gateway.or(self.default_gateway))
    }

    /// The routes of the others, to the gateway's private address.
    pub fn follower_routes(&self, gateway: IpAddr) -> Routing {
        self.routing(|_| Some(gateway))
    }

    fn routing(&self, gateway: impl Fn(&StaticRoute) -> Option<IpAddr>) -> Routing {
        let routes = self.routes.iter().filter_map(|route| {
            Some(Route {
                gateway: Some(gateway(route)?),
                network: route.network,
                interface: None,
                table: MAIN,
                metric: FALLBACK_METRIC,
            })
        });
        Routing {
            rules: Vec::new(),
            routes: routes.collect(),
        }
    }
}

fn public_side(ip: &str, interface: &str) -> Result<Option<PublicSide>, String> {
    if ip.is_empty() || interface.is_empty() {
        return match (ip, interface) {
            ("", "") => Ok(None),
            ("", _) => Err(format!("Invalid configuration: {PUBLIC_IP} not set")),
            _ => Err(format!("Invalid configuration: {PUBLIC_IFACE} not set")),
        };
    }
    let net: Option<IpNet> = ip.parse().ok();
    let net = net.ok_or_else(|| {
        format!("{PUBLIC_IP}=\"{ip}\": an address with its mask belongs here, as 10.0.0.227/24")
    })?;
    Ok(Some(PublicSide {
        address: net.addr(),
        prefix: net.prefix_len(),
        interface: interface.to_string(),
    }))
}

fn static_routes(text: &str, private: IpNet) -> Result<Vec<StaticRoute>, String> {
    let mut routes = Vec::new();
    for word in text.split_whitespace() {
        let (net, gateway) = match word.split_once('@') {
            Some((net, gateway)) => (net, Some(gateway.parse::<IpAddr>().ok())),
            None => (word, None),
        };
        let bad = || {
            format!(
                "{STATIC_ROUTES}: \"{word}\": networks belong here, as 10.2.0.0/16 or 10.2.0.0/16@10.0.0.1"
            )
        };
        routes.push(StaticRoute {
            network: network(net).ok_or_else(bad)?,
            gateway: gateway.map(|gateway| gateway.ok_or_else(bad)).transpose()?,
        });
    }
    if routes.is_empty() {
        let everything = if private.addr().is_ipv4() {
            IpNet::from(IpAddr::from([0_u8; 4]))
        } else {
            IpNet::from(IpAddr::from([0_u8; 16]))
        };
        let network = IpNet::new(everything.addr(), 0).unwrap_or(everything);
        routes = vec![StaticRoute {
            network,
            gateway: None,
        }];
    }
    Ok(routes)
}
