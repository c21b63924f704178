//! What can be wrong with bytes from a client or, for the test clients, from a daemon.

use thiserror::Error;

/// Junk on the wire. Parsing has no side effects, so an error changes nothing; whether it costs
/// the packet or the connection is for the caller to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// The bytes end before the structure does (also: a count or length larger than what follows).
    #[error("{what}: needs {need} bytes at offset {offset}, {have} left")]
    Short {
        /// The structure being read.
        what: &'static str,
        /// Where in it, in bytes.
        offset: usize,
        /// Bytes wanted there; saturated if the claim does not fit.
        need: usize,
        /// Bytes present there.
        have: usize,
    },
    /// The structure ends before the bytes do.
    #[error("{what}: {extra} bytes too many")]
    Trailing {
        /// The structure that was read.
        what: &'static str,
        /// Number of bytes behind it.
        extra: usize,
    },
    /// A field holds what it must not.
    #[error("{what}: {field} is {value:#x}")]
    Value {
        /// The structure being read.
        what: &'static str,
        /// The offending field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A text lacks its terminating NUL, has another one inside, or is not UTF-8.
    #[error("{what}: not a NUL-terminated text")]
    Text {
        /// The structure being read.
        what: &'static str,
    },
}
