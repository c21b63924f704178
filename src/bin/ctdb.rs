//! `ctdb`: the admin's tool. Everything is in the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb::cli::main()
}
