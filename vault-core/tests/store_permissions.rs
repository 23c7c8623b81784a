//! The file store between users: run as root, which becomes the ordinary user `keyward-test` for the
//! tests that root's powers would make meaningless. Needs `setpriv` and, beforehand,
//! `useradd -m keyward-test`; without them the tests fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::{TempDir, tempdir};
use vault_core::store::{FileStore, Previous, StoreError, VaultStore};

use sample::{body, contents, plant, put, store_in, vault};

#[allow(dead_code, reason = "shared with the tests of one user")]
#[path = "store/sample.rs"]
mod sample;

const USER: &str = "keyward-test";
const PLACE: &str = "KEYWARD_STORE_TEST_PLACE";

/// A directory that everybody may enter, with `home` of the ordinary user and `secret` of root in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        assert!(geteuid().is_root(), "the tests between users run as root");
        let place = Self(tempdir().unwrap());
        set_mode(place.0.path(), 0o755);
        plant(&place.0.path().join("secret"), b"root's");
        fs::create_dir(place.home()).unwrap();
        set_mode(&place.home(), 0o700);
        give(&place.home());
        place
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    /// Runs the test `name` of this binary again, as the ordinary user.
    fn run_as_user(&self, name: &str) {
        let binary = self.0.path().join("tests");
        // `cp` and not `fs::copy`: another thread that starts a process meanwhile would inherit the open
        // copy, and a file that is open for writing can't be executed.
        let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&binary).status();
        assert!(copied.unwrap().success());
        set_mode(&binary, 0o755);
        let output = Command::new("setpriv")
            .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
            .arg(&binary)
            .args(["--exact", name, "--nocapture"])
            .env(PLACE, self.0.path())
            .current_dir(self.0.path())
            .output()
            .expect("setpriv is installed");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "as {USER}:\n{text}\n{errors}");
    }
}

/// Runs `prepare` as root, then `check` as the ordinary user, both with the user's home. Each check
/// first shows that the user really is kept out of a private file of root.
fn between_users(name: &str, prepare: fn(&Path), check: fn(&Path)) {
    let Some(place) = place_of_user() else {
        let place = Place::new();
        prepare(&place.home());
        return place.run_as_user(name);
    };
    assert!(!geteuid().is_root());
    let refused = fs::read(place.join("secret")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{USER} reads root's files");
    check(&place.join("home"));
}

#[allow(clippy::disallowed_methods, reason = "the test that root starts again is told its directory")]
fn place_of_user() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path) {
    let user = user_id();
    chown(path, Some(user), Some(user)).unwrap();
}

fn user_id() -> u32 {
    let output = Command::new("id").args(["-u", USER]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("no user {USER}: run `useradd -m {USER}` first"))
}

fn assert_denied(error: &StoreError) {
    assert!(
        matches!(error, StoreError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied),
        "{error:?}"
    );
}

fn assert_foreign(error: &StoreError, path: &Path, fix: &str) {
    assert!(error.to_string().contains("belongs to user"), "{error}");
    assert_eq!(error.fix(), Some(fix), "{}", path.display());
}

#[test]
fn ordinary_user_reads_and_writes_a_vault() {
    between_users(
        "ordinary_user_reads_and_writes_a_vault",
        |_| {},
        |home| {
            let store = FileStore::new(home.join(".local/share/keyward/vault"));
            put(&store, b"one", Previous::Keep).unwrap();
            put(&store, b"two", Previous::Keep).unwrap();
            assert_eq!(body(&store).unwrap(), b"two");
        },
    );
}

#[test]
fn read_only_directory_is_read_and_not_written() {
    between_users(
        "read_only_directory_is_read_and_not_written",
        |_| {},
        |home| {
            let store = store_in(home);
            put(&store, b"one", Previous::Keep).unwrap();
            put(&store, b"two", Previous::Keep).unwrap();
            set_mode(home, 0o500);
            let before = contents(home);
            assert_eq!(body(&store).unwrap(), b"two");
            assert_denied(&put(&store, b"three", Previous::Keep).unwrap_err());
            assert_eq!(contents(home), before);
            set_mode(home, 0o700);
        },
    );
}

#[test]
fn directory_without_access_is_an_error_and_no_empty_vault() {
    between_users(
        "directory_without_access_is_an_error_and_no_empty_vault",
        |home| {
            let closed = home.join("closed");
            fs::create_dir(&closed).unwrap();
            set_mode(&closed, 0o700);
        },
        |home| {
            let store = store_in(&home.join("closed"));
            assert_denied(&store.open().unwrap_err());
            assert_denied(&store.begin_write().unwrap_err());
            let below = FileStore::new(home.join("closed/deeper/vault"));
            assert_denied(&below.open().unwrap_err());
            assert_denied(&below.begin_write().unwrap_err());
        },
    );
}

