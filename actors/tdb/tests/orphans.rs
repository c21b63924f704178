//! Mutexes whose owner can't release them any more: what is found out, and that libtdb goes on after they
//! were taken back.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Helper, Scratch, serve_if_helper};
use ctdb_tdb::{Census, Death, Mutexes, Place, Tdb, TdbFlags, Verdict, jenkins_chain};

const FLAGS: TdbFlags = TdbFlags::CTDB_VOLATILE;

#[test]
fn helper_entry() {
    serve_if_helper();
}

struct File {
    _scratch: Scratch,
    path: PathBuf,
    tdb: Tdb,
    mutexes: Mutexes,
}

impl File {
    fn new(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let tdb = scratch.open("x", FLAGS);
        let mutexes = tdb.mutexes().expect("mapped").expect("known");
        let path = tdb.path().to_owned();
        Self {
            _scratch: scratch,
            path,
            tdb,
            mutexes,
        }
    }

    fn helper(&self) -> Helper {
        Helper::open(&self.path, FLAGS)
    }

    fn chain(&self) -> Place {
        Place::Chain(jenkins_chain(b"key", self.tdb.hash_size()))
    }

    fn verdict(&self, place: Place, owner: u32) -> Option<Verdict> {
        let census = Census::take(&self.mutexes).expect("a look around");
        census
            .examine(&self.mutexes, place, owner)
            .expect("an answer")
    }

    fn is_free(&self) -> bool {
        self.tdb.chain_lock_nonblock(b"key").expect("try").is_some()
    }
}

#[test]
fn words_tell_who_holds_what() {
    let file = File::new("words");
    let mut helper = file.helper();
    let held = || {
        let mut seen = Vec::new();
        file.mutexes.held(|place, owner| seen.push((place, owner)));
        seen
    };
    assert_eq!(held(), []);
    helper.ask("lock key");
    // The test runner of the helper works in a thread of its own.
    let owner = file.mutexes.owner(file.chain()).expect("held");
    assert_eq!(held(), [(file.chain(), owner)]);
    let Some(Verdict::Holds(process)) = file.verdict(file.chain(), owner) else {
        panic!("the helper holds it");
    };
    assert_eq!(process.pid, helper.pid());
    helper.ask("unlock");
    assert_eq!(
        (held(), file.verdict(file.chain(), owner)),
        (Vec::new(), None)
    );
    helper.ask("lockall");
    assert_eq!(held(), [(Place::WholeFile, owner)]);
    helper.ask("unlockall");
    let _guard = file.tdb.chain_lock(b"key").expect("lock");
    let own = file.mutexes.owner(file.chain()).expect("held");
    assert!(
        matches!(file.verdict(file.chain(), own), Some(Verdict::Holds(own)) if own.pid == std::process::id())
    );
}

/// Whoever waits inside libtdb gets the lock, and so does everybody after it.
#[test]
fn closed_then_exited() {
    for (lock, is_whole) in [("lock key", false), ("lockall", true)] {
        let file = File::new(&format!("exited_{is_whole}"));
        let place = if is_whole {
            Place::WholeFile
        } else {
            file.chain()
        };
        let mut helper = file.helper();
        helper.ask("store key old");
        helper.ask(lock);
        let owner = file.mutexes.owner(place).expect("held");
        helper.abandon();
        assert!(!file.is_free(), "the kernel can't help");
        let mut waiter = file.helper();
        waiter.tell("lock key");
        sleep(Duration::from_millis(50));
        assert_eq!(file.verdict(place, owner), Some(Verdict::Dead(Death::Gone)));
        assert!(file.mutexes.take_back(place, owner));
        assert_eq!(waiter.answer(), "locked");
        assert!(!file.is_free() && !file.mutexes.take_back(place, owner));
        waiter.ask("unlock");
        assert!(file.is_free());
        file.tdb.store(b"key", b"new").expect("store");
        assert!(file.tdb.lock_all_nonblock().expect("try all"));
        file.tdb.unlock_all().expect("unlock");
        assert_eq!(waiter.ask("fetch key"), "new");
    }
}

