//! What `ctdb dumpmemory` prints: the memory that each mapped file and area takes, in the line format of
//! 4.17's report, which scripts read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

/// Memory of one name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Area {
    bytes: u64,
    mappings: u64,
    first: u64,
}

/// The report; it takes some milliseconds.
pub(super) fn report() -> String {
    render(&areas(
        &fs::read_to_string("/proc/self/smaps").unwrap_or_default(),
    ))
}

/// Memory in use, in bytes; saturated at the protocol's 32 bits.
pub(super) fn resident_bytes() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(u32::try_from(kibibytes << 10).unwrap_or(u32::MAX))
}

/// Sums up `smaps` by name. A mapping begins with `START-END PERMISSIONS OFFSET DEVICE INODE [NAME]`;
/// lines `KEY: NUMBER kB` follow.
fn areas(smaps: &str) -> BTreeMap<String, Area> {
    let mut areas: BTreeMap<String, Area> = BTreeMap::new();
    let mut current = String::new();
    for line in smaps.lines() {
        if let Some(kibibytes) = line.strip_prefix("Rss:") {
            let number = kibibytes.trim().trim_end_matches(" kB").trim();
            if let Some(area) = areas.get_mut(&current) {
                area.bytes += number.parse::<u64>().unwrap_or(0) << 10;
            }
            continue;
        }
        let Some((start, rest)) = line.split_once('-') else {
            continue;
        };
        let Ok(start) = u64::from_str_radix(start, 16) else {
            continue;
        };
        // What follows the range, without the four columns before the name.
        let name = rest
            .split_whitespace()
            .skip(5)
            .collect::<Vec<_>>()
            .join(" ");
        current = if name.is_empty() {
            String::from("[anonymous]")
        } else {
            name
        };
        let area = areas.entry(current.clone()).or_default();
        if area.mappings == 0 {
            area.first = start;
        }
        area.mappings += 1;
    }
    areas
}

fn render(areas: &BTreeMap<String, Area>) -> String {
    let bytes: u64 = areas.values().map(|area| area.bytes).sum();
    let mappings: u64 = areas.values().map(|area| area.mappings).sum();
    // Writing to a string cannot fail.
    let mut text = String::new();
    let _ = writeln!(
        text,
        "full talloc report on 'ctdbd' (total {bytes:6} bytes in {mappings} blocks)"
    );
    for (name, area) in areas {
        let _ = writeln!(
            text,
            "    {name:<40} contains {:6} bytes in {:3} blocks (ref 0) {:#x}",
            area.bytes, area.mappings, area.first
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_summed_up_by_name() {
        let smaps = "\
55d0c0-55d0d0 r--p 00000000 fd:01 99 /usr/sbin/ctdbd
Size:                  4 kB
Rss:                  12 kB
55d0d0-55d0e0 r-xp 00001000 fd:01 99 /usr/sbin/ctdbd
Rss:                   4 kB
VmFlags: rd ex mr
7f00-7f10 rw-p 00000000 00:00 0
Rss:                   8 kB
";
        let expected = "\
full talloc report on 'ctdbd' (total  24576 bytes in 3 blocks)
    /usr/sbin/ctdbd                          contains  16384 bytes in   2 blocks (ref 0) 0x55d0c0
    [anonymous]                              contains   8192 bytes in   1 blocks (ref 0) 0x7f00
";
        assert_eq!(render(&areas(smaps)), expected);
    }

    #[test]
    fn this_process_has_memory() {
        let report = report();
        assert!(report.lines().count() >= 10, "{report}");
        assert!(report.contains("libtdb"), "{report}");
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
