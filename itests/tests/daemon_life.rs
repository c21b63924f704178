//! Daemon life with real processes: starter, guard, worker, PID file, signals, the init script.
//!
//! The daemon is `src/bin/life_daemon.rs`, which does nothing on the real daemon life.

mod life;

use std::fs;
use std::process::Command;

use life::{Life, alive, comm, send, wait_until};
use rustix::process::Signal;

#[test]
fn the_starter_returns_after_readiness_and_leaves_guard_and_worker() {
    let life = Life::new("start");
    let output = life.start();
    assert!(output.status.success(), "{output:?}");
    let worker = life.worker();
    assert!(life.journal().contains(&format!("ready {worker}")));
    let guard = life.guard();
    assert_eq!(
        (comm(worker).as_str(), comm(guard).as_str()),
        ("ctdbd", "ctdbd")
    );
    assert_ne!(
        life::session(guard),
        life::session(std::process::id()),
        "a session of its own"
    );
    life.stop();
    assert!(life.journal().contains("shutdown"));
    assert!(
        life.journal().contains("removed 192.0.2.7/24 eth7"),
        "the guard clears what is left"
    );
}

#[test]
fn start_up_errors_reach_the_caller() {
    let life = Life::new("errors");
    life.put("refuse", "the nodes file differs");
    let output = life.start();
    assert_eq!(output.status.code(), Some(12));
    assert!(
        life::stderr(&output).contains("ctdbd: the nodes file differs"),
        "{output:?}"
    );
    assert!(!life.pid_file().exists());
    life.put("bad-config", "nodes:3: bad address\n");
    for arguments in [&[][..], &["-i"], &["--check"]] {
        let output = life.command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = life::stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("nodes:3: bad address"), "{output:?}");
    }
    let output = life.command().arg("--no-such").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_second_daemon_is_refused_and_a_stale_pid_file_is_not_in_the_way() {
    let life = Life::new("second");
    fs::create_dir_all(life.pid_file().parent().unwrap()).unwrap();
    fs::write(life.pid_file(), "4194303\n").unwrap();
    assert!(life.start().status.success());
    let worker = life.worker();
    let second = life.start();
    assert_eq!(second.status.code(), Some(11));
    let expected = format!("already running as PID {worker}");
    assert!(life::stderr(&second).contains(&expected), "{second:?}");
    assert_eq!(life.worker(), worker);
    assert!(
        !life.journal().contains("removed"),
        "the refused one must not clear the other's"
    );
    life.stop();
}

#[test]
fn a_killed_worker_loses_its_addresses_and_is_replaced() {
    let life = Life::new("killed");
    assert!(life.start().status.success());
    let (guard, mut worker) = (life.guard(), life.worker());
    for restart in 1..=2 {
        send(worker, Signal::KILL);
        let expected = format!("restart {restart} signal 9");
        wait_until("a new worker", || {
            life.journal().contains(&expected) && life.worker() != worker
        });
        worker = life.worker();
        wait_until("readiness", || {
            life.journal().contains(&format!("ready {worker}"))
        });
    }
    let journal = life.journal();
    let order: Vec<&str> = journal
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        order,
        [
            "ready", "removed", "restart", "ready", "removed", "restart", "ready"
        ],
        "addresses go before the next worker comes"
    );
    assert_eq!(life.guard(), guard);
    life.stop();
}

#[test]
fn nothing_is_restarted_after_a_refusal_or_in_test_mode() {
    let life = Life::new("final");
    life.put("end", "refused");
    life.start();
    wait_until("the end", || life.processes().is_empty());
    life.put("end", "");
    let output = life.command().env("CTDB_TEST_MODE", "1").output().unwrap();
    assert!(output.status.success());
    send(life.worker(), Signal::KILL);
    wait_until("the end", || life.processes().is_empty());
    assert!(!life.journal().contains("restart"), "{}", life.journal());
    assert!(
        !life.pid_file().exists(),
        "the guard removes a dead worker's PID file"
    );
}

#[test]
fn a_failed_worker_is_restarted_with_growing_pauses_until_the_guard_is_told_to_end() {
    let life = Life::new("failed");
    life.put("end", "failed");
    assert!(life.start().status.success());
    wait_until("restarts", || {
        life.journal().contains("restart 3 exit code 1: no luck")
    });
    let guard = life.guards()[0];
    send(guard, Signal::TERM);
    wait_until("the end", || life.processes().is_empty());
}

