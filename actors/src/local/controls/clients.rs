//! What clients register, and whether a process is there.

use super::{Answer, Ask, Done, Refused, done};
use crate::local::registry::RegistryError;
use crate::local::router::Router;
use ctdb_protocol::client::server_id::PidSrvid;
use ctdb_protocol::client::srvid_message::NotifyData;
use ctdb_protocol::client::{ControlReply, Opcode};
use ctdb_protocol::id::ClientId;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::sync::Arc;

/// Status when what is to be taken back is not there (ENOENT).
const NOT_FOUND: i32 = 2;

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let reply: Done = match ask.opcode {
        Opcode::RegisterSrvid => change(router, ask, |r, client| {
            r.registry_mut().register(client, ask.srvid)
        }),
        Opcode::DeregisterSrvid => change(router, ask, |r, client| {
            r.registry_mut().deregister(client, ask.srvid)
        }),
        Opcode::TunnelRegister => change(router, ask, |r, client| {
            r.registry_mut().register_tunnel(client, ask.srvid)
        }),
        // With 4.17 one that is not registered has no status of its own, as srvids have it.
        Opcode::TunnelDeregister => change(router, ask, |r, client| {
            r.registry_mut().deregister_tunnel(client, ask.srvid)
        })
        .map_err(|_| Refused::plainly()),
        Opcode::RegisterNotify => ask.parse::<NotifyData>().and_then(|notice| {
            change(router, ask, |r, client| {
                r.registry_mut().add_notice(client, notice)
            })
        }),
        Opcode::DeregisterNotify => ask.parse::<u64>().and_then(|srvid| {
            change(router, ask, |r, client| {
                r.registry_mut().remove_notice(client, srvid)
            })
        }),
        Opcode::ProcessExists => process_exists(router, ask),
        Opcode::CheckPidSrvid => check_pid_srvid(router, ask),
        _ => return None,
    };
    Some(reply.into())
}

fn change(
    router: &Router,
    ask: &Ask<'_>,
    change: impl FnOnce(&Router, ClientId) -> Result<(), RegistryError>,
) -> Done {
    let client = ask.client()?;
    match change(router, client) {
        Ok(()) => done(),
        Err(RegistryError::NotFound) => Err(Refused::status(NOT_FOUND)),
        Err(error) => Err(Refused::because(error.to_string())),
    }
}

/// Whether a client with that pid is connected and alive. An inactive node breaks with it instead: its
/// locks count no more, and smbd ends when its connection does.
fn process_exists(router: &Router, ask: &Ask<'_>) -> Done {
    let pid: i32 = ask.parse()?;
    let outbox = router.registry().of_pid(pid).next().cloned();
    let outbox = outbox.ok_or_else(Refused::plainly)?;
    if router.is_inactive() {
        outbox.close();
        return Err(Refused::plainly());
    }
    if lives(pid) {
        done()
    } else {
        Err(Refused::plainly())
    }
}

fn lives(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    // Somebody else's process is a process.
    matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM))
}

fn check_pid_srvid(router: &Router, ask: &Ask<'_>) -> Done {
    let PidSrvid { pid, srvid } = ask.parse()?;
    let there = router.registry().has_pid_srvid(pid, srvid);
    Ok(ControlReply::status(if there { 0 } else { -1 }))
}
