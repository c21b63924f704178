//! The small programs that the daemon starts, in one binary: `ctdb-helper NAME ARGS…`, or a link with the
//! name that CTDB gives the helper.

mod config_tool;
mod event_tool;
mod getopt;
mod group_tool;
mod killtcp;
mod lock_keeper;
mod ltdbtool;
mod mutex_fcntl;
mod onnode;
mod path_tool;
mod ping_pong;
mod smnotify;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

pub use lock_keeper::{ALIVE, DEFAULT_PING_MS};

const USAGE: &str = "\
Usage: ctdb-helper mutex-fcntl FILE [RECHECK_S [PING_TIMEOUT_S]]
       ctdb-helper lock-keeper [--realtime] [--ping-ms MS] -- HELPER [ARGUMENT…]
       ctdb-helper path COMMAND…
       ctdb-helper config COMMAND…
       ctdb-helper event COMMAND…
       ctdb-helper killtcp INTERFACE [SOURCE:PORT DESTINATION:PORT]
       ctdb-helper smnotify OPTION…
       ctdb-helper lvs leader|list|status
       ctdb-helper natgw leader|list|status
       ctdb-helper onnode [OPTION…] NODES COMMAND…
       ctdb-helper ltdbtool [OPTION…] COMMAND FILE…
       ctdb-helper ping_pong [OPTION…] FILE [LOCKS]
The names ctdb_mutex_fcntl_helper, ctdb-path, ctdb-config, ctdb-event, ctdb_killtcp, ctdb_lvs and ctdb_natgw stand
for mutex-fcntl, path, config, event, killtcp, lvs and natgw; the others are called by their own";

/// What a manual page tells of a program that admins call.
#[derive(Debug)]
pub struct Page {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// What it prints when it is asked.
    pub usage: &'static str,
}

/// Those programs.
pub const PAGES: [&Page; 3] = [&onnode::PAGE, &ltdbtool::PAGE, &ping_pong::PAGE];

/// The page of the program of that name.
pub fn page(name: &str) -> Option<&'static Page> {
    PAGES.into_iter().find(|page| page.name == name)
}

/// The status that a cluster lock helper prints as its first character (contract of CTDB's
/// `cluster_mutex_helper.txt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStatus {
    /// The lock is held, as long as the helper lives.
    Held,
    /// Somebody else holds it.
    Contention,
    /// No answer in time.
    Timeout,
    /// It cannot be taken, for ever perhaps: see stderr.
    Error,
}

impl LockStatus {
    /// The character on the helper's stdout.
    pub const fn digit(self) -> u8 {
        match self {
            Self::Held => b'0',
            Self::Contention => b'1',
            Self::Timeout => b'2',
            Self::Error => b'3',
        }
    }

    /// The meaning of a helper's first character; anything unknown is an error.
    pub const fn from_digit(digit: u8) -> Self {
        match digit {
            b'0' => Self::Held,
            b'1' => Self::Contention,
            b'2' => Self::Timeout,
            _ => Self::Error,
        }
    }
}

/// The whole of `ctdb-helper`.
pub fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let called = arguments.next().unwrap_or_default();
    let called = Path::new(&called)
        .file_name()
        .map(OsString::from)
        .unwrap_or_default();
    let name = match called.to_str() {
        Some("ctdb_mutex_fcntl_helper") => Some("mutex-fcntl".to_owned()),
        Some("ctdb-path") => Some("path".to_owned()),
        Some("ctdb-config") => Some("config".to_owned()),
        Some("ctdb-event") => Some("event".to_owned()),
        Some("ctdb_killtcp") => Some("killtcp".to_owned()),
        Some(own @ ("smnotify" | "onnode" | "ltdbtool" | "ping_pong")) => Some(own.to_owned()),
        Some("ctdb_lvs") => Some("lvs".to_owned()),
        Some("ctdb_natgw") => Some("natgw".to_owned()),
        _ => arguments.next().and_then(|name| name.into_string().ok()),
    };
    let rest: Vec<OsString> = arguments.collect();
    match name.as_deref() {
        Some("mutex-fcntl") => mutex_fcntl::run(&rest),
        Some(mutex_fcntl::CHECK) => mutex_fcntl::check(&rest),
        Some("lock-keeper") => lock_keeper::run(&rest),
        Some("path") => path_tool::run(&rest),
        Some("config") => config_tool::run(&rest),
        Some("event") => event_tool::run(&rest),
        Some("killtcp") => killtcp::run(&rest),
        Some("smnotify") => smnotify::run(&rest),
        Some("onnode") => onnode::run(&rest),
        Some("ltdbtool") => ltdbtool::run(&rest),
        Some("ping_pong") => ping_pong::run(&rest),
        Some(subject @ ("lvs" | "natgw")) => group_tool::run(subject, &rest),
        Some("help" | "-h" | "--help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => usage("unknown helper"),
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("ctdb-helper: {error}\n{USAGE}");
    ExitCode::FAILURE
}

fn say(byte: u8) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(&[byte])?;
    stdout.flush()
}

/// A whole number of `unit` in an argument.
fn number(argument: &OsString, unit: &str) -> Result<u64, String> {
    let text = argument.to_string_lossy();
    text.parse()
        .map_err(|_| format!("{text:?} is not a number of {unit}"))
}
