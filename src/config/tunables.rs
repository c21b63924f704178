//! `ctdb.tunables` and `tunables.d/*.tunables`: `Name=value` lines.
//!
//! 4.17 starts whatever these files say, so every fault is one WARNING and the line has no effect.

use std::collections::BTreeMap;

use ctdb_protocol::tunable::{TABLE, TunableId, Tunables};

use super::error::Place;
use super::nearest::nearest;
use super::warning::Findings;

/// The values, and where the admin's own ones stand.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) tunables: Tunables,
    pub(super) places: BTreeMap<TunableId, Place>,
}

impl Chosen {
    /// Reads the text of one file on top of what is there.
    pub(super) fn read(&mut self, file: &str, text: &str, findings: &mut Findings) {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let place = Place::line(file, index + 1);
            match line.split_once('=') {
                Some((name, value)) => self.set(name.trim(), value.trim(), &place, findings),
                None => findings.warn(
                    &place,
                    format!("\"{line}\" is skipped: Name=value belongs here"),
                ),
            }
        }
    }

    /// Sets one tunable; what cannot be set is warned about.
    pub(super) fn set(&mut self, name: &str, value: &str, place: &Place, findings: &mut Findings) {
        let Some(id) = TunableId::by_name(name) else {
            let live = TABLE.iter().filter(|row| !row.obsolete).map(|row| row.name);
            let hint = nearest(name, live).map(|near| format!("; did you mean \"{near}\"?"));
            let hint = hint.unwrap_or_default();
            findings.warn(
                place,
                format!("unknown tunable \"{name}\" has no effect{hint}"),
            );
            return;
        };
        if id.row().obsolete {
            findings.warn(place, format!("tunable {id} is obsolete and has no effect"));
            return;
        }
        let Some(number) = number(value) else {
            let message = format!(
                "{id}={value} is skipped: a number from 0 to {} belongs here",
                u32::MAX
            );
            findings.warn(place, message);
            return;
        };
        self.tunables.set(name, number);
        self.places.insert(id, place.clone());
    }
}

/// Digits as C reads them, with nothing after them.
fn number(text: &str) -> Option<u32> {
    let digits = text.to_ascii_lowercase();
    let (digits, base) = match digits.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits.as_str(), 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(base));
    plain
        .then(|| u32::from_str_radix(digits, base).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Chosen, Vec<String>) {
        let (mut chosen, mut findings) = (Chosen::default(), Findings::default());
        chosen.read("ctdb.tunables", text, &mut findings);
        assert!(findings.errors.is_empty(), "tunables never stop the daemon");
        (
            chosen,
            findings.warnings.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn names_without_case_and_numbers_as_c_reads_them() {
        let text = "# note\n\nmonitorinterval = 7\nKeepaliveInterval=0x10\nRepackLimit=010\n";
        let (chosen, warnings) = read(text);
        assert_eq!(warnings, [""; 0]);
        assert_eq!(
            chosen.tunables.explicit(TunableId::MonitorInterval),
            Some(7)
        );
        assert_eq!(
            chosen.tunables.explicit(TunableId::KeepaliveInterval),
            Some(16)
        );
        assert_eq!(chosen.tunables.explicit(TunableId::RepackLimit), Some(8));
        assert_eq!(chosen.places[&TunableId::MonitorInterval].line, 3);
    }

    #[test]
    fn every_fault_is_one_warning_with_its_line() {
        for (line, message) in [
            ("MutexEnabled=0", "unknown tunable \"MutexEnabled\""),
            ("MonitorIntervl=5", "did you mean \"MonitorInterval\"?"),
            ("VacuumLimit=4", "tunable VacuumLimit is obsolete"),
            ("MonitorInterval=", "is skipped"),
            ("MonitorInterval", "Name=value belongs here"),
            ("MonitorInterval=-1", "is skipped"),
            ("MonitorInterval=5 # x", "is skipped"),
            ("MonitorInterval=99999999999", "is skipped"),
            ("[section]", "Name=value belongs here"),
        ] {
            let (chosen, warnings) = read(&format!("\n{line}\n"));
            assert_eq!(chosen.tunables, Tunables::default(), "{line}");
            assert_eq!(warnings.len(), 1, "{line}");
            assert!(warnings[0].starts_with("ctdb.tunables:2: "), "{warnings:?}");
            assert!(warnings[0].contains(message), "{warnings:?}");
        }
    }
}
