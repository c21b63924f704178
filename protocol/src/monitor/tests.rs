//! The monitor alone, by table-like scripts of inputs.

use super::io::{Config, Effect, Event, Input, Notification, Outcome};
use super::machine::Monitor;
use crate::flags::{Health, NodeFlags, RunState};
use crate::id::Pnn;
use crate::machine::{Effects, Machine};
use crate::membership::view::{MembershipView, NodeView, RecoveryMode};
use crate::time::Instant;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// A monitor at some point of time, in milliseconds.
struct Bench {
    monitor: Monitor,
    now_ms: u64,
    /// What the notification program was told.
    told: Vec<Notification>,
    /// Why it is not healthy, as last said.
    unfit: Option<String>,
}

impl Bench {
    fn new() -> Self {
        Self {
            monitor: Monitor::new(Config::default()),
            now_ms: 0,
            told: Vec::new(),
            unfit: None,
        }
    }

    fn feed(&mut self, input: Input) -> Vec<Effect> {
        let mut fx = Effects::new();
        let now = Instant::from_micros(self.now_ms * 1000);
        self.monitor.step(now, input, &mut fx);
        let mut rest = Vec::new();
        for effect in fx.drain() {
            match effect {
                Effect::Log(_) => {}
                Effect::Unfit(reason) => self.unfit = reason,
                Effect::Notify(what) => self.told.push(what),
                other => rest.push(other),
            }
        }
        rest
    }

    fn done(&mut self, event: Event, outcome: Outcome) -> Vec<Effect> {
        self.feed(Input::CheckDone { event, outcome })
    }

    fn view(&mut self, mode: RecoveryMode, flags: NodeFlags) -> Vec<Effect> {
        self.feed(Input::View(MembershipView {
            own: Pnn(0),
            nodes: vec![NodeView {
                flags,
                ..NodeView::default()
            }],
            mode,
            ..MembershipView::default()
        }))
    }

    /// Goes to the deadline; how long that took, in milliseconds.
    fn wait(&mut self) -> (u64, Vec<Effect>) {
        let due = self.monitor.deadline().expect("a deadline");
        let then = due.as_micros() / 1000;
        let waited = then.saturating_sub(self.now_ms);
        self.now_ms = self.now_ms.max(then);
        (waited, self.feed(Input::Timeout))
    }

    /// Up to the first check, which is running then.
    fn started() -> Self {
        let mut bench = Self::new();
        bench.feed(Input::Ready);
        bench.done(Event::Init, Outcome::Passed);
        bench.feed(Input::Listening);
        bench.done(Event::Setup, Outcome::Passed);
        bench.view(RecoveryMode::Normal, NodeFlags::UNHEALTHY);
        bench.feed(Input::Recovered);
        bench.done(Event::Startup, Outcome::Passed);
        bench
    }
}

fn failed() -> Outcome {
    Outcome::Failed {
        detail: "script".to_string(),
    }
}

fn timed_out() -> Outcome {
    Outcome::TimedOut {
        detail: "script".to_string(),
    }
}

#[test]
fn stages_follow_each_other() {
    let mut bench = Bench::new();
    let state = Effect::RunState;
    assert_eq!(
        bench.feed(Input::Ready),
        [state(RunState::Init), run(Event::Init)]
    );
    assert_eq!(
        bench.done(Event::Init, Outcome::Passed),
        [Effect::Begun],
        "no client may connect yet"
    );
    assert_eq!(
        bench.feed(Input::Listening),
        [state(RunState::Setup), run(Event::Setup)]
    );
    assert_eq!(
        bench.done(Event::Setup, Outcome::Passed),
        [state(RunState::FirstRecovery)]
    );
    assert_eq!(bench.monitor.deadline(), None);
    bench.view(RecoveryMode::Normal, NodeFlags::UNHEALTHY);
    assert_eq!(
        bench.feed(Input::Recovered),
        [state(RunState::Startup), run(Event::Startup)]
    );
    assert_eq!(bench.done(Event::Startup, failed()), []);
    assert_eq!(bench.wait(), (5000, vec![run(Event::Startup)]));
    assert_eq!(
        bench.done(Event::Startup, Outcome::Passed),
        [state(RunState::Running), run(Event::Monitor)]
    );
    assert_eq!(
        bench.done(Event::Monitor, Outcome::Passed),
        [Effect::Health(Health::Fit)]
    );
    assert_eq!(bench.feed(Input::Shutdown), [state(RunState::Shutdown)]);
    assert_eq!(bench.monitor.deadline(), None);
}

const fn run(event: Event) -> Effect {
    Effect::RunEvent(event)
}

