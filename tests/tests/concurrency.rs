//! Many processes and one vault: nothing is lost, and nobody reads half a file.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keyward_tests::Home;

const KEY: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";

/// Lets the readers end, also when a writer failed.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn count(home: &Home) -> usize {
    home.run(["list"]).succeeds().text().lines().count()
}

/// Lets each of `writers` threads put `each` names, one process after the other.
fn put_many(home: &Home, writers: usize, each: usize) {
    put_many_by(home, writers, each, |home, name, value| home.put(name, value));
}

fn put_many_by(home: &Home, writers: usize, each: usize, put: fn(&Home, &str, &str)) {
    thread::scope(|scope| {
        for writer in 0..writers {
            scope.spawn(move || {
                (0..each).for_each(|n| put(home, &format!("W{writer}_{n}"), &format!("v{writer}_{n}")))
            });
        }
    });
}

/// Puts a name; whoever did not get the turn in time comes again, as the exit code says.
fn put_in_the_end(home: &Home, name: &str, value: &str) {
    loop {
        let said = home.run_with_input(["put", name, "--json"], value);
        if said.code == 0 {
            return;
        }
        said.fails_as(8, "busy");
    }
}

/// Lets 8 readers read while `write` writes beside the secret `FIRST`.
fn while_8_readers_read(home: &Home, write: impl FnOnce()) {
    home.put("FIRST", "v");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|reader| {
                let done = &done;
                scope.spawn(move || {
                    let mut seen = 0;
                    while !done.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(200));
                        if reader % 2 == 0 {
                            assert_eq!(home.get("FIRST"), b"v");
                        } else {
                            let now = count(home);
                            assert!(now >= seen, "{now} after {seen}");
                            seen = now;
                        }
                    }
                })
            })
            .collect();
        let end = End(&done);
        write();
        drop(end);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// Checks that there are `secrets` secrets, and as many generations.
#[track_caller]
fn all_are_stored(home: &Home, secrets: usize) {
    assert_eq!(count(home), secrets);
    home.run(["verify"]).fails(0, &[&format!("{secrets} stored values")]);
    let generation = home.run(["status", "--json"]).json()["generation"].as_u64();
    assert_eq!(generation, Some(secrets as u64), "one generation for each put");
}

#[test]
fn eight_hundred_puts_of_32_writers_are_all_stored_while_8_readers_read() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    while_8_readers_read(&home, || put_many(&home, 32, 25));
    all_are_stored(&home, 801);
    assert_eq!(home.get("W31_24"), b"v31_24");
}

#[test]
#[ignore = "long: minutes"]
fn three_thousand_two_hundred_puts_of_32_writers_are_all_stored_while_8_readers_read() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    while_8_readers_read(&home, || put_many_by(&home, 32, 100, put_in_the_end));
    all_are_stored(&home, 3201);
    assert_eq!(home.get("W31_99"), b"v31_99");
}

#[test]
fn four_hundred_puts_of_8_writers_leave_the_old_secrets_as_they_were() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    (0..10).for_each(|n| home.put(&format!("OLD{n}"), format!("old {n}")));
    put_many(&home, 8, 50);
    assert_eq!(count(&home), 410);
    (0..10).for_each(|n| assert_eq!(home.get(&format!("OLD{n}")), format!("old {n}").as_bytes()));
    home.run(["verify"]).succeeds();
}

#[test]
fn eight_first_puts_at_once_make_one_vault_and_leave_no_unused_seed() {
    for _ in 0..5 {
        let home = Home::new();
        put_many(&home, 8, 1);
        assert_eq!(count(&home), 8);
        (0..8).for_each(|n| assert_eq!(home.get(&format!("W{n}_0")), format!("v{n}_0").as_bytes()));
        assert_eq!(fs::read_dir(home.seeds()).unwrap().count(), 1, "one vault, one seed");
        let files = fs::read_dir(home.vault().parent().unwrap()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["vault", "vault.lock", "vault.prev"]);
    }
}

#[test]
fn writers_of_one_name_make_one_version_each() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    thread::scope(|scope| {
        (0..8).for_each(|n| {
            drop(scope.spawn({
                let home = &home;
                move || home.put("X", format!("{n}"))
            }))
        });
    });
    assert_eq!(home.run(["list", "--json"]).json()["secrets"][0]["version"], 8);
    assert_eq!(home.run(["history", "X"]).text().lines().count(), 8);
}

#[test]
fn eight_writers_and_four_readers_see_no_rollback_that_there_was_not() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    home.put("FIRST", "v");
    home.run(["anchor", "on"]).succeeds();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let read = |line: &'static [&str]| {
            let (home, done) = (&home, &done);
            scope.spawn(move || {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) {
                    home.run(line).succeeds();
                    reads += 1;
                }
                assert!(reads > 0);
            })
        };
        let readers =
            [read(&["get", "FIRST"]), read(&["list"]), read(&["status"]), read(&["anchor", "status"])];
        let end = End(&done);
        put_many(&home, 8, 15);
        drop(end);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(count(&home), 121);
    let said = home.run(["anchor", "status", "--json"]).succeeds().json();
    assert_eq!((&said["standing"], &said["anchor"]["generation"]), (&"same".into(), &121.into()));
}

#[test]
fn an_anchor_that_is_switched_while_others_write_neither_fails_them_nor_comes_back() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    home.put("FIRST", "v");
    thread::scope(|scope| {
        scope.spawn(|| put_many(&home, 4, 10));
        for _ in 0..5 {
            // The vault may change between the look and the turn.
            let on = home.run(["anchor", "on"]);
            assert!(matches!(on.code, 0 | 8), "{on}");
            home.run(["anchor", "off"]).succeeds();
            assert_eq!(home.run(["anchor", "status", "--json"]).json()["on"], false);
        }
    });
    assert_eq!(count(&home), 41);
    assert!(!home.anchors().exists());
}
