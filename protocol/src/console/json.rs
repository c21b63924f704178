//! JSON, written only.

use super::quote::hex_text;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64`.
    UInt(u64),
    /// A number; one that is not finite becomes `null`.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Names and values, in this order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// An object.
    pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// Bytes: a text if they are one, otherwise an object with their hexadecimal digits.
    pub fn bytes(bytes: &[u8]) -> Self {
        if let Ok(text) = core::str::from_utf8(bytes) {
            return text.into();
        }
        Self::object([("hex", hex_text(bytes).into())])
    }

    /// Appends its text.
    pub fn put(&self, out: &mut String) {
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::UInt(value) => out.push_str(&value.to_string()),
            Self::Float(value) if value.is_finite() => {
                let text = alloc::format!("{value:?}");
                out.push_str(&text);
            }
            Self::Null | Self::Float(_) => out.push_str("null"),
            Self::Text(text) => put_text(out, text),
            Self::List(items) => put_items(out, ['[', ']'], items, |out, item| item.put(out)),
            Self::Object(fields) => put_items(out, ['{', '}'], fields, |out, (name, value)| {
                put_text(out, name);
                out.push(':');
                value.put(out);
            }),
        }
    }
}

fn put_items<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: &[T],
    put: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        put(out, item);
    }
    out.push(close);
}

fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => put_escaped(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn put_escaped(out: &mut String, c: char) {
    let escape = alloc::format!("\\u{:04x}", u32::from(c));
    out.push_str(&escape);
}

macro_rules! from {
    ($($type:ty => $value:ident: $to:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $to
            }
        })*
    };
}

from! {
    bool => value: Self::Bool(value);
    u32 => value: Self::Int(value.into());
    i32 => value: Self::Int(value.into());
    i64 => value: Self::Int(value);
    u64 => value: Self::UInt(value);
    f64 => value: Self::Float(value);
    &str => value: Self::Text(value.into());
    String => value: Self::Text(value);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_understands_it() {
        let value = Value::object([
            ("text", "a\"\\\n\u{1}\u{e9}".into()),
            ("bytes", Value::bytes(b"\xff\x00")),
            (
                "list",
                Value::list([1_u32.into(), (-2_i32).into(), 0.5.into(), u64::MAX.into()]),
            ),
            ("none", Option::<u32>::None.into()),
            ("nan", f64::NAN.into()),
            ("empty", Value::list([])),
        ]);
        let mut text = String::new();
        value.put(&mut text);
        let back: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(back["text"], "a\"\\\n\u{1}\u{e9}");
        assert_eq!(back["bytes"]["hex"], "ff00");
        assert_eq!(back["list"][1], -2);
        assert_eq!(back["list"][3], u64::MAX);
        assert!(back["none"].is_null() && back["nan"].is_null());
    }
}
