//! Collects the layers of settings, lowest first, and reads the merged values.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::Place;
use super::files::{drop_ins, read_text};
use super::legacy::Legacy;
use super::load::Environment;
use super::nearest::nearest;
use super::paths::text;
use super::scan::{Entry, lookup, scan};
use super::schema::{Field, KEYS, Schema, merge, sections};
use super::warning::Findings;

/// Start of the names of settings in the environment: `CTDB__CLUSTER__LEADER_TIMEOUT`.
const VARIABLE_PREFIX: &str = "CTDB__";

/// Option files whose variables belong to duties of the daemon itself, later ones on top.
const OPTION_FILES: [&str; 5] = [
    "script.options",
    "events/legacy/10.interface.options",
    "events/legacy/11.natgw.options",
    "events/legacy/13.per_ip_routing.options",
    "events/legacy/91.lvs.options",
];

/// The merged settings with the place of each.
pub(super) struct Merged {
    pub(super) schema: Schema,
    pub(super) legacy: Legacy,
    pub(super) values: Values,
}

/// Where each merged value came from.
#[derive(Debug, Default)]
pub(super) struct Values {
    sources: BTreeMap<(&'static str, &'static str), (Place, bool)>,
    texts: BTreeMap<(&'static str, &'static str), String>,
}

impl Values {
    /// The value of a field, if it is set and good; a bad one is refused (or warned about, if it
    /// came from a legacy file).
    pub(super) fn take<T>(
        &self,
        section: &'static str,
        key: &'static str,
        field: Field<T>,
        findings: &mut Findings,
    ) -> Option<T> {
        let Field::Set { verdict, remark } = field else {
            return None;
        };
        let (place, lenient) = self.source(section, key);
        let label = format!("[{section}] {key}");
        let message = match verdict {
            Ok(value) => {
                if let Some(remark) = remark {
                    findings.warn(&place, format!("{label}: {remark}"));
                }
                return Some(value);
            }
            Err(message) => message,
        };
        if lenient {
            findings.warn(&place, format!("{label} keeps its default: {message}"));
        } else {
            findings.refuse(&place, &label, message);
        }
        None
    }

    /// The text of a merged value.
    pub(super) fn text(&self, section: &'static str, key: &'static str) -> Option<&str> {
        self.texts.get(&(section, key)).map(String::as_str)
    }

    /// Place of a merged value, and whether it is a legacy one.
    pub(super) fn source(&self, section: &'static str, key: &'static str) -> (Place, bool) {
        let known = self.sources.get(&(section, key)).cloned();
        known.unwrap_or_else(|| (Place::whole("built-in default"), false))
    }
}

/// Reads all layers and merges them.
pub(super) fn collect(environment: &Environment, findings: &mut Findings) -> Merged {
    let layout = &environment.layout;
    let etc = text(&layout.etc);
    let mut legacy = Legacy::default();
    let mut layers: Vec<Vec<Entry>> = Vec::new();
    for path in &layout.legacy {
        let Some(content) = file_text(path, true, findings) else {
            continue;
        };
        layers.push(legacy.read(&text(path), &content, &etc, findings));
    }
    for name in OPTION_FILES {
        let path = layout.etc.join(name);
        let Some(content) = file_text(&path, true, findings) else {
            continue;
        };
        legacy.read_options(&text(&path), &content, &etc, findings);
    }
    let mut files = vec![layout.etc.join("ctdb.conf")];
    files.extend(drop_ins(&layout.etc.join("ctdb.conf.d"), "conf"));
    for path in files {
        let Some(content) = file_text(&path, false, findings) else {
            continue;
        };
        layers.push(scan(&text(&path), &content, findings));
    }
    layers.push(variables(&environment.variables, findings));
    layers.push(overrides(environment, findings));
    let mut values = Values::default();
    for entry in layers.iter().flatten() {
        let source = (entry.place.clone(), entry.lenient);
        let key = (entry.section, entry.key);
        values.sources.insert(key, source);
        values.texts.insert(key, entry.value.clone());
    }
    let schema = merge(layers).unwrap_or_else(|error| {
        findings.refuse(&Place::whole(&etc), "", error.to_string());
        Schema::default()
    });
    Merged {
        schema,
        legacy,
        values,
    }
}

/// The text of an optional file; one that cannot be read is refused unless it is lenient.
fn file_text(path: &Path, lenient: bool, findings: &mut Findings) -> Option<String> {
    match read_text(path) {
        Ok(content) => content,
        Err(message) => {
            let place = Place::whole(&text(path));
            if lenient {
                findings.warn(&place, format!("is skipped: it {message}"));
            } else {
                findings.refuse(&place, "", message);
            }
            None
        }
    }
}

/// `CTDB__SECTION__KEY` with `_` for blanks, in any case.
fn variables(variables: &BTreeMap<String, String>, findings: &mut Findings) -> Vec<Entry> {
    let mut layer = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        let place = Place::whole(&format!("environment variable {name}"));
        let found = KEYS.iter().find(|(section, key)| {
            variable_name(section, key)[VARIABLE_PREFIX.len()..].eq_ignore_ascii_case(rest)
        });
        let Some((section, key)) = found else {
            let names: Vec<String> = KEYS.iter().map(|key| variable_name(key.0, key.1)).collect();
            let near = nearest(name, names.iter().map(String::as_str));
            let hint = near
                .map(|near| format!("; did you mean \"{near}\"?"))
                .unwrap_or_default();
            findings.warn(&place, format!("names no setting and has no effect{hint}"));
            continue;
        };
        layer.extend(given((section, key), value, place, findings));
    }
    layer
}

fn variable_name(section: &str, key: &str) -> String {
    format!("{VARIABLE_PREFIX}{section}__{}", key.replace(' ', "_")).to_uppercase()
}

/// Settings given as arguments.
fn overrides(environment: &Environment, findings: &mut Findings) -> Vec<Entry> {
    let place = Place::whole("command line");
    let mut layer: Vec<Entry> = Vec::new();
    for wanted in &environment.overrides {
        let label = format!("[{}] {}", wanted.section, wanted.key);
        let section = wanted.section.to_ascii_lowercase();
        let (Some((section, key)), _) = lookup(&section, &wanted.key) else {
            let known = sections().any(|known| known == section);
            let names = KEYS
                .iter()
                .filter(|key| !known || key.0 == section)
                .map(|key| key.1);
            findings.refuse_near(&place, &label, "unknown key", nearest(&wanted.key, names));
            continue;
        };
        layer.extend(given(
            (section, key),
            &wanted.value,
            place.clone(),
            findings,
        ));
    }
    layer
}

/// An entry from outside the files; an empty value is refused as in `ctdb.conf`.
fn given(
    (section, key): (&'static str, &'static str),
    value: &str,
    place: Place,
    findings: &mut Findings,
) -> Option<Entry> {
    let value = value.trim().to_owned();
    if value.is_empty() {
        findings.refuse(&place, &format!("[{section}] {key}"), "the value is empty");
        return None;
    }
    Some(Entry {
        section,
        key,
        value,
        place,
        lenient: false,
    })
}
