//! What another user, or a file that somebody prepared, can do to the vault's files: links in their place,
//! modes that are too wide, directories exchanged at the worst moment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use keyward_tests::process::eventually;
use keyward_tests::trace::traced;
use keyward_tests::{Finished, Home, behind, require};

const VICTIM: &str = "somebody's own";

/// A home with a vault of two generations, and a file that is not keyward's.
fn home() -> (Home, PathBuf) {
    let home = Home::new();
    home.put("A", "one");
    home.put("A", "two");
    let victim = home.write("victim", VICTIM);
    (home, victim)
}

/// Puts a link in the place of a file.
fn link(file: &Path, target: impl AsRef<Path>) {
    drop(fs::remove_file(file));
    symlink(target, file).unwrap();
}

/// Every command that writes is refused, and the file of somebody else stays as it was.
#[track_caller]
fn writes_nothing_through(home: &Home, victim: &Path, code: i32) {
    for line in ["put A three", "rm A", "rekey", "slot add machine", "rollback A --to 1"] {
        let said = home.run(line.split(' '));
        said.fails(code, &["error: ", "hint: "]);
        assert_eq!(fs::read_to_string(victim).unwrap(), VICTIM, "{line}: {said}");
    }
}

#[test]
fn a_lock_that_is_a_link_is_refused() {
    for target in ["../../../victim", "vault.lock", "nowhere", "/dev/null"] {
        let (home, victim) = home();
        link(&home.vault().with_extension("lock"), target);
        writes_nothing_through(&home, &victim, 6);
        assert!(!home.vault().with_file_name("nowhere").exists());
        assert_eq!(home.get("A"), b"two", "readers take no lock");
    }
}

#[test]
fn a_previous_generation_that_is_a_link_is_neither_read_nor_written() {
    let (home, victim) = home();
    link(&home.vault().with_extension("prev"), &victim);
    writes_nothing_through(&home, &victim, 6);
    home.run(["restore"]).fails(6, &["symbolic link"]);
    assert_eq!(fs::read_to_string(victim).unwrap(), VICTIM);
}

#[test]
fn a_seed_that_is_a_link_opens_nothing() {
    let (home, _) = home();
    let seed = fs::read_dir(home.seeds()).unwrap().next().unwrap().unwrap().path();
    let elsewhere = home.path().join("seed");
    fs::rename(&seed, &elsewhere).unwrap();
    link(&seed, &elsewhere);
    home.run(["get", "A"]).fails(5, &["machine: "]);
}

#[test]
fn the_directory_of_the_vault_may_be_a_link_to_a_good_one() {
    let (home, victim) = home();
    let directory = home.vault().parent().unwrap().to_owned();
    let moved = home.path().join("moved");
    fs::rename(&directory, &moved).unwrap();
    link(&directory, &moved);
    home.put("A", "three");
    assert_eq!(home.get("A"), b"three");
    link(&directory, &victim);
    home.run(["get", "A"]).fails(1, &["error: ", "hint: "]);
    link(&directory, &directory);
    for line in ["get A", "put A v"] {
        home.run(line.split(' ')).fails(1, &["error: ", "hint: "]);
    }
    link(&directory, home.path().join("nowhere"));
    home.run(["put", "A", "v"]).fails(1, &["error: ", "hint: "]);
    assert!(!home.path().join("nowhere").exists());
}

