//! Policy routing in the kernel: the rules and routes of the addresses that are here, and the names of their tables.
//!
//! Called by the address worker, which waits for it before it announces an address (whoever answers for an address sends
//! by its routes), and by the script's steps, on threads beside the events' arbiter. No process is started for it.

use crate::log::notice;
use crate::net::address::HeldAddress;
use crate::net::error::NetError;
use crate::net::route_keeper::{Concern, RouteKeeper};
use crate::net::sysctl::{self, Sysctls};
use crate::net::table_names;
use crate::public::PublicAddresses;
use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::routing::config::{Config, Source};
use ctdb_protocol::routing::file;
use ctdb_protocol::routing::policy::Policy;
use ctdb_protocol::routing::route::Routing;
use slog::Logger;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A node answers for an address only on the interface that it would send from.
const ARP_FILTER: &str = "ipv4/conf/all/arp_filter";

/// What routes and numbers come from.
enum Found {
    /// The lines of the file, or what is wrong with it.
    Lines(Result<Vec<file::Line>, String>),
    /// All public addresses, for their own networks.
    Addresses(Vec<IpAddr>),
}

struct State {
    policy: Policy,
    /// What of the addresses is here, whether it is switched on or not.
    held: BTreeMap<IpAddr, HeldAddress>,
    enabled: bool,
    /// The names as they were written last.
    names: Vec<(u32, String)>,
    switches: Sysctls,
    /// What is wrong with the file.
    fault: Option<String>,
}

/// See the module.
pub struct PolicyRouting {
    state: Mutex<State>,
    keeper: Arc<RouteKeeper>,
    public: PublicAddresses,
    log: Logger,
}

impl PolicyRouting {
    /// What the guard has to take away if this process is killed.
    pub fn leftovers(config: &Config) -> Result<[Leftover; 3], NetError> {
        let routing = Leftover::Routing(config.scope());
        Ok([routing, Leftover::TableNames, sysctl::leftover(ARP_FILTER)?])
    }

    /// Removes what an earlier life left. Switched off until its script is found enabled.
    pub fn start(
        config: Config,
        keeper: &Arc<RouteKeeper>,
        public: &PublicAddresses,
        log: &Logger,
    ) -> Result<Self, NetError> {
        let scope = config.scope();
        let errors = keeper.set(Concern::PolicyRouting, scope, Routing::default());
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        Ok(Self {
            state: Mutex::new(State {
                policy: Policy::new(config, &table_names::read()),
                held: BTreeMap::new(),
                enabled: false,
                names: Vec::new(),
                switches: Sysctls::default(),
                fault: None,
            }),
            keeper: keeper.clone(),
            public: public.clone(),
            log: log.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is wanted is made anew from the addresses at each change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Addresses are on their interfaces: their rules and routes are there when this returns.
    pub fn hold<'a>(&self, addresses: impl IntoIterator<Item = &'a HeldAddress>) {
        let mut state = self.state();
        for address in addresses {
            state.held.insert(address.ip, address.clone());
            if let Err(error) =
                state
                    .policy
                    .hold(address.ip, address.prefix_len, &address.interface)
            {
                self.complain(error.to_string());
            }
        }
        self.bring(&mut state);
    }

    /// Addresses are gone.
    pub fn release<'a>(&self, addresses: impl IntoIterator<Item = &'a HeldAddress>) {
        let mut state = self.state();
        for address in addresses {
            state.held.remove(&address.ip);
            state.policy.release(address.ip);
        }
        self.bring(&mut state);
    }

    /// Switches it on or off; on means that the file is read anew.
    pub fn set_enabled(&self, enabled: bool) {
        if self.state().enabled == enabled {
            return;
        }
        let found = enabled.then(|| self.read());
        let mut state = self.state();
        state.enabled = enabled;
        if let Some(found) = found {
            self.take(found, &mut state);
            if let Err(error) = state.switches.set(ARP_FILTER, "1") {
                self.complain(error.to_string());
            }
        }
        self.bring(&mut state);
    }

    /// Reads the file anew and repairs; the error is what is wrong.
    pub fn reread(&self) -> Result<(), String> {
        let found = self.read();
        let mut state = self.state();
        self.take(found, &mut state);
        self.bring(&mut state);
        state.fault.clone().map_or(Ok(()), Err)
    }

    /// What is wrong with the file.
    pub fn fault(&self) -> Option<String> {
        self.state().fault.clone()
    }

    /// Takes everything back, at the end of the daemon.
    pub fn end(&self) {
        let mut state = self.state();
        state.enabled = false;
        self.bring(&mut state);
        for error in state.switches.restore() {
            self.complain(error.to_string());
        }
    }

    /// Reads the file, if there is one, without holding the state: whoever has the addresses waits for that, and a file on
    /// a dead server can take for ever.
    fn read(&self) -> Found {
        let source = self.state().policy.config().source.clone();
        let public = self.public.list().into_iter();
        let public: Vec<IpAddr> = public.map(|public| public.address).collect();
        match source {
            Source::File(path) => Found::Lines(read(&path, &public)),
            Source::AutoLinkLocal => Found::Addresses(public),
        }
    }

    fn take(&self, found: Found, state: &mut State) {
        let set = match found {
            Found::Lines(lines) => {
                lines.and_then(|lines| state.policy.set_lines(lines).map_err(|e| e.to_string()))
            }
            Found::Addresses(all) => state.policy.number(all).map_err(|e| e.to_string()),
        };
        // With a file that can't be used the lines before it stay in force.
        let fault = set.err();
        if let Some(reason) = fault.as_ref().filter(|_| state.fault != fault) {
            self.complain(reason.clone());
        }
        state.fault = fault;
    }

    /// Has the kernel as the addresses want it.
    fn bring(&self, state: &mut State) {
        let (names, wanted) = if state.enabled {
            (state.policy.names(), state.policy.wanted())
        } else {
            Default::default()
        };
        // Names before tables, so that whoever lists them sees names.
        if names != state.names {
            let written = if names.is_empty() {
                table_names::remove()
            } else {
                table_names::write(&names)
            };
            match written {
                Ok(()) => state.names = names,
                Err(error) => {
                    let reason = error.to_string();
                    notice(&self.log, &Notice::TableNamesFailed { reason });
                }
            }
        }
        let scope = state.policy.config().scope();
        for error in self.keeper.set(Concern::PolicyRouting, scope, wanted) {
            self.complain(error.to_string());
        }
    }

    fn complain(&self, reason: String) {
        notice(&self.log, &Notice::PolicyRoutingFailed { reason });
    }
}

fn read(path: &str, public: &[IpAddr]) -> Result<Vec<file::Line>, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("CTDB_PER_IP_ROUTING_CONF={path}: {error}"))?;
    file::parse(&text, |address| public.contains(&address))
        .map_err(|fault| format!("{path} {fault}"))
}
