//! Tunables by name.

use super::{Answer, Ask, Done, Refused, data, done};
use crate::local::router::Router;
use ctdb_protocol::client::Opcode;
use ctdb_protocol::client::tunable::{TunableName, TunableSetting, TunableValues};
use ctdb_protocol::takeover;
use ctdb_protocol::takeover::alloc::Algorithm;
use ctdb_protocol::tunable::{SetOutcome, TunableId, Tunables, listed};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Status of an unknown name in `GET_TUNABLE` (EINVAL).
const UNKNOWN_NAME: i32 = -22;
/// Status of an obsolete name in `SET_TUNABLE`, from which the tool makes a warning.
const OBSOLETE: i32 = 1;

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let reply: Done = match ask.opcode {
        Opcode::GetTunable => get(router, ask),
        Opcode::SetTunable => set(router, ask),
        Opcode::ListTunables => data(&TunableName::list(listed().map(|row| row.name))),
        Opcode::GetAllTunables => all(router),
        _ => return None,
    };
    Some(reply.into())
}

fn get(router: &Router, ask: &Ask<'_>) -> Done {
    let TunableName { name } = ask.parse()?;
    let id = TunableId::by_name(&name).ok_or_else(|| Refused::status(UNKNOWN_NAME))?;
    data(&router.tunable(id))
}

fn set(router: &Router, ask: &Ask<'_>) -> Done {
    let TunableSetting { value, name } = ask.parse()?;
    let tunables = &router.context.tunables;
    let (outcome, now) = {
        let mut tunables = tunables.write().unwrap_or_else(PoisonError::into_inner);
        (tunables.set(&name, value), tunables.clone())
    };
    match outcome {
        SetOutcome::Unknown => Err(Refused::plainly()),
        SetOutcome::Obsolete(_) => Err(Refused::status(OBSOLETE)),
        SetOutcome::Set(id) => {
            apply(router, id, &now);
            done()
        }
    }
}

/// Tells the duty that obeys the tunable; most are read whenever they matter.
fn apply(router: &Router, id: TunableId, tunables: &Tunables) {
    if id == TunableId::AllowMixedVersions {
        let allowed = tunables.get(id) != 0;
        let mixed = &router.context.links.identity.mixed_releases;
        mixed.store(allowed, Ordering::Relaxed);
    }
    if !matches!(
        id,
        TunableId::IPAllocAlgorithm | TunableId::NoIPFailback | TunableId::NoIPTakeover
    ) {
        return;
    }
    let settings = takeover::io::Settings {
        algorithm: Algorithm::from_tunable(tunables.get(TunableId::IPAllocAlgorithm)),
        no_ip_failback: tunables.get(TunableId::NoIPFailback) != 0,
        no_ip_takeover: tunables.get(TunableId::NoIPTakeover) != 0,
        failover_disabled: router.context.settings.failover.disabled,
    };
    let input = takeover::io::Input::Settings(settings);
    router.context.post.takeover.send(input);
}

fn all(router: &Router) -> Done {
    let tunables = router.context.tunables.read();
    let tunables = tunables.unwrap_or_else(PoisonError::into_inner);
    data(&TunableValues {
        values: tunables.values().to_vec(),
    })
}
