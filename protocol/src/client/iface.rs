//! Network interfaces of the public addresses: `GET_IFACES`, `SET_IFACE_LINK_STATE`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, put, put_items, put_len, put_zeros};
use super::error::WireError;

/// Size of the name field in bytes, NUL included.
pub const IFACE_NAME_SIZE: usize = 18;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Iface {
    /// Its name: at most 17 bytes (the kernel allows 15); longer ones are cut when written.
    pub name: String,
    /// 1 up, 0 down.
    pub link: u16,
    /// Number of public addresses on it; 0 in requests.
    pub references: u32,
}

impl Payload for Iface {
    const NAME: &'static str = "interface";
    const MIN_SIZE: usize = 24;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let field = cursor.bytes(IFACE_NAME_SIZE)?;
        let len = field
            .iter()
            .position(|&b| b == 0)
            .ok_or(cursor.bad_text())?;
        let name = core::str::from_utf8(&field[..len]).map_err(|_| cursor.bad_text())?;
        Ok(Self {
            name: name.into(),
            link: cursor.u16()?,
            references: cursor.u32()?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let name = self.name.as_bytes();
        let len = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        let len = char_boundary_before(&self.name, len.min(IFACE_NAME_SIZE - 1));
        out.extend_from_slice(&name[..len]);
        put_zeros(out, IFACE_NAME_SIZE - len);
        put(out, self.link);
        put(out, self.references);
    }
}

/// All interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IfaceList {
    /// The interfaces.
    pub ifaces: Vec<Iface>,
}

impl Payload for IfaceList {
    const NAME: &'static str = "interface list";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let count = cursor.count()?;
        Ok(Self {
            ifaces: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_len(out, self.ifaces.len());
        put_items(out, &self.ifaces);
    }
}

/// The greatest character boundary not behind `at`: an own function because that of the standard
/// library is newer than the MSRV.
fn char_boundary_before(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0)
}
