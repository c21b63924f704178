//! Kernel switches that are set while the daemon runs and put back at its end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::error::{NetError, Result};
use ctdb_protocol::leftover::Leftover;

/// Sets switches below `/proc/sys/net` and remembers what to put back.
#[derive(Debug, Default)]
pub struct Sysctls {
    before: BTreeMap<String, String>,
    /// Holds the same for the next process, should this one be killed.
    memory: Option<PathBuf>,
}

impl Sysctls {
    /// With what a process before this one noted in that file and did not put back.
    pub fn remembered(memory: PathBuf) -> Self {
        let text = std::fs::read_to_string(&memory).unwrap_or_default();
        let entry = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Self {
            before: text.lines().filter_map(entry).collect(),
            memory: Some(memory),
        }
    }

    /// What the guard has to know before one is set.
    pub fn leftover(&self, name: &str) -> Result<Leftover> {
        let remembered = self.before.get(name).cloned();
        let value = remembered.map_or_else(|| get(name), Ok)?;
        let name = name.to_owned();
        Ok(Leftover::Switch { name, value })
    }

    /// Sets one, as `ipv4/ip_forward`; the value found at the first call is remembered.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let found = get(name)?;
        if !self.before.contains_key(name) {
            self.before.insert(name.to_owned(), found.clone());
            self.note()?;
        }
        if found != value {
            put(name, value)?;
        }
        Ok(())
    }

    fn note(&self) -> Result<()> {
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        let mut text = String::new();
        for (name, value) in &self.before {
            let _ = writeln!(text, "{name} {value}");
        }
        std::fs::write(memory, text)
            .map_err(|source| NetError::io(memory.display().to_string(), source))
    }

    /// Puts the remembered values back; returns what could not be restored (an interface that is gone is no failure).
    pub fn restore(&mut self) -> Vec<NetError> {
        let before = std::mem::take(&mut self.before);
        let failed = before
            .into_iter()
            .filter_map(|(name, value)| put_back(&name, &value).err())
            .collect();
        if let Some(memory) = &self.memory {
            // Usually there is none.
            let _ = std::fs::remove_file(memory);
        }
        failed
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(name)
}

/// The value of a switch.
pub(crate) fn get(name: &str) -> Result<String> {
    let text = std::fs::read_to_string(path(name));
    let text = text.map_err(|source| NetError::io(path(name).display().to_string(), source))?;
    Ok(text.trim().to_owned())
}

/// Sets a switch.
pub(crate) fn put(name: &str, value: &str) -> Result<()> {
    let done = std::fs::write(path(name), value);
    done.map_err(|source| NetError::io(path(name).display().to_string(), source))
}

/// Puts a value back; an interface that is gone has none.
pub(crate) fn put_back(name: &str, value: &str) -> Result<()> {
    match put(name, value) {
        Err(error) if error.errno() == Some(rustix::io::Errno::NOENT) => Ok(()),
        done => done,
    }
}

/// What the guard has to know before a switch is set.
pub(crate) fn leftover(name: &str) -> Result<Leftover> {
    let (name, value) = (name.to_owned(), get(name)?);
    Ok(Leftover::Switch { name, value })
}

/// The same for a switch of an interface, which need not be there yet: it begins with the default.
pub(crate) fn interface_leftover(interface: &str, setting: &str) -> Result<Leftover> {
    let name = format!("ipv4/conf/{interface}/{setting}");
    let value = get(&name).or_else(|_| get(&format!("ipv4/conf/default/{setting}")))?;
    Ok(Leftover::Switch { name, value })
}

/// `promote_secondaries` on the public interfaces.
///
/// Without it, the kernel removes every secondary address of a network together with the primary one: releasing one
/// public address would take others of the same network away.
#[derive(Debug, Default)]
pub struct PromoteSecondaries {
    switches: Sysctls,
}

impl PromoteSecondaries {
    /// Switches it on for an interface; the value found at the first call is remembered.
    pub fn enable(&mut self, interface: &str) -> Result<()> {
        if interface.is_empty() || interface.contains('/') || interface == ".." || interface == "."
        {
            let text = format!("{interface:?} is no interface name");
            return Err(NetError::Invalid(text));
        }
        let name = format!("ipv4/conf/{interface}/promote_secondaries");
        self.switches.set(&name, "1")
    }

    /// Puts the remembered values back; returns what could not be restored (an interface that is gone is no failure).
    pub fn restore(&mut self) -> Vec<NetError> {
        self.switches.restore()
    }
}