#[test]
fn the_admin_is_told_of_each_stage_and_each_change_of_health_once() {
    let mut bench = Bench::started();
    let outcomes = [
        failed(),
        Outcome::Passed,
        Outcome::Passed,
        failed(),
        failed(),
        Outcome::Passed,
    ];
    for outcome in outcomes {
        bench.done(Event::Monitor, outcome);
        bench.wait();
    }
    let told: Vec<&str> = bench.told.iter().map(|what| what.name()).collect();
    let expected = [
        "init",
        "setup",
        "startup",
        "healthy",
        "unhealthy",
        "healthy",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_failed_init_or_setup_is_fatal() {
    for event in [Event::Init, Event::Setup] {
        for outcome in [failed(), timed_out()] {
            let mut bench = Bench::new();
            bench.feed(Input::Listening);
            bench.feed(Input::Ready);
            if event == Event::Setup {
                bench.done(Event::Init, Outcome::Passed);
            }
            assert_eq!(bench.done(event, Outcome::Cancelled), [run(event)]);
            let effects = bench.done(event, outcome);
            assert!(matches!(&effects[..], [Effect::Fatal { .. }]), "{event}");
        }
    }
}

#[test]
fn intervals_double_and_restart_at_a_change() {
    let mut bench = Bench::started();
    let mut waits = Vec::new();
    let outcomes = [
        failed(),
        failed(),
        Outcome::Passed,
        Outcome::Passed,
        Outcome::Passed,
        failed(),
    ];
    for outcome in outcomes {
        bench.done(Event::Monitor, outcome);
        waits.push(bench.wait().0);
    }
    assert_eq!(waits, [2000, 4000, 5000, 10_000, 15_000, 5000]);
}

#[test]
fn timeouts_count_only_in_a_row() {
    let mut bench = Bench::started();
    assert_eq!(
        bench.done(Event::Monitor, Outcome::Passed),
        [Effect::Health(Health::Fit)]
    );
    let count = 20;
    bench.feed(Input::Configure(Config {
        monitor_timeout_count: count,
        ..Config::default()
    }));
    for _ in 1..count {
        bench.wait();
        assert_eq!(bench.done(Event::Monitor, timed_out()), []);
    }
    bench.wait();
    assert_eq!(bench.done(Event::Monitor, Outcome::Passed), []);
    for _ in 1..count {
        bench.wait();
        assert_eq!(bench.done(Event::Monitor, timed_out()), []);
        bench.wait();
        assert_eq!(bench.done(Event::Monitor, Outcome::Cancelled), []);
        assert_eq!(
            bench.wait(),
            (100, vec![run(Event::Monitor)]),
            "4.17 waits for the whole interval"
        );
        assert_eq!(bench.done(Event::Monitor, Outcome::Cancelled), []);
    }
    bench.wait();
    assert_eq!(
        bench.done(Event::Monitor, timed_out()),
        [Effect::Health(Health::Unfit)]
    );
}

#[test]
fn a_check_that_hangs_is_repeated_at_once_until_it_counts() {
    let mut bench = Bench::started();
    for _ in 0..4 {
        bench.done(Event::Monitor, Outcome::Passed);
        bench.wait();
    }
    assert_eq!(bench.done(Event::Monitor, timed_out()), []);
    assert_eq!(
        bench.wait(),
        (100, vec![run(Event::Monitor)]),
        "not after the interval, which is 15 s by now"
    );
    assert_eq!(
        bench.done(Event::Monitor, timed_out()),
        [Effect::Health(Health::Unfit)]
    );
    assert_eq!(bench.wait().0, 5000, "as after any change");
}

#[test]
fn checks_wait_for_recovery_and_activity() {
    let mut bench = Bench::started();
    bench.done(Event::Monitor, Outcome::Passed);
    for (mode, flags) in [
        (RecoveryMode::Active, NodeFlags::empty()),
        (RecoveryMode::Normal, NodeFlags::STOPPED),
    ] {
        assert_eq!(bench.view(mode, flags), []);
        assert_eq!(bench.monitor.deadline(), None);
        bench.now_ms += 60_000;
        assert_eq!(bench.feed(Input::Timeout), []);
        assert_eq!(
            bench.view(RecoveryMode::Normal, NodeFlags::empty()),
            [Effect::RunEvent(Event::Monitor)]
        );
        assert_eq!(bench.done(Event::Monitor, Outcome::Passed), []);
    }
}

#[test]
fn one_that_was_started_again_goes_on_where_it_was() {
    let mut bench = Bench::new();
    let now = Instant::from_micros(0);
    bench.monitor = Monitor::resumed(Config::default(), RunState::Running, true, now);
    assert_eq!(
        bench.feed(Input::Ready),
        [],
        "what is over is not run again"
    );
    let fx = bench.view(RecoveryMode::Normal, NodeFlags::empty());
    assert_eq!(fx, [Effect::RunEvent(Event::Monitor)]);
    let detail = "smbd is gone".to_string();
    let fx = bench.done(Event::Monitor, Outcome::Failed { detail });
    assert_eq!(
        fx,
        [Effect::Health(Health::Unfit)],
        "the others hold it for healthy"
    );
}

#[test]
fn one_that_was_started_again_says_that_it_is_not_held_back_any_more() {
    let mut bench = Bench::new();
    let now = Instant::from_micros(0);
    bench.monitor = Monitor::resumed(Config::default(), RunState::Running, false, now);
    bench.view(RecoveryMode::Normal, NodeFlags::UNHEALTHY);
    let fx = bench.done(Event::Monitor, failed());
    assert_eq!(fx, [Effect::Health(Health::Unfit)]);
}

#[test]
fn one_that_was_started_again_during_the_first_events_begins_anew() {
    let mut bench = Bench::new();
    let now = Instant::from_micros(0);
    bench.monitor = Monitor::resumed(Config::default(), RunState::Init, false, now);
    let fx = bench.feed(Input::Ready);
    assert!(fx.contains(&run(Event::Init)), "{fx:?}");
    bench.monitor = Monitor::resumed(Config::default(), RunState::Setup, false, now);
    assert_eq!(bench.feed(Input::Ready), [], "databases are open by now");
    let fx = bench.feed(Input::Listening);
    assert!(fx.contains(&run(Event::Setup)), "{fx:?}");
}

impl Bench {
    /// A cluster of two; the other node can take the addresses, or not.
    fn other_is_fit(&mut self, fit: bool) -> Vec<Effect> {
        let node = |flags| NodeView {
            flags,
            same_leader: true,
            ..NodeView::default()
        };
        let other = if fit {
            NodeFlags::empty()
        } else {
            NodeFlags::UNHEALTHY
        };
        self.feed(Input::View(MembershipView {
            own: Pnn(0),
            nodes: vec![node(NodeFlags::UNHEALTHY), node(other)],
            mode: RecoveryMode::Normal,
            ..MembershipView::default()
        }))
    }

    /// Healthy, then unhealthy, that often; unhealthy at the end, with the next check under way.
    fn fallen(times: u32) -> Self {
        let mut bench = Self::started();
        bench.other_is_fit(false);
        for _ in 0..times {
            bench.done(Event::Monitor, Outcome::Passed);
            bench.wait();
            bench.done(Event::Monitor, failed());
            bench.wait();
        }
        bench.other_is_fit(true);
        bench
    }

    /// Checks pass until the node is healthy; how long that takes from the first of them, in milliseconds.
    fn held_ms(&mut self) -> u64 {
        let began = self.now_ms;
        while !self
            .done(Event::Monitor, Outcome::Passed)
            .contains(&Effect::Health(Health::Fit))
        {
            self.wait();
        }
        self.now_ms - began
    }
}

#[test]
fn a_node_that_flaps_is_held_back_longer_each_time() {
    let held = [1, 2, 3, 4, 5, 20].map(|falls| Bench::fallen(falls).held_ms());
    assert_eq!(held, [0, 0, 10_000, 20_000, 40_000, 300_000]);
}

#[test]
fn a_bad_check_while_held_back_begins_the_wait_anew() {
    let mut bench = Bench::fallen(4);
    let damped = [Effect::Health(Health::Damped)];
    assert_eq!(bench.done(Event::Monitor, Outcome::Passed), damped);
    bench.wait();
    assert_eq!(
        bench.done(Event::Monitor, Outcome::Passed),
        [],
        "said before"
    );
    let said = bench.unfit.clone().unwrap_or_default();
    assert!(said.contains("4 times"), "{said:?}");
    bench.wait();
    assert_eq!(
        bench.done(Event::Monitor, failed()),
        [Effect::Health(Health::Unfit)],
        "it can do nothing now"
    );
    bench.wait();
    assert_eq!(
        bench.done(Event::Monitor, failed()),
        [],
        "it is unhealthy already"
    );
    assert_eq!(bench.unfit.as_deref(), Some("script"));
    bench.wait();
    assert_eq!(bench.held_ms(), 20_000);
    assert_eq!(bench.unfit, None);
}

#[test]
fn old_falls_are_forgotten() {
    let mut bench = Bench::fallen(3);
    bench.held_ms();
    bench.now_ms += 601_000;
    bench.feed(Input::Timeout);
    bench.done(Event::Monitor, failed());
    bench.wait();
    assert_eq!(bench.held_ms(), 0);
}

#[test]
fn the_last_fit_node_is_not_held_back() {
    let mut bench = Bench::fallen(3);
    let damped = [Effect::Health(Health::Damped)];
    assert_eq!(bench.done(Event::Monitor, Outcome::Passed), damped);
    assert_eq!(
        bench.other_is_fit(false),
        [Effect::Health(Health::Fit)],
        "nobody else would serve the addresses"
    );
    assert_eq!(bench.wait().0, 5000, "as after any change");
}

#[test]
fn damping_can_be_switched_off() {
    let mut bench = Bench::fallen(5);
    bench.feed(Input::Configure(Config {
        damp_flapping: false,
        ..Config::default()
    }));
    assert_eq!(bench.held_ms(), 0);
}
