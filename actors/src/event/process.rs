//! One script as a process: group, pipe, end.

use ctdb_protocol::event::result::Exit;
use ctdb_protocol::limits::{SCRIPT_OUTPUT_BYTES_MAX, SCRIPT_READ_BYTES_MAX};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// The run bit that counts.
const RUN_BIT: u32 = 0o100;
/// Read at once from the pipe.
const READ_BYTES: usize = 8 << 10;

/// What a script has said so far.
#[derive(Debug, Default)]
struct Output {
    kept: Vec<u8>,
    read: usize,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) {
        let room = SCRIPT_OUTPUT_BYTES_MAX.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.read += bytes.len();
    }

    fn shown(&self) -> Option<Vec<u8>> {
        let mut shown = self.kept.clone();
        let dropped = self.read - shown.len();
        if dropped > 0 {
            shown.extend(format!("\n[{dropped} more bytes]\n").into_bytes());
        }
        (!shown.is_empty()).then_some(shown)
    }
}

/// A running script. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Process {
    /// Its process group, which is its own process id.
    pub(super) group: i32,
    /// The script.
    pub(super) name: String,
    /// When it was started.
    pub(super) began_us: i64,
    output: Arc<Mutex<Output>>,
}

/// Microseconds of the wall clock.
pub(super) fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

/// Something to be started.
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a Path,
    pub(super) args: Vec<String>,
    pub(super) environment: &'a BTreeMap<String, String>,
}

impl Process {
    /// Starts a program; the future ends with it, after all that it had said by then was read.
    pub(super) fn start(
        program: &Program<'_>,
    ) -> io::Result<(Self, impl Future<Output = Exit> + use<>)> {
        let mode = std::fs::metadata(program.path)?.permissions().mode();
        if mode & RUN_BIT == 0 {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let (reader, writer) = io::pipe()?;
        let began_us = wall_us();
        let child = Command::new(program.path)
            .arg0(program.name)
            .args(&program.args)
            .envs(program.environment)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let process = Self {
            group: group.ok_or(ErrorKind::NotFound)?,
            name: program.name.to_string(),
            began_us,
            output: Arc::default(),
        };
        let pipe = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let end = attend(child, pipe, process.output.clone());
        Ok((process, end))
    }

    /// What it has said so far.
    pub(super) fn output(&self) -> Option<Vec<u8>> {
        self.output.lock().expect("no panic while held").shown()
    }

    /// Kills its process group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal to its process group; false if there is none.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        Pid::from_raw(self.group).is_some_and(|group| kill_process_group(group, signal).is_ok())
    }
}

/// Reads until the process ends, which counts: a daemon that it has started may keep the pipe open.
async fn attend(mut child: Child, mut pipe: pipe::Receiver, output: Arc<Mutex<Output>>) -> Exit {
    let mut buffer = vec![0; READ_BYTES];
    let mut open = true;
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended,
            read = pipe.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(count) => {
                    let mut output = output.lock().expect("no panic while held");
                    output.add(&buffer[..count]);
                    // One that floods its output is cut off: it gets SIGPIPE or an error.
                    open = output.read < SCRIPT_READ_BYTES_MAX;
                }
            },
        }
        if !open {
            drop(pipe);
            return exit(child.wait().await);
        }
    };
    // The pipe does not block, and the reactor may not have heard yet of what is in it.
    while let Ok(count @ 1..) = rustix::io::read(&pipe, &mut buffer) {
        output
            .lock()
            .expect("no panic while held")
            .add(&buffer[..count]);
    }
    exit(ended)
}

fn exit(ended: io::Result<std::process::ExitStatus>) -> Exit {
    match ended {
        Ok(status) => status.code().map_or(Exit::Signal, Exit::Code),
        Err(error) => Exit::NotStarted(errno(&error)),
    }
}

/// The error number, or the nearest one.
pub(super) fn errno(error: &io::Error) -> i32 {
    use ctdb_protocol::event::errno::{EACCES, EIO, ENOENT};
    error.raw_os_error().unwrap_or(match error.kind() {
        ErrorKind::PermissionDenied => EACCES,
        ErrorKind::NotFound => ENOENT,
        _ => EIO,
    })
}
