//! What a cluster shall look like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::programs::program;

/// What the scripts of Debian's daemon may need for an address that comes or goes.
const SCRIPT_TIME: Duration = Duration::from_millis(500);

/// Whose daemon runs on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// This project's.
    Ours,
    /// Debian's, from package ctdb.
    Debian,
}

impl Daemon {
    /// Ours, unless `CTDB_TEST_DAEMON=debian` asks for the other one.
    pub fn from_env() -> Self {
        let word = std::env::var("CTDB_TEST_DAEMON").unwrap_or_default();
        Self::named(&word).unwrap_or(Self::Ours)
    }

    /// The one that is called `ours` or `debian` where one is asked for.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "ours" => Some(Self::Ours),
            "debian" => Some(Self::Debian),
            _ => None,
        }
    }

    /// Its program.
    pub fn path(self) -> PathBuf {
        match self {
            Self::Ours => program("ctdbd"),
            Self::Debian => PathBuf::from("/usr/sbin/ctdbd"),
        }
    }

    /// How long tests wait for it to settle: far above what either takes, since time is never what fails.
    pub fn patience(self) -> Duration {
        match self {
            Self::Ours => Duration::from_secs(45),
            Self::Debian => Duration::from_secs(180),
        }
    }
}

/// A file that the nodes get in addition to the usual ones.
#[derive(Debug, Clone)]
pub struct NodeFile {
    /// The node that gets it; `None`: all.
    pub node: Option<usize>,
    /// Where, below `/etc`.
    pub path: String,
    /// What it contains.
    pub text: String,
}

/// A cluster to be built.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Shown in messages.
    pub name: String,
    /// Number of nodes, at most 200.
    pub nodes: usize,
    /// Number of public addresses (of each family), at most 50,000.
    pub addresses: usize,
    /// Lines added to `ctdb.conf`.
    pub conf: String,
    /// Whether there is a cluster lock, on a file that all nodes share.
    pub lock: bool,
    /// `ctdb.tunables`.
    pub tunables: String,
    /// Whose daemon.
    pub daemon: Daemon,
    /// IPv6 public addresses beside those of IPv4.
    pub ipv6: bool,
    /// Variables of the daemons' environment: `NAME=value`.
    pub environment: Vec<String>,
    /// Further files.
    pub files: Vec<NodeFile>,
}

impl Layout {
    /// A cluster with two addresses a node, a lock, and the daemon of `Daemon::from_env`.
    pub fn new(name: &str, nodes: usize) -> Self {
        Self {
            name: name.into(),
            nodes,
            addresses: 2 * nodes,
            conf: String::new(),
            lock: true,
            tunables: String::new(),
            daemon: Daemon::from_env(),
            ipv6: false,
            environment: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The same with a further file below `/etc`, on one node or all.
    #[must_use]
    pub fn with_file(mut self, node: Option<usize>, path: &str, text: &str) -> Self {
        let (path, text) = (path.into(), text.into());
        self.files.push(NodeFile { node, path, text });
        self
    }

    /// How long tests wait for the cluster to settle: its daemon's patience, and for Debian's what its scripts need for
    /// each address besides.
    pub fn patience(&self) -> Duration {
        let addresses = match self.daemon {
            Daemon::Ours => 0,
            Daemon::Debian => self.public_addresses().len() as u32,
        };
        self.daemon.patience() + SCRIPT_TIME * addresses
    }

    /// The private address of a node.
    pub fn private_address(node: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, 0, (node + 1) as u8)
    }

    /// All public addresses.
    pub fn public_addresses(&self) -> Vec<IpAddr> {
        let numbers = 101..101 + self.addresses as u32;
        let v4 = numbers.clone().map(|number| {
            let high = (number / 250) as u8;
            IpAddr::from(Ipv4Addr::new(10, 88, high, (number % 250) as u8))
        });
        let v6 = numbers.map(|number| {
            let number = u128::from(number);
            IpAddr::from(Ipv6Addr::from((0xfd88_u128 << 112) | 0x1000 | number))
        });
        v4.chain(v6.filter(|_| self.ipv6)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_do_not_repeat_and_stay_in_the_public_network() {
        let layout = Layout {
            addresses: 3000,
            ipv6: true,
            ..Layout::new("addresses", 3)
        };
        let mut list = layout.public_addresses();
        assert_eq!(list.len(), 6000);
        assert_eq!(list[0].to_string(), "10.88.0.101");
        assert_eq!(list[3000].to_string(), "fd88::1065");
        list.sort();
        list.dedup();
        assert_eq!(list.len(), 6000);
    }
}
