//! What the event machine hears and asks for.

use super::result::{EventEnd, EventResult, ScriptResult};
use crate::notice::Notice;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Names a request at the shell, which knows who waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// Names one run; what belongs to an earlier one is told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

/// An event to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRun {
    /// Its name: the scripts' first argument.
    pub event: String,
    /// Their further arguments.
    pub args: Vec<String>,
    /// Time for all scripts together, from the start of the first one.
    pub timeout: Duration,
    /// A failed script does not stop the event.
    pub all: bool,
    /// Nobody waits for it, so one that waits already stands for this one too.
    pub merges: bool,
}

/// A script in the order of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Without `.script`.
    pub name: String,
    /// The file.
    pub path: String,
    /// It has its run bit.
    pub enabled: bool,
    /// The daemon does its work itself.
    pub native: bool,
}

/// Everything that can happen to the event machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Run an event; answered by [`Effect::Done`].
    Request {
        /// For the answer.
        ticket: Ticket,
        /// What to run.
        run: EventRun,
    },
    /// The end of an [`Effect::List`]: the scripts in order, or an error number.
    Listed {
        /// The run.
        run: RunId,
        /// What was found.
        scripts: Result<Vec<Script>, i32>,
    },
    /// The end of an [`Effect::Run`], also after [`Effect::GiveUp`].
    Ended {
        /// The run.
        run: RunId,
        /// How.
        script: ScriptResult,
    },
    /// The deadline has come.
    Timeout,
}

/// Everything that the event machine can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Look which scripts there are; answer with [`Input::Listed`].
    List {
        /// The run.
        run: RunId,
    },
    /// Run a script; answer with [`Input::Ended`]. At most one is asked for at a time.
    Run {
        /// The run.
        run: RunId,
        /// The script.
        script: Script,
        /// Its first argument.
        event: String,
        /// Its further arguments.
        args: Vec<String>,
    },
    /// The script that runs has had its time: examine and end its process group; answer with
    /// [`Input::Ended`] at once.
    GiveUp {
        /// The run.
        run: RunId,
        /// The event.
        event: String,
    },
    /// Kill the process group of the script that runs; nothing more is heard of this run.
    Cancel {
        /// The run.
        run: RunId,
    },
    /// Keep the result for `event status`.
    Keep {
        /// The event.
        event: String,
        /// What its scripts did.
        result: EventResult,
    },
    /// The end of a request.
    Done {
        /// The request.
        ticket: Ticket,
        /// How.
        end: EventEnd,
    },
    /// Log.
    Log(Notice),
}
