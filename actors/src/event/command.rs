//! The admin's `event …` and `scriptstatus`, wherever they are given: at the console, by our tool, by `ctdb-event`.

use super::scripts::ScriptDirectory;
use chrono::{Local, TimeZone};
use ctdb_protocol::console::command::EventCommand;
use ctdb_protocol::console::render::event::EventReport;
use ctdb_protocol::event::errno::ENOENT;
use ctdb_protocol::event::packet::{Answer, Request};
use ctdb_protocol::event::show::{self, Locale};

/// The only directory of scripts that the daemon runs.
pub(super) const COMPONENT: &str = "legacy";

/// What the daemon must be asked for the command; `None` if the directory alone tells.
pub fn request(command: &EventCommand) -> Option<Request> {
    match command {
        EventCommand::Run {
            timeout,
            component,
            event,
            args,
        } => Some(Request::Run {
            component: component.clone(),
            event: event.clone(),
            args: args.clone(),
            timeout: *timeout,
            all: false,
        }),
        EventCommand::Status { component, event } => Some(Request::Status {
            component: component.clone(),
            event: event.clone(),
        }),
        EventCommand::List { .. } | EventCommand::Script { .. } => None,
    }
}

/// The daemon's answer as it is shown, and the tool's exit code.
pub fn answered(command: &EventCommand, answer: Answer) -> (EventReport, i32) {
    let result = answer.result;
    match (command, answer.status) {
        (EventCommand::Status { event, .. }, Some(status)) => {
            let code = status.summary.saturating_abs();
            let report = EventReport::Status {
                event: event.clone(),
                human: show::status(&status, &SystemLocale),
                result: status,
            };
            (report, code)
        }
        (
            EventCommand::Run {
                component, event, ..
            },
            _,
        ) => end(result, show::run(component, event, result)),
        (EventCommand::Status { component, event }, None) => {
            end(result, Some(show::no_status(component, event, result)))
        }
        (EventCommand::List { .. } | EventCommand::Script { .. }, _) => end(result, None),
    }
}

/// What is done without the daemon, as 4.17's tool does it. Touches files: not for an arbiter.
pub fn on_directory(command: &EventCommand, directory: &ScriptDirectory) -> (EventReport, i32) {
    match command {
        EventCommand::List { component } if component != COMPONENT => end(ENOENT, None),
        EventCommand::List { .. } => match directory.list() {
            Ok(lines) => (EventReport::List(lines), 0),
            Err(code) => end(code, None),
        },
        EventCommand::Script {
            component, script, ..
        } if component != COMPONENT => {
            let text = format!("Script {script} does not exist in {component}");
            end(ENOENT, Some(text))
        }
        EventCommand::Script {
            component,
            script,
            enable,
        } => {
            let done = if *enable {
                directory.enable(component, script)
            } else {
                directory.disable(component, script)
            };
            match done {
                Ok(()) => end(0, None),
                Err(error) => end(error.code, Some(error.text)),
            }
        }
        EventCommand::Run { .. } | EventCommand::Status { .. } => end(ENOENT, None),
    }
}

const fn end(result: i32, text: Option<String>) -> (EventReport, i32) {
    (EventReport::End { result, text }, result.saturating_abs())
}

/// Times of this machine's zone, and the kernel's errors in words.
struct SystemLocale;

impl Locale for SystemLocale {
    fn time(&self, seconds: i64) -> String {
        match Local.timestamp_opt(seconds, 0).earliest() {
            Some(time) => time.format("%a %b %e %H:%M:%S %Y").to_string(),
            None => format!("{seconds} s since 1970"),
        }
    }

    fn error(&self, number: i32) -> String {
        let text = std::io::Error::from_raw_os_error(number).to_string();
        let words = text.rsplit_once(" (os error");
        words.map_or_else(|| text.clone(), |(words, _)| words.to_string())
    }
}
