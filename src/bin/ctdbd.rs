//! `ctdbd`: the cluster daemon. Everything is in the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb::daemon::main(&ctdb::node::Node)
}
