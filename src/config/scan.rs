//! Reads the syntax of `ctdb.conf` as 4.17 does and finds what it would refuse.
//!
//! The rules were taken from the behaviour of 4.17's `ctdb-config validate`: section names match
//! without regard to case and keys with it; runs of blanks count as one; `#` and `;` start a comment
//! only at the start of a line; a backslash at the end continues a value on the next line and is an
//! ordinary character elsewhere; a line without `=` is skipped; a later duplicate wins.

use super::error::Place;
use super::nearest::nearest;
use super::schema::{ALIASES, KEYS, sections};
use super::warning::Findings;

/// One setting, under its present name, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) place: Place,
    /// A bad value is only warned about: 4.17 does not read this source at all.
    pub(super) lenient: bool,
}

/// What the lines that follow belong to.
enum Section {
    /// No header seen yet.
    Missing,
    Known(&'static str),
    /// Already complained about.
    Skipped,
}

/// Splits a file into settings; what is wrong goes into `findings`.
pub(super) fn scan(file: &str, text: &str, findings: &mut Findings) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut old_names: Vec<Entry> = Vec::new();
    let mut section = Section::Missing;
    for (number, line) in logical_lines(text) {
        let place = Place::line(file, number);
        if let Some(rest) = line.strip_prefix('[') {
            section = header(rest, &place, findings);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            findings.warn(
                &place,
                format!("\"{line}\" is skipped: a setting has the form key = value"),
            );
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let name = match section {
            Section::Known(name) => name,
            Section::Skipped => continue,
            Section::Missing => {
                findings.refuse(&place, key, "a setting must follow a [section] line");
                continue;
            }
        };
        if let Some((entry, renamed)) = setting(name, key, value, place, findings) {
            if renamed {
                old_names.push(entry);
            } else {
                replace(&mut entries, entry, findings);
            }
        }
    }
    // An old name counts only where the new one is not in the same file.
    for entry in old_names {
        if !entries
            .iter()
            .any(|known| known.section == entry.section && known.key == entry.key)
        {
            entries.push(entry);
        }
    }
    entries
}

/// Joins continued lines, drops comments and empty lines, and reduces blanks; keeps line numbers.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((index, line)) = rest.next() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let mut joined = line.trim_end().to_owned();
        while joined.ends_with('\\') {
            joined.pop();
            let Some((_, next)) = rest.next() else { break };
            joined.push(' ');
            joined.push_str(next.trim_end());
        }
        let words: Vec<&str> = joined.split_whitespace().collect();
        if !words.is_empty() {
            lines.push((index + 1, words.join(" ")));
        }
    }
    lines
}

fn header(rest: &str, place: &Place, findings: &mut Findings) -> Section {
    let Some((name, _)) = rest.split_once(']') else {
        findings.warn(
            place,
            "section line without ]: everything up to the next section is skipped",
        );
        return Section::Skipped;
    };
    if let Some(known) = sections().find(|known| known.eq_ignore_ascii_case(name)) {
        return Section::Known(known);
    }
    findings.refuse_near(
        place,
        &format!("[{name}]"),
        "unknown section",
        nearest(name, sections()),
    );
    Section::Skipped
}

/// Checks the name of a setting and translates an old one; the flag says that it was old.
fn setting(
    section: &'static str,
    key: &str,
    value: &str,
    place: Place,
    findings: &mut Findings,
) -> Option<(Entry, bool)> {
    if key.is_empty() {
        findings.warn(&place, "a value without a key is skipped");
        return None;
    }
    let label = format!("[{section}] {key}");
    let (found, renamed) = lookup(section, key);
    let Some((section, key)) = found else {
        let near = nearest(key, names_for(section));
        findings.refuse_near(&place, &label, "unknown key", near);
        return None;
    };
    if renamed {
        findings.warn(
            &place,
            format!("{label} is deprecated, write [{section}] {key}"),
        );
    }
    if value.is_empty() {
        findings.refuse(&place, &label, "the value is empty");
        return None;
    }
    let value = value.to_owned();
    Some((
        Entry {
            section,
            key,
            value,
            place,
            lenient: false,
        },
        renamed,
    ))
}

/// The present name of a key; the flag says that an old one was used.
pub(super) fn lookup(section: &str, key: &str) -> (Option<(&'static str, &'static str)>, bool) {
    if let Some(known) = KEYS
        .iter()
        .find(|known| known.0 == section && known.1 == key)
    {
        return (Some(*known), false);
    }
    let alias = ALIASES
        .iter()
        .find(|alias| alias.old.0 == section && alias.old.1 == key);
    (alias.map(|alias| alias.new), alias.is_some())
}

