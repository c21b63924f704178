//! The handle of the thread that works on rules, routes and switches.

use super::NatgwDesk;
use super::worker::Worker;
use crate::net::route_keeper::RouteKeeper;
use ctdb_protocol::natgw::io::Role;
use slog::Logger;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// See the module.
pub struct NatgwKernel {
    roles: Sender<Role>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl NatgwKernel {
    /// Starts the thread, which first removes what an earlier life left. `memory` keeps what switches were before, should
    /// this process die.
    pub fn start(
        desk: &NatgwDesk,
        keeper: &Arc<RouteKeeper>,
        memory: PathBuf,
        log: &Logger,
    ) -> std::io::Result<Option<Self>> {
        let Some(natgw) = desk.settings() else {
            return Ok(None);
        };
        let (roles, todo) = channel();
        let config = natgw.config.clone();
        let worker = Worker::new(config, desk.clone(), keeper.clone(), memory, log.clone());
        let thread = std::thread::Builder::new()
            .name("natgw".into())
            .spawn(move || worker.run(&todo))?;
        Ok(Some(Self {
            roles,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// From now on this is wanted.
    pub fn become_role(&self, role: Role) {
        // The thread ends only with this handle.
        let _ = self.roles.send(role);
    }

    /// Removes all of it, at the end of the daemon.
    pub fn end(mut self) {
        let thread = self.thread.get_mut();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        drop(self.roles);
        if let Some(thread) = thread {
            // A panic of the thread was reported by itself.
            let _ = thread.join();
        }
    }
}
