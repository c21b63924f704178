//! The monitor machine.
//!
//! ```text
//!  INIT ──init ok, listening──► SETUP ──setup ok──► FIRST_RECOVERY ──recovered──► STARTUP ──startup ok──► RUNNING
//!    └─ failed: fatal             └─ failed: fatal                 └─ failed: again after 5 s      checks…
//! ```
//! `init` runs before a database is open, since a script of it may put broken ones aside, and before clients may
//! connect; `setup` scripts are clients themselves.
//!
//! Checks begin at once with RUNNING (4.17 waits 2 s), then after 2 s, doubled each time up to the
//! monitor interval, and 5 s after a change of health; one that gave way to another event, or timed out without
//! deciding anything, is repeated soon. While the cluster recovers or the node is inactive a check that is due
//! waits and runs as soon as that is over. A node that became unhealthy again and again passes its checks for a
//! while before it is healthy, unless no other node is.
//! Invariant: at most one event runs.

use super::flapping::Flapping;
use super::io::{Config, Effect, Event, Input, Notification, Outcome};
use crate::flags::{Health, RunState};
use crate::machine::{Effects, Machine};
use crate::membership::view::{MembershipView, RecoveryMode};
use crate::notice::Notice;
use crate::time::Instant;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// Shortest time between checks.
const INTERVAL_MIN: Duration = Duration::from_secs(2);
/// Time to the next check after a change of health.
const INTERVAL_AFTER_CHANGE: Duration = Duration::from_secs(5);
/// Time to the next check after one that gave way to another event: it said nothing.
const RETRY_CANCELLED: Duration = Duration::from_millis(100);
/// Time to the next check after one that timed out but does not count yet: the addresses shall not stay on a
/// node whose checks hang for another interval.
const RETRY_TIMED_OUT: Duration = Duration::from_millis(100);
/// Time to the next attempt after a failed `startup`.
const STARTUP_RETRY: Duration = Duration::from_secs(5);

/// What `setup` waits for.
#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    /// `init` has succeeded.
    begun: bool,
    /// Clients may connect.
    listening: bool,
}

/// See the module's text.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Monitor {
    config: Config,
    state: RunState,
    running: Option<Event>,
    /// When the next startup attempt or check is due.
    due: Option<Instant>,
    /// Time from a check to the next one, before the bound is applied.
    interval: Duration,
    timeouts: u32,
    healthy: bool,
    /// The others may hold it for held back.
    damped: bool,
    flapping: Flapping,
    /// Some other node could take the addresses.
    others_fit: bool,
    beginning: Beginning,
    /// The cluster serves records and this node takes part.
    serving: bool,
}

impl Machine for Monitor {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, fx: &mut Effects<Effect>) {
        match input {
            Input::Ready if self.state == RunState::Unknown => {
                self.enter(RunState::Init, fx);
                self.run(Event::Init, fx);
            }
            Input::Listening => {
                self.beginning.listening = true;
                self.set_up(fx);
            }
            Input::Recovered if self.state == RunState::FirstRecovery => {
                self.enter(RunState::Startup, fx);
                self.due = Some(now);
            }
            Input::View(view) => self.view(now, &view, fx),
            Input::CheckDone { event, outcome } => {
                if self.running == Some(event) {
                    self.running = None;
                    self.done(now, event, outcome, fx);
                }
            }
            Input::Recheck if self.state == RunState::Running => self.due = Some(now),
            Input::Configure(config) => {
                self.config = config;
                let latest = now + config.monitor_interval;
                self.due = self.due.map(|due| due.min(latest));
            }
            Input::Shutdown => {
                if self.state != RunState::Shutdown {
                    self.enter(RunState::Shutdown, fx);
                }
                self.due = None;
            }
            Input::Ready | Input::Recovered | Input::Recheck | Input::Timeout => {}
        }
        self.run_due(now, fx);
    }

    fn deadline(&self) -> Option<Instant> {
        self.next_event().and(self.due)
    }
}

