//! The log: from `Notice` values to files, syslog and stderr.
//!
//! ```text
//! notice(), slog macros ──► Intake (level filter) ──► ring of the last records (getlog)
//!                                                └──► two queues ──► one writer thread ──► sinks
//! ```
//!
//! * A record carries CTDB's own eight-valued level as a key; it decides about filtering, text and syslog
//!   priority. slog's six levels only map onto it ([`level`]).
//! * WARNING and above wait in a queue that never drops: when it is full the caller waits. So a log on a
//!   hanging file system stops the daemon in the end, and its leases lapse. Everything else is dropped when
//!   its queue is full, counted, and reported in one record. Order is kept over both queues.
//! * The level can be changed at run time; SIGHUP reopens the file.

mod drain;
mod entry;
pub mod level;
mod queue;
mod sink;
mod target;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ctdb_protocol::notice::{Level, Notice};
use slog::{BorrowedKV, KV, Logger, Record, Serializer};

use self::drain::{EVENT_KEY, Intake, LEVEL_KEY};
pub use self::entry::Format;
use self::entry::{Origin, Renderer};
use self::queue::Shared;
pub use self::target::{ParseTargetError, Syslog, Target};

/// How the log is kept.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Where records go.
    pub target: Target,
    /// Text or JSON lines.
    pub format: Format,
    /// The least important level that is kept.
    pub level: Level,
    /// Records go to stderr too (`--interactive`).
    pub stderr_too: bool,
    /// The program's name in each line.
    pub program: String,
    /// Records kept for [`LogHandle::tail`].
    pub tail: usize,
}

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log {target}: {source}")]
pub struct LogError {
    target: Target,
    source: io::Error,
}

/// Opens the log and starts its writer.
pub fn build(config: &LogConfig) -> Result<(Logger, LogHandle), LogError> {
    let fault = |source| LogError {
        target: config.target.clone(),
        source,
    };
    let renderer = Renderer::new(Origin::of_this_process(&config.program), config.format);
    let shared = Arc::new(Shared::new(config.level, config.tail));
    let sinks = sink::open(config, &renderer).map_err(fault)?;
    queue::start_writer(Arc::clone(&shared), sinks).map_err(fault)?;
    let logger = Logger::root(Intake::new(Arc::clone(&shared)), slog::o!());
    Ok((logger, LogHandle { shared, renderer }))
}

/// Control over a running log.
#[derive(Clone)]
pub struct LogHandle {
    shared: Arc<Shared>,
    renderer: Renderer,
}

impl LogHandle {
    /// The least important level that is kept.
    pub fn level(&self) -> Level {
        self.shared.level()
    }

    /// Changes it, from the next record on.
    pub fn set_level(&self, level: Level) {
        self.shared.set_level(level);
    }

    /// Closes and opens the log file again (after rotation). Done by the writer; an error is logged.
    pub fn reopen(&self) {
        self.shared.ask_reopen();
    }

    /// The last `count` records as lines, oldest first.
    pub fn tail(&self, count: usize) -> Vec<String> {
        self.shared
            .tail(count)
            .iter()
            .map(|entry| self.renderer.line(entry))
            .collect()
    }

    /// Records dropped since the start because the writer could not follow.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    /// Waits until all that was logged before is written, at most `patience`; true if so.
    pub fn flush(&self, patience: Duration) -> bool {
        self.shared.flush(patience)
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle")
            .field("level", &self.level())
            .finish_non_exhaustive()
    }
}

/// Logs an event of the daemon.
pub fn notice(log: &Logger, notice: &Notice) {
    let about = slog::record_static!(level::to_slog(notice.level()), notice.name());
    let fields = Fields {
        level: notice.level(),
        notice: Some(notice),
    };
    log.log(&Record::new(
        &about,
        &format_args!("{notice}"),
        BorrowedKV(&fields),
    ));
}

/// Logs a text that is no event of the daemon, such as a line of a script's output.
pub fn text(log: &Logger, level: Level, text: fmt::Arguments<'_>) {
    let about = slog::record_static!(level::to_slog(level), "");
    log.log(&Record::new(
        &about,
        &text,
        BorrowedKV(&Fields {
            level,
            notice: None,
        }),
    ));
}

/// What a record carries beside its message.
struct Fields<'a> {
    level: Level,
    notice: Option<&'a Notice>,
}

