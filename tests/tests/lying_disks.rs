//! A disk that says that it wrote what it did not, or gives back other bytes: nothing is published that was not read back
//! as it was written. And errors that only some disks know.

use keyward_tests::Home;
use keyward_tests::injection::{Call, Traced};
use keyward_tests::writes::{self, State, Write};

/// Every write that goes through a file which is read back: all but that of `.keyward.toml`, which holds no secret,
/// and what only removes a file.
fn all() -> Vec<Write> {
    let others = ["anchor off", "creds require openai"];
    writes::all().into_iter().filter(|write| !others.contains(&write.name().as_str())).collect()
}

/// Finds the first call of a name that comes next after one of another name. Memory is asked for in between as it
/// happens to lie.
fn next_after(write: &Write, run: &Traced, before: &str, name: &str) -> Call {
    let mut calls = run.calls();
    calls.retain(|call| !["brk", "madvise", "mmap", "munmap"].contains(&call.name.as_str()));
    let pair = calls.windows(2).find(|pair| pair[0].name == before && pair[1].name == name);
    pair.unwrap_or_else(|| panic!("{} has no {name} after {before}", write.name()))[1].clone()
}

/// Checks that the fault happened and that the command was refused for it.
#[track_caller]
fn was_refused(write: &Write, run: &Traced, reason: &str, before: &State) {
    run.was_injected();
    write.was_refused(&run.finished, reason, before);
}

#[test]
fn a_byte_that_comes_back_changed_is_seen_and_nothing_published() {
    for write in all() {
        let (before, run, _) = write.undisturbed();
        let read_back = next_after(&write, &run, "fsync", "pread64");
        let flip = format!("inject=pread64:poke_exit=@arg2=00:when={}", read_back.nth);
        let run = write.run(&[flip]);
        was_refused(&write, &run, "the disk gave back other bytes than were written", &before);
        write.heals_undone();
    }
}

#[test]
fn a_write_that_the_disk_forgot_is_seen_and_nothing_published() {
    for write in all() {
        let (before, run, _) = write.undisturbed();
        let forgotten = next_after(&write, &run, "fchmod", "write");
        let length = length_of(&run, &forgotten);
        let run = write.run(&[format!("inject=write:retval={length}:when={}", forgotten.nth)]);
        was_refused(&write, &run, "the disk gave back other bytes than were written", &before);
    }
}

/// Returns how many bytes a write wrote.
fn length_of(run: &Traced, write: &Call) -> String {
    let mut writes = run.trace.lines().filter(|line| line.starts_with("write("));
    let line = writes.nth(write.nth - 1).unwrap();
    line.rsplit_once("= ").unwrap().1.to_owned()
}

#[test]
fn a_quota_or_a_limit_of_the_file_size_leaves_everything_as_it_was() {
    for (error, reason) in [("EDQUOT", "quota exceeded"), ("EFBIG", "File too large")] {
        for write in all() {
            let (before, run, _) = write.undisturbed();
            let of_vault = next_after(&write, &run, "fchmod", "write");
            was_refused(&write, &write.run(&[of_vault.failing(error)]), reason, &before);
        }
    }
}

#[test]
fn a_process_that_may_write_no_large_file_dies_and_leaves_the_old_vault() {
    let home = Home::in_memory().with("KEYWARD_VAULT_KEY", writes::KEY);
    home.put("A", "one");
    let said = home.bash("ulimit -f 1; echo two | $KEYWARD put A");
    assert_eq!(said.code, 128 + 25, "SIGXFSZ: {said}");
    assert_eq!(home.get("A"), b"one");
    home.put("A", "two");
    assert_eq!(writes::names(&home.vault().with_file_name("")), ["vault", "vault.lock", "vault.prev"]);
}