impl Monitor {
    /// A node that is not ready yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: RunState::Unknown,
            running: None,
            due: None,
            interval: INTERVAL_MIN,
            timeouts: 0,
            healthy: false,
            damped: false,
            flapping: Flapping::default(),
            others_fit: false,
            beginning: Beginning::default(),
            serving: false,
        }
    }

    /// The monitor of a node that is in that stage already, whose peers hold it for `healthy` or not. The
    /// event that was under way is run again; stages that are over are not.
    pub fn resumed(config: Config, state: RunState, healthy: bool, now: Instant) -> Self {
        let begun = state == RunState::Setup;
        let state = match state {
            RunState::Init => RunState::Unknown,
            RunState::Setup => RunState::Init,
            later => later,
        };
        let due = matches!(state, RunState::Startup | RunState::Running).then_some(now);
        Self {
            state,
            due,
            healthy,
            damped: !healthy,
            beginning: Beginning {
                begun,
                listening: false,
            },
            ..Self::new(config)
        }
    }

    fn enter(&mut self, state: RunState, fx: &mut Effects<Effect>) {
        self.state = state;
        fx.push(Effect::Log(Notice::RunStateSet {
            state,
            number: state as u32,
        }));
        fx.push(Effect::RunState(state));
    }

    fn run(&mut self, event: Event, fx: &mut Effects<Effect>) {
        self.running = Some(event);
        fx.push(Effect::RunEvent(event));
    }

    /// What runs when `due` has come; nothing while something holds it up.
    fn next_event(&self) -> Option<Event> {
        match self.state {
            _ if self.running.is_some() => None,
            RunState::Startup => Some(Event::Startup),
            RunState::Running if self.serving => Some(Event::Monitor),
            _ => None,
        }
    }

    fn run_due(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        if self.due.is_some_and(|due| due <= now)
            && let Some(event) = self.next_event()
        {
            self.due = None;
            self.run(event, fx);
        }
    }

    fn done(&mut self, now: Instant, event: Event, outcome: Outcome, fx: &mut Effects<Effect>) {
        match (self.state, event) {
            (RunState::Init, Event::Init) | (RunState::Setup, Event::Setup) => {
                self.begun(event, outcome, fx);
            }
            (RunState::Startup, Event::Startup) => {
                if outcome == Outcome::Passed {
                    fx.push(Effect::Notify(Notification::Startup));
                    self.enter(RunState::Running, fx);
                    self.due = Some(now);
                } else {
                    self.due = Some(now + STARTUP_RETRY);
                }
            }
            (RunState::Running, Event::Monitor) => self.checked(now, outcome, fx),
            // The stage was left in the meantime: a shutdown began.
            _ => {}
        }
    }

    /// An event of the daemon's beginning ended; if it failed the daemon can't work.
    fn begun(&mut self, event: Event, outcome: Outcome, fx: &mut Effects<Effect>) {
        let detail = match outcome {
            Outcome::Passed if event == Event::Init => {
                self.beginning.begun = true;
                fx.push(Effect::Notify(Notification::Init));
                fx.push(Effect::Begun);
                return self.set_up(fx);
            }
            Outcome::Passed => {
                fx.push(Effect::Notify(Notification::Setup));
                return self.enter(RunState::FirstRecovery, fx);
            }
            Outcome::Failed { detail } => detail,
            Outcome::TimedOut { detail } => format!("timed out: {detail}"),
            // Nothing takes precedence over these but the restart of what runs them.
            Outcome::Cancelled => return self.run(event, fx),
        };
        fx.push(Effect::Fatal {
            reason: format!("{event} event failed: {detail}"),
        });
    }

    fn set_up(&mut self, fx: &mut Effects<Effect>) {
        if self.state == RunState::Init && self.beginning.begun && self.beginning.listening {
            self.enter(RunState::Setup, fx);
            self.run(Event::Setup, fx);
        }
    }

    /// One failed check makes the node unhealthy, one good check healthy. A check that timed out changes
    /// nothing until too many did so in a row (4.17 takes it for a good one meanwhile, which would put a
    /// node into service whose check hangs from the start).
    fn checked(&mut self, now: Instant, outcome: Outcome, fx: &mut Effects<Effect>) {
        let verdict = match outcome {
            Outcome::Passed => Ok(()),
            Outcome::Failed { detail } => Err(detail),
            Outcome::TimedOut { detail } => {
                self.timeouts = self.timeouts.saturating_add(1);
                if self.timeouts < self.config.monitor_timeout_count {
                    self.due = Some(now + RETRY_TIMED_OUT);
                    return;
                }
                return self.judge(now, Err(detail), fx);
            }
            Outcome::Cancelled => {
                self.due = Some(now + RETRY_CANCELLED);
                return;
            }
        };
        self.timeouts = 0;
        self.judge(now, verdict, fx);
    }

    /// Takes a verdict over and plans the next check.
    fn judge(&mut self, now: Instant, verdict: Result<(), String>, fx: &mut Effects<Effect>) {
        let mut latest = self.config.monitor_interval;
        match verdict {
            Ok(()) if !self.healthy => {
                let due = self.flapping.fit(now);
                if due <= now || !self.is_damped() {
                    self.rise(fx);
                } else {
                    self.hold_back(now, due, fx);
                    latest = latest.min(due.since(now));
                }
            }
            Ok(()) => {}
            Err(reason) => self.fall(now, reason, fx),
        }
        let wait = self.interval.min(latest);
        self.due = Some(now + wait);
        self.interval = wait * 2;
    }

    fn rise(&mut self, fx: &mut Effects<Effect>) {
        self.flapping.rose();
        fx.push(Effect::Log(Notice::BecameHealthy {}));
        fx.push(Effect::Unfit(None));
        self.turn(true, Notification::Healthy, fx);
    }

    fn fall(&mut self, now: Instant, reason: String, fx: &mut Effects<Effect>) {
        fx.push(Effect::Unfit(Some(reason.clone())));
        if self.healthy {
            self.flapping.fell(now);
            fx.push(Effect::Log(Notice::BecameUnhealthy { reason }));
            self.turn(false, Notification::Unhealthy, fx);
        } else {
            self.flapping.unfit();
            if core::mem::take(&mut self.damped) {
                fx.push(Effect::Health(Health::Unfit));
            }
        }
    }

    fn turn(&mut self, healthy: bool, told: Notification, fx: &mut Effects<Effect>) {
        self.healthy = healthy;
        self.damped = false;
        self.interval = INTERVAL_AFTER_CHANGE;
        let health = if healthy { Health::Fit } else { Health::Unfit };
        fx.push(Effect::Health(health));
        fx.push(Effect::Notify(told));
    }

    /// The checks pass, but not for long enough after so many falls.
    fn hold_back(&mut self, now: Instant, due: Instant, fx: &mut Effects<Effect>) {
        if !core::mem::replace(&mut self.damped, true) {
            fx.push(Effect::Health(Health::Damped));
        }
        let falls = self.flapping.falls();
        let seconds = due.since(now).as_secs().max(1);
        fx.push(Effect::Unfit(Some(format!(
            "became unhealthy {falls} times in ten minutes: OK again when its checks pass for {seconds} s more"
        ))));
        fx.push(Effect::Log(Notice::HealthDamped {
            falls: u32::try_from(falls).unwrap_or(u32::MAX),
            seconds,
        }));
    }

    /// A node is held back only while another one can do its work.
    const fn is_damped(&self) -> bool {
        self.config.damp_flapping && self.others_fit
    }

    fn view(&mut self, now: Instant, view: &MembershipView, fx: &mut Effects<Effect>) {
        self.serving = is_serving(view);
        self.others_fit = has_other_fit(view);
        if self.flapping.is_holding() && !self.healthy && !self.is_damped() {
            self.rise(fx);
            self.due = Some(now + self.interval.min(self.config.monitor_interval));
        }
    }
}

/// Whether another node is fit to host addresses.
fn has_other_fit(view: &MembershipView) -> bool {
    let others = (0..).zip(&view.nodes).filter(|(pnn, _)| *pnn != view.own.0);
    let mut fit = others.filter(|(_, node)| node.flags.is_ok() && node.same_leader);
    fit.next().is_some()
}

fn is_serving(view: &MembershipView) -> bool {
    let own = view.nodes.get(view.own.0 as usize);
    view.mode == RecoveryMode::Normal && own.is_some_and(|node| !node.flags.is_inactive())
}
