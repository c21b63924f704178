//! Tunables: `GET_TUNABLE`, `SET_TUNABLE`, `LIST_TUNABLES`, `GET_ALL_TUNABLES`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, put};
use super::error::WireError;
use super::text::{put_counted_text, read_text};

/// Number of values in `GET_ALL_TUNABLES`.
pub const TUNABLES: usize = 62;

/// `GET_TUNABLE`: a name, matched without regard to case. Also the answer to `LIST_TUNABLES`: all
/// names, each with a colon in front.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TunableName {
    /// The name or names.
    pub name: String,
}

impl TunableName {
    /// The answer to `LIST_TUNABLES`.
    pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut list = String::new();
        for name in names {
            list.push(':');
            list.push_str(name);
        }
        Self { name: list }
    }

    /// The names in such an answer.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.name.split(':').filter(|name| !name.is_empty())
    }
}

impl Payload for TunableName {
    const NAME: &'static str = "tunable name";
    const MIN_SIZE: usize = 5;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let len = cursor.count()?;
        Ok(Self {
            name: read_text(cursor, len)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_counted_text(out, &self.name);
    }
}

/// `SET_TUNABLE`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TunableSetting {
    /// The new value.
    pub value: u32,
    /// Which one.
    pub name: String,
}

impl Payload for TunableSetting {
    const NAME: &'static str = "tunable setting";
    const MIN_SIZE: usize = 9;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let value = cursor.u32()?;
        let len = cursor.count()?;
        Ok(Self {
            value,
            name: read_text(cursor, len)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.value);
        put_counted_text(out, &self.name);
    }
}

/// `GET_ALL_TUNABLES`: the values in wire order, which is not the order of `LIST_TUNABLES`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TunableValues {
    /// Always [`TUNABLES`] of them; missing ones are written as 0, surplus ones left out.
    pub values: Vec<u32>,
}

impl Payload for TunableValues {
    const NAME: &'static str = "tunable values";
    const MIN_SIZE: usize = 4 * TUNABLES;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        Ok(Self {
            values: cursor.list(TUNABLES)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        for index in 0..TUNABLES {
            put(out, self.values.get(index).copied().unwrap_or(0));
        }
    }
}
