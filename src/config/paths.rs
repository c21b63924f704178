//! Where files are looked for: Debian's places, or everything below `CTDB_BASE` in test mode.
//!
//! The test layout is 4.17's (`ctdb-path` prints it): configuration directly in `CTDB_BASE`, then
//! `run/` and `var/`. Legacy files of the host are not read in test mode.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ctdb_protocol::settings::Paths;

/// The directories and files that everything else follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Configuration directory.
    pub etc: PathBuf,
    /// Directory of sockets and the PID file.
    pub run: PathBuf,
    /// Directory of databases.
    pub var: PathBuf,
    /// Directory of the default log file.
    pub log: PathBuf,
    /// Client socket.
    pub socket: PathBuf,
    /// Legacy `CTDB_*` files, lowest first.
    pub legacy: Vec<PathBuf>,
    /// `CTDB_TEST_MODE` is set.
    pub test_mode: bool,
}

impl Layout {
    /// Debian's places, or those that `CTDB_TEST_MODE` and `CTDB_BASE` ask for.
    ///
    /// # Errors
    /// `CTDB_TEST_MODE` without an absolute `CTDB_BASE`.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, &'static str> {
        if !variables.contains_key("CTDB_TEST_MODE") {
            return Ok(Self::installed(Path::new("/")));
        }
        let base = variables
            .get("CTDB_BASE")
            .map(Path::new)
            .filter(|base| base.is_absolute());
        let base = base.ok_or("CTDB_TEST_MODE needs an absolute path in CTDB_BASE")?;
        let socket = variables
            .get("CTDB_SOCKET")
            .filter(|socket| !socket.is_empty());
        Ok(Self {
            etc: base.to_owned(),
            run: base.join("run"),
            var: base.join("var"),
            log: base.join("log"),
            socket: socket.map_or_else(|| base.join("run/ctdbd.socket"), PathBuf::from),
            legacy: vec![base.join("ctdbd.conf")],
            test_mode: true,
        })
    }

    /// Debian's places below another root.
    pub fn installed(root: &Path) -> Self {
        let etc = root.join("etc");
        Self {
            run: root.join("run/ctdb"),
            var: root.join("var/lib/ctdb"),
            log: root.join("var/log/ctdb"),
            socket: root.join("run/ctdb/ctdbd.socket"),
            legacy: vec![
                etc.join("sysconfig/ctdb"),
                etc.join("default/ctdb"),
                etc.join("ctdb/ctdbd.conf"),
            ],
            etc: etc.join("ctdb"),
            test_mode: false,
        }
    }

    /// The paths that the daemon works with.
    pub(super) fn paths(&self) -> Paths {
        Paths {
            etc: text(&self.etc),
            run: text(&self.run),
            var: text(&self.var),
            socket: text(&self.socket),
            event_socket: text(&self.run.join("eventd.socket")),
            pid_file: text(&self.run.join("ctdbd.pid")),
            console_token: text(&self.run.join("console.token")),
            public_addresses: text(&self.etc.join("public_addresses")),
            event_scripts: text(&self.etc.join("events/legacy")),
            notify_script: text(&self.etc.join("notify.sh")),
        }
    }
}

/// A path as text for the settings and for messages.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn debians_places() {
        let layout = Layout::from_variables(&variables(&[("CTDB_BASE", "/x")])).expect("no test");
        let paths = layout.paths();
        assert_eq!(paths.etc, "/etc/ctdb");
        assert_eq!(paths.socket, "/run/ctdb/ctdbd.socket");
        assert_eq!(paths.pid_file, "/run/ctdb/ctdbd.pid");
        assert_eq!(paths.var, "/var/lib/ctdb");
        assert_eq!(layout.legacy[0], Path::new("/etc/sysconfig/ctdb"));
        assert_eq!(layout.legacy[2], Path::new("/etc/ctdb/ctdbd.conf"));
    }

    #[test]
    fn the_test_layout_is_below_the_base() {
        let list = variables(&[("CTDB_TEST_MODE", "yes"), ("CTDB_BASE", "/t/n0")]);
        let paths = Layout::from_variables(&list).expect("complete").paths();
        assert_eq!(paths.etc, "/t/n0");
        assert_eq!(paths.socket, "/t/n0/run/ctdbd.socket");
        assert_eq!(paths.pid_file, "/t/n0/run/ctdbd.pid");
        assert_eq!(paths.var, "/t/n0/var");
    }

    #[test]
    fn the_socket_variable_counts_in_test_mode_only() {
        let list = [
            ("CTDB_TEST_MODE", "1"),
            ("CTDB_BASE", "/t"),
            ("CTDB_SOCKET", "/t/s"),
        ];
        let layout = Layout::from_variables(&variables(&list)).expect("complete");
        assert_eq!(layout.socket, Path::new("/t/s"));
        let layout = Layout::from_variables(&variables(&list[1..])).expect("no test");
        assert_eq!(layout.socket, Path::new("/run/ctdb/ctdbd.socket"));
    }

    #[test]
    fn test_mode_needs_a_base() {
        assert!(Layout::from_variables(&variables(&[("CTDB_TEST_MODE", "")])).is_err());
        let relative = [("CTDB_TEST_MODE", "1"), ("CTDB_BASE", "x")];
        assert!(Layout::from_variables(&variables(&relative)).is_err());
    }
}
