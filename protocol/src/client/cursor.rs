//! Reading and writing of little-endian fields, bounds-checked.
//!
//! The wire is in host order; every machine that Debian's ctdb clients run beside this daemon on
//! is the same machine, and the layouts of this module are those of `x86_64`.

use alloc::vec::Vec;

use super::error::WireError;

/// A reader that knows what it reads, so that its errors can name the place.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte; `what` names the structure in errors.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, at: 0 }
    }

    /// Number of bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let have = self.remaining();
        if len > have {
            return Err(self.short(len));
        }
        let start = self.at;
        self.at += len;
        Ok(&self.bytes[start..self.at])
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N)?);
        Ok(out)
    }

    /// Passes over `len` bytes of padding, whatever they hold: C clients leave garbage there.
    pub fn skip(&mut self, len: usize) -> Result<(), WireError> {
        self.bytes(len).map(|_| ())
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    /// The next 16 bits.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next 32 bits.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A 32-bit length or count field.
    pub fn count(&mut self) -> Result<usize, WireError> {
        // usize is at least 32 bits on every target of this crate.
        Ok(self.u32()? as usize)
    }

    /// A 32-bit length, directly followed by that many bytes.
    pub fn counted_bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.count()?;
        self.bytes(len)
    }

    /// `count` items. Refused before anything is allocated if they cannot all be there.
    pub fn list<T: Payload>(&mut self, count: usize) -> Result<Vec<T>, WireError> {
        let need = count.saturating_mul(T::MIN_SIZE.max(1));
        if need > self.remaining() {
            return Err(self.short(need));
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(self)?);
        }
        Ok(items)
    }

    /// Ends the reading; bytes left over are an error.
    pub fn finish(self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(WireError::Trailing {
                what: self.what,
                extra,
            }),
        }
    }

    /// An error about a field of this structure.
    pub fn bad_value(&self, field: &'static str, value: u64) -> WireError {
        WireError::Value {
            what: self.what,
            field,
            value,
        }
    }

    /// An error about a text of this structure.
    pub fn bad_text(&self) -> WireError {
        WireError::Text { what: self.what }
    }

    fn short(&self, need: usize) -> WireError {
        WireError::Short {
            what: self.what,
            offset: self.at,
            need,
            have: self.remaining(),
        }
    }
}

/// A structure of the client protocol. `parse` and `emit` are inverse of each other, apart from
/// padding: it is ignored when read and zero when written.
pub trait Payload: Sized {
    /// Its name in errors.
    const NAME: &'static str;
    /// Size in bytes of its smallest encoding; of every encoding if the structure is of fixed size.
    const MIN_SIZE: usize;

    /// Reads one from the cursor and leaves the cursor behind it.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError>;

    /// Appends the encoding.
    fn emit(&self, out: &mut Vec<u8>);

    /// Reads one that must fill the bytes exactly, as the real daemon demands of control data.
    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut cursor = Cursor::new(Self::NAME, bytes);
        let value = Self::read(&mut cursor)?;
        cursor.finish()?;
        Ok(value)
    }

    /// The encoding as a buffer of its own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MIN_SIZE);
        self.emit(&mut out);
        out
    }
}

macro_rules! number_payload {
    ($($type:ident $size:literal),*) => {$(
        impl Payload for $type {
            const NAME: &'static str = stringify!($type);
            const MIN_SIZE: usize = $size;
            fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
                cursor.array().map($type::from_le_bytes)
            }
            fn emit(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
number_payload!(u8 1, u16 2, u32 4, i32 4, u64 8, i64 8, f64 8);

impl<T: Payload + Default + Copy, const N: usize> Payload for [T; N] {
    const NAME: &'static str = T::NAME;
    const MIN_SIZE: usize = T::MIN_SIZE * N;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let mut out = [T::default(); N];
        for item in &mut out {
            *item = T::read(cursor)?;
        }
        Ok(out)
    }
    fn emit(&self, out: &mut Vec<u8>) {
        for item in self {
            item.emit(out);
        }
    }
}

/// Implements [`Payload`] for a structure of fixed size: its fields in wire order, `+ N` standing
/// for N bytes of padding behind a field. The size is checked at compile time.
macro_rules! fixed_payload {
    ($type:ident, $name:literal, $size:literal, [
        $($field:ident : $of:ty $(, + $pad:literal)?);* $(;)?
    ]) => {
        impl $crate::client::cursor::Payload for $type {
            const NAME: &'static str = $name;
            const MIN_SIZE: usize = $size;
            fn read(
                cursor: &mut $crate::client::cursor::Cursor<'_>,
            ) -> Result<Self, $crate::client::error::WireError> {
                $(
                    let $field = <$of as $crate::client::cursor::Payload>::read(cursor)?;
                    $(cursor.skip($pad)?;)?
                )*
                Ok(Self { $($field),* })
            }
            fn emit(&self, out: &mut alloc::vec::Vec<u8>) {
                $(
                    $crate::client::cursor::Payload::emit(&self.$field, out);
                    $($crate::client::cursor::put_zeros(out, $pad);)?
                )*
            }
        }
        const _: () = assert!(
            0 $(+ <$of as $crate::client::cursor::Payload>::MIN_SIZE $(+ $pad)?)* == $size
        );
    };
}
pub(super) use fixed_payload;

/// Appends a number.
pub(super) fn put<T: Payload + Copy>(out: &mut Vec<u8>, value: T) {
    value.emit(out);
}

/// Appends a 32-bit length. Lengths beyond 32 bits cannot occur: packets are bounded far below.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    put(out, len as u32);
}

/// Appends a 32-bit length and the bytes.
pub(super) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends padding.
pub(super) fn put_zeros(out: &mut Vec<u8>, len: usize) {
    out.resize(out.len() + len, 0);
}

/// Appends a list's items.
pub(super) fn put_items<T: Payload>(out: &mut Vec<u8>, items: &[T]) {
    for item in items {
        item.emit(out);
    }
}
