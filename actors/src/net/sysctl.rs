//! `promote_secondaries` on the public interfaces.
//!
//! Without it, the kernel removes every secondary address of a network together with the primary one: releasing one
//! public address would take others of the same network away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{NetError, Result};

/// Sets the value where needed and remembers what to put back.
#[derive(Debug, Default)]
pub struct PromoteSecondaries {
    before: BTreeMap<String, String>,
}

fn path(interface: &str) -> Result<PathBuf> {
    if interface.is_empty() || interface.contains('/') || interface == ".." || interface == "." {
        return Err(NetError::Invalid(format!(
            "{interface:?} is no interface name"
        )));
    }
    Ok(
        ["/proc/sys/net/ipv4/conf", interface, "promote_secondaries"]
            .iter()
            .collect(),
    )
}

fn read(interface: &str) -> Result<String> {
    let path = path(interface)?;
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|source| NetError::io(path.display().to_string(), source))?;
    Ok(text.trim().to_owned())
}

fn write(interface: &str, value: &str) -> Result<()> {
    let path = path(interface)?;
    std::fs::write(&path, value).map_err(|source| NetError::io(path.display().to_string(), source))
}

impl PromoteSecondaries {
    /// Switches it on for an interface; the value found at the first call is remembered.
    pub fn enable(&mut self, interface: &str) -> Result<()> {
        let found = read(interface)?;
        if found != "1" {
            write(interface, "1")?;
        }
        self.before.entry(interface.to_owned()).or_insert(found);
        Ok(())
    }

    /// Puts the remembered values back; returns what could not be restored (an interface that is gone is no failure).
    pub fn restore(&mut self) -> Vec<NetError> {
        let before = std::mem::take(&mut self.before);
        let write_back = |(interface, value): (String, String)| write(&interface, &value).err();
        let gone = |error: &NetError| error.errno() == Some(rustix::io::Errno::NOENT);
        before
            .into_iter()
            .filter_map(write_back)
            .filter(|error| !gone(error))
            .collect()
    }
}
