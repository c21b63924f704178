//! Controls that are not carried out, with a text instead of a bare -1: those that this version does not know how to,
//! and those that 4.17's daemons send to each other, for which ours have messages of their own.
//!
//! A bare -1, as 4.17 answers them, is left to its obsolete controls and to `PUSH_RECORD` and
//! `START_IPREALLOCATE`, which came after it.

use super::{Answer, Ask};
use ctdb_protocol::client::{ControlReply, Opcode};

pub(super) fn answer(ask: &Ask<'_>) -> Option<Answer> {
    let what = match ask.opcode {
        // Of no use to a client: the nodes copy contents by messages of their own.
        Opcode::DbPull => "pulling a database",
        _ => return None,
    };
    let text = format!("{}: {why}", ask.opcode);
    Some(ControlReply::error(text).into())
}
