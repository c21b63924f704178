//! What `event …` and `scriptstatus` show.

use super::{Report, line, put_fields};
use crate::console::json::Value;
use crate::event::result::{EventResult, ScriptResult};
use crate::event::show;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventReport {
    /// The newest run of an event.
    Status {
        /// The event.
        event: String,
        /// What its scripts did.
        result: EventResult,
        /// The same in 4.17's words, with times of this machine's zone.
        human: Vec<u8>,
    },
    /// The lines of `event script list`: `* NAME` if enabled, an empty one before the local scripts.
    List(Vec<String>),
    /// An end, with words unless all is well.
    End {
        /// 0 or an error number.
        result: i32,
        /// What is printed.
        text: Option<String>,
    },
}

impl Report for EventReport {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        match self {
            Self::Status { human, .. } => out.extend_from_slice(human),
            Self::List(lines) => {
                for text in lines {
                    line!(out, "{text}");
                }
            }
            Self::End { text, .. } => {
                if let Some(text) = text {
                    line!(out, "{text}");
                }
            }
        }
    }

    /// The form that the tool had before 4.9; today's prints the human one.
    fn machine(&self, out: &mut Vec<u8>, separator: char, verbose: bool) {
        match self {
            Self::Status { event, result, .. } => {
                let heading = [
                    "Type",
                    "Name",
                    "Code",
                    "Status",
                    "Start",
                    "End",
                    "Error Output...",
                ];
                put_fields(out, separator, heading);
                for script in &result.scripts {
                    put_script(out, separator, event, script);
                }
            }
            Self::List(lines) => {
                put_fields(out, separator, ["Enabled", "Name"]);
                for (name, enabled) in entries(lines) {
                    put_fields(out, separator, [super::bit(enabled), name]);
                }
            }
            Self::End { .. } => self.human(out, verbose),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Status { event, result, .. } => Value::object([
                ("event", event.as_str().into()),
                ("result", i64::from(result.summary).into()),
                ("scripts", Value::list(result.scripts.iter().map(script))),
            ]),
            Self::List(lines) => Value::list(entries(lines).map(|(name, enabled)| {
                Value::object([("script", name.into()), ("enabled", enabled.into())])
            })),
            Self::End { result, text } => Value::object([
                ("result", i64::from(*result).into()),
                ("text", text.as_deref().unwrap_or_default().into()),
            ]),
        }
    }
}

fn entries(lines: &[String]) -> impl Iterator<Item = (&str, bool)> {
    let named = lines.iter().filter_map(|line| line.split_once(' '));
    named.map(|(mark, name)| (name.trim(), mark == "*"))
}

fn put_script(out: &mut Vec<u8>, separator: char, event: &str, script: &ScriptResult) {
    let seconds = |micros: i64| {
        let (whole, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        format!("{whole}.{rest:06}")
    };
    // A line a script, whatever it said.
    let said = said(script).replace(['\n', separator], " ");
    let (code, began, ended) = (
        format!("{}", script.result),
        seconds(script.began_us),
        seconds(script.ended_us),
    );
    let word = show::word(script);
    put_fields(
        out,
        separator,
        [event, &script.name, &code, word, &began, &ended, &said],
    );
}

fn said(script: &ScriptResult) -> String {
    let output = script.output.as_deref().unwrap_or_default();
    String::from_utf8_lossy(output).into_owned()
}

fn script(script: &ScriptResult) -> Value {
    Value::object([
        ("script", script.name.as_str().into()),
        ("status", show::word(script).into()),
        ("result", i64::from(script.result).into()),
        ("began_us", script.began_us.into()),
        ("ended_us", script.ended_us.into()),
        ("output", said(script).as_str().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::options::{Format, Options};
    use crate::console::render::render;
    use alloc::string::ToString;
    use alloc::vec;

    fn shown(report: &EventReport, format: Format) -> String {
        let options = Options {
            format,
            ..Options::default()
        };
        String::from_utf8(render(report, &options)).expect("text")
    }

    #[test]
    fn a_status_in_all_forms() {
        let script = ScriptResult {
            name: "50.samba".to_string(),
            began_us: 12_000_000,
            ended_us: 12_034_400,
            result: 1,
            output: Some(b"no smbd\nat|all".to_vec()),
        };
        let report = EventReport::Status {
            event: "monitor".to_string(),
            result: EventResult {
                summary: 1,
                scripts: vec![script],
            },
            human: b"as 4.17\n".to_vec(),
        };
        assert_eq!(shown(&report, Format::Human), "as 4.17\n");
        assert_eq!(
            shown(&report, Format::Machine('|')),
            "|Type|Name|Code|Status|Start|End|Error Output...|\n\
             |monitor|50.samba|1|ERROR|12.000000|12.034400|no smbd at all|\n"
        );
        assert_eq!(
            shown(&report, Format::Json),
            "{\"event\":\"monitor\",\"result\":1,\"scripts\":[{\"script\":\"50.samba\",\"status\":\"ERROR\",\
             \"result\":1,\"began_us\":12000000,\"ended_us\":12034400,\"output\":\"no smbd\\nat|all\"}]}\n"
        );
    }

    #[test]
    fn a_list_in_all_forms() {
        let lines = ["* 00.ctdb", "  50.samba", "", "* 99.local"];
        let report = EventReport::List(lines.map(ToString::to_string).to_vec());
        assert_eq!(
            shown(&report, Format::Human),
            "* 00.ctdb\n  50.samba\n\n* 99.local\n"
        );
        assert_eq!(
            shown(&report, Format::Machine('|')),
            "|Enabled|Name|\n|1|00.ctdb|\n|0|50.samba|\n|1|99.local|\n"
        );
        assert!(
            shown(&report, Format::Json).starts_with("[{\"script\":\"00.ctdb\",\"enabled\":true}")
        );
    }
}
