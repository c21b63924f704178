//! The event machine: one event at a time, script by script, in the order of their names.
//!
//! * A new event cancels a monitor event that runs; a monitor event that comes while another one runs is
//!   cancelled at once. All others wait in the order in which they came.
//! * The first script that fails ends the event, unless the run asks for all.
//! * An event that has had its time is given up with the script that runs. 4.17 counts the time that an event
//!   waits for its turn too, so that one hung script makes all that wait behind it time out; here it counts
//!   from the event's own start.
//!
//! Invariant: at most one script runs, and it belongs to `current`.

use super::errno::{EAGAIN, ECANCELED, ETIMEDOUT};
use super::io::{Effect, EventRun, Input, RunId, Script, Ticket};
use super::result::{EventEnd, EventResult, ScriptResult};
use crate::limits::EVENTS_WAITING_MAX;
use crate::machine::{Effects, Machine};
use crate::notice::Notice;
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

/// The event that gives way to all others.
const MONITOR: &str = "monitor";

#[derive(Clone, Debug)]
struct Request {
    tickets: Vec<Ticket>,
    run: EventRun,
}

#[derive(Clone, Debug)]
struct Current {
    id: RunId,
    request: Request,
    /// Not yet begun, in order.
    left: VecDeque<Script>,
    result: EventResult,
    /// A script runs.
    running: bool,
    /// Nothing once it was given up.
    deadline: Option<Instant>,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub struct EventMachine {
    next: RunId,
    current: Option<Current>,
    waiting: VecDeque<Request>,
}

impl Machine for EventMachine {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, fx: &mut Effects<Effect>) {
        match input {
            Input::Request { ticket, run } => self.ask(ticket, run, fx),
            Input::Listed { run, scripts } => {
                if let Some(current) = self.current.as_mut().filter(|c| c.id == run) {
                    match scripts {
                        Ok(scripts) => current.left = scripts.into(),
                        Err(error) => return self.fail(now, error, fx),
                    }
                    self.go_on(fx);
                }
            }
            Input::Ended { run, script } => {
                if self
                    .current
                    .as_ref()
                    .is_some_and(|c| c.id == run && c.running)
                {
                    self.ended(script, fx);
                }
            }
            Input::Timeout => {}
        }
        self.give_up(now, fx);
        self.begin(now, fx);
    }

    fn deadline(&self) -> Option<Instant> {
        self.current.as_ref()?.deadline
    }
}

impl EventMachine {
    /// Nothing runs. Runs are numbered from `first` on, above all that the shell may still answer for.
    pub fn new(first: RunId) -> Self {
        Self {
            next: first,
            current: None,
            waiting: VecDeque::new(),
        }
    }

    fn ask(&mut self, ticket: Ticket, run: EventRun, fx: &mut Effects<Effect>) {
        let done = |result| Effect::Done {
            ticket,
            end: EventEnd::of(result),
        };
        match &self.current {
            Some(current) if current.request.run.event == MONITOR => self.cancel(fx),
            Some(_) if run.event == MONITOR => return fx.push(done(ECANCELED)),
            _ => {}
        }
        if run.merges
            && let Some(last) = self.waiting.back_mut()
            && last.run == run
        {
            return last.tickets.push(ticket);
        }
        if self.waiting.len() >= EVENTS_WAITING_MAX {
            let event = run.event;
            fx.push(Effect::Log(Notice::EventRefused { event }));
            return fx.push(done(EAGAIN));
        }
        let tickets = vec![ticket];
        self.waiting.push_back(Request { tickets, run });
    }

    /// Begins the next event if none runs.
    fn begin(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        if self.current.is_some() {
            return;
        }
        let Some(request) = self.waiting.pop_front() else {
            return;
        };
        let id = self.next;
        self.next = RunId(id.0 + 1);
        fx.push(Effect::List { run: id });
        self.current = Some(Current {
            id,
            deadline: Some(now + request.run.timeout),
            request,
            left: VecDeque::new(),
            result: EventResult::default(),
            running: false,
        });
    }

    /// Starts the next script, or ends the event.
    fn go_on(&mut self, fx: &mut Effects<Effect>) {
        let Some(current) = self.current.as_mut() else {
            return;
        };
        let Some(script) = current.left.pop_front() else {
            return self.finish(fx);
        };
        current.running = true;
        fx.push(Effect::Run {
            run: current.id,
            script,
            event: current.request.run.event.clone(),
            args: current.request.run.args.clone(),
        });
    }

    fn ended(&mut self, script: ScriptResult, fx: &mut Effects<Effect>) {
        let Some(current) = self.current.as_mut() else {
            return;
        };
        current.running = false;
        let (failed, result) = (script.is_failure(), script.result);
        let given_up = current.deadline.is_none();
        let name = script.name.clone();
        current.result.scripts.push(script);
        if failed {
            if current.result.summary == 0 || !current.request.run.all {
                current.result.summary = result;
            }
            let event = current.request.run.event.clone();
            fx.push(Effect::Log(if result == -ETIMEDOUT {
                Notice::EventTimedOut {
                    event,
                    script: name,
                }
            } else {
                Notice::EventFailed {
                    event,
                    script: name,
                    result,
                }
            }));
            if !current.request.run.all || given_up {
                return self.finish(fx);
            }
        }
        self.go_on(fx);
    }

    /// Time is up: for the script that runs, or for a look into the directory that does not end.
    fn give_up(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        let Some(current) = self.current.as_mut() else {
            return;
        };
        if current.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        current.deadline = None;
        if current.running {
            fx.push(Effect::GiveUp {
                run: current.id,
                event: current.request.run.event.clone(),
            });
        } else {
            self.fail(now, ETIMEDOUT, fx);
        }
    }

    fn finish(&mut self, fx: &mut Effects<Effect>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let end = EventEnd::of_result(&current.result);
        fx.push(Effect::Keep {
            event: current.request.run.event,
            result: current.result,
        });
        done(current.request.tickets, &end, fx);
    }

    /// The event could not be run at all.
    fn fail(&mut self, now: Instant, error: i32, fx: &mut Effects<Effect>) {
        if let Some(current) = self.current.take() {
            let (event, error_number) = (current.request.run.event, error);
            fx.push(Effect::Log(Notice::EventNotRun {
                event,
                error_number,
            }));
            done(current.request.tickets, &EventEnd::of(error), fx);
        }
        self.begin(now, fx);
    }

    fn cancel(&mut self, fx: &mut Effects<Effect>) {
        let Some(current) = self.current.take() else {
            return;
        };
        if current.running {
            fx.push(Effect::Cancel { run: current.id });
        }
        done(current.request.tickets, &EventEnd::of(ECANCELED), fx);
    }
}

fn done(tickets: Vec<Ticket>, end: &EventEnd, fx: &mut Effects<Effect>) {
    for ticket in tickets {
        let end = end.clone();
        fx.push(Effect::Done { ticket, end });
    }
}
