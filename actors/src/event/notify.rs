//! Notifications: the admin's program hears of stages of the node's life and of its health.
//!
//! As in 4.17 nothing waits for the program, and one that hangs keeps no later one from running. Here those that
//! run are bounded, have a time limit, and the end of each is logged with what it said.

use super::carry::log_output;
use super::process::{Process, Program};
use crate::log::notice;
use crate::poison::{Poison, PoisonCabinet};
use crate::supervise::{LifeGuard, Supervisor};
use actix::{Actor, AsyncContext, Context, Handler, WrapFuture};
use ctdb_protocol::event::result::Exit;
use ctdb_protocol::monitor::io::Notification;
use ctdb_protocol::notice::{Level, Notice};
use slog::Logger;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, mpsc};

/// Notifications that wait to be started: more come only if the arbiter of events does not run.
const WAITING_MAX: usize = 16;
/// Notification programs that run at a time.
const RUNNING_MAX: usize = 16;
/// Time for one.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The way to the notification program. Cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    sender: mpsc::Sender<Notification>,
    /// For the actor, or for the next one after its panic.
    receiver: Arc<Mutex<mpsc::Receiver<Notification>>>,
}

impl Notifier {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        Self { sender, receiver }
    }

    /// Has the program run, without waiting for anything. One too many is dropped.
    pub fn tell(&self, what: Notification) {
        // Its loss is no reason to hold up the monitor.
        let _ = self.sender.try_send(what);
    }
}

/// What the program is and gets.
#[derive(Clone)]
pub(super) struct Notify {
    pub(super) program: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) script_level: Level,
    pub(super) log: Logger,
}

/// Starts the actor on this arbiter and keeps it alive.
pub(super) fn start(
    supervisor: &Supervisor,
    notifier: &Notifier,
    notify: &Notify,
    poisons: &PoisonCabinet,
) {
    let (notify, poisons) = (notify.clone(), poisons.clone());
    let receiver = notifier.receiver.clone();
    let places = Arc::new(Semaphore::new(RUNNING_MAX));
    supervisor.keep("notifications", move |life, _| {
        let actor = Notifications {
            receiver: receiver.clone(),
            notify: notify.clone(),
            places: places.clone(),
            _life: life,
        };
        poisons.put("notifications", &actor.start());
    });
}

struct Notifications {
    receiver: Arc<Mutex<mpsc::Receiver<Notification>>>,
    notify: Notify,
    places: Arc<Semaphore>,
    /// Tells the supervisor when a panic takes this actor down.
    _life: LifeGuard,
}

impl Actor for Notifications {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (receiver, notify, places) = (
            self.receiver.clone(),
            self.notify.clone(),
            self.places.clone(),
        );
        let serve = async move {
            let mut receiver = receiver.lock().await;
            while let Some(what) = receiver.recv().await {
                match places.clone().try_acquire_owned() {
                    Ok(place) => {
                        let notify = notify.clone();
                        actix::spawn(async move {
                            notify.run(what).await;
                            drop(place);
                        });
                    }
                    Err(_) => notify.failed(what, format!("{RUNNING_MAX} run already")),
                }
            }
        };
        ctx.spawn(serve.into_actor(self));
    }
}

/// For tests.
impl Handler<Poison> for Notifications {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}

impl Notify {
    async fn run(&self, what: Notification) {
        let program = Program {
            name: "notify",
            path: &self.program,
            args: vec![what.name().to_string()],
            environment: &self.environment,
        };
        let (process, end) = match Process::start(&program) {
            Ok(started) => started,
            // Nobody wants to be told.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                return self.failed(what, format!("{}: {error}", self.program.display()));
            }
        };
        let ended = tokio::time::timeout(TIMEOUT, end).await;
        if ended.is_err() {
            process.kill();
        }
        let output = process.output();
        log_output(&self.log, self.script_level, "notify", output.as_deref());
        match ended {
            Ok(Exit::Code(0)) => {
                let (event, result) = (what.name().to_string(), String::from("OK"));
                notice(&self.log, &Notice::Notified { event, result });
            }
            Ok(exit) => self.failed(what, format!("ended with {}", exit.result())),
            Err(_) => self.failed(what, format!("killed after {} s", TIMEOUT.as_secs())),
        }
    }

    fn failed(&self, what: Notification, result: String) {
        let event = what.name().to_string();
        notice(&self.log, &Notice::NotifyFailed { event, result });
    }
}
