//! The cluster lock helpers with real processes, against Debian's own helper where it is installed.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Debian's helper, from package ctdb.
const FOREIGN: &str = "/usr/libexec/ctdb/ctdb_mutex_fcntl_helper";

/// The helper of this build, built if need be: cargo names only the binaries of this package.
fn ours() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_life_daemon"))
            .parent()
            .unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "ctdb",
            "--bin",
            "ctdb-helper",
        ]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
        directory.join("ctdb-helper")
    })
}

/// A helper process, ended when dropped.
struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Helper {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    fn ours(file: &Path) -> Self {
        Self::start(Command::new(ours()).arg("mutex-fcntl").arg(file))
    }

    fn recheck(file: &Path, seconds: &str) -> Self {
        Self::start(
            Command::new(ours())
                .arg("mutex-fcntl")
                .arg(file)
                .arg(seconds),
        )
    }

    fn foreign(file: &Path) -> Self {
        Self::start(Command::new(FOREIGN).arg(file))
    }

    fn keeper(ping_ms: &str, helper: &[&str]) -> Self {
        let mut command = Command::new(ours());
        command
            .args(["lock-keeper", "--ping-ms", ping_ms, "--"])
            .args(helper);
        Self::start(&mut command)
    }

    /// The next character, `None` at the end.
    fn read(&mut self) -> Option<char> {
        let mut byte = [0];
        (self.output.read(&mut byte).unwrap() == 1).then_some(char::from(byte[0]))
    }

    fn ping(&mut self) {
        self.input.as_mut().unwrap().write_all(b"p").unwrap();
    }

    fn end(&mut self) {
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock_file(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("ctdb-lock-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// Waits until somebody else can take the lock.
fn free_again(file: &Path) {
    let until = Instant::now() + Duration::from_secs(30);
    while Helper::ours(file).read() != Some('0') {
        assert!(Instant::now() < until, "the lock is still held");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn inner(file: &Path) -> [&str; 3] {
    [
        ours().to_str().unwrap(),
        "mutex-fcntl",
        file.to_str().unwrap(),
    ]
}

#[test]
fn one_holds_others_are_told_and_the_end_frees() {
    let file = lock_file("exclusive");
    let mut first = Helper::ours(&file);
    assert_eq!(first.read(), Some('0'));
    let mut second = Helper::ours(&file);
    assert_eq!((second.read(), second.read()), (Some('1'), None));
    first.end();
    assert_eq!(Helper::ours(&file).read(), Some('0'));
    let mut impossible = Helper::ours(Path::new("/proc/no/such"));
    assert_eq!((impossible.read(), impossible.read()), (Some('3'), None));
}

#[test]
fn debians_helper_and_ours_exclude_each_other() {
    if !Path::new(FOREIGN).exists() {
        println!("skipped: {FOREIGN} is not installed");
        return;
    }
    let file = lock_file("foreign");
    let mut foreign = Helper::foreign(&file);
    assert_eq!(foreign.read(), Some('0'));
    assert_eq!(Helper::ours(&file).read(), Some('1'));
    foreign.end();
    let mut own = Helper::ours(&file);
    assert_eq!(own.read(), Some('0'));
    assert_eq!(Helper::foreign(&file).read(), Some('1'));
    own.end();
    assert_eq!(Helper::foreign(&file).read(), Some('0'));
}

#[test]
fn the_link_named_as_debians_helper_works() {
    let file = lock_file("linked");
    let link = lock_file("ctdb_mutex_fcntl_helper");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(ours(), &link).unwrap();
    assert_eq!(
        Helper::start(Command::new(&link).arg(&file)).read(),
        Some('0')
    );
}

#[test]
fn a_replaced_lock_file_ends_the_helper() {
    let file = lock_file("replaced");
    let mut helper = Helper::recheck(&file, "1");
    assert_eq!(helper.read(), Some('0'));
    fs::remove_file(&file).unwrap();
    fs::write(&file, "").unwrap();
    assert_eq!(helper.read(), None);
}

#[test]
fn the_end_of_the_parent_ends_the_helper() {
    let file = lock_file("parent");
    let script = r#""$0" mutex-fcntl "$1" & read -r _"#;
    let mut shell = Helper::start(
        Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(ours())
            .arg(&file),
    );
    assert_eq!(shell.read(), Some('0'));
    shell.child.kill().unwrap();
    free_again(&file);
}

#[test]
fn the_keeper_answers_pings_while_the_lock_is_held() {
    let file = lock_file("pings");
    let mut keeper = Helper::keeper("5000", &inner(&file));
    assert_eq!(keeper.read(), Some('0'));
    for _ in 0..10 {
        keeper.ping();
        assert_eq!(keeper.read(), Some('.'));
    }
    assert_eq!(Helper::ours(&file).read(), Some('1'));
    keeper.input = None;
    assert_eq!(keeper.read(), None, "the end of stdin ends it");
    free_again(&file);
}

#[test]
fn a_silent_daemon_loses_the_lock() {
    let file = lock_file("silent");
    let mut keeper = Helper::keeper("300", &inner(&file));
    assert_eq!(keeper.read(), Some('0'));
    assert_eq!(keeper.read(), None);
    free_again(&file);
}

#[test]
fn a_stopped_daemon_loses_the_lock() {
    let file = lock_file("stopped");
    // The daemon: a shell that pings ten times a second.
    let script = r#"
        { while sleep 0.1; do printf p || exit; done; } |
        "$0" lock-keeper --ping-ms 1000 -- "$0" mutex-fcntl "$1"
    "#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(ours()).arg(&file);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut daemon = Helper::start(&mut command);
    assert_eq!((daemon.read(), daemon.read()), (Some('0'), Some('.')));
    assert_eq!(Helper::ours(&file).read(), Some('1'));
    // Everything of it but the keeper and the helper.
    let group = Pid::from_child(&daemon.child).as_raw_pid().to_string();
    let list = Command::new("pgrep")
        .args(["-g", &group, "-x", "sh"])
        .output()
        .unwrap();
    let shells: Vec<Pid> = String::from_utf8_lossy(&list.stdout)
        .split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect();
    for pid in &shells {
        kill_process(*pid, Signal::STOP).unwrap();
    }
    free_again(&file);
    for pid in shells {
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[test]
fn the_keeper_relays_refusals_and_the_death_of_the_helper() {
    let file = lock_file("relay");
    let mut holder = Helper::ours(&file);
    assert_eq!(holder.read(), Some('0'));
    let mut refused = Helper::keeper("5000", &inner(&file));
    assert_eq!((refused.read(), refused.read()), (Some('1'), None));
    let mut missing = Helper::keeper("5000", &["/no/such/helper"]);
    assert_eq!((missing.read(), missing.read()), (Some('3'), None));
    let mut dying = Helper::keeper("5000", &["sh", "-c", "printf 0; sleep 0.2"]);
    assert_eq!((dying.read(), dying.read()), (Some('0'), None));
}

#[test]
fn a_helper_that_ignores_sigterm_is_killed() {
    let file = lock_file("stubborn");
    let pid_file = lock_file("stubborn.pid");
    let script = format!(
        "trap '' TERM; echo $$ >{}; printf 0; sleep 60",
        pid_file.display()
    );
    let mut keeper = Helper::keeper("300", &["sh", "-c", &script]);
    assert_eq!((keeper.read(), keeper.read()), (Some('0'), None));
    let pid = fs::read_to_string(&pid_file).unwrap();
    let gone = || !Path::new("/proc").join(pid.trim()).join("exe").exists();
    let until = Instant::now() + Duration::from_secs(30);
    while !gone() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = fs::remove_file(&file);
}

/// Two threads of the keeper count the daemon's pings; what they start is scheduled normally.
#[test]
fn the_keeper_is_scheduled_in_real_time_and_its_helper_is_not() {
    let file = lock_file("realtime");
    let mut command = Command::new(ours());
    command.args(["lock-keeper", "--realtime", "--ping-ms", "60000", "--"]);
    let mut keeper = Helper::start(command.args(inner(&file)));
    assert_eq!(keeper.read(), Some('0'));
    let may = Command::new("chrt").args(["--rr", "1", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("NOT RUN: the keeper in real time: it is not permitted here");
        let _ = fs::remove_file(&file);
        return;
    }
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let classes = classes(keeper.child.id(), "--pid");
        if classes.matches("RR").count() >= 2 {
            break;
        }
        assert!(Instant::now() < until, "{classes}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let helper = classes(keeper.child.id(), "--ppid");
    assert!(helper.contains("TS") && !helper.contains("RR"), "{helper}");
    let _ = fs::remove_file(&file);
}

/// Scheduling classes of the threads of a process, or of its children.
fn classes(pid: u32, which: &str) -> String {
    let pid = pid.to_string();
    let mut ps = Command::new("ps");
    let output = ps.args(["-L", "-o", "cls=", which, &pid]).output();
    let output = output.expect("ps(1)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
