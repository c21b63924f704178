//! The post office: every actor sends to a duty through its slot, so that a duty that was started again is
//! reached without anybody noticing.

use crate::fatal::Fatal;
use actix::Recipient;
use actix::prelude::{Message, SendError};
use ctdb_protocol::takeover::io::LeaseId;
use ctdb_protocol::{
    election, event, heartbeat, lvs, membership, monitor, natgw, record, takeover,
};
use std::sync::{Arc, RwLock};

/// One input for a machine.
#[derive(Debug)]
pub struct Feed<T>(pub T);

impl<T> Message for Feed<T> {
    type Result = ();
}

/// Most inputs that wait for one duty. A duty that falls so far behind does its work no more.
pub const MAILBOX_INPUTS_MAX: usize = 65_536;

/// Where a duty is reached.
pub struct Slot<T: Send + 'static> {
    name: &'static str,
    recipient: Arc<RwLock<Option<Recipient<Feed<T>>>>>,
    fatal: Fatal,
}

impl<T: Send + 'static> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            recipient: self.recipient.clone(),
            fatal: self.fatal.clone(),
        }
    }
}

impl<T: Send + 'static> Slot<T> {
    fn new(name: &'static str, fatal: &Fatal) -> Self {
        Self {
            name,
            recipient: Arc::default(),
            fatal: fatal.clone(),
        }
    }

    /// The duty's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Says who does the duty from now on.
    pub fn occupy(&self, recipient: Recipient<Feed<T>>) {
        *self.recipient.write().expect("no panic while held") = Some(recipient);
    }

    /// Sends an input. A duty that is being started again loses it (its rebuild asks for all it needs); a
    /// full mailbox ends the worker, as the duty is stuck.
    pub fn send(&self, input: T) {
        let recipient = self.recipient.read().expect("no panic while held");
        let Some(recipient) = recipient.as_ref() else {
            return;
        };
        if let Err(SendError::Full(_)) = recipient.try_send(Feed(input)) {
            self.fatal
                .end(&format!("{}: {MAILBOX_INPUTS_MAX} inputs wait", self.name));
        }
    }
}

/// All slots.
#[derive(Clone)]
pub struct Post {
    /// Liveness and leases.
    pub heartbeat: Slot<heartbeat::io::Input>,
    /// Leadership.
    pub election: Slot<election::io::Input>,
    /// Flags, composition, recovery.
    pub membership: Slot<membership::io::Input>,
    /// Public addresses.
    pub takeover: Slot<takeover::io::Input>,
    /// LVS.
    pub lvs: Slot<lvs::io::Input>,
    /// NAT gateway.
    pub natgw: Slot<natgw::io::Input>,
    /// Run state and health.
    pub monitor: Slot<monitor::io::Input>,
    /// Event scripts.
    pub events: Slot<event::io::Input>,
    /// Records, one machine per shard of databases.
    pub records: Vec<Slot<record::io::Input>>,
}

impl Post {
    /// Empty slots for `shards` record machines.
    pub fn new(shards: usize, fatal: &Fatal) -> Self {
        Self {
            heartbeat: Slot::new("heartbeat", fatal),
            election: Slot::new("election", fatal),
            membership: Slot::new("membership", fatal),
            takeover: Slot::new("takeover", fatal),
            lvs: Slot::new("lvs", fatal),
            natgw: Slot::new("natgw", fatal),
            monitor: Slot::new("monitor", fatal),
            events: Slot::new("events", fatal),
            records: (0..shards.max(1))
                .map(|_| Slot::new("records", fatal))
                .collect(),
        }
    }

    /// The lease under which addresses may be held now, told to all who have some.
    pub fn tell_lease(&self, alive: Option<LeaseId>) {
        self.takeover.send(takeover::io::Input::Lease { alive });
        self.natgw.send(natgw::io::Input::Lease { alive });
    }

    /// The record machine of a database.
    pub fn records_of(&self, db: ctdb_protocol::id::DbId) -> &Slot<record::io::Input> {
        &self.records[db.0 as usize % self.records.len()]
    }
}
