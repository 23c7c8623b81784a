//! Many writers at once, threads and processes, and the lock between them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use vault_core::store::{Expected, FileStore, Lock, Previous, StoreError, VaultStore};

use crate::process::{Role, start, start_locker};
use crate::sample::{append, body, body_of, names, put, store_in, vault};

#[test]
fn exactly_one_of_many_first_writers_wins() {
    let home = tempdir().unwrap();
    let barrier = Barrier::new(8);
    let create = |writer: u8| {
        barrier.wait();
        store_in(home.path()).begin_write()?.replace(&Expected::Absent, &vault(&[writer]), Previous::Keep)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|writer| scope.spawn(move || create(writer))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winner = results.iter().position(Result::is_ok).unwrap();
    let conflicts = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict { .. })));
    assert_eq!(conflicts.count(), 7, "{results:?}");
    assert_eq!(usize::from(body(&store_in(home.path())).unwrap()[0]), winner);
    assert_eq!(names(home.path()), ["vault"]);
}

#[test]
fn threads_lose_no_write() {
    let home = tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..8 {
            let store = store_in(home.path()).with_lock_deadline(Duration::from_mins(2));
            scope.spawn(move || {
                (0..25).for_each(|line| append(&store, &format!("{writer} {line}\n")).unwrap());
            });
        }
    });
    assert_eq!(distinct_lines(home.path()), 8 * 25);
}

#[test]
fn processes_lose_no_write() {
    let home = tempdir().unwrap();
    let children: Vec<_> = (0..8).map(|_| start(Role::Append, home.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(distinct_lines(home.path()), 8 * 25);
}

fn distinct_lines(home: &Path) -> usize {
    let text = String::from_utf8(body(&store_in(home)).unwrap()).unwrap();
    let lines: BTreeSet<_> = text.lines().collect();
    assert_eq!(lines.len(), text.lines().count(), "a line came twice");
    lines.len()
}

#[test]
fn readers_during_writes_see_whole_generations() {
    let home = tempdir().unwrap();
    let done = AtomicBool::new(false);
    put(&store_in(home.path()), &[0; 5000], Previous::Keep).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let body = body_of(store_in(home.path()).open().unwrap().unwrap().as_ref());
                assert!(
                    body.len() == 5000 + usize::from(body[0]) && body.iter().all(|byte| *byte == body[0])
                );
                reads += 1;
            }
            reads
        });
        for generation in 1..=100 {
            let body = vec![generation; 5000 + usize::from(generation)];
            put(&store_in(home.path()), &body, Previous::Keep).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn lock_of_another_process_is_busy_at_the_deadline_and_names_it() {
    let home = tempdir().unwrap();
    let mut holder = start_locker(Role::Hold, home.path());
    let deadline = Duration::from_millis(300);
    let store = store_in(home.path()).with_lock_deadline(deadline);
    let started = Instant::now();
    let error = store.begin_write().unwrap_err();
    assert!((deadline..Duration::from_secs(5)).contains(&started.elapsed()));
    assert!(matches!(error, StoreError::Busy { holder: Some(pid), waited, .. }
        if pid == holder.id() && waited >= deadline));
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", holder.id())) && text.ends_with("vault.lock"), "{text}");
    assert!(store.open().unwrap().is_none(), "readers need no lock");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn lock_of_a_killed_process_is_free() {
    let home = tempdir().unwrap();
    let mut holder = start_locker(Role::Hold, home.path());
    let waiter = thread::spawn({
        let store = store_in(home.path());
        move || put(&store, b"one", Previous::Keep)
    });
    thread::sleep(Duration::from_millis(50));
    assert!(!waiter.is_finished());
    holder.kill().unwrap();
    holder.wait().unwrap();
    waiter.join().unwrap().unwrap();
}

#[test]
fn busy_writer_with_a_slow_disk_lets_others_in() {
    let home = tempdir().unwrap();
    let mut busy = start_locker(Role::Busy, home.path());
    let store = store_in(home.path()).with_lock_deadline(Duration::from_secs(2));
    let turns: Vec<_> = (0..10).map(|_| store.begin_write().map(drop)).collect();
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert!(turns.iter().all(Result::is_ok), "{turns:?}");
}

#[test]
fn lock_of_a_thread_is_busy_for_the_others() {
    let home = tempdir().unwrap();
    let store = store_in(home.path()).with_lock_deadline(Duration::ZERO);
    let turn = store.begin_write().unwrap();
    assert!(matches!(store.begin_write().unwrap_err(),
        StoreError::Busy { holder: Some(pid), .. } if pid == std::process::id()));
    drop(turn);
    store.begin_write().unwrap();
}

#[test]
fn lock_at_a_path_is_one_for_all_and_its_file_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempdir().unwrap();
    let path = home.path().join("new/session.lock");
    let lock = Lock::at(&path, Duration::ZERO).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(matches!(Lock::at(&path, Duration::ZERO).unwrap_err(),
        StoreError::Busy { holder: Some(pid), .. } if pid == std::process::id()));
    drop(lock);
    Lock::at(&path, Duration::from_secs(20)).unwrap();
    assert!(matches!(Lock::at(Path::new("/"), Duration::ZERO), Err(StoreError::NotAFile { .. })));
}

#[test]
fn lock_file_stays_the_same_file() {
    use std::os::unix::fs::MetadataExt;
    let home = tempdir().unwrap();
    let inode = || home.path().join("vault.lock").metadata().unwrap().ino();
    put(&store_in(home.path()), b"one", Previous::Keep).unwrap();
    let first = inode();
    put(&store_in(home.path()), b"two", Previous::Drop).unwrap();
    assert_eq!(inode(), first);
}

#[test]
fn lock_on_a_file_that_lost_its_name_is_no_turn() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    let old = store.begin_write().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| FileStore::begin_write(&store).map(drop));
        thread::sleep(Duration::from_millis(50));
        fs::remove_file(home.path().join("vault.lock")).unwrap();
        let new = store.begin_write().unwrap();
        drop(old);
        thread::sleep(Duration::from_millis(100));
        assert!(!waiter.is_finished(), "two turns at once");
        drop(new);
        waiter.join().unwrap().unwrap();
    });
}
