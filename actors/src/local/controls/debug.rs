//! Log level, counters, memory.

use super::{Answer, Ask, Done, data, done};
use crate::local::router::Router;
use crate::log::level;
use ctdb_protocol::client::statistics::StatisticsHistory;
use ctdb_protocol::client::{ControlReply, Opcode};
use std::fs;
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
        Opcode::DumpMemory => Ok(ControlReply::ok(memory_report().into_bytes())),
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

/// What the kernel says of this process's memory.
pub(in crate::local) fn memory_report() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status
        .lines()
        .filter(|line| line.starts_with("Vm") || line.starts_with("Rss"));
    memory.fold(String::new(), |text, line| text + line + "\n")
}

/// Memory in use, in bytes; saturated at the protocol's 32 bits.
pub(in crate::local) fn resident_bytes() -> Option<u32> {
    let report = memory_report();
    let line = report
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(u32::try_from(kibibytes << 10).unwrap_or(u32::MAX))
}
