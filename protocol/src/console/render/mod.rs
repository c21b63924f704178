//! How answers look: one struct per report, three forms each. Pure text, without asking or telling time.

pub mod addresses;
pub mod database;
pub mod event;
pub mod lvs;
pub mod natgw;
pub mod node;
pub mod simple;
pub mod statistics;
pub mod tcp;
pub mod times;

use super::json::Value;
use super::options::Format;
use super::options::Options;
use alloc::string::String;
use alloc::vec::Vec;

/// A report that can be shown in every form.
pub trait Report {
    /// For people, as 4.17 prints it.
    fn human(&self, out: &mut Vec<u8>, verbose: bool);

    /// Fields between separators; 4.17 has no such form for some commands and prints the other one.
    fn machine(&self, out: &mut Vec<u8>, separator: char, verbose: bool) {
        let _ = separator;
        self.human(out, verbose);
    }

    /// One JSON value.
    fn json(&self) -> Value;
}

/// The report in the form that the options ask for; JSON ends with a newline.
pub fn render(report: &dyn Report, options: &Options) -> Vec<u8> {
    let mut out = Vec::new();
    match options.format {
        Format::Human => report.human(&mut out, options.verbose),
        Format::Machine(separator) => report.machine(&mut out, separator, options.verbose),
        Format::Json => put_json(&mut out, &report.json()),
    }
    out
}

/// The reports of several nodes: one after the other, or one JSON list of `{node, result}`.
pub fn render_nodes(reports: &[(u32, &dyn Report)], options: &Options) -> Vec<u8> {
    let mut out = Vec::new();
    if options.format == Format::Json {
        let entry = |(pnn, report): &(u32, &dyn Report)| {
            Value::object([("node", (*pnn).into()), ("result", report.json())])
        };
        put_json(&mut out, &Value::list(reports.iter().map(entry)));
        return out;
    }
    for (_, report) in reports {
        out.extend(render(*report, options));
    }
    out
}

fn put_json(out: &mut Vec<u8>, value: &Value) {
    let mut text = String::new();
    value.put(&mut text);
    text.push('\n');
    out.extend(text.into_bytes());
}

/// Appends a line of formatted text.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => {
        $crate::console::render::put_line($out, format_args!($($arg)*))
    };
}
use line;

fn put_line(out: &mut Vec<u8>, text: core::fmt::Arguments<'_>) {
    out.extend(alloc::format!("{text}\n").into_bytes());
}

/// A line of fields, each with the separator in front, and one behind the last.
fn put_fields<'a>(out: &mut Vec<u8>, separator: char, fields: impl IntoIterator<Item = &'a str>) {
    let mut line = String::from(separator);
    for field in fields {
        line.push_str(field);
        line.push(separator);
    }
    line.push('\n');
    out.extend(line.into_bytes());
}

/// `0` or `1`.
const fn bit(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}

/// `yes` or `no`.
const fn yes(set: bool) -> &'static str {
    if set { "yes" } else { "no" }
}

#[cfg(test)]
mod tests;
