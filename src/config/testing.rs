//! A configuration directory and a host for unit tests.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ctdb_protocol::settings::NodeEntry;

use super::{Environment, Host, InterfaceNetwork, Layout, Loaded, Refused, load, load_nodes};

/// A directory of its own, removed at the end.
pub(super) struct Directory(PathBuf);

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Directory {
    pub(super) fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ctdb-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    /// One with a nodes file whose second entry is [`TestHost`]'s address.
    pub(super) fn with_nodes() -> Self {
        let directory = Self::new();
        directory.write("etc/ctdb/nodes", "10.0.0.1\n10.0.0.2\n10.0.0.3\n");
        directory
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).expect("a directory for the file");
        std::fs::write(path, text).expect("a file for the test");
    }

    pub(super) fn environment(&self) -> Environment {
        let layout = Layout::installed(&self.0);
        Environment {
            layout,
            variables: std::collections::BTreeMap::new(),
            overrides: Vec::new(),
        }
    }

    pub(super) fn load(&self) -> Result<Loaded, Refused> {
        load(&self.environment(), &TestHost)
    }

    pub(super) fn load_nodes(&self) -> Result<Vec<NodeEntry>, Refused> {
        load_nodes(&self.environment(), &TestHost)
    }

    /// The errors, with the directory's own path cut off.
    pub(super) fn errors(&self) -> Vec<String> {
        let refused = self.load().expect_err("a refusal");
        refused
            .errors
            .iter()
            .map(|error| self.shorten(&error.to_string()))
            .collect()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let loaded = self
            .load()
            .map_err(|refused| refused.to_string())
            .expect("valid");
        loaded
            .warnings
            .iter()
            .map(|warning| self.shorten(&warning.to_string()))
            .collect()
    }

    fn shorten(&self, message: &str) -> String {
        message.replace(&self.0.to_string_lossy().into_owned(), "")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A left-over directory harms no other test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Node 1 of three, with networks on eth1, eth2 and eth3.
pub(super) struct TestHost;

impl Host for TestHost {
    fn interfaces(&self) -> Vec<String> {
        ["lo", "eth0", "eth1", "eth2", "eth3"]
            .map(str::to_owned)
            .to_vec()
    }

    fn networks(&self) -> Vec<InterfaceNetwork> {
        [
            ("eth1", "10.1.1.0/24"),
            ("eth2", "192.168.1.0/24"),
            ("eth3", "192.168.1.0/24"),
        ]
        .map(|(interface, network)| InterfaceNetwork {
            interface: interface.to_owned(),
            network: network.parse().expect("a network"),
        })
        .to_vec()
    }

    fn can_bind(&self, address: IpAddr) -> bool {
        address == IpAddr::from([10, 0, 0, 2])
    }
}
