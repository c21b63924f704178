//! Which Samba serves.

use std::path::PathBuf;

/// A release of Samba.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The one that is installed, Debian 12's 4.17.
    Installed,
    /// One that `conf/packaging/samba-backports` has unpacked into this directory.
    Unpacked(PathBuf),
}

/// Its programs find everything at the places they were built for, and nobody else sees it there.
const OVERLAY: &str = r#"
mount -t overlay overlay -o "lowerdir=$1/root/usr:/usr" /usr && shift && exec "$@"
"#;

impl Release {
    /// The words that start one of its programs with these arguments.
    pub(super) fn words(&self, program: &str, args: &[&str]) -> Vec<String> {
        let directory = match self {
            Self::Installed => None,
            Self::Unpacked(directory) => Some(directory.to_string_lossy()),
        };
        let before = directory.as_deref().map_or_else(Vec::new, |directory| {
            vec![
                "unshare", "--mount", "sh", "-ec", OVERLAY, "samba", directory,
            ]
        });
        let words = before.into_iter().chain([program]);
        words
            .chain(args.iter().copied())
            .map(str::to_owned)
            .collect()
    }
}
