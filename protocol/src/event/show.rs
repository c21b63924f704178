//! What `ctdb event …` prints, as 4.17's tool does.

use super::errno::{EINVAL, ENOENT, ETIMEDOUT};
use super::result::{EventResult, ScriptResult};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Words for what only a machine with a clock and a C library knows.
pub trait Locale {
    /// `Sat Nov 21 04:33:07 2026`, in local time.
    fn time(&self, seconds: i64) -> String;

    /// What C's `strerror` says.
    fn error(&self, number: i32) -> String;
}

/// `event status`: a line a script, and what failing ones said.
pub fn status(result: &EventResult, locale: &dyn Locale) -> Vec<u8> {
    let mut out = Vec::new();
    for script in &result.scripts {
        put_script(&mut out, script, locale);
    }
    out
}

/// One word for how a script ended.
pub const fn word(script: &ScriptResult) -> &'static str {
    match script.result {
        result if result == -ETIMEDOUT => "TIMEDOUT",
        _ if script.is_disabled() => "DISABLED",
        ..0 => "CANNOT RUN",
        0 => "OK",
        1.. => "ERROR",
    }
}

fn put_script(out: &mut Vec<u8>, script: &ScriptResult, locale: &dyn Locale) {
    let time = || locale.time(script.began_us.div_euclid(1_000_000));
    let detail = match script.result {
        result if result == -ETIMEDOUT => format!(" {}", time()),
        _ if script.is_disabled() => String::new(),
        result @ ..0 => format!(" ({})", locale.error(-result)),
        _ => {
            let millis = (script.ended_us - script.began_us + 500) / 1000;
            let sign = if millis < 0 { "-" } else { "" };
            let millis = millis.unsigned_abs();
            format!(" {sign}{}.{:03} {}", millis / 1000, millis % 1000, time())
        }
    };
    let line = format!("{:<20} {:<10}{detail}\n", script.name, word(script));
    out.extend(line.into_bytes());
    if script.is_failure() {
        out.extend_from_slice(b"  OUTPUT: ");
        out.extend_from_slice(script.output.as_deref().unwrap_or_default());
        out.push(b'\n');
    }
}

/// Why there is no status.
pub fn no_status(component: &str, event: &str, result: i32) -> String {
    match result {
        ENOENT => no_directory(component),
        EINVAL => format!("Event {event} has never run in {component}"),
        _ => format!("Unknown error ({result}) for event {event} in {component}"),
    }
}

/// What is said of the end of a run; nothing if it succeeded.
pub fn run(component: &str, event: &str, result: i32) -> Option<String> {
    use super::errno::{ECANCELED, ENOEXEC};
    Some(match result {
        0 => return None,
        ENOENT => no_directory(component),
        ETIMEDOUT => format!("Event {event} in {component} timed out"),
        ECANCELED => format!("Event {event} in {component} got cancelled"),
        ENOEXEC => format!("Event {event} in {component} failed"),
        _ => format!("Failed to run event {event} in {component}, result={result}"),
    })
}

fn no_directory(component: &str) -> String {
    format!("Event dir for {component} does not exist")
}

/// One line of `event script list`.
pub fn listed(script: &str, enabled: bool) -> String {
    format!("{} {script}", if enabled { '*' } else { ' ' })
}

/// The last line of a script's output that says anything: the reason that goes into the log.
pub fn last_line(script: &ScriptResult) -> String {
    let output = script.output.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(output);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or_default().trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    struct Fixed;

    impl Locale for Fixed {
        fn time(&self, seconds: i64) -> String {
            format!("@{seconds}")
        }

        fn error(&self, number: i32) -> String {
            format!("error {number}")
        }
    }

    fn script(result: i32, output: Option<&str>) -> ScriptResult {
        ScriptResult {
            name: "50.samba".to_string(),
            began_us: 12_000_000,
            ended_us: 12_034_400,
            result,
            output: output.map(|text| text.as_bytes().to_vec()),
        }
    }

    #[test]
    fn each_end_has_its_line() {
        for (result, output, lines) in [
            (
                0,
                Some("said"),
                "50.samba             OK         0.034 @12\n",
            ),
            (
                1,
                Some("no smbd"),
                "50.samba             ERROR      0.034 @12\n  OUTPUT: no smbd\n",
            ),
            (-8, None, "50.samba             DISABLED  \n"),
            (
                -110,
                None,
                "50.samba             TIMEDOUT   @12\n  OUTPUT: \n",
            ),
            (
                -4,
                None,
                "50.samba             CANNOT RUN (error 4)\n  OUTPUT: \n",
            ),
        ] {
            let result = EventResult {
                summary: result,
                scripts: vec![script(result, output)],
            };
            let shown = status(&result, &Fixed);
            assert_eq!(String::from_utf8_lossy(&shown), lines);
        }
    }

    #[test]
    fn the_reason_is_the_last_line_that_says_anything() {
        let script = script(1, Some("a\nERROR: no smbd\n\n"));
        assert_eq!(last_line(&script), "ERROR: no smbd");
    }
}
