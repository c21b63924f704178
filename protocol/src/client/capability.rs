//! What a node may do (`GET_CAPABILITIES`) and how far its start has come (`GET_RUNSTATE`).

use super::cursor::{Cursor, Payload};
use super::error::WireError;

pub use crate::flags::{Capabilities, RunState};

impl Payload for Capabilities {
    const NAME: &'static str = "capabilities";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        cursor.u32().map(Self::from_bits_retain)
    }
    fn emit(&self, out: &mut alloc::vec::Vec<u8>) {
        self.bits().emit(out);
    }
}

impl Payload for RunState {
    const NAME: &'static str = "run state";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let number = cursor.u32()?;
        Self::ALL
            .get(number as usize)
            .copied()
            .ok_or(cursor.bad_value("run state", number.into()))
    }
    fn emit(&self, out: &mut alloc::vec::Vec<u8>) {
        (*self as u32).emit(out);
    }
}
