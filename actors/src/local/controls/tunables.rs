//! Tunables by name.

use super::databases::tell_sticky;
use super::{Answer, Ask, Done, Refused, data, done};
use crate::duty::tuned;
use crate::local::router::Router;
use ctdb_protocol::client::Opcode;
use ctdb_protocol::client::tunable::{TunableName, TunableSetting, TunableValues};
use ctdb_protocol::tunable::{SetOutcome, TunableId, listed};
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
    let outcome = {
        let mut tunables = tunables.write().unwrap_or_else(PoisonError::into_inner);
        tunables.set(&name, value)
    };
    match outcome {
        SetOutcome::Unknown => Err(Refused::plainly()),
        SetOutcome::Obsolete(_) => Err(Refused::status(OBSOLETE)),
        SetOutcome::Set(id) => {
            apply(router, id, value);
            done()
        }
    }
}

/// Tells whoever obeys the tunable; most are read whenever they matter.
fn apply(router: &Router, id: TunableId, value: u32) {
    if id == TunableId::AllowMixedVersions {
        let mixed = &router.context.links.identity.mixed_releases;
        mixed.store(value != 0, Ordering::Relaxed);
    }
    if matches!(
        id,
        TunableId::HopcountMakeSticky | TunableId::StickyDuration | TunableId::StickyPindown
    ) {
        let databases = router.databases.get();
        let list = databases.map(|databases| databases.table.list());
        for entry in list.into_iter().flatten().filter(|entry| entry.is_sticky) {
            tell_sticky(router, entry.id);
        }
    }
    tuned::retune(&router.context, id);
}

fn all(router: &Router) -> Done {
    let tunables = router.context.tunables.read();
    let tunables = tunables.unwrap_or_else(PoisonError::into_inner);
    data(&TunableValues {
        values: tunables.values().to_vec(),
    })
}
