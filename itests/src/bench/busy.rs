//! Processes that want the whole machine.

use std::process::{Child, Command, Stdio};

/// They end when this is dropped.
#[derive(Debug)]
pub struct Busy(Vec<Child>);

impl Busy {
    /// Starts `count` endless loops.
    ///
    /// # Panics
    /// If there is no shell.
    pub fn start(count: usize) -> Self {
        let busy = |_| {
            let mut command = Command::new("sh");
            command
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null());
            command.spawn().expect("sh(1) runs")
        };
        Self((0..count).map(busy).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have been killed from outside.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
