//! Names: which files are scripts, which scripts the daemon's own work replaces.

/// What every script's file name ends with.
pub const SUFFIX: &str = ".script";

/// The script of public interfaces and addresses.
pub const INTERFACE: &str = "10.interface";
/// The script of the NAT gateway.
pub const NATGW: &str = "11.natgw";
/// The script of policy routing.
pub const PER_IP_ROUTING: &str = "13.per_ip_routing";
/// The script of LVS.
pub const LVS: &str = "91.lvs";

/// Scripts that are never run: their work is the daemon's own.
pub const NATIVE: [&str; 4] = [INTERFACE, NATGW, PER_IP_ROUTING, LVS];

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
