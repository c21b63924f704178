//! Settings of the interfaces under `net/ipv4/conf`, and what they were before.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::error::{NetError, Result};

/// Sets values where needed and remembers what to put back.
#[derive(Debug, Default)]
pub struct InterfaceSettings {
    /// By interface and setting.
    before: BTreeMap<(String, String), String>,
    /// Holds the same for the next process, should this one be killed.
    memory: Option<PathBuf>,
}

impl InterfaceSettings {
    /// With what a process before this one noted in that file and did not put back.
    pub fn remembered(memory: PathBuf) -> Self {
        let text = std::fs::read_to_string(&memory).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some(((words.next()?, words.next()?), words.next()?))
        };
        Self {
            before: text.lines().filter_map(entry).collect(),
            memory: Some(memory),
        }
    }

    /// Sets a value; the one found at the first call is remembered.
    pub fn set(&mut self, interface: &str, setting: &str, value: &str) -> Result<()> {
        let found = read(interface, setting)?;
        let name = (interface.to_owned(), setting.to_owned());
        let known = self.before.len();
        self.before.entry(name).or_insert_with(|| found.clone());
        if self.before.len() > known {
            self.note()?;
        }
        if found != value {
            write(interface, setting, value)?;
        }
        Ok(())
    }

    fn note(&self) -> Result<()> {
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        let mut text = String::new();
        for ((interface, setting), value) in &self.before {
            let _ = writeln!(text, "{interface} {setting} {value}");
        }
        std::fs::write(memory, text)
            .map_err(|source| NetError::io(memory.display().to_string(), source))
    }

    /// Puts the remembered values back; returns what could not be restored (an interface that is gone is no failure).
    pub fn restore(&mut self) -> Vec<NetError> {
        let before = std::mem::take(&mut self.before);
        let gone = |error: &NetError| error.errno() == Some(rustix::io::Errno::NOENT);
        let failed = before
            .into_iter()
            .filter_map(|((interface, setting), value)| write(&interface, &setting, &value).err())
            .filter(|error| !gone(error))
            .collect();
        if let Some(memory) = &self.memory {
            // Usually there is none.
            let _ = std::fs::remove_file(memory);
        }
        failed
    }
}

fn path(interface: &str, setting: &str) -> Result<PathBuf> {
    if interface.is_empty() || interface.contains('/') || interface == ".." || interface == "." {
        return Err(NetError::Invalid(format!(
            "{interface:?} is no interface name"
        )));
    }
    Ok(["/proc/sys/net/ipv4/conf", interface, setting]
        .iter()
        .collect())
}

fn read(interface: &str, setting: &str) -> Result<String> {
    let path = path(interface, setting)?;
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|source| NetError::io(path.display().to_string(), source))?;
    Ok(text.trim().to_owned())
}

fn write(interface: &str, setting: &str, value: &str) -> Result<()> {
    let path = path(interface, setting)?;
    std::fs::write(&path, value).map_err(|source| NetError::io(path.display().to_string(), source))
}

/// `promote_secondaries` on the public interfaces.
///
/// Without it, the kernel removes every secondary address of a network together with the primary one: releasing one
/// public address would take others of the same network away.
#[derive(Debug, Default)]
pub struct PromoteSecondaries(InterfaceSettings);

impl PromoteSecondaries {
    /// Switches it on for an interface; the value found at the first call is remembered.
    pub fn enable(&mut self, interface: &str) -> Result<()> {
        self.0.set(interface, "promote_secondaries", "1")
    }

    /// Puts the remembered values back; returns what could not be restored.
    pub fn restore(&mut self) -> Vec<NetError> {
        self.0.restore()
    }
}