impl KV for Fields<'_> {
    fn serialize(&self, _record: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        serializer.emit_i32(LEVEL_KEY, level::number(self.level))?;
        let Some(notice) = self.notice else {
            return Ok(());
        };
        serializer.emit_str(EVENT_KEY, notice.name())?;
        for (name, value) in notice.fields() {
            serializer.emit_str(name, &value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::id::Pnn;
    use std::fs;
    use std::path::PathBuf;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn file_log(name: &str) -> (PathBuf, Logger, LogHandle) {
        let path = std::env::temp_dir().join(format!("ctdb-log-{}/{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        let config = LogConfig {
            target: Target::File(path.clone()),
            format: Format::Text,
            level: Level::Notice,
            stderr_too: false,
            program: "ctdbd".into(),
            tail: 3,
        };
        let (logger, handle) = build(&config).unwrap();
        (path, logger, handle)
    }

    fn messages(path: &PathBuf) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| line.split_once("]: ").unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn the_eight_levels_filter_and_change_at_run_time() {
        let (path, logger, handle) = file_log("levels");
        let shown = |handle: &LogHandle, threshold| {
            handle.set_level(threshold);
            for level in Level::ALL {
                text(&logger, level, format_args!("{level} at {threshold}"));
            }
        };
        for threshold in [Level::Emerg, Level::Alert, Level::Notice, Level::Debug] {
            shown(&handle, threshold);
        }
        slog::info!(logger, "slog's info is NOTICE"; "number" => 7);
        assert!(handle.flush(PATIENCE));
        let lines = messages(&path);
        assert_eq!(lines.len(), 1 + 2 + 6 + 8 + 1);
        assert_eq!(
            lines[..3],
            ["EMERG at EMERG", "EMERG at ALERT", "ALERT at ALERT"]
        );
        assert_eq!(lines[17], "slog's info is NOTICE [number=7]");
        assert_eq!(handle.tail(2).len(), 2);
        assert!(
            handle.tail(100)[0].ends_with("INFO at DEBUG"),
            "three are kept"
        );
    }

    /// The first field of some is called as the key of the stable name once was.
    #[test]
    fn a_field_named_event_does_not_replace_the_stable_name() {
        let (path, logger, handle) = file_log("event-field");
        let (event, script) = (String::from("monitor"), String::from("50.samba"));
        notice(&logger, &Notice::EventTimedOut { event, script });
        assert!(handle.flush(PATIENCE));
        let line =
            "monitor event timed out: 50.samba [event.timed_out event=monitor script=50.samba]";
        assert_eq!(messages(&path), [line]);
    }

    #[test]
    fn notices_carry_name_and_fields_and_go_to_the_new_file_after_reopening() {
        let (path, logger, handle) = file_log("rotated");
        notice(&logger, &Notice::GuardGone {});
        assert!(handle.flush(PATIENCE));
        let old = path.with_extension("1");
        fs::rename(&path, &old).unwrap();
        notice(&logger, &Notice::PnnIs { pnn: Pnn(1) });
        assert!(handle.flush(PATIENCE));
        handle.reopen();
        notice(&logger, &Notice::PnnIs { pnn: Pnn(2) });
        assert!(handle.flush(PATIENCE));
        assert!(messages(&old)[0].ends_with("[daemon.guard_gone]"));
        assert_eq!(messages(&old)[1], "PNN is 1 [daemon.pnn pnn=1]");
        assert_eq!(messages(&path), ["PNN is 2 [daemon.pnn pnn=2]"]);
    }

    #[test]
    fn a_full_disk_stops_nobody_and_an_impossible_file_is_an_error_at_start() {
        let mut config = LogConfig {
            target: Target::File("/dev/full".into()),
            format: Format::Json,
            level: Level::Debug,
            stderr_too: false,
            program: "ctdbd".into(),
            tail: 10,
        };
        let (logger, handle) = build(&config).unwrap();
        for _ in 0..5000 {
            text(&logger, Level::Crit, format_args!("no room"));
        }
        assert!(handle.flush(PATIENCE));
        assert_eq!(handle.tail(100).len(), 10);
        config.target = Target::File("/proc/no/log".into());
        let error = build(&config).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot open the log file:/proc/no/log: "),
            "{error}"
        );
    }
}
