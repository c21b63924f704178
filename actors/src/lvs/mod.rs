//! LVS in the kernel: a thread brings what the machine plans onto loopback, interface and tables, and says under which
//! Ethernet address this node serves.

mod group;
mod worker;

pub use group::{LvsGroup, Reread};
pub(crate) use worker::leftovers;

use crate::nodes::NodesFile;
use crate::post::Post;
use ctdb_protocol::lvs::io::{Input, Plan};
use slog::Logger;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use worker::Worker;

/// What the thread works on.
#[derive(Clone, Debug)]
pub struct Place {
    /// The LVS address.
    pub address: IpAddr,
    /// The interface towards the clients; without one that of the network in which the address lies.
    pub interface: Option<String>,
    /// All nodes, with their private addresses.
    pub nodes: NodesFile,
}

enum Job {
    Apply(Plan),
    Retell,
    End,
}

/// The handle of the thread.
pub struct LvsKernel {
    jobs: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
    held: AtomicBool,
    post: Post,
}

impl LvsKernel {
    /// Starts the thread, which first removes what an earlier life left.
    pub fn start(place: Place, post: &Post, log: &Logger) -> std::io::Result<Self> {
        let (jobs, todo) = channel();
        let worker = Worker::new(place, post.clone(), log.clone());
        let thread = std::thread::Builder::new()
            .name("lvs".into())
            .spawn(move || worker.run(&todo))?;
        Ok(Self {
            jobs,
            thread: Mutex::new(Some(thread)),
            held: AtomicBool::new(false),
            post: post.clone(),
        })
    }

    /// From now on this is wanted.
    pub fn apply(&self, plan: Plan) {
        // The thread ends only with the daemon.
        let _ = self.jobs.send(Job::Apply(plan));
    }

    /// This node answers for the address, or does not any more.
    pub fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
        self.post.lvs.send(Input::Held(held));
    }

    /// Tells a machine that was started again what it has missed.
    pub fn retell(&self) {
        let held = self.held.load(Ordering::Relaxed);
        self.post.lvs.send(Input::Held(held));
        let _ = self.jobs.send(Job::Retell);
    }

    /// Removes all of it, at the end of the daemon.
    pub fn end(&self) {
        let _ = self.jobs.send(Job::End);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread was reported by itself.
            let _ = thread.join();
        }
    }
}
