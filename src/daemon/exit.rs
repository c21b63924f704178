//! Why a worker ended, and the exit codes that say so to the guard and to the caller.

use std::fmt;

/// How the worker ended. The codes 1, 10 and 11 are those of ctdbd 4.17.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Orderly shutdown: addresses released, databases closed.
    Shutdown,
    /// Anything else went wrong; the guard tries again.
    Failed(String),
    /// The client socket could not be bound.
    Socket(String),
    /// The PID file is held by another daemon.
    PidFile(String),
    /// This daemon must not be in the cluster as it is (version, node list, …): trying again is no use.
    Refused(String),
}

impl Exit {
    /// The exit code of the process.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Shutdown => 0,
            Self::Failed(_) => 1,
            Self::Socket(_) => 10,
            Self::PidFile(_) => 11,
            Self::Refused(_) => 12,
        }
    }

    /// The text for the admin; `None` for an orderly shutdown.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Shutdown => None,
            Self::Failed(text) | Self::Socket(text) | Self::PidFile(text) | Self::Refused(text) => {
                Some(text)
            }
        }
    }

    /// Whether a worker that ended with this code is not started again.
    pub(super) const fn is_final(code: i32) -> bool {
        matches!(code, 0 | 11 | 12)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().unwrap_or("shutdown"))
    }
}
