//! The thread: has rules, routes and switches as the node's role wants them, and looks now and then whether they are.
//!
//! Rules come before routes and go after them, so that nothing of the private network leaves untranslated.

use super::NatgwDesk;
use crate::log::notice;
use crate::net::error::NetError;
use crate::net::natgw_rules::Mode;
use crate::net::route_keeper::{Concern, RouteKeeper};
use crate::net::sysctl::Sysctls;
use crate::net::translation::Translation;
use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::natgw::config::Config;
use ctdb_protocol::natgw::io::Role;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::routing::route::Routing;
use slog::Logger;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often the rules are compared, which costs a process, and what failed is tried again.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// No node asks for others by an address that belongs to another interface.
const ARP_ANNOUNCE: &str = "ipv4/conf/all/arp_announce";

/// Lets a gateway pass on what comes to it.
fn forwarding(config: &Config) -> &'static str {
    if config.private_network.addr().is_ipv4() {
        "ipv4/ip_forward"
    } else {
        "ipv6/conf/all/forwarding"
    }
}

/// What the guard has to take away if this process is killed. `memory` is that of the thread.
pub fn leftovers(config: &Config, memory: &Path) -> Result<Vec<Leftover>, NetError> {
    let switches = Sysctls::remembered(memory.to_owned());
    let mut all = vec![Leftover::Routing(config.scope())];
    if config.public.is_some() {
        all.push(Translation::new(config)?.leftover());
        all.push(switches.leftover(forwarding(config))?);
    }
    if config.private_network.addr().is_ipv4() {
        all.push(switches.leftover(ARP_ANNOUNCE)?);
    }
    Ok(all)
}

pub(super) struct Worker {
    config: Config,
    desk: NatgwDesk,
    keeper: Arc<RouteKeeper>,
    /// Chosen at first.
    translation: Option<Translation>,
    switches: Sysctls,
    role: Role,
    /// The last attempt failed, or there was none.
    pending: bool,
    /// The failure that was logged last.
    failure: Option<String>,
    log: Logger,
}

impl Worker {
    pub(super) fn new(
        config: Config,
        desk: NatgwDesk,
        keeper: Arc<RouteKeeper>,
        memory: PathBuf,
        log: Logger,
    ) -> Self {
        Self {
            config,
            desk,
            keeper,
            translation: None,
            switches: Sysctls::remembered(memory),
            role: Role::None,
            pending: true,
            failure: None,
            log,
        }
    }

    /// Until the handle is gone.
    pub(super) fn run(mut self, todo: &Receiver<Role>) {
        self.bring();
        loop {
            match todo.recv_timeout(LOOK_INTERVAL) {
                Ok(role) => {
                    // Only the newest counts.
                    self.role = todo.try_iter().last().unwrap_or(role);
                    self.pending = true;
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.pending {
                self.bring();
            }
        }
        self.role = Role::None;
        self.bring();
        for error in self.switches.restore() {
            self.complain(error.to_string());
        }
    }

    /// The keeper looks after the routes by itself.
    fn look(&mut self) {
        if let Some(translation) = &mut self.translation {
            translation.verify();
        }
        self.pending |= self.role != Role::None;
    }

    fn bring(&mut self) {
        match self.attempt() {
            Ok(()) => {
                self.pending = false;
                self.failure = None;
                self.desk.set_outcome(Ok(self.role.has_way_out()));
            }
            Err(error) => {
                self.pending = true;
                let said = error.to_string();
                self.desk.set_outcome(Err(format!("NAT gateway: {said}")));
                self.complain(said);
            }
        }
    }

    fn attempt(&mut self) -> Result<(), NetError> {
        match self.role {
            Role::None => {
                self.route(Routing::default())?;
                self.translate(None)
            }
            Role::Waiting => {
                self.route(Routing::default())?;
                self.translate(Some(Mode::Hold))
            }
            Role::Gateway => {
                self.translate(Some(Mode::Translate))?;
                self.switches.set(forwarding(&self.config), "1")?;
                self.route(self.config.gateway_routes())
            }
            Role::Follower(gateway) => {
                self.translate(None)?;
                self.route(self.config.follower_routes(gateway))
            }
        }?;
        if self.role != Role::None && self.config.private_network.addr().is_ipv4() {
            self.switches.set(ARP_ANNOUNCE, "2")?;
        }
        Ok(())
    }

    fn route(&self, wanted: Routing) -> Result<(), NetError> {
        let scope = self.config.scope();
        let errors = self.keeper.set(Concern::NatGateway, scope, wanted);
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    fn translate(&mut self, mode: Option<Mode>) -> Result<(), NetError> {
        // Such a node is never the gateway, and may be without the programs for it.
        if self.config.public.is_none() {
            return Ok(());
        }
        let translation = match &mut self.translation {
            Some(translation) => translation,
            none => none.insert(Translation::new(&self.config)?),
        };
        translation.bring(mode)
    }

    fn complain(&mut self, reason: String) {
        if self.failure.as_ref() != Some(&reason) {
            self.failure = Some(reason.clone());
            notice(&self.log, &Notice::NatgwFailed { reason });
        }
    }
}
