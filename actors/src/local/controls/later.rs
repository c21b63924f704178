//! Controls that this version does not carry out, with a text instead of a bare -1.

use super::{Answer, Ask};
use ctdb_protocol::client::{ControlReply, Opcode};

pub(super) fn answer(ask: &Ask<'_>) -> Option<Answer> {
    let what = match ask.opcode {
        // Of no use to a client: the nodes copy contents by messages of their own.
        Opcode::DbPull => "pulling a database",
        _ => return None,
    };
    let text = format!("{}: this version does not support {what}", ask.opcode);
    Some(ControlReply::error(text).into())
}
