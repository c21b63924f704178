//! The lmaster map: GETVNNMAP, SETVNNMAP.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, put, put_items, put_len};
use super::error::WireError;
use crate::hash::key_hash;

/// Which node is lmaster of which keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VnnMap {
    /// Changes with every recovery; 0 and 1 are never valid.
    pub generation: u32,
    /// Pnn of each slot.
    pub map: Vec<u32>,
}

impl VnnMap {
    /// The lmaster of a key; nobody if the map is empty.
    pub fn lmaster(&self, key: &[u8]) -> Option<u32> {
        let slot = (key_hash(key) as usize).checked_rem(self.map.len())?;
        self.map.get(slot).copied()
    }
}

impl Payload for VnnMap {
    const NAME: &'static str = "vnn map";
    const MIN_SIZE: usize = 8;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let generation = cursor.u32()?;
        let count = cursor.count()?;
        Ok(Self {
            generation,
            map: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.generation);
        put_len(out, self.map.len());
        put_items(out, &self.map);
    }
}
