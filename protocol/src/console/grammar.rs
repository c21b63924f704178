//! From a line to a [`Request`], or to the reason why it is none.

mod addresses;
pub mod data;

use super::command::{
    AttachKind, Command, DbName, EventCommand, FlagChange, LvsCommand, NatgwCommand, Nodes, Request,
};
use super::options::{self, NodeChoice};
use super::quote;
use super::reply::Refusal;
use super::words::{self, Scope, Verb, WORDS, Word};
use crate::client::dbmap::DbFlags;
use crate::flags::RunState;
use crate::limits::NODES_MAX;
use crate::nearest::nearest;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

/// C's `EINVAL`, with which 4.17 ends on a bad number.
pub const EINVAL: i32 = 22;
/// Lines that `getlog` shows unless told.
const LOG_LINES: usize = 100;
/// The directory of scripts that `scriptstatus` is about, and `event` if none is named.
const COMPONENT: &str = "legacy";
/// Samples that the statistics history holds (client-protocol.md section 9).
const SAMPLES_MAX: usize = 100;
/// Longest name of a database, in bytes: it must fit a file name with a suffix.
const DB_NAME_BYTES_MAX: usize = 200;

/// A line understood: what was asked for and the word that asked. `None` for an empty line.
pub fn read(line: &[u8]) -> Result<Option<(&'static Word, Request)>, Refusal> {
    let words = quote::split(line).map_err(|error| Refusal::new(format!("{error}")))?;
    read_words(words)
}

/// The same for a line that is already in words.
pub fn read_words(words: Vec<Vec<u8>>) -> Result<Option<(&'static Word, Request)>, Refusal> {
    let (options, mut words) = options::take(words)?;
    if words.is_empty() {
        return Ok(None);
    }
    let name = words.remove(0);
    let word = find(&name)?;
    if word.scope == Scope::Local && options.node != NodeChoice::Own {
        let message = format!("Cannot specify node for command {}", word.name);
        return Err(Refusal::new(message));
    }
    let mut arguments = Arguments {
        word,
        words: words.into_iter(),
    };
    let command = command(word.verb, &mut arguments)?;
    if arguments.words.next().is_some() {
        return Err(usage(word));
    }
    Ok(Some((word, Request { options, command })))
}

fn find(name: &[u8]) -> Result<&'static Word, Refusal> {
    let text = String::from_utf8_lossy(name);
    if let Some(word) = words::find(&text) {
        return Ok(word);
    }
    let mut message = format!("Unknown command '{text}'");
    if let Some(meant) = nearest(&text, WORDS.iter().flat_map(Word::names)) {
        message = format!("{message}, did you mean '{meant}'?");
    }
    Err(Refusal::new(message))
}

/// The refusal that shows how a command is written.
pub fn usage(word: &Word) -> Refusal {
    let text = format!("Usage: ctdb [OPTION...] {} {}", word.name, word.arguments);
    Refusal::printed(text.trim_end())
}

struct Arguments {
    word: &'static Word,
    words: alloc::vec::IntoIter<Vec<u8>>,
}

impl Arguments {
    fn bytes(&mut self) -> Result<Vec<u8>, Refusal> {
        self.words.next().ok_or_else(|| usage(self.word))
    }

    fn text(&mut self) -> Result<String, Refusal> {
        let bytes = self.bytes()?;
        let invalid = |_| Refusal::coded(EINVAL, "Invalid argument: not UTF-8");
        String::from_utf8(bytes).map_err(invalid)
    }