/// Names to suggest: those of the section first, then all others.
fn names_for(section: &str) -> impl Iterator<Item = &'static str> {
    let own = KEYS
        .iter()
        .filter(move |key| key.0 == section)
        .map(|key| key.1);
    own.chain(KEYS.iter().map(|key| key.1))
}

fn replace(entries: &mut Vec<Entry>, entry: Entry, findings: &mut Findings) {
    let same = |known: &&mut Entry| known.section == entry.section && known.key == entry.key;
    let Some(known) = entries.iter_mut().find(same) else {
        entries.push(entry);
        return;
    };
    findings.warn(
        &entry.place,
        format!(
            "[{}] {} stands already at {}; this later value counts",
            entry.section, entry.key, known.place
        ),
    );
    *known = entry;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> (Vec<Entry>, Findings) {
        let mut findings = Findings::default();
        let entries = scan("ctdb.conf", text, &mut findings);
        (entries, findings)
    }

    fn value(text: &str) -> String {
        let (entries, findings) = scanned(text);
        assert!(findings.errors.is_empty(), "{:?}", findings.errors);
        entries.first().expect("one setting").value.clone()
    }

    fn error(text: &str) -> String {
        let (_, findings) = scanned(text);
        findings.errors.first().expect("an error").to_string()
    }

    fn warning(text: &str) -> String {
        let (_, findings) = scanned(text);
        assert!(findings.errors.is_empty(), "{:?}", findings.errors);
        findings.warnings.first().expect("a warning").to_string()
    }

    #[test]
    fn values_keep_backslashes_and_semicolons() {
        assert_eq!(
            value("[cluster]\ncluster lock = /a\\b;c # d\n"),
            "/a\\b;c # d"
        );
        assert_eq!(value("[cluster]\ncluster lock = a = b"), "a = b");
    }

    #[test]
    fn blanks_case_of_sections_and_line_ends_are_read_as_4_17_reads_them() {
        assert_eq!(
            value("[Cluster] note\r\n\tcluster  lock =  /a   b\r\n"),
            "/a b"
        );
        assert_eq!(
            value("[cluster]\n; note\n# note \\\ncluster lock = /a \\\n  b\n"),
            "/a b"
        );
    }

    #[test]
    fn unknown_names_come_with_line_and_suggestion() {
        assert_eq!(
            error("\n[cluster]\n cluster lcok = /x\n"),
            "ctdb.conf:3: [cluster] cluster lcok: unknown key; did you mean \"cluster lock\"?"
        );
        assert_eq!(
            error("[loging]\n"),
            "ctdb.conf:1: [loging]: unknown section; did you mean \"logging\"?"
        );
        assert_eq!(
            error("[logging]\nLog Level = INFO\n"),
            "ctdb.conf:2: [logging] Log Level: unknown key; did you mean \"log level\"?"
        );
    }

    #[test]
    fn a_key_of_another_section_is_suggested_too() {
        assert!(error("[cluster]\ntdb mutexs = true").ends_with("did you mean \"tdb mutexes\"?"));
    }

    #[test]
    fn settings_outside_sections_and_empty_values_are_refused() {
        assert!(error("log level = INFO\n").contains("must follow a [section] line"));
        assert!(error("[logging]\nlog level =\n").contains("the value is empty"));
    }

    #[test]
    fn what_4_17_skips_is_skipped_with_a_warning() {
        assert!(warning("[cluster]\nleader timeout: 7\n").starts_with("ctdb.conf:2: "));
        assert!(warning("[cluster\nleader timeout = 7\n").contains("without ]"));
        assert!(warning("[cluster]\n = 5\n").contains("without a key"));
    }

    #[test]
    fn the_later_duplicate_counts() {
        let text = "[cluster]\nleader timeout = 4\nleader timeout = 3\n";
        assert_eq!(value(text), "3");
        assert!(warning(text).contains("stands already at ctdb.conf:2"));
    }

    #[test]
    fn every_old_name_still_works() {
        for alias in ALIASES {
            let text = format!("[{}]\n{} = true\n", alias.old.0, alias.old.1);
            let (entries, findings) = scanned(&text);
            assert_eq!((entries[0].section, entries[0].key), alias.new);
            assert!(findings.warnings[0].message.contains("deprecated"));
        }
    }

    #[test]
    fn the_new_name_wins_over_the_old_one_in_either_order() {
        assert_eq!(
            value("[cluster]\nrecovery lock = /x\ncluster lock = /y\n"),
            "/y"
        );
        assert_eq!(
            value("[cluster]\ncluster lock = /y\nrecovery lock = /x\n"),
            "/y"
        );
    }
}
