//! Packets of `eventd.socket`, as 4.17's `ctdb-event` sends and expects them (client-protocol.md section 8).
//!
//! A packet is its own length, a version that nobody looks at (4.17 sends 0), the request's number, and a
//! body. Texts are a length that counts a final NUL, then the bytes; length 0 stands for no text.

use super::result::{EventResult, ScriptResult};
use crate::client::cursor::Cursor;
use crate::client::error::WireError;
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes before the body.
pub const HEADER_BYTES: usize = 12;
/// In the flags of a run: a failed script does not stop the event.
const RUN_ALL: u32 = 1;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run an event.
    Run {
        /// Directory of the scripts below `events`.
        component: String,
        /// The event.
        event: String,
        /// Further arguments, between blanks.
        args: String,
        /// In seconds.
        timeout: u32,
        /// A failed script does not stop the event.
        all: bool,
    },
    /// What did its scripts do?
    Status {
        /// Directory of the scripts.
        component: String,
        /// The event.
        event: String,
    },
    /// Set or clear a script's run bit.
    Script {
        /// Directory of the script.
        component: String,
        /// The script.
        script: String,
        /// Set it.
        enable: bool,
    },
}

impl Request {
    const fn command(&self) -> u32 {
        match self {
            Self::Run { .. } => 1,
            Self::Status { .. } => 2,
            Self::Script { .. } => 3,
        }
    }

    /// Reads a packet's number and request.
    pub fn parse(packet: &[u8]) -> Result<(u32, Self), WireError> {
        let mut cursor = Cursor::new("event request", packet);
        cursor.skip(8)?;
        let number = cursor.u32()?;
        let request = match cursor.u32()? {
            1 => Self::Run {
                component: text(&mut cursor)?,
                event: text(&mut cursor)?,
                args: text(&mut cursor)?,
                timeout: cursor.u32()?,
                all: cursor.u32()? & RUN_ALL != 0,
            },
            2 => Self::Status {
                component: text(&mut cursor)?,
                event: text(&mut cursor)?,
            },
            3 => Self::Script {
                component: text(&mut cursor)?,
                script: text(&mut cursor)?,
                enable: match cursor.u32()? {
                    0 => false,
                    1 => true,
                    other => return Err(cursor.bad_value("action", other.into())),
                },
            },
            other => return Err(cursor.bad_value("command", other.into())),
        };
        Ok((number, request))
    }

    /// The packet.
    pub fn to_packet(&self, number: u32) -> Vec<u8> {
        let mut out = begin(number, self.command());
        match self {
            Self::Run {
                component,
                event,
                args,
                timeout,
                all,
            } => {
                for word in [component, event, args] {
                    put_text(&mut out, word.as_bytes());
                }
                put(&mut out, *timeout);
                put(&mut out, u32::from(*all) * RUN_ALL);
            }
            Self::Status { component, event } => {
                put_text(&mut out, component.as_bytes());
                put_text(&mut out, event.as_bytes());
            }
            Self::Script {
                component,
                script,
                enable,
            } => {
                put_text(&mut out, component.as_bytes());
                put_text(&mut out, script.as_bytes());
                put(&mut out, u32::from(*enable));
            }
        }
        end(out)
    }
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Number of the request's command.
    pub command: u32,
    /// 0 or an error number.
    pub result: i32,
    /// With a status that succeeded.
    pub status: Option<EventResult>,
}

impl Answer {
    /// To this request.
    pub const fn to(request: &Request, result: i32) -> Self {
        Self {
            command: request.command(),
            result,
            status: None,
        }
    }

    /// Reads a packet's number and answer.
    pub fn parse(packet: &[u8]) -> Result<(u32, Self), WireError> {
        let mut cursor = Cursor::new("event reply", packet);
        cursor.skip(8)?;
        let (number, command) = (cursor.u32()?, cursor.u32()?);
        let result = cursor.u32()?.cast_signed();
        let mut status = None;
        if command == 2 && result == 0 {
            let summary = cursor.u32()?.cast_signed();
            let count = cursor.count()?;
            let mut scripts = Vec::new();
            for _ in 0..count {
                scripts.push(script(&mut cursor)?);
            }
            status = Some(EventResult { summary, scripts });
        }
        let answer = Self {
            command,
            result,
            status,
        };
        Ok((number, answer))
    }

