//! What a node holds of many records, as it tells their lmasters in a recovery: there may be millions, so a
//! record costs no allocation of its own.

use super::header::{RecordFlags, RecordHeader};
use crate::id::{Pnn, Rsn};
use crate::wire::bytes::Bytes;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A node's copy of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Sequence number of the copy.
    pub rsn: Rsn,
    /// Whether the holder is the record's dmaster by its own header.
    pub is_dmaster: bool,
    /// Whether it has no data.
    pub is_empty: bool,
    /// Whether it is a read-only copy or, at the dmaster, such copies are out.
    pub is_readonly: bool,
}

impl<'a> Holding<'a> {
    /// What node `own` tells of a stored value; nothing if there is no header.
    pub fn of(key: &'a [u8], value: &[u8], own: Pnn) -> Option<Self> {
        let (header, data) = RecordHeader::split(value)?;
        Some(Self {
            key,
            rsn: header.rsn,
            is_dmaster: header.dmaster == own,
            is_empty: data.is_empty(),
            is_readonly: header.flags.intersects(RecordFlags::RO_ANY),
        })
    }
}

/// Copies of many records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// All keys, one behind the other.
    keys: Bytes,
    copies: Vec<HeldCopy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HeldCopy {
    key_bytes: u32,
    rsn: Rsn,
    is_dmaster: bool,
    is_empty: bool,
    is_readonly: bool,
}

impl Holdings {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            keys: Bytes(Vec::new()),
            copies: Vec::new(),
        }
    }

    /// Adds a copy.
    pub fn push(&mut self, holding: Holding<'_>) {
        self.keys.0.extend_from_slice(holding.key);
        self.copies.push(HeldCopy {
            key_bytes: holding.key.len() as u32,
            rsn: holding.rsn,
            is_dmaster: holding.is_dmaster,
            is_empty: holding.is_empty,
            is_readonly: holding.is_readonly,
        });
    }

    /// How many copies.
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// The copies, in the order in which they were added. What a peer sent may name more bytes than it has:
    /// then the rest is left out.
    pub fn iter(&self) -> impl Iterator<Item = Holding<'_>> {
        let mut rest: &[u8] = &self.keys;
        self.copies.iter().map_while(move |copy| {
            let (key, behind) = rest.split_at_checked(copy.key_bytes as usize)?;
            rest = behind;
            Some(Holding {
                key,
                rsn: copy.rsn,
                is_dmaster: copy.is_dmaster,
                is_empty: copy.is_empty,
                is_readonly: copy.is_readonly,
            })
        })
    }
}

impl<'a> FromIterator<Holding<'a>> for Holdings {
    fn from_iter<I: IntoIterator<Item = Holding<'a>>>(copies: I) -> Self {
        let mut holdings = Self::new();
        copies.into_iter().for_each(|copy| holdings.push(copy));
        holdings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(key: &[u8], rsn: u64) -> Holding<'_> {
        Holding {
            key,
            rsn: Rsn(rsn),
            is_dmaster: rsn % 2 == 1,
            is_empty: rsn % 3 == 1,
            is_readonly: rsn % 5 == 1,
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let copies = [holding(b"a", 1), holding(b"", 2), holding(b"ccc", u64::MAX)];
        let holdings: Holdings = copies.into_iter().collect();
        assert_eq!(holdings.len(), 3);
        assert!(holdings.iter().eq(copies));
    }

    #[test]
    fn lengths_beyond_the_keys_end_the_list() {
        let mut holdings: Holdings = [holding(b"a", 1), holding(b"b", 2)].into_iter().collect();
        holdings.copies[1].key_bytes = u32::MAX;
        assert_eq!(holdings.iter().count(), 1);
    }
}
