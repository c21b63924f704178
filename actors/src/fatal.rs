//! The end of the worker where its state can't be trusted any more: logged, then the guard takes over.

use crate::log::notice;
use ctdb_protocol::notice::Notice;
use slog::Logger;

/// Exit code of a worker that gave itself up; the guard starts a new one.
pub const EXIT_FATAL: i32 = 70;

/// Ends the worker.
#[derive(Clone, Debug)]
pub struct Fatal {
    log: Logger,
}

impl Fatal {
    /// Logs to `log` before it ends the process.
    pub fn new(log: &Logger) -> Self {
        Self { log: log.clone() }
    }

    /// Ends the process: "exit" without unwinding, since other threads must not go on either.
    pub fn end(&self, cause: &str) -> ! {
        let duty = String::from("worker");
        notice(
            &self.log,
            &Notice::DutyGivenUp {
                duty,
                cause: cause.to_string(),
            },
        );
        // The log's own thread gets its chance to write.
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::process::exit(EXIT_FATAL);
    }
}