#[test]
fn a_vault_with_any_right_of_others_is_refused_and_keeps_its_mode() {
    for mode in [0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o660, 0o644, 0o666, 0o777] {
        let (home, _) = home();
        fs::set_permissions(home.vault(), Permissions::from_mode(mode)).unwrap();
        for line in ["get A", "put A v", "list", "run -- true", "verify"] {
            let said = home.run(line.split(' '));
            said.fails(1, &[&format!("(mode {mode:04o})"), "hint: run `chmod 600 "]);
        }
        assert_eq!(fs::metadata(home.vault()).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_directory_in_which_others_may_write_is_refused() {
    for (mode, refused) in
        [(0o770, true), (0o720, true), (0o702, true), (0o777, true), (0o1777, false), (0o755, false)]
    {
        let (home, _) = home();
        let directory = home.vault().parent().unwrap().to_owned();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        for line in ["get A", "put A v"] {
            let said = home.run(line.split(' '));
            if refused {
                said.fails(1, &["others can replace files in the directory", "`chmod go-w "]);
            } else {
                said.succeeds();
            }
        }
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o7777, mode, "no silent chmod");
    }
}

#[test]
fn files_and_directories_of_another_user_are_refused() {
    let (home, _) = home();
    let directory = home.vault().parent().unwrap().to_owned();
    for path in
        [home.vault(), home.vault().with_extension("lock"), home.vault().with_extension("prev"), directory]
    {
        chown(&path, Some(4711), None).expect("the tests run as root");
        home.run(["put", "A", "v"]).fails(1, &["belongs to user 4711", "hint: run `sudo "]);
        chown(&path, Some(0), None).unwrap();
        home.run(["put", "A", "v"]).succeeds();
    }
}

/// The calls that make files and directories, and those that change what was made.
const MAKES: &str =
    "trace=open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,?fchmodat2";

#[test]
fn no_file_is_wider_at_its_creation_than_later() {
    let home = Home::new().with("KEYWARD_VAULT_PASSPHRASE", "");
    home.write("good.env", "B=value\n");
    for line in [
        "put A value",
        "put A other",
        "import good.env",
        "slot add machine",
        "rekey",
        "rm A",
        "restore",
        "init --vault other/vault",
        "bundle create b --code",
        "export --file exported",
    ] {
        let command = home.command(line.split(' '));
        let script = behind(&["sh", "-c", "umask 000; exec \"$@\"", "sh"], &command);
        let strace = ["strace", "-f", "-qq", "-e", MAKES, "-e", "signal=none"];
        let seen = traced(&strace, &script, b"");
        seen.finished.succeeds();
        let made: Vec<&str> = seen.calls.lines().filter(|call| makes(call)).collect();
        assert!(!made.is_empty(), "{line}: {}", seen.calls);
        for call in made {
            let arguments = call.rsplit_once(')').unwrap().0;
            let mode = arguments.rsplit_once(", ").unwrap().1;
            assert!(["0600", "0700"].contains(&mode), "{line}: {call}");
        }
        for call in seen.calls.lines().filter(|call| call.contains("chmod")) {
            assert!(call.contains(", 0600)") || call.contains(", 0700)"), "{line}: {call}");
        }
    }
}

/// Tells whether a call makes a file or a directory, or would.
fn makes(call: &str) -> bool {
    ["O_CREAT", "O_TMPFILE", "creat(", "mkdir", "mknod"].iter().any(|name| call.contains(name))
}

/// Runs a command that stands still before a system call until `meanwhile` is done.
fn with_pause(
    home: &Home,
    call: &str,
    line: &str,
    is_there: impl Fn() -> bool,
    meanwhile: impl FnOnce(),
) -> Finished {
    require("strace", "strace");
    let pause = format!("inject={call}:delay_enter=3000000:when=1");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &pause];
    let mut command = behind(&strace, &home.command(line.split(' ')));
    let running = thread::spawn(move || Finished::from(command.output().unwrap()));
    assert!(eventually(is_there), "{line} never came to {call}");
    meanwhile();
    running.join().unwrap()
}

#[test]
fn a_directory_exchanged_before_the_rename_gets_nothing() {
    let (home, _) = home();
    let directory = home.vault().parent().unwrap().to_owned();
    let (moved, decoy) = (home.path().join("moved"), home.path().join("decoy"));
    fs::create_dir(&decoy).unwrap();
    fs::set_permissions(&decoy, Permissions::from_mode(0o700)).unwrap();
    fs::write(decoy.join("vault"), VICTIM).unwrap();
    let has_temp = |directory: &Path| {
        let mut files = fs::read_dir(directory).unwrap();
        files.any(|file| file.unwrap().file_name().to_string_lossy().contains(".tmp."))
    };
    let exchange = || {
        fs::rename(&directory, &moved).unwrap();
        fs::rename(&decoy, &directory).unwrap();
    };
    let said =
        with_pause(&home, "renameat,renameat2,rename", "put A three", || has_temp(&directory), exchange);
    said.succeeds();
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["vault"]);
    assert_eq!(fs::read_to_string(directory.join("vault")).unwrap(), VICTIM);
    let vault = moved.join("vault");
    assert_eq!(home.run(["get", "A", "--vault", vault.to_str().unwrap()]).stdout, b"three");
    assert!(!has_temp(&moved));
}

#[test]
fn a_vault_exchanged_for_a_link_before_the_rename_is_not_written_through() {
    let (home, victim) = home();
    let has_temp = || {
        let mut files = fs::read_dir(home.vault().parent().unwrap()).unwrap();
        files.any(|file| file.unwrap().file_name().to_string_lossy().contains(".tmp."))
    };
    let exchange = || link(&home.vault(), &victim);
    with_pause(&home, "renameat,renameat2,rename", "put A three", has_temp, exchange);
    assert_eq!(fs::read_to_string(&victim).unwrap(), VICTIM);
    assert!(!fs::symlink_metadata(home.vault()).unwrap().file_type().is_symlink());
    assert_eq!(home.get("A"), b"three");
}
