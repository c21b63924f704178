//! Supervision: actix's own ignores panics, so an actor that dies is made anew by its factory here.
//!
//! Each actor holds a [`LifeGuard`]; when it is dropped while armed (a panic unwinds through the actor) the
//! supervisor calls the factory again after a back-off. More than [`BUDGET`] deaths in [`WINDOW`] end the
//! worker: something is wrong that a restart does not mend.

use crate::fatal::Fatal;
use crate::log::notice;
use ctdb_protocol::notice::Notice;
use slog::Logger;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Deaths within [`WINDOW`] that are forgiven.
pub const BUDGET: usize = 5;
/// Time in which deaths are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
const BACK_OFF_FIRST: Duration = Duration::from_millis(10);

/// Tells the supervisor of the death of its holder.
#[derive(Debug)]
pub struct LifeGuard {
    deaths: Option<mpsc::UnboundedSender<()>>,
}

impl LifeGuard {
    /// The holder ends in order.
    pub fn disarm(&mut self) {
        self.deaths = None;
    }
}

impl Drop for LifeGuard {
    fn drop(&mut self) {
        if let Some(deaths) = &self.deaths {
            // The supervisor is gone only when the whole system ends.
            let _ = deaths.send(());
        }
    }
}

/// Keeps actors alive on the arbiter it was made on.
#[derive(Clone, Debug)]
pub struct Supervisor {
    log: Logger,
    fatal: Fatal,
}

impl Supervisor {
    /// Logs restarts to `log`, ends the worker by `fatal`.
    pub fn new(log: &Logger, fatal: &Fatal) -> Self {
        Self {
            log: log.clone(),
            fatal: fatal.clone(),
        }
    }

    /// Starts an actor whose state can't be rebuilt: its death ends the worker.
    pub fn once(&self, duty: &'static str, factory: impl FnOnce(LifeGuard)) {
        let (sender, mut deaths) = mpsc::unbounded_channel();
        factory(LifeGuard {
            deaths: Some(sender),
        });
        let fatal = self.fatal.clone();
        actix::spawn(async move {
            if deaths.recv().await.is_some() {
                fatal.end(&format!("{duty}: {}", last_panic()));
            }
        });
    }

    /// Starts an actor by `factory`, now and after each death. The factory gets the guard that the actor
    /// must hold, and whether this is a restart.
    pub fn keep(&self, duty: &'static str, factory: impl Fn(LifeGuard, bool) + 'static) {
        let (sender, mut deaths) = mpsc::unbounded_channel();
        let guard = move || LifeGuard {
            deaths: Some(sender.clone()),
        };
        let factory = Rc::new(factory);
        factory(guard(), false);
        let (log, fatal) = (self.log.clone(), self.fatal.clone());
        actix::spawn(async move {
            let mut recent: VecDeque<Instant> = VecDeque::new();
            while deaths.recv().await.is_some() {
                let now = Instant::now();
                recent.retain(|at| now.duration_since(*at) < WINDOW);
                recent.push_back(now);
                let cause = last_panic();
                if recent.len() > BUDGET {
                    fatal.end(&format!(
                        "{duty} died {} times in a minute: {cause}",
                        recent.len()
                    ));
                }
                let restarts = u32::try_from(recent.len()).unwrap_or(u32::MAX);
                let duty_name = duty.to_string();
                notice(
                    &log,
                    &Notice::DutyRestarted {
                        duty: duty_name,
                        cause,
                        restarts,
                    },
                );
                tokio::time::sleep(BACK_OFF_FIRST * (1 << recent.len().min(6))).await;
                factory(guard(), true);
            }
        });
    }
}

static LAST_PANIC: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

/// Remembers each panic's place and text for the log; without it a dead actor leaves no trace.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string().replace('\n', " ");
        eprintln!("{text}");
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = text;
        }
    }));
}

/// Place and text of the newest panic.
pub fn last_panic() -> String {
    LAST_PANIC
        .lock()
        .map(|last| last.clone())
        .unwrap_or_default()
}
