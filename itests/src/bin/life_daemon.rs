//! A trivial daemon on the real daemon life: what `tests/daemon_life.rs` starts, kills and stops.
//!
//! `LIFE_DIR` names its directory. Files there steer it and tell of it:
//! `refuse` (text): start-up fails with it; `end` (code name): the worker ends so after readiness;
//! `slow`: it is never ready; `stuck`: an orderly shutdown is never finished; `journal`: one line for each thing that happened.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use ctdb::daemon::{
    self, CheckReport, Daemon, Exit, HeldAddress, LifeEvent, LifeSettings, Options, WorkerContext,
};

struct Life {
    directory: PathBuf,
}

impl Life {
    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.directory.join(name)).ok()
    }

    fn journal(&self, text: &str) {
        let path = self.directory.join("journal");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("journal");
        file.write_all(format!("{text}\n").as_bytes())
            .expect("journal");
    }

    /// An orphan: its parent, a shell, ends at once.
    fn make_orphan() {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "sleep 0.3 & exit 0"])
            .stdout(Stdio::null());
        shell.status().expect("sh");
    }
}

impl Daemon for Life {
    fn check(&self, _options: &Options) -> CheckReport {
        match self.read("bad-config") {
            Some(text) => CheckReport { text, ok: false },
            None => CheckReport {
                text: String::new(),
                ok: true,
            },
        }
    }

    fn life(&self, _options: &Options) -> LifeSettings {
        LifeSettings {
            pid_file: self.directory.join("run/ctdbd.pid"),
        }
    }

    fn run(&self, _options: &Options, mut context: WorkerContext) -> Exit {
        if let Some(text) = self.read("refuse") {
            return Exit::Refused(text);
        }
        if let Some(restart) = &context.restart {
            self.journal(&format!(
                "restart {} {}",
                restart.count, restart.previous_end
            ));
        }
        context.guard.addresses(vec![HeldAddress {
            address: "192.0.2.7/24".parse().expect("address"),
            interface: "eth7".into(),
        }]);
        if self.read("slow").is_some() {
            self.journal("slow");
            while !*context.shutdown.borrow() {
                std::thread::sleep(Duration::from_millis(10));
            }
            return Exit::Shutdown;
        }
        if self.read("orphan").is_some() {
            Self::make_orphan();
        }
        // Written first: the starter, and with it the test, goes on as soon as it is told.
        self.journal(&format!("ready {}", std::process::id()));
        context.ready().expect("ready");
        match self.read("end").as_deref() {
            Some("refused") => return Exit::Refused("version".into()),
            Some("failed") => return Exit::Failed("no luck".into()),
            _ => {}
        }
        loop {
            if *context.shutdown.borrow() && self.read("stuck").is_none() {
                self.journal("shutdown");
                return Exit::Shutdown;
            }
            while let Ok(event) = context.events.try_recv() {
                self.journal(match event {
                    LifeEvent::Reopen => "reopen",
                    LifeEvent::User1 => "user1",
                    LifeEvent::User2 => "user2",
                    LifeEvent::GuardLost => "guard lost",
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn remove_addresses(&self, addresses: &[HeldAddress]) {
        for held in addresses {
            self.journal(&format!("removed {} {}", held.address, held.interface));
        }
    }

    fn remove_leftovers(&self, leftovers: &[String]) {
        for leftover in leftovers {
            self.journal(&format!("removed {leftover}"));
        }
    }
}

fn main() -> ExitCode {
    let directory = std::env::var_os("LIFE_DIR")
        .expect("LIFE_DIR is set")
        .into();
    daemon::main(&Life { directory })
}