#[test]
fn signals_to_the_guard_reach_the_worker_and_a_lost_guard_is_noticed() {
    let life = Life::new("signals");
    assert!(life.start().status.success());
    let (guard, worker) = (life.guard(), life.worker());
    for (signal, word) in [
        (Signal::HUP, "reopen"),
        (Signal::USR1, "user1"),
        (Signal::USR2, "user2"),
    ] {
        send(guard, signal);
        wait_until(word, || life.journal().contains(word));
    }
    send(guard, Signal::KILL);
    wait_until("the notice", || life.journal().contains("guard lost"));
    assert!(alive(worker));
    send(worker, Signal::TERM);
    wait_until("the end", || life.processes().is_empty());
    assert!(life.journal().contains("shutdown"));
}

#[test]
fn a_second_sigterm_ends_a_stuck_shutdown() {
    let life = Life::new("stuck");
    life.put("stuck", "");
    assert!(life.start().status.success());
    let worker = life.worker();
    send(worker, Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(800));
    assert!(alive(worker));
    send(worker, Signal::TERM);
    wait_until("the end", || life.processes().is_empty());
    assert!(life.journal().contains("removed"));
    assert!(!life.journal().contains("restart"));
}

#[test]
fn in_the_foreground_the_guard_is_the_started_process() {
    let life = Life::new("foreground");
    let mut guard = life.command().arg("-i").spawn().unwrap();
    wait_until("readiness", || life.journal().contains("ready"));
    assert_eq!(life.guard(), guard.id());
    send(guard.id(), Signal::INT);
    assert!(guard.wait().unwrap().success());
    assert!(life.journal().contains("shutdown"));
}

#[test]
fn as_pid_1_it_stays_passes_signals_on_and_reaps_orphans() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root for a PID namespace");
        return;
    }
    let life = Life::new("pid1");
    life.put("orphan", "");
    let mut outer = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(env!("CARGO_BIN_EXE_life_daemon"))
        .env("LIFE_DIR", life.directory())
        .spawn()
        .unwrap();
    wait_until("readiness", || life.journal().contains("ready"));
    let guard = life::children(outer.id())[0];
    assert!(life::children(guard).len() >= 2, "worker and orphan");
    wait_until("no zombie", || life::children(guard).len() == 1);
    send(guard, Signal::HUP);
    wait_until("reopen", || life.journal().contains("reopen"));
    send(guard, Signal::TERM);
    assert!(outer.wait().unwrap().success());
    assert!(life.journal().contains("shutdown"));
}

#[test]
fn a_starter_that_is_interrupted_takes_its_daemon_along() {
    let life = Life::new("interrupted");
    life.put("slow", "");
    let mut starter = life.command().spawn().unwrap();
    wait_until("the worker", || life.journal().contains("slow"));
    starter.kill().unwrap();
    starter.wait().unwrap();
    wait_until("the end", || life.processes().is_empty());
}

#[test]
fn one_signal_to_all_processes_is_one_orderly_shutdown() {
    let life = Life::new("all");
    assert!(life.start().status.success());
    for pid in [life.guard(), life.worker()] {
        send(pid, Signal::TERM);
    }
    wait_until("the end", || life.processes().is_empty());
    assert!(life.journal().contains("shutdown"));
}

#[test]
fn a_caller_that_ignores_the_end_of_children_does_not_blind_the_guard() {
    let life = Life::new("ignored");
    let script = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); \
                  os.execv(sys.argv[1], sys.argv[1:])";
    let mut python = Command::new("python3");
    python.args(["-c", script, env!("CARGO_BIN_EXE_life_daemon")]);
    assert!(
        python
            .env("LIFE_DIR", life.directory())
            .status()
            .unwrap()
            .success()
    );
    send(life.worker(), Signal::KILL);
    wait_until("a new worker", || {
        life.journal().contains("restart 1 signal 9")
    });
    wait_until("its PID", || life.worker() != 0 && alive(life.worker()));
    life.stop();
}

