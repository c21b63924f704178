//! The directory of the event scripts: which there are, which are enabled, and how that is changed.

use super::process::errno;
use ctdb_protocol::event::errno::{EINVAL, EIO, ENOENT};
use ctdb_protocol::event::io::Script;
use ctdb_protocol::event::name::{INTERFACE, SUFFIX, is_native, script_of_file};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The run bit that enables a script, and all of them.
const RUN_BIT: u32 = 0o100;
const RUN_BITS: u32 = 0o111;
/// Where Debian has the shipped scripts.
const SHIPPED: &str = "/usr/share/ctdb/events/legacy";
/// Services that old configurations name, and the scripts that manage them.
const SERVICES: [(&str, &str); 8] = [
    ("clamd", "31.clamd"),
    ("vsftpd", "40.vsftpd"),
    ("httpd", "41.httpd"),
    ("nmb", "48.netbios"),
    ("winbind", "49.winbind"),
    ("samba", "50.samba"),
    ("nfs", "60.nfs"),
    ("iscsi", "70.iscsi"),
];

/// Why a script was not enabled or disabled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text}")]
pub struct ScriptError {
    /// What 4.17's tool ends with.
    pub code: i32,
    /// What it prints.
    pub text: String,
}

fn failed(code: i32, text: String) -> ScriptError {
    ScriptError { code, text }
}

/// See the module. Its functions touch files: not for an arbiter.
#[derive(Debug, Clone)]
pub struct ScriptDirectory {
    /// Where enabled and local scripts are.
    pub enabled: PathBuf,
    /// Where the shipped ones are.
    pub shipped: PathBuf,
    /// Services that an old configuration wants managed.
    pub managed: BTreeSet<String>,
    /// Native scripts whose variables are set.
    pub configured: BTreeSet<&'static str>,
}

/// A script file: its name, and whether it may be run.
type Found = BTreeMap<String, bool>;

fn found(directory: &Path) -> io::Result<Found> {
    let mut scripts = Found::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.file_name();
        if let Some(name) = file.to_str().and_then(script_of_file) {
            // One that has vanished, or points nowhere, can't be run either.
            let mode = fs::metadata(directory.join(&file)).map_or(0, |m| m.permissions().mode());
            scripts.insert(name.to_string(), mode & RUN_BIT != 0);
        }
    }
    Ok(scripts)
}

/// Nothing in the directory but what switches native scripts off.
fn is_bare(local: &Found) -> bool {
    local.iter().all(|(name, on)| !on && is_native(name))
}

impl ScriptDirectory {
    /// The usual places, from the configuration directory.
    pub fn installed(etc: &Path, test_mode: bool) -> Self {
        Self {
            enabled: etc.join("events/legacy"),
            shipped: if test_mode {
                etc.join("share/events/legacy")
            } else {
                PathBuf::from(SHIPPED)
            },
            managed: BTreeSet::new(),
            configured: BTreeSet::from([INTERFACE]),
        }
    }

    fn file(directory: &Path, name: &str) -> PathBuf {
        directory.join(format!("{name}{SUFFIX}"))
    }

    /// All scripts in the order in which they run.
    ///
    /// Files decide which are enabled, as in 4.17. In a directory without any (old configurations had no such choice)
    /// the native ones are enabled by their variables; files without run bit that switch those off do not count.
    pub fn scripts(&self) -> Result<Vec<Script>, i32> {
        let mut all: BTreeMap<String, Script> = BTreeMap::new();
        let mut add = |directory: &Path, name: &str, enabled| {
            let native = is_native(name);
            let path = Self::file(directory, name);
            let script = Script {
                name: name.to_string(),
                path: path.to_string_lossy().into_owned(),
                enabled,
                native,
            };
            // The order is that of the file names.
            all.entry(format!("{name}{SUFFIX}")).or_insert(script);
        };
        let local = self.found()?;
        for (name, enabled) in &local {
            add(&self.enabled, name, *enabled);
        }
        if is_bare(&local) {
            for name in &self.configured {
                add(&self.enabled, name, true);
            }
        }
        for (_, name) in SERVICES
            .iter()
            .filter(|(service, _)| self.managed.contains(*service))
        {
            if Self::file(&self.shipped, name).exists() {
                add(&self.shipped, name, true);
            }
        }
        Ok(all.into_values().collect())
    }

    /// Without a file such a script may be enabled by its variables, which not every caller knows.
    fn is_left_to_variables(&self, name: &str) -> bool {
        is_native(name) && self.found().is_ok_and(|local| is_bare(&local))
    }

