//! `ctdb-helper`: the small programs that the daemon starts, in one binary.
use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb::helper::main()
}