#[test]
fn file_of_another_owner_is_refused_readable_or_not() {
    between_users(
        "file_of_another_owner_is_refused_readable_or_not",
        |home| {
            for (name, mode) in [("private", 0o600), ("open", 0o644)] {
                plant(&home.join(name), &vault(b"root's"));
                set_mode(&home.join(name), mode);
            }
        },
        |home| {
            for name in ["private", "open"] {
                let path = home.join(name);
                let fix = format!("sudo chown {} {}", geteuid().as_raw(), path.display());
                assert_foreign(&FileStore::new(&path).open().unwrap_err(), &path, &fix);
                let written = put(&FileStore::new(&path), b"ours", Previous::Keep).unwrap_err();
                assert_foreign(&written, &path, &fix);
            }
        },
    );
}

#[test]
fn lock_or_previous_that_another_owner_put_there_is_refused() {
    between_users(
        "lock_or_previous_that_another_owner_put_there_is_refused",
        |home| {
            set_mode(home, 0o1777);
            plant(&home.join("locked.lock"), b"");
            plant(&home.join("vault.prev"), &vault(b"root's"));
            plant(&home.join(".vault.tmp.0123456789abcdef"), b"root's");
        },
        |home| {
            let locked = home.join("locked.lock");
            let fix = format!("sudo chown {} {}", geteuid().as_raw(), locked.display());
            let store = FileStore::new(home.join("locked"));
            assert_foreign(&store.begin_write().unwrap_err(), &locked, &fix);

            plant(&home.join("vault"), &vault(b"one"));
            let previous = home.join("vault.prev");
            let fix = format!("sudo chown {} {}", geteuid().as_raw(), previous.display());
            let written = put(&store_in(home), b"two", Previous::Keep).unwrap_err();
            assert_foreign(&written, &previous, &fix);
            assert_eq!(body(&store_in(home)).unwrap(), b"one");
            assert!(home.join(".vault.tmp.0123456789abcdef").exists(), "only our own leftovers are removed");
        },
    );
}

#[test]
fn directory_of_root_is_accepted_and_one_of_a_third_user_is_not() {
    between_users(
        "directory_of_root_is_accepted_and_one_of_a_third_user_is_not",
        |home| {
            for (name, owner) in [("roots", 0), ("strangers", user_id() + 1)] {
                let directory = home.join(name);
                fs::create_dir(&directory).unwrap();
                plant(&directory.join("vault"), &vault(b"ours"));
                give(&directory.join("vault"));
                set_mode(&directory, 0o755);
                chown(&directory, Some(owner), None).unwrap();
            }
        },
        |home| {
            assert_eq!(body(&store_in(&home.join("roots"))).unwrap(), b"ours");
            let strangers = home.join("strangers");
            let fix = format!("sudo chown {} {}", geteuid().as_raw(), strangers.display());
            assert_foreign(&store_in(&strangers).open().unwrap_err(), &strangers, &fix);
        },
    );
}

#[test]
fn nothing_is_created_below_a_directory_of_a_third_user() {
    between_users(
        "nothing_is_created_below_a_directory_of_a_third_user",
        |home| {
            let directory = home.join("strangers");
            fs::create_dir(&directory).unwrap();
            set_mode(&directory, 0o777);
            chown(&directory, Some(user_id() + 1), None).unwrap();
        },
        |home| {
            let data = home.join("strangers/a/b");
            let error = store_in(&data).begin_write().unwrap_err();
            assert_eq!(error.fix().unwrap(), format!("mkdir -p -m 700 {}", data.display()));
            assert!(!home.join("strangers/a").exists());
        },
    );
}

#[test]
fn root_creates_nothing_in_the_home_of_another_user() {
    let place = Place::new();
    let store = FileStore::new(place.home().join(".local/share/keyward/vault"));
    assert!(store.open().unwrap().is_none());
    let error = store.begin_write().unwrap_err();
    assert_eq!(error.fix().unwrap(), format!("sudo -H -u '#{}' keyward", user_id()));
    assert_eq!(fs::read_dir(place.home()).unwrap().count(), 0);
}

#[test]
fn root_neither_reads_nor_writes_the_vault_of_another_user() {
    let place = Place::new();
    let fix = format!("sudo -H -u '#{}' keyward", user_id());
    let errors = |store: &FileStore| [store.open().unwrap_err(), store.begin_write().map(drop).unwrap_err()];
    for error in errors(&store_in(&place.home())) {
        assert_foreign(&error, &place.home(), &fix);
    }
    let theirs = place.0.path().join("theirs");
    plant(&theirs, &vault(b"one"));
    give(&theirs);
    let error = FileStore::new(&theirs).open().unwrap_err();
    assert_foreign(&error, &theirs, &fix);
}
