//! Names: which files are scripts, which scripts the daemon's own work replaces.

/// What every script's file name ends with.
pub const SUFFIX: &str = ".script";

/// Of [`NATIVE`] those whose work the daemon does already; that of the others is done by nobody.
pub const NATIVE_DONE: [&str; 1] = ["10.interface"];
/// Scripts that are never run: their work is the daemon's own.
pub const NATIVE: [&str; 4] = ["10.interface", "11.natgw", "13.per_ip_routing", "91.lvs"];

/// The script's name if this is the file name of one: two digits, a dot, anything, `.script`.
pub fn script_of_file(file: &str) -> Option<&str> {
    let name = file.strip_suffix(SUFFIX)?;
    let [first, second, b'.', ..] = name.as_bytes() else {
        return None;
    };
    (first.is_ascii_digit() && second.is_ascii_digit()).then_some(name)
}

/// Does the daemon do this script's work itself?
pub fn is_native(script: &str) -> bool {
    NATIVE.contains(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files_are_scripts() {
        for (file, name) in [
            ("50.samba.script", Some("50.samba")),
            ("00..script", Some("00.")),
            ("50.a.b.script", Some("50.a.b")),
            ("50.script", None),
            ("5.samba.script", None),
            ("x0.samba.script", None),
            ("50.samba.script~", None),
            ("50.samba", None),
            (".50.samba.script", None),
            ("500.samba.script", None),
        ] {
            assert_eq!(script_of_file(file), name, "{file}");
        }
    }
}
