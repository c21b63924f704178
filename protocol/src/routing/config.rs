//! `CTDB_PER_IP_ROUTING_*`: policy routing as the variables want it.

use super::route::Scope;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

/// Instead of a file: each address gets the route of its own network.
const AUTO_LINK_LOCAL: &str = "__auto_link_local__";
/// The kernel's own tables (`default`, `main`, `local`).
const KERNEL_TABLES: (u32, u32) = (253, 255);
/// The rule of the main table: those of addresses must come before it.
const MAIN_PREFERENCE: u32 = 32_766;

/// Names the file, or says that there is none.
pub const CONF: &str = "CTDB_PER_IP_ROUTING_CONF";
const RULE_PREF: &str = "CTDB_PER_IP_ROUTING_RULE_PREF";
const TABLE_ID_LOW: &str = "CTDB_PER_IP_ROUTING_TABLE_ID_LOW";
const TABLE_ID_HIGH: &str = "CTDB_PER_IP_ROUTING_TABLE_ID_HIGH";

/// What is wrong with a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct Fault {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong, and what belongs there.
    pub message: String,
}

/// Where the routes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file of this path.
    File(String),
    /// Each address's own network.
    AutoLinkLocal,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the routes come from.
    pub source: Source,
    /// Preference of the rules.
    pub preference: u32,
    /// First number of a table.
    pub low: u32,
    /// Last number of a table.
    pub high: u32,
}

impl Config {
    /// None if it is not wanted.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Option<Self>, Fault> {
        let get = |name: &str| variables.get(name).map_or("", |value| value.trim());
        let source = match get(CONF) {
            "" => return Ok(None),
            AUTO_LINK_LOCAL => Source::AutoLinkLocal,
            path => Source::File(path.to_string()),
        };
        let number = |variable: &'static str, least: u32, most: u32| {
            let value = get(variable);
            let number = value.parse().ok();
            let number = number.filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| Fault {
                variable,
                message: format!(
                    "a number from {least} to {most} belongs here, not \"{value}\", since {CONF} is set"
                ),
            })
        };
        let fault = |message| {
            let variable = TABLE_ID_LOW;
            Err(Fault { variable, message })
        };
        let config = Self {
            source,
            preference: number(RULE_PREF, 1, MAIN_PREFERENCE - 1)?,
            low: number(TABLE_ID_LOW, 1, u32::MAX)?,
            high: number(TABLE_ID_HIGH, 1, u32::MAX)?,
        };
        let (low, high) = (config.low, config.high);
        if low >= high {
            return fault(format!("{low} must be lower than {TABLE_ID_HIGH}={high}"));
        }
        let (first, last) = KERNEL_TABLES;
        if low <= last && first <= high {
            return fault(format!(
                "{low} to {TABLE_ID_HIGH}={high} must not contain {first} to {last}, the kernel's own tables"
            ));
        }
        Ok(Some(config))
    }

    /// What of the kernel's rules and routes is policy routing's.
    pub const fn scope(&self) -> Scope {
        Scope::Policy {
            preference: self.preference,
            low: self.low,
            high: self.high,
        }
    }
}
