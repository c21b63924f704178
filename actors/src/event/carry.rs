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

/// A native script's step that was begun.
pub struct NativeStep {
    run: RunId,
    name: String,
    began_us: i64,
}

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
    /// The one of them that began last.
    pub native: Option<NativeStep>,
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
            // Natives read their files when they are switched on.
            let listed = tokio::task::spawn_blocking(move || {
                let scripts = directory.scripts()?;
                natives.listed(&scripts);
                Ok(scripts)
            });
            let scripts = listed.await.unwrap_or(Err(EIO));
            desk.answer(Input::Listed { run, scripts });
        });
    }

    /// Starts a script; its end is known at once if it does not come to run.
    fn run(
        &mut self,
        run: RunId,
        script: &Script,
        event: String,
        args: Vec<String>,
    ) -> Option<Input> {
        let ended = |script| Some(Input::Ended { run, script });
        if script.native && script.enabled {
            self.run_native(run, script.clone(), event, args);
            return None;
        }
        let not_run = |result| step_result(script.name.clone(), wall_us(), result);
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

    /// Does a native script's step beside the arbiter.
    fn run_native(&mut self, run: RunId, script: Script, event: String, args: Vec<String>) {
        let (name, began_us) = (script.name.clone(), wall_us());
        self.native = Some(NativeStep {
            run,
            name: name.clone(),
            began_us,
        });
        let (desk, natives) = (self.desk.clone(), self.natives.clone());
        actix::spawn(async move {
            let step = tokio::task::spawn_blocking(move || natives.run(&script, &event, &args));
            // The panic itself is reported by the hook.
            let failed = |_| step_result(name, began_us, -EIO);
            let script = step.await.unwrap_or_else(failed);
            desk.answer(Input::Ended { run, script });
        });
    }

    /// The script's part in the event is over; its processes are looked at and ended beside.
    fn give_up(&mut self, run: RunId, event: String) -> Option<Input> {
        let Some(process) = self.desk.running() else {
            // A thread can't be ended: what it answers later is not heard any more.
            let native = self.native.take().filter(|native| native.run == run)?;
            let result = Exit::TimedOut.result();
            let script = step_result(native.name, native.began_us, result);
            return Some(Input::Ended { run, script });
        };
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

fn step_result(name: String, began_us: i64, result: i32) -> ScriptResult {
    ScriptResult {
        name,
        began_us,
        ended_us: wall_us(),
        result,
        output: None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::native::NativeScript;
    use crate::fatal::Fatal;
    use crate::post::Post;
    use ctdb_protocol::event::errno::ETIMEDOUT;
    use ctdb_protocol::tunable::Tunables;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex, RwLock};
    use std::thread::ThreadId;

    /// Says on which thread it runs, and ends when it is told to.
    struct Hung(Sender<ThreadId>, Mutex<Receiver<()>>);

    impl NativeScript for Hung {
        fn name(&self) -> &'static str {
            "10.interface"
        }

        fn run(&self, _: &str, _: &[String]) -> Result<(), String> {
            let _ = self.0.send(std::thread::current().id());
            let _ = self.1.lock().expect("no panic").recv();
            Ok(())
        }
    }

    fn carry_with(native: Hung) -> EventCarry {
        let log = Logger::root(slog::Discard, slog::o!());
        let post = Post::new(1, &Fatal::new(&log));
        let tunables = Arc::new(RwLock::new(Tunables::default()));
        EventCarry {
            desk: EventDesk::new(post.events, &tunables),
            directory: ScriptDirectory::installed(Path::new("/nonexistent"), true),
            environment: BTreeMap::new(),
            natives: Natives::new(vec![Box::new(native)]),
            native: None,
            debug_script: None,
            script_level: Level::Err,
            log,
        }
    }

    #[actix::test]
    async fn a_native_step_that_hangs_holds_nobody_up_and_is_given_up() {
        let (began, begun) = channel();
        let (end, ended) = channel();
        let mut carry = carry_with(Hung(began, Mutex::new(ended)));
        let script = Script {
            name: String::from("10.interface"),
            path: String::new(),
            enabled: true,
            native: true,
        };
        let (run, mut answers) = (RunId(7), Vec::new());
        let (event, args) = (String::from("monitor"), Vec::new());
        let begin = Effect::Run {
            run,
            script,
            event: event.clone(),
            args,
        };
        carry.carry(begin, &mut answers);
        assert!(answers.is_empty());
        let thread = tokio::task::spawn_blocking(move || begun.recv()).await;
        let thread = thread.expect("no panic").expect("it began");
        assert_ne!(thread, std::thread::current().id());
        carry.carry(Effect::GiveUp { run, event }, &mut answers);
        match &answers[..] {
            [Input::Ended { run: ended, script }] => {
                assert_eq!((*ended, script.result), (run, -ETIMEDOUT));
            }
            other => panic!("{other:?}"),
        }
        end.send(()).expect("it waits");
    }
}
