//! How events and their scripts ended.

use super::errno::{EACCES, ECANCELED, EINTR, ENOENT, ENOEXEC, ETIMEDOUT};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Exit codes from here on name an error that kept the script from running (4.17's way), if below 255.
const FIRST_ERROR_CODE: i32 = 64;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal,
    /// It could not be started, for this error number.
    NotStarted(i32),
    /// It was given up.
    TimedOut,
}

impl Exit {
    /// The script's result: its exit code, or a negative error number. A script that was disabled, by its run bit
    /// or by its removal, after the directory had been read did not fail.
    ///
    /// 4.17 takes exit code 64 for success by mistake; here it is the failure that the script meant.
    pub fn result(self) -> i32 {
        match self {
            Self::Signal => -EINTR,
            Self::TimedOut => -ETIMEDOUT,
            Self::NotStarted(EACCES | ENOENT) => -ENOEXEC,
            Self::NotStarted(error) => -error,
            Self::Code(code) if code > FIRST_ERROR_CODE && code < 255 => {
                Self::NotStarted(code - FIRST_ERROR_CODE).result()
            }
            Self::Code(code) => code,
        }
    }
}

/// One script's part in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptResult {
    /// The script, without `.script`.
    pub name: String,
    /// When it was started, in microseconds of the wall clock.
    pub began_us: i64,
    /// When it ended.
    pub ended_us: i64,
    /// See [`Exit::result`].
    pub result: i32,
    /// What it said, cut to a bound; `None` if nothing.
    pub output: Option<Vec<u8>>,
}

impl ScriptResult {
    /// It did not run since it is not enabled.
    pub const fn is_disabled(&self) -> bool {
        self.result == -ENOEXEC
    }

    /// It keeps the event from succeeding.
    pub const fn is_failure(&self) -> bool {
        self.result != 0 && !self.is_disabled()
    }
}

/// The newest run of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResult {
    /// The first failure's result; 0 if there was none.
    pub summary: i32,
    /// The scripts up to the one that stopped the event.
    pub scripts: Vec<ScriptResult>,
}

/// The end of a run, for who asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventEnd {
    /// 0, or an error number: ENOEXEC if a script failed, ETIMEDOUT, ECANCELED, or what kept the event from
    /// being run.
    pub result: i32,
    /// The script that made it so.
    pub culprit: Option<ScriptResult>,
}

impl EventEnd {
    /// Without any script having had a part in it.
    pub const fn of(result: i32) -> Self {
        Self {
            result,
            culprit: None,
        }
    }

    /// From what the scripts did.
    pub fn of_result(result: &EventResult) -> Self {
        let culprit = result.scripts.iter().find(|script| script.is_failure());
        let result = match result.summary {
            0 => 0,
            summary if summary == -ETIMEDOUT => ETIMEDOUT,
            summary if summary == -ECANCELED => ECANCELED,
            _ => ENOEXEC,
        };
        Self {
            result,
            culprit: culprit.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        for (exit, result) in [
            (Exit::Code(0), 0),
            (Exit::Code(1), 1),
            (Exit::Code(64), 64),
            // 64 + EACCES: as a file that can't be run.
            (Exit::Code(77), -ENOEXEC),
            (Exit::Code(66), -ENOEXEC),
            (Exit::Code(127), -63),
            (Exit::Code(255), 255),
            (Exit::Signal, -EINTR),
            (Exit::NotStarted(2), -ENOEXEC),
            (Exit::NotStarted(5), -5),
            (Exit::NotStarted(13), -ENOEXEC),
            (Exit::TimedOut, -ETIMEDOUT),
        ] {
            assert_eq!(exit.result(), result, "{exit:?}");
        }
    }
}