    /// The packet.
    pub fn to_packet(&self, number: u32) -> Vec<u8> {
        let mut out = begin(number, self.command);
        put(&mut out, self.result.cast_unsigned());
        if let Some(status) = &self.status {
            put(&mut out, status.summary.cast_unsigned());
            put(&mut out, status.scripts.len() as u32);
            for script in &status.scripts {
                put_text(&mut out, script.name.as_bytes());
                put_time(&mut out, script.began_us);
                put_time(&mut out, script.ended_us);
                put(&mut out, script.result.cast_unsigned());
                match &script.output {
                    Some(output) => put_text(&mut out, output),
                    None => put(&mut out, 0),
                }
            }
        }
        end(out)
    }
}

fn begin(number: u32, command: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0, 0, number, command] {
        put(&mut out, word);
    }
    out
}

fn end(mut out: Vec<u8>) -> Vec<u8> {
    let length = (out.len() as u32).to_le_bytes();
    out[..4].copy_from_slice(&length);
    out
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend(word.to_le_bytes());
}

/// Up to the first NUL, which would end it for every reader.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    put(out, text.len() as u32 + 1);
    out.extend_from_slice(text);
    out.push(0);
}

fn put_time(out: &mut Vec<u8>, micros: i64) {
    out.extend(micros.div_euclid(1_000_000).to_le_bytes());
    out.extend(micros.rem_euclid(1_000_000).to_le_bytes());
}

fn bytes(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u8>>, WireError> {
    match cursor.counted_bytes()? {
        [] => Ok(None),
        [text @ .., 0] => Ok(Some(text.into())),
        _ => Err(cursor.bad_text()),
    }
}

fn text(cursor: &mut Cursor<'_>) -> Result<String, WireError> {
    let bytes = bytes(cursor)?.unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| cursor.bad_text())
}

fn time(cursor: &mut Cursor<'_>) -> Result<i64, WireError> {
    let (seconds, micros) = (cursor.u64()?.cast_signed(), cursor.u64()?.cast_signed());
    Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

fn script(cursor: &mut Cursor<'_>) -> Result<ScriptResult, WireError> {
    Ok(ScriptResult {
        name: text(cursor)?,
        began_us: time(cursor)?,
        ended_us: time(cursor)?,
        result: cursor.u32()?.cast_signed(),
        output: bytes(cursor)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    /// As 4.17's tool sent it (client-protocol.md).
    const RUN: &[u8] =
        b"\x33\0\0\0\0\0\0\0\x38\xff\xff\x7f\x01\0\0\0\x07\0\0\0legacy\0\x08\0\0\0monitor\0\
                         \0\0\0\0\x0a\0\0\0\0\0\0\0";

    #[test]
    fn a_run_of_the_real_tool() {
        let (number, request) = Request::parse(RUN).expect("a request");
        assert_eq!(number, 0x7fff_ff38);
        let run = Request::Run {
            component: "legacy".to_string(),
            event: "monitor".to_string(),
            args: String::new(),
            timeout: 10,
            all: false,
        };
        assert_eq!(request, run);
    }

    #[test]
    fn requests_survive_the_way() {
        let (component, event) = ("legacy".to_string(), "takeip".to_string());
        for request in [
            Request::Run {
                component: component.clone(),
                event: event.clone(),
                args: "eth0 10.0.0.1 24".to_string(),
                timeout: 30,
                all: true,
            },
            Request::Status {
                component: component.clone(),
                event,
            },
            Request::Script {
                component,
                script: "50.samba".to_string(),
                enable: true,
            },
        ] {
            let packet = request.to_packet(7);
            assert_eq!(packet[0] as usize, packet.len());
            assert_eq!(Request::parse(&packet), Ok((7, request)));
        }
    }

    #[test]
    fn answers_survive_the_way() {
        let script = ScriptResult {
            name: "50.samba".to_string(),
            began_us: 1_700_000_000_123_456,
            ended_us: 1_700_000_001_000_000,
            result: -110,
            output: Some(b"no smbd\n".to_vec()),
        };
        let silent = ScriptResult {
            output: None,
            ..script.clone()
        };
        let answer = Answer {
            command: 2,
            result: 0,
            status: Some(EventResult {
                summary: -110,
                scripts: vec![script, silent],
            }),
        };
        assert_eq!(Answer::parse(&answer.to_packet(9)), Ok((9, answer)));
    }

    #[test]
    fn junk_is_refused() {
        for cut in 0..RUN.len() {
            assert!(Request::parse(&RUN[..cut]).is_err(), "{cut}");
        }
        let mut other = RUN.to_vec();
        other[12] = 9;
        assert!(Request::parse(&other).is_err(), "an unknown command");
        other = RUN.to_vec();
        other[26] = b'x';
        assert!(Request::parse(&other).is_err(), "no final NUL");
    }
}
