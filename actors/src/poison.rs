//! Poison for actors: a test makes any of them panic in a running daemon, as a bug would.
//!
//! Only a daemon with `CTDB_TEST_MODE`, or with `CTDB_TEST_PANICS=1`, has a cabinet; elsewhere nothing is kept
//! in it and the console's word `panic` does not exist.

use actix::dev::ToEnvelope;
use actix::prelude::{Message, Recipient};
use actix::{Actor, Addr, Handler};
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex};

/// The actor that gets it panics.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Poison;

impl Poison {
    /// What its handlers do.
    ///
    /// # Panics
    /// Always.
    pub fn act(self) {
        panic!("poisoned by a test");
    }
}

type Victims = BTreeMap<String, Vec<Recipient<Poison>>>;

/// The actors that can be poisoned, by name.
#[derive(Clone, Default)]
pub struct PoisonCabinet(Option<Arc<Mutex<Victims>>>);

impl PoisonCabinet {
    /// The cabinet of a daemon: there is one in test mode, or if the environment asks for it.
    pub fn of_daemon(test_mode: bool) -> Self {
        let asked = std::env::var_os("CTDB_TEST_PANICS").is_some_and(|value| value == "1");
        Self((test_mode || asked).then(Arc::default))
    }

    /// Makes an actor known; several may share a name. Those that have ended are forgotten.
    pub fn put<A>(&self, name: &str, actor: &Addr<A>)
    where
        A: Handler<Poison>,
        A::Context: ToEnvelope<A, Poison>,
        A: Actor,
    {
        let Some(victims) = &self.0 else { return };
        let mut victims = victims.lock().expect("no panic while held");
        let victims = victims.entry(name.to_string()).or_default();
        victims.retain(Recipient::connected);
        victims.push(actor.clone().recipient());
    }

    /// Whether there is a cabinet.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Makes all actors of that name panic. `None`: this daemon has no cabinet.
    ///
    /// # Errors
    /// No actor has that name; the text lists those that there are.
    pub fn poison(&self, name: &str) -> Option<Result<(), String>> {
        let victims = self.0.as_ref()?.lock().expect("no panic while held");
        let Some(recipients) = victims.get(name) else {
            let names: Vec<&str> = victims.keys().map(String::as_str).collect();
            return Some(Err(format!(
                "no such actor; there are: {}",
                names.join(", ")
            )));
        };
        for recipient in recipients {
            recipient.do_send(Poison);
        }
        Some(Ok(()))
    }
}

impl Debug for PoisonCabinet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoisonCabinet")
            .field(&self.0.is_some())
            .finish()
    }
}
