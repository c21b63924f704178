//! The first process: checks, starts the guard, and tells the caller how it went.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::{env, io};

use clap::Parser;

use super::args::Role;
use super::channel::{Report, Reports};
use super::guard::{self, Station};
use super::{Daemon, Exit, Options, worker};

/// The name of all three processes, in `argv[0]` and in the kernel.
const NAME: &str = "ctdbd";

/// The whole of `ctdbd`: parses the command line and plays the part that it names.
pub fn main(daemon: &impl Daemon) -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let code = u8::from(error.use_stderr());
            // Nowhere to complain when even that fails.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // Failing costs only the looks in `ps`.
    let _ = rustix::thread::set_name(c"ctdbd");
    let code = match (options.role, &options.internal_pid_file) {
        (Some(Role::Worker), Some(pid_file)) => worker::run(daemon, &options, pid_file),
        (Some(Role::Guard), Some(pid_file)) => guard_in_background(daemon, pid_file.clone()),
        (Some(_), None) => report(&Exit::Failed("internal arguments are incomplete".into())),
        (None, _) => start(daemon, &options),
    };
    ExitCode::from(code)
}

fn start(daemon: &impl Daemon, options: &Options) -> u8 {
    let check = daemon.check(options);
    if options.check {
        print!("{}", check.text);
        return u8::from(!check.ok);
    }
    if !check.ok {
        eprint!("{}", check.text);
        return Exit::Failed(String::new()).code();
    }
    let pid_file = daemon.life(options).pid_file;
    // PID 1 of a container must not end while the daemon lives.
    if options.interactive || std::process::id() == 1 {
        return guard::run(
            daemon,
            Station {
                pid_file,
                starter: None,
            },
        );
    }
    match start_guard(&pid_file) {
        Ok((mut child, stream)) => {
            let code = wait_for_readiness(stream);
            if code != 0 {
                // Failing means that it is gone already.
                let _ = child.wait();
            }
            code
        }
        Err(error) => report(&Exit::Failed(format!("cannot start the guard: {error}"))),
    }
}

fn start_guard(pid_file: &std::path::Path) -> io::Result<(Child, UnixStream)> {
    let mut role = OsString::from("--internal-pid-file=");
    role.push(pid_file);
    again(&["--internal-role=guard".into(), role], Group::Parents)
}

fn wait_for_readiness(stream: UnixStream) -> u8 {
    match Reports::new(stream).next() {
        Some(Report::Ready) => 0,
        Some(Report::Failed { code, text }) => {
            eprintln!("{NAME}: {text}");
            code.max(1)
        }
        _ => report(&Exit::Failed(
            "the guard ended before the daemon was ready".into(),
        )),
    }
}

fn guard_in_background(daemon: &impl Daemon, pid_file: std::path::PathBuf) -> u8 {
    let prepared = super::channel::take_from_stdin().and_then(|starter| {
        rustix::process::setsid()?;
        // Paths on the command line may be relative in a test's private tree.
        if !guard::is_test_mode() {
            env::set_current_dir("/")?;
        }
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        Ok(starter)
    });
    match prepared {
        Ok(starter) => guard::run(
            daemon,
            Station {
                pid_file,
                starter: Some(starter),
            },
        ),
        Err(error) => report(&Exit::Failed(format!("guard: {error}"))),
    }
}

fn report(end: &Exit) -> u8 {
    eprintln!("{NAME}: {end}");
    end.code()
}

/// The process group of a re-executed process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Its parent's: a group leader could not begin a session of its own.
    Parents,
    /// Its own: a terminal's Ctrl-C reaches the foreground guard only, which passes it on.
    Own,
}

/// Starts this program again with `internal` arguments before the admin's own, and returns our end of
/// the channel that it finds as stdin.
///
/// The running file is used even if another one has been installed under its name meanwhile: guard and
/// worker are always of one version.
pub(super) fn again(internal: &[OsString], group: Group) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let own = env::args_os().skip(1);
    let own = own.filter(|argument| !argument.as_encoded_bytes().starts_with(b"--internal-"));
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(NAME)
        .args(internal)
        .args(own)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .env_remove("NOTIFY_SOCKET");
    if group == Group::Own {
        command.process_group(0);
    }
    Ok((command.spawn()?, ours))
}