#[test]
fn a_stopped_guard_holds_nobody_up_and_does_its_duty_later() {
    let life = Life::new("paused");
    assert!(life.start().status.success());
    let (guard, worker) = (life.guard(), life.worker());
    send(guard, Signal::STOP);
    send(worker, Signal::HUP);
    wait_until("reopen", || life.journal().contains("reopen"));
    send(worker, Signal::KILL);
    send(guard, Signal::CONT);
    wait_until("a new worker", || {
        life.journal().contains("restart 1 signal 9")
    });
    assert!(life.journal().contains("removed"));
    wait_until("its PID", || {
        life.worker() != worker && alive(life.worker())
    });
    life.stop();
}

#[test]
fn a_worker_is_restarted_from_the_running_file_even_when_that_is_gone() {
    let life = Life::new("upgrade");
    let copy = life.directory().join("ctdbd");
    fs::copy(env!("CARGO_BIN_EXE_life_daemon"), &copy).unwrap();
    let started = Command::new(&copy)
        .env("LIFE_DIR", life.directory())
        .status()
        .unwrap();
    assert!(started.success());
    fs::remove_file(&copy).unwrap();
    let first = life.worker();
    send(first, Signal::KILL);
    wait_until("a new worker", || {
        life.journal().matches("ready").count() == 2
    });
    assert_eq!(comm(life.worker()), "ctdbd");
    life.stop();
}

#[test]
fn the_service_manager_is_told_of_readiness_by_the_guard() {
    let life = Life::new("notify");
    let path = life.directory().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let mut guard = life
        .command()
        .arg("-i")
        .env("NOTIFY_SOCKET", &path)
        .spawn()
        .unwrap();
    let mut buffer = [0; 64];
    let count = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"READY=1");
    let environment = fs::read(format!("/proc/{}/environ", life.worker())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"));
    send(guard.id(), Signal::TERM);
    assert!(guard.wait().unwrap().success());
}

#[test]
fn the_init_script_starts_reports_reloads_and_stops() {
    let life = Life::new("init");
    let script = |action: &str| {
        Command::new("sh")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/init/ctdb"))
            .arg(action)
            .env("CTDBD", env!("CARGO_BIN_EXE_life_daemon"))
            .env("CTDB_PIDFILE", life.pid_file())
            .env("CTDB_DIRECTORIES", life.directory().join("made"))
            .env("LIFE_DIR", life.directory())
            .output()
            .unwrap()
    };
    let code = |action: &str| script(action).status.code().unwrap();
    assert_eq!(code("status"), 3);
    assert_eq!(code("condrestart"), 0);
    assert_eq!(code("stop"), 0, "stopping what does not run is no error");
    assert!(life.processes().is_empty());
    assert_eq!(code("start"), 0);
    assert!(life.directory().join("made").is_dir());
    assert_eq!(code("start"), 0, "starting what runs is no error");
    assert_eq!(code("status"), 0);
    let first = life.worker();
    assert_eq!(code("reload"), 0);
    wait_until("reopen", || life.journal().contains("reopen"));
    assert_eq!(code("cron"), 0);
    assert_eq!(life.worker(), first);
    for action in ["restart", "try-restart", "condrestart", "force-reload"] {
        let before = life.worker();
        assert_eq!(code(action), 0, "{action}");
        assert_ne!(life.worker(), before, "{action}");
    }
    assert_eq!(code("stop"), 0);
    assert_eq!(code("status"), 3);
    fs::write(life.pid_file(), "4194303\n").unwrap();
    assert_eq!(code("status"), 1, "dead, but the PID file exists");
    assert_eq!(code("cron"), 0);
    assert_eq!(code("status"), 0);
    assert_eq!(code("stop"), 0);
    assert_eq!(code("nonsense"), 2);
    let wrapper = |action: &str| {
        Command::new("sh")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../conf/ctdbd_wrapper"
            ))
            .arg(life.pid_file())
            .arg(action)
            .env(
                "CTDB_INIT_SCRIPT",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/init/ctdb"),
            )
            .env("CTDBD", env!("CARGO_BIN_EXE_life_daemon"))
            .env("CTDB_DIRECTORIES", life.directory().join("made"))
            .env("LIFE_DIR", life.directory())
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(wrapper("start"), Some(0));
    assert!(alive(life.worker()));
    assert_eq!(wrapper("stop"), Some(0));
    assert!(life.processes().is_empty());
    assert_eq!(wrapper("status"), Some(1));
    life.put("refuse", "not today");
    let refused = script("start");
    assert_eq!(refused.status.code(), Some(1));
    assert!(life::stderr(&refused).contains("not today"));
}
