//! Connections of a public address, to be tickled after it moved: `GET_TCP_TICKLE_LIST`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, put_items, put_len};
use super::error::WireError;
use super::sockaddr::{Connection, SockAddr};

/// The connections of one address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TickleList {
    /// The public address.
    pub addr: SockAddr,
    /// Its connections.
    pub connections: Vec<Connection>,
}

impl Payload for TickleList {
    const NAME: &'static str = "tickle list";
    const MIN_SIZE: usize = 32;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let addr = SockAddr::read(cursor)?;
        let count = cursor.count()?;
        Ok(Self {
            addr,
            connections: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.addr.emit(out);
        put_len(out, self.connections.len());
        put_items(out, &self.connections);
    }
}
