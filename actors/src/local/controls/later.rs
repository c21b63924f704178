//! Controls that 4.17's daemons send to each other, for which ours have messages of their own: -1, with a text that
//! names what a client can use.
//!
//! A bare -1, as 4.17 answers them, is left to its obsolete controls and to `PUSH_RECORD` and
//! `START_IPREALLOCATE`, which came after it.

use super::{Answer, Ask};
use ctdb_protocol::client::{ControlReply, Opcode};

pub(super) fn answer(ask: &Ask<'_>) -> Option<Answer> {
    let why = match ask.opcode {
        Opcode::DbPull => {
            "nodes copy contents by messages of their own; a client can traverse (TRAVERSE_START_EXT)"
        }
        Opcode::TryDeleteRecords | Opcode::VacuumFetch => {
            "nodes vacuum by messages of their own; a client can ask for a run (DB_VACUUM)"
        }
        Opcode::TraverseAll
        | Opcode::TraverseAllExt
        | Opcode::TraverseData
        | Opcode::TraverseKill => {
            "nodes traverse by messages of their own; a client begins with TRAVERSE_START_EXT"
        }
        Opcode::StartRecovery | Opcode::EndRecovery | Opcode::SetVnnMap | Opcode::Freeze => {
            "the nodes' own recovery does this; a client can ask for one (SET_RECMODE)"
        }
        Opcode::IpReallocated => {
            "the nodes run this event themselves after each takeover run; ask the leader for one \
             (TAKEOVER_RUN)"
        }
        Opcode::ModifyFlags | Opcode::RecdPing | Opcode::RecdReclockLatency | Opcode::Startup => {
            "only daemons of CTDB 4.17 tell this to each other"
        }
        _ => return None,
    };
    let text = format!("{}: {why}", ask.opcode);
    Some(ControlReply::error(text).into())
}
