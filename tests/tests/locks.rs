//! The turn to write, where the system gives none, and after who had it is gone.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use keyward_tests::injection::traced;
use keyward_tests::process::{eventually, status_field};
use keyward_tests::writes::{self, KEY, names};
use keyward_tests::{Home, behind, require};
use rustix::process::{Pid, Signal, kill_process};

fn home() -> Home {
    let home = Home::in_memory().with("KEYWARD_VAULT_KEY", KEY);
    home.put("A", "one");
    home
}

#[test]
fn without_locks_nothing_is_written_and_everything_can_be_read() {
    for (error, reason) in [
        ("ENOLCK", "No locks available"),
        ("ENOSYS", "Function not implemented"),
        ("EOPNOTSUPP", "Operation not supported"),
    ] {
        for write in writes::of_secrets() {
            let (before, ..) = write.undisturbed();
            let run = write.run(&[format!("inject=flock:error={error}")]);
            run.was_injected();
            run.finished.fails(1, &["error: the file system gives no lock on ", "vault.lock", reason]);
            run.finished.fails(
                1,
                &["hint: nothing was written; `--vault PATH` names a vault on a file system with locks"],
            );
            assert!(write.left_all_files(), "{}", write.name());
            assert_eq!(write.state(), before);
            write.heals_undone();
        }
        let home = home();
        let read = traced(&home.command(["get", "A"]), b"", &[format!("inject=flock:error={error}")]);
        assert_eq!(read.finished.succeeds().stdout, b"one");
    }
}

/// A `put` that stopped where it had written its file and not published it, with the turn to write.
struct Stopped {
    tracer: std::process::Child,
    holder: Pid,
}

impl Stopped {
    fn in_the_middle_of_a_put(home: &Home) -> Self {
        require("strace", "strace");
        let stop = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=fsync:signal=STOP:when=1"];
        let mut command = behind(&stop, &home.command(["put", "A", "held", "--no-input"]));
        let tracer = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let holder = || fs::read_to_string(home.vault().with_extension("lock")).unwrap();
        let holder = || holder().get(..10).and_then(|text| text.trim().parse().ok()).unwrap_or(0_i32);
        let child = format!("/proc/{0}/task/{0}/children", tracer.id());
        let child = || fs::read_to_string(&child).unwrap_or_default().trim().parse().unwrap_or(-1);
        let is_stopped = |pid: i32| status_field(pid.cast_unsigned(), "State").starts_with(['T', 't']);
        assert!(eventually(|| holder() == child() && is_stopped(holder())), "it never stopped");
        Self { tracer, holder: Pid::from_raw(holder()).unwrap() }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.holder, Signal::KILL).ok();
        self.tracer.wait().ok();
    }
}

#[test]
fn the_turn_of_a_killed_writer_is_free_at_once_and_its_leftovers_go() {
    let home = home();
    let stopped = Stopped::in_the_middle_of_a_put(&home);
    assert_eq!(home.get("A"), b"one", "readers take no lock");
    let directory = home.vault().with_file_name("");
    assert!(names(&directory)[0].starts_with(".vault.tmp."), "it is in the middle");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| (home.put("A", "two"), Instant::now()));
        thread::sleep(Duration::from_millis(500));
        assert!(!waiting.is_finished(), "the turn is somebody else's");
        let killed = Instant::now();
        drop(stopped);
        let ((), done) = waiting.join().unwrap();
        assert!(done - killed < Duration::from_secs(5), "{:?}", done - killed);
    });
    assert_eq!(home.get("A"), b"two");
    assert_eq!(names(&directory), ["vault", "vault.lock", "vault.prev"]);
    home.run(["verify"]).succeeds();
}
