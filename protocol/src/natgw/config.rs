//! `CTDB_NATGW_*`: the NAT gateway as the variables want it.

use crate::routing::file::network;
use crate::routing::route::{FALLBACK_METRIC, MAIN, Route, Routing, Scope};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Names the file of the group; without it there is no NAT gateway.
pub const NODES: &str = "CTDB_NATGW_NODES";
const PUBLIC_IP: &str = "CTDB_NATGW_PUBLIC_IP";
const PUBLIC_IFACE: &str = "CTDB_NATGW_PUBLIC_IFACE";
const PRIVATE_NETWORK: &str = "CTDB_NATGW_PRIVATE_NETWORK";
const DEFAULT_GATEWAY: &str = "CTDB_NATGW_DEFAULT_GATEWAY";
const STATIC_ROUTES: &str = "CTDB_NATGW_STATIC_ROUTES";
/// `yes`: this node is never the gateway.
const SLAVE_ONLY: &str = "CTDB_NATGW_SLAVE_ONLY";
/// The name of the file of a group where no variable gives one.
pub const NODES_FILE: &str = "natgw_nodes";

/// Where the gateway's address goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicSide {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix.
    pub prefix: u8,
    /// The interface.
    pub interface: String,
}

/// A network that is reached by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticRoute {
    /// The network.
    pub network: IpNet,
    /// By whom the gateway itself reaches it; none: the default gateway.
    pub gateway: Option<IpAddr>,
}

/// What is wrong with a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong, and what belongs there.
    pub message: String,
}

impl Fault {
    fn new(variable: &'static str, message: String) -> Self {
        Self { variable, message }
    }

    fn not_set(variable: &'static str) -> Self {
        Self::new(variable, String::from("is not set"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// None if it is not wanted.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Option<Self>, Fault> {
        let get = |name: &str| variables.get(name).map_or("", |value| value.trim());
        let file = match get(NODES) {
            "" => return Ok(None),
            file => file.to_string(),
        };
        let private_network = match get(PRIVATE_NETWORK) {
            "" => return Err(Fault::not_set(PRIVATE_NETWORK)),
            word => network(word).ok_or_else(|| {
                let message = format!("\"{word}\": a network belongs here, as 192.168.1.0/24");
                Fault::new(PRIVATE_NETWORK, message)
            })?,
        };
        let default_gateway = match get(DEFAULT_GATEWAY) {
            "" => None,
            word => Some(word.parse().map_err(|_| {
                let message = format!("\"{word}\": an address belongs here");
                Fault::new(DEFAULT_GATEWAY, message)
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

    fn check_families(&self) -> Result<(), Fault> {
        let is_v4 = self.private_network.addr().is_ipv4();
        let public = self.public.iter().map(|side| (PUBLIC_IP, side.address));
        let gateway = self.default_gateway.iter().map(|ip| (DEFAULT_GATEWAY, *ip));
        let routes = self.routes.iter().flat_map(|route| {
            let gateway = route.gateway.into_iter();
            core::iter::once(route.network.addr()).chain(gateway)
        });
        let routes = routes.map(|ip| (STATIC_ROUTES, ip));
        let mut all = public.chain(gateway).chain(routes);
        match all.find(|(_, ip)| ip.is_ipv4() != is_v4) {
            None => Ok(()),
            Some((variable, ip)) => {
                let network = self.private_network;
                let message = format!("{ip} is of another family than {PRIVATE_NETWORK}={network}");
                Err(Fault::new(variable, message))
            }
        }
    }

    /// What a node needs that may be the gateway.
    pub fn need_public_side(&self) -> Result<&PublicSide, Fault> {
        self.public
            .as_ref()
            .ok_or_else(|| Fault::not_set(PUBLIC_IP))
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

/// Whether the variables keep this node from being a gateway.
pub fn is_slave_only(variables: &BTreeMap<String, String>) -> bool {
    variables
        .get(SLAVE_ONLY)
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("yes"))
}

fn public_side(ip: &str, interface: &str) -> Result<Option<PublicSide>, Fault> {
    if ip.is_empty() || interface.is_empty() {
        return match (ip, interface) {
            ("", "") => Ok(None),
            ("", _) => Err(Fault::not_set(PUBLIC_IP)),
            _ => Err(Fault::not_set(PUBLIC_IFACE)),
        };
    }
    let net: Option<IpNet> = ip.parse().ok();
    let net = net.ok_or_else(|| {
        let message = format!("\"{ip}\": an address with its mask belongs here, as 10.0.0.227/24");
        Fault::new(PUBLIC_IP, message)
    })?;
    Ok(Some(PublicSide {
        address: net.addr(),
        prefix: net.prefix_len(),
        interface: interface.to_string(),
    }))
}

fn static_routes(text: &str, private: IpNet) -> Result<Vec<StaticRoute>, Fault> {
    let mut routes = Vec::new();
    for word in text.split_whitespace() {
        let (net, gateway) = match word.split_once('@') {
            Some((net, gateway)) => (net, Some(gateway.parse::<IpAddr>().ok())),
            None => (word, None),
        };
        let bad = || {
            let message =
                format!("\"{word}\": networks belong here, as 10.2.0.0/16 or 10.2.0.0/16@10.0.0.1");
            Fault::new(STATIC_ROUTES, message)
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
