//! Commands that run at once.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// PIDs of the children that nobody has waited for: no other process can have one of these.
#[derive(Debug, Clone, Default)]
pub(super) struct Children(Arc<Mutex<Vec<Pid>>>);

impl Children {
    /// Starts all of them; if one does not start, the others are ended. A signal meanwhile finds all of them.
    pub(super) fn start(&self, commands: Vec<Command>) -> io::Result<Vec<Child>> {
        let mut pids = self.pids();
        let mut running = Vec::new();
        // Each command goes once it runs: our own copies of a pipe's end would keep its reader waiting.
        for mut command in commands {
            match command.spawn() {
                Ok(child) => {
                    pids.push(Pid::from_child(&child));
                    running.push(child);
                }
                Err(error) => {
                    drop(pids);
                    self.terminate();
                    return Err(error);
                }
            }
        }
        Ok(running)
    }

    /// Waits for its end.
    pub(super) fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
        let pid = Pid::from_child(&child);
        // It keeps its PID until it has been taken out here.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(pid), ended))?;
        self.pids().retain(|known| *known != pid);
        child.wait()
    }

    /// Ends those that still run.
    pub(super) fn terminate(&self) {
        for pid in self.pids().iter() {
            let _ = kill_process(*pid, Signal::TERM);
        }
    }

    fn pids(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("60");
        command
    }

    #[test]
    fn who_was_waited_for_gets_no_signal() {
        let children = Children::default();
        let running = children.start(vec![Command::new("true"), sleeper()]);
        let [short, long] = <[Child; 2]>::try_from(running.expect("both")).expect("two");
        let own = Pid::from_child(&long);
        assert!(children.wait(short).expect("its end").success());
        assert_eq!(*children.pids(), [own]);
        children.terminate();
        let status = children.wait(long).expect("its end");
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
        assert!(children.pids().is_empty());
    }

    #[test]
    fn one_that_does_not_start_ends_the_others() {
        let children = Children::default();
        let commands = vec![sleeper(), Command::new("/no/such/program")];
        let error = children.start(commands).expect_err("the second");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let [pid] = children.pids()[..] else {
            panic!("one has started");
        };
        let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
        let status = status.expect("a child").expect("its end");
        assert_eq!(status.terminating_signal(), Some(Signal::TERM.as_raw()));
    }
}
