//! Who is connected and what each client registered. Everything of a client goes in one step when it
//! disconnects: smbd finds dead peers by asking for their pids and srvids.

use super::outbox::Outbox;
use ctdb_protocol::client::srvid;
use ctdb_protocol::client::srvid_message::NotifyData;
use ctdb_protocol::id::ClientId;
use std::collections::{BTreeMap, HashMap};

/// Most registrations (srvids, notifications, tunnels) of one client.
const REGISTRATIONS_MAX: usize = 65_536;

/// Why something was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegistryError {
    /// The client is gone.
    #[error("the client is gone")]
    NoClient,
    /// It is registered, and only once is possible.
    #[error("it is registered already")]
    Taken,
    /// It was not registered.
    #[error("it is not registered")]
    NotFound,
    /// [`REGISTRATIONS_MAX`] is reached.
    #[error("a client can register {REGISTRATIONS_MAX} times")]
    TooMany,
}

#[derive(Debug)]
struct Entry {
    outbox: Outbox,
    srvids: Vec<u64>,
    tunnels: Vec<u64>,
    notices: Vec<NotifyData>,
}

impl Entry {
    fn check_room(&self) -> Result<(), RegistryError> {
        let count = self.srvids.len() + self.tunnels.len() + self.notices.len();
        if count < REGISTRATIONS_MAX {
            Ok(())
        } else {
            Err(RegistryError::TooMany)
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Registry {
    clients: BTreeMap<ClientId, Entry>,
    srvids: HashMap<u64, Vec<Outbox>>,
    tunnels: HashMap<u64, Outbox>,
}

impl Registry {
    /// Takes a client in.
    pub(super) fn connect(&mut self, outbox: &Outbox) {
        let entry = Entry {
            outbox: outbox.clone(),
            srvids: Vec::new(),
            tunnels: Vec::new(),
            notices: Vec::new(),
        };
        self.clients.insert(outbox.client(), entry);
    }

    /// Forgets a client and all it registered; answers the messages that it wanted sent when it goes.
    pub(super) fn disconnect(&mut self, client: ClientId) -> Vec<NotifyData> {
        let Some(entry) = self.clients.remove(&client) else {
            return Vec::new();
        };
        for srvid in entry.srvids {
            self.forget_srvid(client, srvid);
        }
        for tunnel in entry.tunnels {
            self.tunnels.remove(&tunnel);
        }
        entry.notices
    }

    /// Whether the id is in use.
    pub(super) fn is_connected(&self, client: ClientId) -> bool {
        self.clients.contains_key(&client)
    }

    /// Number of clients.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Where a client's packets go.
    pub(super) fn outbox(&self, client: ClientId) -> Option<&Outbox> {
        self.clients.get(&client).map(|entry| &entry.outbox)
    }

    /// Clients of a process.
    pub(super) fn of_pid(&self, pid: i32) -> impl Iterator<Item = &Outbox> {
        let entries = self.clients.values();
        entries
            .map(|entry| &entry.outbox)
            .filter(move |outbox| outbox.pid() == pid)
    }

    /// Whether some client with that pid registered the srvid.
    pub(super) fn has_pid_srvid(&self, pid: i32, srvid: u64) -> bool {
        let receivers = self.srvids.get(&srvid);
        receivers.is_some_and(|list| list.iter().any(|outbox| outbox.pid() == pid))
    }

    /// Registers a srvid; each further registration delivers once more.
    pub(super) fn register(&mut self, client: ClientId, srvid: u64) -> Result<(), RegistryError> {
        let entry = self.clients.get_mut(&client);
        let entry = entry.ok_or(RegistryError::NoClient)?;
        entry.check_room()?;
        entry.srvids.push(srvid);
        self.srvids
            .entry(srvid)
            .or_default()
            .push(entry.outbox.clone());
        Ok(())
    }

    /// Takes one registration back.
    pub(super) fn deregister(&mut self, client: ClientId, srvid: u64) -> Result<(), RegistryError> {
        let entry = self.clients.get_mut(&client);
        let entry = entry.ok_or(RegistryError::NoClient)?;
        let place = entry.srvids.iter().position(|present| *present == srvid);
        entry
            .srvids
            .swap_remove(place.ok_or(RegistryError::NotFound)?);
        self.forget_srvid(client, srvid);
        Ok(())
    }

    fn forget_srvid(&mut self, client: ClientId, srvid: u64) {
        let Some(list) = self.srvids.get_mut(&srvid) else {
            return;
        };
        if let Some(place) = list.iter().position(|outbox| outbox.client() == client) {
            list.remove(place);
        }
        if list.is_empty() {
            self.srvids.remove(&srvid);
        }
    }

    /// Shows every registration of `srvid`, and of "all", to `visit`.
    pub(super) fn receivers(&self, srvid: u64, mut visit: impl FnMut(&Outbox)) {
        self.srvids
            .get(&srvid)
            .into_iter()
            .flatten()
            .for_each(&mut visit);
        if srvid != srvid::ALL {
            self.srvids
                .get(&srvid::ALL)
                .into_iter()
                .flatten()
                .for_each(&mut visit);
        }
    }

    /// Whether a message to `srvid` would reach anybody.
    pub(super) fn has_receivers(&self, srvid: u64) -> bool {
        self.srvids.contains_key(&srvid) || self.srvids.contains_key(&srvid::ALL)
    }

    /// Keeps a message to be sent when the client is gone; one per srvid.
    pub(super) fn add_notice(
        &mut self,
        client: ClientId,
        notice: NotifyData,
    ) -> Result<(), RegistryError> {
        let entry = self.clients.get_mut(&client);
        let entry = entry.ok_or(RegistryError::NoClient)?;
        entry.check_room()?;
        if entry
            .notices
            .iter()
            .any(|present| present.srvid == notice.srvid)
        {
            return Err(RegistryError::Taken);
        }
        entry.notices.push(notice);
        Ok(())
    }

    /// Takes that back.
    pub(super) fn remove_notice(
        &mut self,
        client: ClientId,
        srvid: u64,
    ) -> Result<(), RegistryError> {
        let entry = self.clients.get_mut(&client);
        let notices = &mut entry.ok_or(RegistryError::NoClient)?.notices;
        let place = notices.iter().position(|present| present.srvid == srvid);
        notices.swap_remove(place.ok_or(RegistryError::NotFound)?);
        Ok(())
    }

    /// Registers a tunnel, which only one client of a node can have.
    pub(super) fn register_tunnel(
        &mut self,
        client: ClientId,
        tunnel: u64,
    ) -> Result<(), RegistryError> {
        let entry = self.clients.get_mut(&client);
        let entry = entry.ok_or(RegistryError::NoClient)?;
        entry.check_room()?;
        if self.tunnels.contains_key(&tunnel) {
            return Err(RegistryError::Taken);
        }
        entry.tunnels.push(tunnel);
        self.tunnels.insert(tunnel, entry.outbox.clone());
        Ok(())
    }

    /// Takes that back.
    pub(super) fn deregister_tunnel(
        &mut self,
        client: ClientId,
        tunnel: u64,
    ) -> Result<(), RegistryError> {
        let entry = self.clients.get_mut(&client);
        let tunnels = &mut entry.ok_or(RegistryError::NoClient)?.tunnels;
        let place = tunnels.iter().position(|present| *present == tunnel);
        tunnels.swap_remove(place.ok_or(RegistryError::NotFound)?);
        self.tunnels.remove(&tunnel);
        Ok(())
    }

    /// The client of a tunnel.
    pub(super) fn tunnel(&self, tunnel: u64) -> Option<&Outbox> {
        self.tunnels.get(&tunnel)
    }
}