#[test]
fn closed_then_alive_keeps_it() {
    let file = File::new("alive");
    let mut helper = file.helper();
    helper.ask("lock key");
    let owner = file.mutexes.owner(file.chain()).expect("held");
    helper.ask("abandon 60");
    let verdict = patiently(|| {
        file.verdict(file.chain(), owner)
            .filter(|verdict| !matches!(verdict, Verdict::Holds(_)))
    });
    let Verdict::Dangles(process) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(process.pid, helper.pid());
    helper.kill();
    assert_eq!(
        file.verdict(file.chain(), owner),
        Some(Verdict::Dead(Death::Gone))
    );
}

/// An answer that is not "ask again": the thread may just be on its way to sleep.
fn patiently(ask: impl Fn() -> Option<Verdict>) -> Verdict {
    let begin = Instant::now();
    loop {
        match ask() {
            Some(Verdict::Unclear(_)) | None if begin.elapsed() < Duration::from_secs(5) => {
                sleep(Duration::from_millis(10));
            }
            verdict => return verdict.expect("an answer in five seconds"),
        }
    }
}

#[test]
fn stopped_client_holds_it() {
    let file = File::new("stopped");
    let mut helper = file.helper();
    helper.ask("lock key");
    let owner = file.mutexes.owner(file.chain()).expect("held");
    let signal = |name: &str| {
        let pid = helper.pid().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.expect("kill(1)").success());
    };
    signal("-STOP");
    sleep(Duration::from_millis(50));
    let Some(Verdict::Holds(process)) = file.verdict(file.chain(), owner) else {
        panic!("a stopped client is alive");
    };
    assert_eq!(process.state, 'T');
    signal("-CONT");
}

#[test]
fn reused_number_is_no_owner() {
    let file = File::new("reused");
    let mut helper = file.helper();
    helper.ask("lock key");
    let owner = file.mutexes.owner(file.chain()).expect("held");
    helper.abandon();
    let Some(mut other) = process_with_number(owner) else {
        println!(
            "NOT RUN: reused_number_is_no_owner: the kernel gives no process number by choice"
        );
        return;
    };
    let verdict = patiently(|| file.verdict(file.chain(), owner));
    assert_eq!(verdict, Verdict::Dead(Death::NumberReused));
    assert!(file.mutexes.take_back(file.chain(), owner));
    assert!(file.is_free());
    other.kill().expect("kill");
    other.wait().expect("reap");
}

/// A new process with a number that was used before.
fn process_with_number(wanted: u32) -> Option<Child> {
    for _ in 0..200 {
        let last = (wanted - 1).to_string();
        fs::write("/proc/sys/kernel/ns_last_pid", last).ok()?;
        let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep(1)");
        if sleeper.id() == wanted {
            return Some(sleeper);
        }
        sleeper.kill().expect("kill");
        sleeper.wait().expect("reap");
    }
    None
}

/// A client in a PID namespace of its own: its number, 1 or so, is somebody else's here.
#[test]
fn foreign_namespace_is_left_alone() {
    let file = File::new("foreign");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]);
    command.arg(std::env::current_exe().expect("own path"));
    let spawned = Helper::start(command, &file.path, FLAGS);
    let Some(mut helper) = spawned else {
        println!("NOT RUN: foreign_namespace_is_left_alone: needs root");
        return;
    };
    helper.ask("lock key");
    let owner = file.mutexes.owner(file.chain()).expect("held");
    assert!(matches!(
        file.verdict(file.chain(), owner),
        Some(Verdict::Foreign(_))
    ));
}

/// Threads that lock and unlock all the time are never taken for dead.
#[test]
fn busy_owner_is_never_dead() {
    let file = File::new("busy");
    let mut helpers: Vec<Helper> = (0..3).map(|_| file.helper()).collect();
    for helper in &mut helpers {
        helper.tell("count key 60000");
    }
    let census = Census::take(&file.mutexes).expect("a look around");
    let (begin, mut seen) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(2) {
        let Some(owner) = file.mutexes.owner(file.chain()) else {
            continue;
        };
        match census
            .examine(&file.mutexes, file.chain(), owner)
            .expect("an answer")
        {
            Some(Verdict::Holds(_)) => seen += 1,
            None | Some(Verdict::Unclear(_)) => {}
            Some(other) => panic!("{other:?}"),
        }
    }
    println!("{seen} times seen as holder");
    assert!(seen > 0);
}