    fn optional(&mut self) -> Result<Option<String>, Refusal> {
        match self.words.len() {
            0 => Ok(None),
            _ => self.text().map(Some),
        }
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T, Refusal> {
        number(what, &self.text()?)
    }

    fn db(&mut self) -> Result<DbName, Refusal> {
        self.text().map(DbName)
    }

    fn choice(&mut self, yes: &str, no: &str) -> Result<bool, Refusal> {
        match self.text()? {
            text if text.eq_ignore_ascii_case(yes) => Ok(true),
            text if text.eq_ignore_ascii_case(no) => Ok(false),
            _ => Err(usage(self.word)),
        }
    }

    fn all(&mut self) -> Result<bool, Refusal> {
        match self.optional()?.as_deref() {
            None => Ok(false),
            Some("all") => Ok(true),
            Some(_) => Err(usage(self.word)),
        }
    }
}

/// 4.17 says nothing about a bad value of a tunable.
fn quietly(refusal: Refusal) -> Refusal {
    if refusal.code != EINVAL {
        return refusal;
    }
    let message = format!("({})", refusal.message);
    Refusal { message, ..refusal }
}

fn number<T: FromStr>(what: &str, text: &str) -> Result<T, Refusal> {
    let invalid = |_| Refusal::coded(EINVAL, format!("Invalid {what} {text}"));
    text.parse().map_err(invalid)
}

fn command(verb: Verb, arguments: &mut Arguments) -> Result<Command, Refusal> {
    Ok(match verb {
        Verb::Version => Command::Version,
        Verb::Status => Command::Status,
        Verb::Uptime => Command::Uptime,
        Verb::Ping => Command::Ping,
        Verb::RunState => Command::RunState(run_states(arguments)?),
        Verb::GetVar => Command::GetVar(arguments.text()?),
        Verb::SetVar => Command::SetVar {
            name: arguments.text()?,
            value: arguments.number("value").map_err(quietly)?,
        },
        Verb::ListVars => Command::ListVars,
        Verb::Statistics => Command::Statistics,
        Verb::StatisticsReset => Command::StatisticsReset,
        Verb::Stats => Command::Stats {
            count: count(arguments, SAMPLES_MAX)?.min(SAMPLES_MAX),
        },
        Verb::Ip => Command::Ip {
            all: arguments.all()?,
        },
        Verb::IpInfo => Command::IpInfo(address(&arguments.text()?)?),
        Verb::Ifaces => Command::Ifaces,
        Verb::SetIfaceLink => Command::SetIfaceLink {
            name: arguments.text()?,
            up: arguments.choice("up", "down")?,
        },
        Verb::ProcessExists => Command::ProcessExists {
            pid: arguments.number("pid")?,
            srvid: srvid(arguments)?,
        },
        Verb::GetDbMap => Command::GetDbMap,
        Verb::GetDbStatus => Command::GetDbStatus(arguments.db()?),
        Verb::CatDb => Command::CatDb(arguments.db()?),
        Verb::GetCapabilities => Command::GetCapabilities,
        Verb::Pnn => Command::Pnn,
        Verb::SetDebug => Command::SetDebug(level(&arguments.text()?)?),
        Verb::GetDebug => Command::GetDebug,
        Verb::Attach => attach(arguments)?,
        Verb::GetPid => Command::GetPid,
        Verb::DumpMemory => Command::DumpMemory,
        Verb::Disable => Command::Change(FlagChange::Disable),
        Verb::Enable => Command::Change(FlagChange::Enable),
        Verb::Stop => Command::Change(FlagChange::Stop),
        Verb::Continue => Command::Change(FlagChange::Continue),
        Verb::Ban => Command::Change(FlagChange::Ban(ban_seconds(arguments)?)),
        Verb::Unban => Command::Change(FlagChange::Unban),
        Verb::Shutdown => Command::Shutdown,
        Verb::Recover => Command::Recover,
        Verb::ReloadNodes => Command::ReloadNodes,
        Verb::IpReallocate => Command::IpReallocate,
        Verb::ListNodes => Command::ListNodes,
        Verb::Leader => Command::Leader,
        Verb::IsNotLeader => Command::IsNotLeader,
        Verb::GetReclock => Command::GetReclock,
        Verb::SetLmasterRole => Command::SetLmasterRole(arguments.choice("on", "off")?),
        Verb::SetLeaderRole => Command::SetLeaderRole(arguments.choice("on", "off")?),
        _ => return data_command(verb, arguments),
    })
}

/// The second half of [`command`]: databases, and the session itself.
fn data_command(verb: Verb, arguments: &mut Arguments) -> Result<Command, Refusal> {
    Ok(match verb {
        Verb::ReadKey => {
            let (db, key) = (arguments.db()?, data::key(arguments)?);
            match arguments.optional()?.as_deref() {
                None | Some("readonly") => Command::ReadKey { db, key },
                Some(_) => return Err(usage(arguments.word)),
            }
        }
        Verb::WriteKey => Command::WriteKey {
            db: arguments.db()?,
            key: data::key(arguments)?,
            value: data::value(arguments)?,
        },
        Verb::DeleteKey => Command::DeleteKey {
            db: arguments.db()?,
            key: data::key(arguments)?,
        },
        Verb::GetDbSeqnum => Command::GetDbSeqnum(arguments.db()?),
        Verb::NodeStatus => Command::NodeStatus(nodes(arguments)?),
        Verb::DbStatistics => Command::DbStatistics(arguments.db()?),
        Verb::Event => Command::Event(event(arguments)?),
        Verb::ScriptStatus => Command::Event(EventCommand::Status {
            component: String::from(COMPONENT),
            event: arguments
                .optional()?
                .unwrap_or_else(|| String::from("monitor")),
        }),
        Verb::Lvs => Command::Lvs(match arguments.optional()?.as_deref() {
            Some("leader" | "master") => LvsCommand::Leader,
            Some("list") | None => LvsCommand::List,
            Some("status") => LvsCommand::Status,
            Some(_) => return Err(usage(arguments.word)),
        }),
        Verb::LvsMaster => Command::Lvs(LvsCommand::Leader),
        Verb::Natgw => Command::Natgw(match arguments.optional()?.as_deref() {
            Some("leader" | "master") => NatgwCommand::Leader,
            Some("list") => NatgwCommand::List,
            Some("status") => NatgwCommand::Status,
            _ => return Err(usage(arguments.word)),
        }),
        Verb::NatgwList => Command::Natgw(NatgwCommand::List),
        Verb::GetLog => Command::GetLog {
            lines: count(arguments, LOG_LINES)?,
        },
        Verb::Auth => Command::Auth(arguments.bytes()?),
        Verb::Help => Command::Help(match arguments.optional()? {
            Some(name) => Some(find(name.as_bytes())?.verb),
            None => None,
        }),
        Verb::Quit => Command::Quit,
        Verb::Detach => Command::Detach(databases(arguments)?),
        Verb::SetDbReadonly => Command::SetDbFlag {
            db: arguments.db()?,
            flag: DbFlags::READONLY,
        },
        Verb::SetDbSticky => Command::SetDbFlag {
            db: arguments.db()?,
            flag: DbFlags::STICKY,
        },
        _ => {
            if let Some(command) = data::command(verb, arguments)? {
                return Ok(command);
            }
            let address_command = addresses::command(verb, arguments)?;
            return Ok(address_command.expect("every other verb stands in `command`"));
        }
    })
}

/// 4.17's words; `script` and the only component there is may be left out where that is clear.
fn event(arguments: &mut Arguments) -> Result<EventCommand, Refusal> {
    let mut words = Vec::new();
    while let Some(word) = arguments.optional()? {
        words.push(word);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.as_slice() {
        ["script", rest @ ..] if matches!(rest.first(), Some(&("list" | "enable" | "disable"))) => {
            rest
        }
        all => all,
    };
    let owned = |word: &str| String::from(word);
    let script = |component: &str, script: &str, enable| EventCommand::Script {
        component: owned(component),
        script: owned(script),
        enable,
    };
    Ok(match words {
        ["run", timeout, component, event, args @ ..] => EventCommand::Run {
            timeout: number("timeout", timeout)?,
            component: owned(component),
            event: owned(event),
            args: args.join(" "),
        },
        ["status", component, event] => EventCommand::Status {
            component: owned(component),
            event: owned(event),
        },
        ["status", event] => EventCommand::Status {
            component: owned(COMPONENT),
            event: owned(event),
        },
        ["list", component] => EventCommand::List {
            component: owned(component),
        },
        ["list"] => EventCommand::List {
            component: owned(COMPONENT),
        },
        ["enable", component, name] => script(component, name, true),
        ["enable", name] => script(COMPONENT, name, true),
        ["disable", component, name] => script(component, name, false),
        ["disable", name] => script(COMPONENT, name, false),
        _ => return Err(usage(arguments.word)),
    })
}

fn run_states(arguments: &mut Arguments) -> Result<Vec<RunState>, Refusal> {
    const STATES: [RunState; 7] = [
        RunState::Unknown,
        RunState::Init,
        RunState::Setup,
        RunState::FirstRecovery,
        RunState::Startup,
        RunState::Running,
        RunState::Shutdown,
    ];
    let mut wanted = Vec::new();
    while let Some(text) = arguments.optional()? {
        let state = STATES
            .iter()
            .find(|state| state.name().eq_ignore_ascii_case(&text));
        let invalid = || Refusal::printed(format!("Invalid run state ({text})"));
        wanted.push(*state.ok_or_else(invalid)?);
    }
    Ok(wanted)
}

fn count(arguments: &mut Arguments, default: usize) -> Result<usize, Refusal> {
    match arguments.optional()? {
        Some(text) => number("count", &text),
        None => Ok(default),
    }
}

/// An address, also with brackets.
pub fn address(text: &str) -> Result<core::net::IpAddr, Refusal> {
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    let invalid = |_| Refusal::new(format!("Invalid IP address {text}"));
    plain.parse().map_err(invalid)
}

fn srvid(arguments: &mut Arguments) -> Result<Option<u64>, Refusal> {
    let Some(text) = arguments.optional()? else {
        return Ok(None);
    };
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let invalid = |_| Refusal::coded(EINVAL, format!("Invalid srvid {text}"));
    parsed.map(Some).map_err(invalid)
}

/// Samba's number of a level; the eight names of old ones and numbers are understood too.
fn level(text: &str) -> Result<i32, Refusal> {
    const LEVELS: &[(&str, i32)] = &[
        ("ERROR", 0),
        ("ERR", 0),
        ("EMERG", 0),
        ("ALERT", 0),
        ("CRIT", 0),
        ("WARNING", 1),
        ("NOTICE", 3),
        ("INFO", 5),
        ("DEBUG", 10),
    ];
    let named = LEVELS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    let numbered = || {
        text.parse()
            .ok()
            .filter(|number| (-3..=10).contains(number))
    };
    let number = named.map(|(_, number)| *number).or_else(numbered);
    number.ok_or_else(|| {
        let mut refusal = Refusal::new("\tERROR | WARNING | NOTICE | INFO | DEBUG");
        let first = format!("Invalid debug level '{text}'. Valid levels are:");
        refusal.notes.push(first);
        refusal
    })
}

/// The name of a level by Samba's number.
pub fn level_name(number: i32) -> &'static str {
    match number {
        ..=0 => "ERROR",
        1..=2 => "WARNING",
        3..=4 => "NOTICE",
        5..=9 => "INFO",
        10.. => "DEBUG",
    }
}

fn attach(arguments: &mut Arguments) -> Result<Command, Refusal> {
    let name = arguments.text()?;
    let kind = match arguments.optional()?.as_deref() {
        None => AttachKind::Volatile,
        Some("persistent") => AttachKind::Persistent,
        Some("replicated") => AttachKind::Replicated,
        Some(_) => return Err(usage(arguments.word)),
    };
    let strange = |c: char| c == '/' || c.is_control();
    if name.is_empty() || name.len() > DB_NAME_BYTES_MAX || name.contains(strange) {
        return Err(Refusal::coded(EINVAL, "Invalid database name"));
    }
    Ok(Command::Attach { name, kind })
}

fn databases(arguments: &mut Arguments) -> Result<Vec<DbName>, Refusal> {
    let mut names = alloc::vec![arguments.db()?];
    while let Some(name) = arguments.optional()? {
        names.push(DbName(name));
    }
    Ok(names)
}

fn ban_seconds(arguments: &mut Arguments) -> Result<u32, Refusal> {
    match arguments.number("ban time")? {
        0 => Err(Refusal::coded(EINVAL, "Ban time cannot be zero")),
        seconds => Ok(seconds),
    }
}

fn nodes(arguments: &mut Arguments) -> Result<Nodes, Refusal> {
    let Some(text) = arguments.optional()? else {
        return Ok(Nodes::Chosen);
    };
    if text == "all" {
        return Ok(Nodes::All);
    }
    let mut list = Vec::new();
    for item in text.split(',').take(NODES_MAX) {
        let invalid = |_| Refusal::new(format!("Invalid node {item}"));
        let pnn = item.trim().parse().map_err(invalid)?;
        if !list.contains(&pnn) {
            list.push(pnn);
        }
    }
    Ok(Nodes::List(list))
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
