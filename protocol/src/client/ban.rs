//! Bans: `SET_BAN_STATE`, `GET_BAN_STATE`.

use serde::{Deserialize, Serialize};

use super::cursor::fixed_payload;

/// A ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BanState {
    /// Who.
    pub pnn: u32,
    /// For how long; 0 unbans.
    pub seconds: u32,
}

fixed_payload!(BanState, "ban state", 8, [pnn: u32; seconds: u32]);
