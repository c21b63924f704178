//! The error numbers that results of events travel as, here, on `eventd.socket`, and in exit codes.

/// There is no such script, or no directory of that component.
pub const ENOENT: i32 = 2;
/// A script was killed by a signal.
pub const EINTR: i32 = 4;
/// Something failed that is none of the others.
pub const EIO: i32 = 5;
/// A script is disabled; as the result of an event: a script failed.
pub const ENOEXEC: i32 = 8;
/// Too many events wait.
pub const EAGAIN: i32 = 11;
/// A file without the run bit.
pub const EACCES: i32 = 13;
/// The event was never run, or the script's name is none.
pub const EINVAL: i32 = 22;
/// A request that is none.
pub const EPROTO: i32 = 71;
/// A script did not end in time.
pub const ETIMEDOUT: i32 = 110;
/// Another event took precedence.
pub const ECANCELED: i32 = 125;