    fn found(&self) -> Result<Found, i32> {
        match found(&self.enabled) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::new()),
            other => other.map_err(|error| errno(&error)),
        }
    }

    /// Files that carry the names of native scripts and are enabled.
    pub fn natives(&self) -> Vec<(String, PathBuf)> {
        let local = self.found().unwrap_or_default();
        let natives = local
            .into_iter()
            .filter(|(name, on)| *on && is_native(name));
        natives
            .map(|(name, _)| (name.clone(), Self::file(&self.enabled, &name)))
            .collect()
    }

    /// Native scripts that are configured but not enabled, without a file that would switch them off on purpose.
    pub fn configured_but_off(&self) -> Vec<&'static str> {
        let scripts = self.scripts().unwrap_or_default();
        let is_listed = |name: &str| scripts.iter().any(|script| script.name == name);
        let wanted = self.configured.iter().filter(|name| **name != INTERFACE);
        wanted.filter(|name| !is_listed(name)).copied().collect()
    }

    /// Does the state of the links count?
    pub fn checks_interfaces(&self) -> bool {
        let scripts = self.scripts().unwrap_or_default();
        scripts.iter().any(|s| s.name == INTERFACE && s.enabled)
    }

    /// What `event script list` shows: the shipped scripts with those that are enabled by a link to them, then
    /// the local ones.
    pub fn list(&self) -> Result<Vec<String>, i32> {
        use ctdb_protocol::event::show::listed;
        let mut local = found(&self.enabled).map_err(|error| errno(&error))?;
        let shipped = fs::canonicalize(&self.shipped).map_err(|error| errno(&error))?;
        let mut lines = Vec::new();
        for name in found(&shipped).map_err(|error| errno(&error))?.keys() {
            let link = fs::read_link(Self::file(&self.enabled, name));
            let enabled = link.is_ok_and(|target| target == Self::file(&shipped, name));
            if enabled {
                local.remove(name);
            }
            lines.push(listed(name, enabled));
        }
        if !lines.is_empty() && !local.is_empty() {
            lines.push(String::new());
        }
        lines.extend(local.iter().map(|(name, enabled)| listed(name, *enabled)));
        Ok(lines)
    }

    /// `event script enable`: the run bit of a local script, or a link to a shipped one.
    pub fn enable(&self, component: &str, name: &str) -> Result<(), ScriptError> {
        let path = Self::file(&self.enabled, name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => Ok(()),
            Ok(meta) if meta.is_file() => self.change(component, name, true),
            Ok(_) => Err(no_script(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let missing = |_| missing(component, name);
                let shipped = Self::file(&self.shipped, name);
                let shipped = fs::canonicalize(shipped).map_err(missing)?;
                symlink(shipped, &path).map_err(|_| {
                    failed(EIO, format!("Failed to create symlink {}", path.display()))
                })
            }
            Err(_) => Err(failed(
                EINVAL,
                format!("Script {} does not exist", path.display()),
            )),
        }
    }

    /// `event script disable`: the other way round. One that is not there is disabled already.
    pub fn disable(&self, component: &str, name: &str) -> Result<(), ScriptError> {
        let path = Self::file(&self.enabled, name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => fs::remove_file(&path)
                .map_err(|_| failed(EIO, format!("Failed to remove symlink {}", path.display()))),
            Ok(meta) if meta.is_file() => self.change(component, name, false),
            Ok(_) => Err(no_script(&path)),
            // An empty file without run bit says that it is off.
            Err(_) if self.is_left_to_variables(name) => fs::write(&path, "")
                .map_err(|_| failed(EIO, format!("Failed to write {}", path.display()))),
            Err(_) => Ok(()),
        }
    }

    fn change(&self, component: &str, name: &str, run: bool) -> Result<(), ScriptError> {
        let changed = self.set_run_bit(name, run);
        changed.map_err(|code| match code {
            EINVAL => failed(code, format!("Script {name} is invalid in {component}")),
            ENOENT => missing(component, name),
            code => failed(code, io::Error::from_raw_os_error(code).to_string()),
        })
    }

    /// Sets or clears the run bits of a script that is a file of its own; its suffix may be given. Errors are
    /// error numbers.
    pub fn set_run_bit(&self, name: &str, run: bool) -> Result<(), i32> {
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        let file = format!("{name}{SUFFIX}");
        if file.contains('/') {
            return Err(ENOENT);
        }
        let path = self.enabled.join(&file);
        let meta = fs::symlink_metadata(&path).map_err(|error| errno(&error))?;
        // A link's target is not the admin's to change.
        if script_of_file(&file).is_none() || !meta.is_file() {
            return Err(EINVAL);
        }
        let mode = meta.permissions().mode();
        let mode = if run {
            mode | RUN_BITS
        } else {
            mode & !RUN_BITS
        };
        fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777))
            .map_err(|error| errno(&error))
    }
}

fn missing(component: &str, name: &str) -> ScriptError {
    failed(
        ENOENT,
        format!("Script {name} does not exist in {component}"),
    )
}

fn no_script(path: &Path) -> ScriptError {
    let path = path.display();
    failed(EINVAL, format!("Script {path} is not a file or a link"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> ScriptDirectory {
        let base = std::env::temp_dir().join(format!("ctdb-scripts-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(base.join("events/legacy")).expect("a directory");
        ScriptDirectory::installed(&base, true)
    }

    fn enabled(directory: &ScriptDirectory) -> Vec<(String, bool)> {
        let scripts = directory.scripts().expect("readable");
        scripts.into_iter().map(|s| (s.name, s.enabled)).collect()
    }

    /// Off stays off, on comes back, and neither changes what else runs.
    #[test]
    fn a_native_script_without_a_file_is_switched_off_by_one() {
        let directory = directory("off");
        let state = |on| [(String::from(INTERFACE), on)];
        assert_eq!(enabled(&directory), state(true));
        directory.disable("legacy", INTERFACE).expect("disabled");
        assert_eq!(enabled(&directory), state(false));
        directory.enable("legacy", INTERFACE).expect("enabled");
        assert_eq!(enabled(&directory), state(true));
        fs::remove_dir_all(&directory.enabled).expect("removed");
    }

    /// As 4.17: where files say what runs, one that is not there does not.
    #[test]
    fn files_decide_where_there_are_any() {
        let directory = directory("files");
        let script = directory.enabled.join("50.samba.script");
        fs::write(&script, "").expect("a file");
        fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("mode");
        assert_eq!(enabled(&directory), [(String::from("50.samba"), true)]);
        fs::remove_dir_all(&directory.enabled).expect("removed");
    }
}
