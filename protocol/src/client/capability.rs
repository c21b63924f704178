//! What a node may do (`GET_CAPABILITIES`) and how far its start has come (`GET_RUNSTATE`).

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload};
use super::error::WireError;

bitflags! {
    /// Capability bits. Unknown bits are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct Capabilities: u32 {
        /// May become leader (older name: RECMASTER).
        const LEADER = 0x0000_0001;
        /// May be in the vnnmap.
        const LMASTER = 0x0000_0002;
        /// Recovers databases in parallel.
        const PARALLEL_RECOVERY = 0x0001_0000;
        /// Understands fragmented controls.
        const FRAGMENTED_CONTROLS = 0x0002_0000;
    }
}

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

/// Run state of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum RunState {
    /// Not known.
    #[default]
    Unknown,
    /// Just started.
    Init,
    /// The init and setup events run.
    Setup,
    /// Waits for the first recovery.
    FirstRecovery,
    /// The startup event runs.
    Startup,
    /// Serves.
    Running,
    /// Goes down.
    Shutdown,
}

impl RunState {
    const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Init,
        Self::Setup,
        Self::FirstRecovery,
        Self::Startup,
        Self::Running,
        Self::Shutdown,
    ];

    /// Its name as `ctdb runstate` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Init => "INIT",
            Self::Setup => "SETUP",
            Self::FirstRecovery => "FIRST_RECOVERY",
            Self::Startup => "STARTUP",
            Self::Running => "RUNNING",
            Self::Shutdown => "SHUTDOWN",
        }
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
