//! The one error type of this module: what was attempted, and what the kernel or `nft` said.

use rustix::io::Errno;

/// Why a request to the kernel failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A socket or file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted, with the object's name.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The kernel refused a netlink request.
    #[error("{what}: {errno}")]
    Kernel {
        /// What was asked.
        what: String,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The `nft` program refused a batch or could not be run.
    #[error("nft: {0}")]
    Nft(String),
    /// A value given by the caller cannot be used.
    #[error("{0}")]
    Invalid(String),
}

impl NetError {
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    pub(crate) fn kernel(what: impl Into<String>, errno: Errno) -> Self {
        Self::Kernel {
            what: what.into(),
            errno,
        }
    }

    /// The kernel's error number, if the kernel gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { source, .. } => Errno::from_io_error(source),
            Self::Kernel { errno, .. } => Some(*errno),
            Self::Nft(_) | Self::Invalid(_) => None,
        }
    }
}

/// Shorthand for results of this module.
pub type Result<T> = std::result::Result<T, NetError>;
