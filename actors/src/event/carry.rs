//! Carries the event machine's effects to directories and processes.

use super::desk::EventDesk;
use super::hung::{self, Hung};
use super::native::Natives;
use super::process::{Process, Program, errno, wall_us};
use super::scripts::ScriptDirectory;
use crate::duty::actor::Carry;
use crate::log::{notice, text};
use ctdb_protocol::event::errno::{EIO, ENOEXEC};
use ctdb_protocol::event::io::{Effect, Input, RunId, Script};
use ctdb_protocol::event::machine::EventMachine;
use ctdb_protocol::event::result::{Exit, ScriptResult};
use ctdb_protocol::notice::Level;
use slog::Logger;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// See the module.
pub struct EventCarry {
    /// Where results go.
    pub desk: EventDesk,
    /// Where the scripts are.
    pub directory: ScriptDirectory,
    /// What the scripts get beside the daemon's own environment.
    pub environment: BTreeMap<String, String>,
    /// Steps that the daemon does itself.
    pub natives: Natives,
    /// Run when a script hangs.
    pub debug_script: Option<PathBuf>,
    /// At which what scripts say is logged.
    pub script_level: Level,
    /// Log.
    pub log: Logger,
}

impl Carry<EventMachine> for EventCarry {
    fn carry(&mut self, effect: Effect, answers: &mut Vec<Input>) {
        match effect {
            Effect::List { run } => self.list(run),
            Effect::Run {
                run,
                script,
                event,
                args,
            } => answers.extend(self.run(run, &script, event, args)),
            Effect::GiveUp { run, event } => answers.extend(self.give_up(run, event)),
            Effect::Cancel { .. } => {
                self.desk.stop();
                self.desk.set_running(None);
            }
            Effect::Keep { event, result } => self.desk.keep(event, result),
            Effect::Done { ticket, end } => self.desk.done(ticket, end),
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}

impl EventCarry {
    fn list(&self, run: RunId) {
        let (desk, directory) = (self.desk.clone(), self.directory.clone());
        let natives = self.natives.clone();
        actix::spawn(async move {
            let listed = tokio::task::spawn_blocking(move || directory.scripts());
            let scripts = listed.await.unwrap_or(Err(EIO));
            if let Ok(scripts) = &scripts {
                natives.listed(scripts);
            }
            desk.answer(Input::Listed { run, scripts });
        });
    }

    /// Starts a script; its end is known at once if it does not come to run.
    fn run(&self, run: RunId, script: &Script, event: String, args: Vec<String>) -> Option<Input> {
        let ended = |script| Some(Input::Ended { run, script });
        if script.native && script.enabled {
            return ended(self.natives.run(script, &event, &args));
        }
        let now_us = wall_us();
        let not_run = |result| ScriptResult {
            name: script.name.clone(),
            began_us: now_us,
            ended_us: now_us,
            result,
            output: None,
        };
        if script.native {
            return ended(not_run(-ENOEXEC));
        }
        let mut words = vec![event];
        words.extend(args);
        let started = Process::start(&Program {
            name: &script.name,
            path: Path::new(&script.path),
            args: words,
            environment: &self.environment,
        });
        let (process, end) = match started {
            Ok(started) => started,
            Err(error) => return ended(not_run(Exit::NotStarted(errno(&error)).result())),
        };
        self.desk.set_running(Some(process.clone()));
        let (desk, log, level) = (self.desk.clone(), self.log.clone(), self.script_level);
        actix::spawn(async move {
            let result = end.await.result();
            let script = result_of(&process, result);
            log_output(&log, level, &script.name, script.output.as_deref());
            desk.answer(Input::Ended { run, script });
        });
        None
    }

    /// The script's part in the event is over; its processes are looked at and ended beside.
    fn give_up(&self, run: RunId, event: String) -> Option<Input> {
        let process = self.desk.running()?;
        self.desk.set_running(None);
        let script = result_of(&process, Exit::TimedOut.result());
        log_output(
            &self.log,
            self.script_level,
            &script.name,
            script.output.as_deref(),
        );
        actix::spawn(hung::end(Hung {
            process,
            event,
            debug_script: self.debug_script.clone(),
            environment: self.environment.clone(),
            log: self.log.clone(),
        }));
        Some(Input::Ended { run, script })
    }
}

fn result_of(process: &Process, result: i32) -> ScriptResult {
    ScriptResult {
        name: process.name.clone(),
        began_us: process.began_us,
        ended_us: wall_us(),
        result,
        output: process.output(),
    }
}

/// A record a line.
pub(super) fn log_output(log: &Logger, level: Level, name: &str, output: Option<&[u8]>) {
    let output = String::from_utf8_lossy(output.unwrap_or_default());
    for line in output.lines().filter(|line| !line.is_empty()) {
        text(log, level, format_args!("{name}: {line}"));
    }
}
