//! A full disk, a directory that can't be written, a lock that nobody gives back: the old vault stays.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyward_tests::Home;
use keyward_tests::deadline::within;
use keyward_tests::mounts::Mounted;
use keyward_tests::ordinary_user::OrdinaryUser;
use keyward_tests::writes::names;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn on_a_full_disk_the_old_vault_stays_and_nothing_is_left_over() {
    let home = Home::new();
    let directory = home.vault().parent().unwrap().to_owned();
    let _disk = Mounted::tiny(&directory);
    home.put("OLD", "one");
    home.put("SECOND", vec![b'v'; 300 << 10]);
    let (before, named) = (fs::read(home.vault()).unwrap(), names(&directory));
    let said = home.run_with_input(["put", "BIG", "--json"], vec![b'v'; 700 << 10]);
    said.fails_as(1, "failed");
    said.fails(
        1,
        &["error: cannot write ", "caused by: No space left on device", "hint: nothing was written"],
    );
    assert!(fs::read(home.vault()).unwrap() == before);
    assert_eq!(names(&directory), named);
    assert_eq!(home.get("OLD"), b"one");
    home.put("SMALL", "fits");
}

#[test]
fn a_first_put_on_a_full_disk_leaves_no_vault_and_no_seed() {
    let home = Home::new();
    let directory = home.vault().parent().unwrap().to_owned();
    let _disk = Mounted::tiny(&directory);
    fs::write(directory.join("filler"), vec![0; (1 << 20) - 4096]).unwrap();
    home.run_with_input(["put", "BIG"], vec![b'v'; 100_000]).fails(1, &["No space left on device"]);
    assert!(!home.vault().exists());
    assert_eq!(names(&home.seeds()), [""; 0]);
}

#[test]
fn in_a_directory_that_can_not_be_written_reads_work_and_writes_are_refused() {
    let user = OrdinaryUser::new();
    let home = user.home();
    home.put("X", "v");
    home.put("X", "w");
    let (before, directory) = (fs::read(home.vault()).unwrap(), home.vault().parent().unwrap().to_owned());
    fs::set_permissions(&directory, Permissions::from_mode(0o500)).unwrap();
    assert_eq!(home.get("X"), b"w");
    home.run(["list"]).succeeds();
    let said = home.run_with_input(["put", "X"], "new");
    said.fails(1, &["error: cannot ", "caused by: Permission denied", "hint: nothing was written"]);
    assert_eq!(fs::read(home.vault()).unwrap(), before);
    assert_eq!(names(&directory), ["vault", "vault.lock", "vault.prev"]);
}

#[test]
fn a_vault_of_root_is_not_read_by_another_user() {
    let user = OrdinaryUser::new();
    let (theirs, roots) = (user.home(), Home::new());
    roots.put("X", "v");
    fs::set_permissions(roots.path(), Permissions::from_mode(0o755)).unwrap();
    let vault = roots.path().join("vault");
    fs::copy(roots.vault(), &vault).unwrap();
    let path = vault.to_str().unwrap();
    theirs
        .run(["get", "X", "--vault", path])
        .fails(1, &["the file belongs to user 0, not to user ", "hint: run `sudo chown "]);
    theirs.run(["put", "X", "v", "--vault", path]).fails(1, &["error: ", "hint: "]);
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let home = Home::new();
    home.put("X", "v");
    fs::set_permissions(home.vault().parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
    home.run(["get", "X"])
        .fails(1, &["others can replace files in the directory (mode 0777)", "`chmod go-w "]);
}

/// A process that holds the lock of a vault and is stopped.
struct StoppedHolder(Child);

impl StoppedHolder {
    fn of(lock: &Path) -> Self {
        let mut command = Command::new("flock");
        // Says that it has the lock, by its own words in the file, as keyward does.
        let script = format!("printf '%-10s \n' $$ > {}; echo locked; exec sleep 600", lock.display());
        let child =
            command.arg("--no-fork").arg(lock).args(["sh", "-c", &script]).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("`flock` starts");
        let mut said = [0; 7];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        Self(child)
    }
}

impl Drop for StoppedHolder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_lock_held_by_a_stopped_process_is_given_up_after_ten_seconds_and_the_process_named() {
    let home = Home::new();
    home.put("X", "v");
    let before = fs::read(home.vault()).unwrap();
    let holder = StoppedHolder::of(&home.vault().with_extension("lock"));
    assert_eq!(home.get("X"), b"v", "readers take no lock");
    let started = Instant::now();
    let said =
        within(Duration::from_secs(20), home.command(["put", "X", "w", "--json"]).stdin(Stdio::null()));
    assert!((9..13).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    said.fails_as(8, "busy");
    said.fails(
        8,
        &[&format!("process {} is writing, gave up after 10.", holder.0.id()), "hint: run the command again"],
    );
    assert_eq!(said.json()["error"]["retryable"], true);
    assert_eq!(fs::read(home.vault()).unwrap(), before);
    drop(holder);
    home.put("X", "after");
}

#[test]
fn files_and_directories_are_private_whatever_the_umask() {
    for umask in ["000", "277"] {
        let home = Home::new();
        home.bash(&format!("umask {umask}; echo one | $KEYWARD put X && echo two | $KEYWARD put X"))
            .succeeds();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for file in ["vault", "vault.prev", "vault.lock"] {
            assert_eq!(mode(&home.vault().with_file_name(file)), 0o600, "{umask} {file}");
        }
        assert_eq!(mode(home.vault().parent().unwrap()) & 0o077, 0, "{umask}");
        assert_eq!(mode(&home.seeds()) & 0o077, 0, "{umask}");
    }
}

#[test]
fn a_secrets_file_that_is_a_silent_pipe_is_given_up_after_ten_seconds() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    let home = Home::new();
    mkfifoat(CWD, home.path().join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let mut command = home.command(["creds", "check", "--secrets-file", "pipe"]);
    within(Duration::from_secs(20), &mut command).fails(1, &["no end of the input before the deadline"]);
}
