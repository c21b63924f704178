//! Policy routing: which tables there are, and what has to be in them for the addresses that this node holds.

use super::config::{Config, Source};
use super::file::Line;
use super::route::{Route, Routing, Rule};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use ipnet::IpNet;

/// What the name of a table begins with; the address follows.
pub const LABEL: &str = "ctdb.";

/// No table is left for an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no table from {low} to {high} is left for {address}: widen CTDB_PER_IP_ROUTING_TABLE_ID_LOW and _HIGH"
)]
pub struct OutOfTables {
    /// The address.
    pub address: IpAddr,
    /// First table.
    pub low: u32,
    /// Last table.
    pub high: u32,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Policy {
    config: Config,
    lines: Vec<Line>,
    /// The table of each address that had one ever.
    tables: BTreeMap<IpAddr, u32>,
    /// Tables of the range that carry names of others.
    foreign: Vec<u32>,
    /// Length of the network prefix, and the interface, of each address that is here.
    held: BTreeMap<IpAddr, (u8, String)>,
}

impl Policy {
    /// With the names that tables have already: an address keeps the number it had.
    pub fn new(config: Config, names: &[(u32, String)]) -> Self {
        let (mut tables, mut foreign) = (BTreeMap::new(), Vec::new());
        let range = config.low..=config.high;
        for (table, name) in names.iter().filter(|(table, _)| range.contains(table)) {
            let address = name.strip_prefix(LABEL).and_then(|ip| ip.parse().ok());
            match address {
                Some(address) if !tables.contains_key(&address) => {
                    tables.insert(address, *table);
                }
                _ => foreign.push(*table),
            }
        }
        Self {
            config,
            lines: Vec::new(),
            tables,
            foreign,
            held: BTreeMap::new(),
        }
    }

    /// What the variables say.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The lines of the file from now on. Each address gets its table, here or not, so that numbers do not depend on
    /// the order in which addresses come.
    pub fn set_lines(&mut self, lines: Vec<Line>) -> Result<(), OutOfTables> {
        self.lines = lines;
        let addresses = self.lines.iter().map(|line| line.address).collect();
        self.number(addresses)
    }

    /// Each of these addresses gets its table.
    pub fn number(&mut self, mut addresses: Vec<IpAddr>) -> Result<(), OutOfTables> {
        addresses.sort_unstable();
        addresses.dedup();
        addresses
            .into_iter()
            .try_for_each(|ip| self.table(ip).map(drop))
    }

    /// The address is on that interface.
    pub fn hold(
        &mut self,
        address: IpAddr,
        prefix: u8,
        interface: &str,
    ) -> Result<(), OutOfTables> {
        self.held.insert(address, (prefix, interface.to_string()));
        if self.has_routes(address) {
            self.table(address)?;
        }
        Ok(())
    }

    /// The address is not here any more.
    pub fn release(&mut self, address: IpAddr) {
        self.held.remove(&address);
    }

    fn has_routes(&self, address: IpAddr) -> bool {
        self.config.source == Source::AutoLinkLocal
            || self.lines.iter().any(|line| line.address == address)
    }

    /// The table of an address: the one it had, or the first that nobody has.
    fn table(&mut self, address: IpAddr) -> Result<u32, OutOfTables> {
        if let Some(table) = self.tables.get(&address) {
            return Ok(*table);
        }
        let is_free = |table: &u32| {
            !self.foreign.contains(table) && !self.tables.values().any(|used| used == table)
        };
        let (low, high) = (self.config.low, self.config.high);
        let table = (low..=high).find(is_free);
        let table = table.ok_or(OutOfTables { address, low, high })?;
        self.tables.insert(address, table);
        Ok(table)
    }

    /// Names for the tables.
    pub fn names(&self) -> Vec<(u32, String)> {
        let name = |(address, table): (&IpAddr, &u32)| (*table, format!("{LABEL}{address}"));
        let mut names: Vec<(u32, String)> = self.tables.iter().map(name).collect();
        names.sort_unstable();
        names
    }

    /// The rules and routes that the kernel should have.
    pub fn wanted(&self) -> Routing {
        let mut wanted = Routing::default();
        for (address, (prefix, interface)) in &self.held {
            let Some(table) = self.tables.get(address).copied() else {
                continue;
            };
            let routes = self.routes_of(*address, *prefix, interface, table);
            if routes.is_empty() {
                continue;
            }
            wanted.routes.extend(routes);
            wanted.rules.push(Rule {
                source: *address,
                preference: self.config.preference,
                table,
            });
        }
        wanted.routes.sort();
        wanted.routes.dedup();
        wanted
    }

    fn routes_of(&self, address: IpAddr, prefix: u8, interface: &str, table: u32) -> Vec<Route> {
        let route = |network, gateway| Route {
            gateway,
            network,
            interface: Some(interface.to_string()),
            table,
            metric: 0,
        };
        match self.config.source {
            Source::AutoLinkLocal => {
                let own = IpNet::new(address, prefix).map(|net| route(net.trunc(), None));
                own.into_iter().collect()
            }
            Source::File(_) => {
                let lines = self.lines.iter().filter(|line| line.address == address);
                lines
                    .map(|line| route(line.network, line.gateway))
                    .collect()
            }
        }
    }
}
