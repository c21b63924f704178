//! Monitor: has the events run and carries their outcome to membership.

use super::actor::Carry;
use crate::board::Board;
use crate::event::EventDesk;
use crate::fatal::Fatal;
use crate::log::notice;
use crate::post::Post;
use ctdb_protocol::event::errno::{ECANCELED, ETIMEDOUT};
use ctdb_protocol::event::result::EventEnd;
use ctdb_protocol::event::show::last_line;
use ctdb_protocol::flags::RunState;
use ctdb_protocol::membership;
use ctdb_protocol::monitor::io::{Effect, Event, Input, Outcome};
use ctdb_protocol::monitor::machine::Monitor;
use slog::Logger;
use tokio::sync::watch;

/// How far the daemon's beginning has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// `init` has not succeeded yet.
    Init,
    /// `init` has, `setup` has not.
    Setup,
    /// Both have.
    Over,
    /// One of them failed.
    Failed(String),
}

/// See the module.
pub struct MonitorCarry {
    /// Where states go.
    pub post: Post,
    /// Tells why the node is not healthy.
    pub board: Board,
    /// Runs the scripts.
    pub events: EventDesk,
    /// Told how the first events end.
    pub beginning: watch::Sender<Beginning>,
    /// The end when an event that must succeed fails.
    pub fatal: Fatal,
    /// Log.
    pub log: Logger,
}

impl MonitorCarry {
    fn run(&self, event: Event) {
        let (monitor, end) = (
            self.post.monitor.clone(),
            self.events.run(event.name(), Vec::new()),
        );
        actix::spawn(async move {
            let outcome = outcome(&end.await);
            monitor.send(Input::CheckDone { event, outcome });
        });
    }

    fn begin(&self, stage: Beginning) {
        self.beginning.send_replace(stage);
    }
}

fn outcome(end: &EventEnd) -> Outcome {
    let detail = match &end.culprit {
        Some(script) => match last_line(script) {
            said if said.is_empty() => format!("{} ended with {}", script.name, script.result),
            said => format!("{}: {said}", script.name),
        },
        None => format!("error {}", end.result),
    };
    match end.result {
        0 => Outcome::Passed,
        ETIMEDOUT => Outcome::TimedOut { detail },
        ECANCELED => Outcome::Cancelled,
        _ => Outcome::Failed { detail },
    }
}

impl Carry<Monitor> for MonitorCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::RunEvent(event) => self.run(event),
            Effect::Begun => self.begin(Beginning::Setup),
            Effect::RunState(state) => {
                if state == RunState::FirstRecovery {
                    self.begin(Beginning::Over);
                }
                self.post
                    .membership
                    .send(membership::io::Input::RunState(state));
            }
            Effect::Health(health) => self
                .post
                .membership
                .send(membership::io::Input::Health(health)),
            Effect::Unfit(reason) => self.board.set_unfit(reason),
            Effect::Notify(what) => self.events.notifier().tell(what),
            Effect::Fatal { reason } if *self.beginning.borrow() == Beginning::Over => {
                self.fatal.end(&reason);
            }
            // Whoever starts the node gives up, and says why.
            Effect::Fatal { reason } => self.begin(Beginning::Failed(reason)),
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
