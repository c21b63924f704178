//! Log level, counters, memory.

use super::{Answer, Ask, Done, data, done};
use crate::local::memory;
use crate::local::router::Router;
use crate::log::level;
use ctdb_protocol::client::statistics::StatisticsHistory;
use ctdb_protocol::client::{ControlReply, Opcode};
use std::sync::Arc;

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let reply: Done = match ask.opcode {
        Opcode::GetDebug => data(&level::to_samba(router.context.log_handle.level())),
        Opcode::SetDebug => set_level(router, ask),
        Opcode::Statistics => data(&router.statistics()),
        Opcode::StatisticsReset => {
            router.reset_statistics();
            done()
        }
        Opcode::GetStatHistory => data(&StatisticsHistory {
            entries: router.statistics_history(),
        }),
        Opcode::DumpMemory => Ok(ControlReply::ok(memory::report().into_bytes())),
        _ => return None,
    };
    Some(reply.into())
}

fn set_level(router: &Router, ask: &Ask<'_>) -> Done {
    let number: i32 = ask.parse()?;
    router
        .context
        .log_handle
        .set_level(level::from_samba(number));
    done()
}
