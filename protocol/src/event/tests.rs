//! The event machine alone, by scripts of inputs.

use super::errno::{EAGAIN, ECANCELED, ENOENT, ENOEXEC, ETIMEDOUT};
use super::io::{Effect, EventRun, Input, RunId, Script, Ticket};
use super::machine::EventMachine;
use super::result::{EventEnd, ScriptResult};
use crate::limits::EVENTS_WAITING_MAX;
use crate::machine::{Effects, Machine};
use crate::time::Instant;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

struct Bench {
    machine: EventMachine,
    now_s: u64,
    scripts: Vec<&'static str>,
    tickets: u64,
}

impl Bench {
    fn new(scripts: &[&'static str]) -> Self {
        Self {
            machine: EventMachine::new(RunId(1)),
            now_s: 0,
            scripts: scripts.to_vec(),
            tickets: 0,
        }
    }

    /// Feeds the input; answers what can be answered at once; says what else happened.
    fn feed(&mut self, input: Input) -> Vec<String> {
        let mut fx = Effects::new();
        let now = Instant::from_micros(self.now_s * 1_000_000);
        self.machine.step(now, input, &mut fx);
        let effects: Vec<Effect> = fx.drain().collect();
        let mut said = Vec::new();
        for effect in effects {
            match effect {
                Effect::List { run } => {
                    let scripts = Ok(self.scripts.iter().map(|name| script(name)).collect());
                    said.extend(self.feed(Input::Listed { run, scripts }));
                }
                Effect::Run {
                    script,
                    event,
                    args,
                    ..
                } => said.push(format!("run {} {event} {}", script.name, args.join(" "))),
                Effect::GiveUp { event, .. } => said.push(format!("give up {event}")),
                Effect::Cancel { .. } => said.push("kill".to_string()),
                Effect::Keep { event, result } => {
                    said.push(format!("keep {event} {}", result.scripts.len()));
                }
                Effect::Done { ticket, end } => {
                    said.push(format!("done {} {}", ticket.0, end.result));
                }
                Effect::Log(_) => {}
            }
        }
        said
    }

    fn ask(&mut self, event: &str) -> Vec<String> {
        self.ask_with(event, &|_| {})
    }

    fn ask_with(&mut self, event: &str, change: &dyn Fn(&mut EventRun)) -> Vec<String> {
        self.tickets += 1;
        let mut run = EventRun {
            event: event.to_string(),
            args: Vec::new(),
            timeout: Duration::from_secs(30),
            all: false,
            merges: false,
        };
        change(&mut run);
        let ticket = Ticket(self.tickets);
        self.feed(Input::Request { ticket, run })
    }

    fn end(&mut self, run: u64, name: &str, result: i32) -> Vec<String> {
        let script = ScriptResult {
            name: name.to_string(),
            result,
            ..ScriptResult::default()
        };
        let run = RunId(run);
        self.feed(Input::Ended { run, script })
    }
}

fn script(name: &str) -> Script {
    Script {
        name: name.to_string(),
        path: format!("/{name}.script"),
        enabled: true,
        native: false,
    }
}

#[test]
fn scripts_run_in_order_and_stop_at_the_first_failure() {
    let mut bench = Bench::new(&["00.a", "50.b", "60.c"]);
    assert_eq!(bench.ask("startup"), ["run 00.a startup "]);
    assert_eq!(bench.end(1, "00.a", -ENOEXEC), ["run 50.b startup "]);
    assert_eq!(bench.end(1, "50.b", 1), ["keep startup 2", "done 1 8"]);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn a_run_of_all_does_not_stop() {
    let mut bench = Bench::new(&["00.a", "50.b"]);
    bench.ask_with("monitor", &|run| run.all = true);
    assert_eq!(bench.end(1, "00.a", 1), ["run 50.b monitor "]);
    assert_eq!(bench.end(1, "50.b", 0), ["keep monitor 2", "done 1 8"]);
}

#[test]
fn no_script_is_a_success() {
    assert_eq!(Bench::new(&[]).ask("init"), ["keep init 0", "done 1 0"]);
}

#[test]
fn events_wait_for_their_turn_with_their_arguments() {
    let mut bench = Bench::new(&["10.a"]);
    bench.ask("takeip");
    let words = |run: &mut EventRun| run.args = vec!["eth0".to_string(), "10.0.0.1".to_string()];
    assert_eq!(bench.ask_with("releaseip", &words), [""; 0]);
    assert_eq!(
        bench.end(1, "10.a", 0),
        [
            "keep takeip 1",
            "done 1 0",
            "run 10.a releaseip eth0 10.0.0.1"
        ]
    );
}

#[test]
fn a_monitor_event_gives_way() {
    let mut bench = Bench::new(&["10.a"]);
    bench.ask("monitor");
    assert_eq!(
        bench.ask("takeip"),
        ["kill", "done 1 125", "run 10.a takeip "]
    );
    assert_eq!(ECANCELED, 125);
    assert_eq!(bench.ask("monitor"), ["done 3 125"]);
    assert_eq!(bench.end(1, "10.a", 0), [""; 0], "of the cancelled run");
    assert_eq!(bench.end(2, "10.a", 0), ["keep takeip 1", "done 2 0"]);
    assert_eq!(bench.ask("monitor"), ["run 10.a monitor "]);
}

#[test]
fn a_hung_script_ends_its_event_and_no_other() {
    let mut bench = Bench::new(&["10.a", "20.b"]);
    bench.ask("takeip");
    bench.ask("releaseip");
    bench.now_s = 29;
    assert_eq!(bench.end(1, "10.a", 0), ["run 20.b takeip "]);
    bench.now_s = 30;
    assert_eq!(bench.feed(Input::Timeout), ["give up takeip"]);
    assert_eq!(bench.machine.deadline(), None);
    assert_eq!(
        bench.end(1, "20.b", -ETIMEDOUT),
        ["keep takeip 2", "done 1 110", "run 10.a releaseip "]
    );
    let due = bench.machine.deadline().expect("its own time");
    assert_eq!(due.as_micros(), 60_000_000);
}

#[test]
fn a_hung_script_ends_a_run_of_all_too() {
    let mut bench = Bench::new(&["10.a", "20.b"]);
    bench.ask_with("monitor", &|run| run.all = true);
    bench.now_s = 30;
    bench.feed(Input::Timeout);
    assert_eq!(
        bench.end(1, "10.a", -ETIMEDOUT),
        ["keep monitor 1", "done 1 110"]
    );
}

#[test]
fn an_event_that_merges_runs_once_for_all_that_wait() {
    let mut bench = Bench::new(&["10.a"]);
    bench.ask("recovered");
    for _ in 0..3 {
        bench.ask_with("ipreallocated", &|run| run.merges = true);
    }
    bench.end(1, "10.a", 0);
    assert_eq!(
        bench.end(2, "10.a", 0),
        ["keep ipreallocated 1", "done 2 0", "done 3 0", "done 4 0"]
    );
}

#[test]
fn the_queue_has_a_bound() {
    let mut bench = Bench::new(&["10.a"]);
    for _ in 0..=EVENTS_WAITING_MAX {
        bench.ask("takeip");
    }
    let last = bench.ask("takeip");
    assert_eq!(last, [format!("done {} {EAGAIN}", bench.tickets)]);
}

#[test]
fn a_directory_that_cannot_be_read_fails_the_event() {
    let mut machine = EventMachine::new(RunId(5));
    let mut fx = Effects::new();
    let run = EventRun {
        event: "setup".to_string(),
        args: Vec::new(),
        timeout: Duration::from_secs(30),
        all: false,
        merges: false,
    };
    let ticket = Ticket(1);
    let now = Instant::from_micros(0);
    machine.step(now, Input::Request { ticket, run }, &mut fx);
    let scripts = Err(ENOENT);
    let run = RunId(5);
    machine.step(now, Input::Listed { run, scripts }, &mut fx);
    let end = EventEnd::of(ENOENT);
    assert_eq!(fx.drain().next_back(), Some(Effect::Done { ticket, end }));
}
