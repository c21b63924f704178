//! `ctdbd`: the cluster daemon. Everything is in the library; this names its parts.
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use ctdb::daemon::{
    self, CheckReport, Daemon, Exit, HeldAddress, LifeSettings, Options, WorkerContext,
};

struct Ctdbd;

impl Daemon for Ctdbd {
    fn check(&self, _options: &Options) -> CheckReport {
        CheckReport {
            text: String::new(),
            ok: true,
        }
    }

    fn life(&self, _options: &Options) -> LifeSettings {
        let base = env::var_os("CTDB_TEST_MODE").and_then(|_| env::var_os("CTDB_BASE"));
        let run = base.map_or(PathBuf::from("/run/ctdb"), |base| {
            PathBuf::from(base).join("run")
        });
        LifeSettings {
            pid_file: run.join("ctdbd.pid"),
        }
    }

    fn run(&self, _options: &Options, mut context: WorkerContext) -> Exit {
        if let Err(error) = context.ready() {
            return Exit::Failed(format!("cannot report readiness: {error}"));
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => return Exit::Failed(format!("cannot start the runtime: {error}")),
        };
        // An error means that the sender is gone, which ends with this process only.
        let _ = runtime.block_on(context.shutdown.wait_for(|asked| *asked));
        Exit::Shutdown
    }

    fn remove_addresses(&self, _addresses: &[HeldAddress]) {}
}

fn main() -> ExitCode {
    daemon::main(&Ctdbd)
}
