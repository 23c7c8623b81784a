//! What others put in the way: links, strange files, open modes, open directories, swapped directories.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::{TempDir, tempdir};
use vault_core::format::MAX_FILE;
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore};

use crate::process::{Role, start};
use crate::sample::{append, body, contents, expected, names, plant, put, store_in, vault};

/// Returns a directory with a vault in its second generation, and the store.
fn vault_home() -> (TempDir, FileStore) {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    put(&store, b"two", Previous::Keep).unwrap();
    (home, store)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// Asserts that neither reading nor writing gets past the vault's name, and what is found there.
fn assert_not_a_file(store: &FileStore, kind: &str) {
    let turn = store.begin_write().unwrap();
    let written = turn.replace(&Expected::Absent, &vault(b"new"), Previous::Keep);
    let errors = [store.open().unwrap_err(), written.unwrap_err()];
    for error in errors {
        assert!(matches!(error, StoreError::NotAFile { found, .. } if found == kind), "{kind}: {error}");
    }
}

#[test]
fn vault_that_is_a_symbolic_link_is_refused() {
    let home = tempdir().unwrap();
    let outside = tempdir().unwrap();
    let target = outside.path().join("target");
    plant(&target, &vault(b"outside"));
    let dangling = outside.path().join("dangling");
    for to in [target.as_path(), &dangling, Path::new("vault")] {
        symlink(to, home.path().join("vault")).unwrap();
        assert_not_a_file(&store_in(home.path()), "a symbolic link");
        assert_eq!(names(home.path()), ["vault"]);
        fs::remove_file(home.path().join("vault")).unwrap();
    }
    assert_eq!(contents(outside.path()), [("target".to_owned(), vault(b"outside"))].into());
}

#[test]
fn lock_that_is_a_symbolic_link_is_refused() {
    let (home, store) = vault_home();
    let outside = tempdir().unwrap();
    let target = outside.path().join("target");
    plant(&target, b"outside");
    let lock = home.path().join("vault.lock");
    for to in [target.as_path(), &outside.path().join("dangling"), Path::new("vault.lock")] {
        fs::remove_file(&lock).unwrap();
        symlink(to, &lock).unwrap();
        let error = store.begin_write().unwrap_err();
        assert!(matches!(error, StoreError::NotAFile { found: "a symbolic link", .. }), "{error}");
    }
    assert_eq!(contents(outside.path()), [("target".to_owned(), b"outside".to_vec())].into());
}

#[test]
fn lock_of_another_kind_is_refused_at_once() {
    let home = tempdir().unwrap();
    let lock = home.path().join("vault.lock");
    fs::create_dir(&lock).unwrap();
    let error = store_in(home.path()).begin_write().unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { found: "a directory", .. }), "{error}");
    fs::remove_dir(&lock).unwrap();
    mkfifoat(CWD, &lock, Mode::RUSR | Mode::WUSR).unwrap();
    let error = store_in(home.path()).begin_write().unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { found: "a FIFO", .. }), "{error}");
}

#[test]
fn lock_that_others_can_open_is_refused() {
    let (home, store) = vault_home();
    set_mode(&home.path().join("vault.lock"), 0o644);
    let error = store.begin_write().unwrap_err();
    assert_eq!(error.fix().unwrap(), format!("chmod 600 {}/vault.lock", home.path().display()));
}

#[test]
fn previous_or_damaged_that_is_a_symbolic_link_is_refused() {
    let outside = tempdir().unwrap();
    let target = outside.path().join("target");
    plant(&target, &vault(b"outside"));
    for (name, bytes) in [("vault.prev", vault(b"one")), ("vault.damaged", b"torn".to_vec())] {
        let home = tempdir().unwrap();
        let store = store_in(home.path());
        plant(&home.path().join("vault"), &bytes);
        symlink(&target, home.path().join(name)).unwrap();
        let before = contents(home.path());
        let result = put(&store, b"two", Previous::Keep);
        assert!(matches!(result, Err(StoreError::NotAFile { found: "a symbolic link", .. })), "{result:?}");
        assert_eq!(contents(home.path()), before);
    }
    assert_eq!(fs::read(target).unwrap(), vault(b"outside"));
}

#[test]
fn previous_is_not_read_through_a_symbolic_link() {
    let (home, store) = vault_home();
    let previous = home.path().join("vault.prev");
    fs::rename(&previous, home.path().join("elsewhere")).unwrap();
    symlink("elsewhere", &previous).unwrap();
    let error = store.begin_write().unwrap().open_previous().unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { found: "a symbolic link", .. }), "{error}");
}

#[test]
fn temporary_names_that_are_taken_have_no_effect() {
    let (home, store) = vault_home();
    let outside = tempdir().unwrap();
    plant(&outside.path().join("target"), b"outside");
    let link = home.path().join(".vault.tmp.0000000000000000");
    symlink(outside.path().join("target"), &link).unwrap();
    fs::create_dir(home.path().join(".vault.tmp.1111111111111111")).unwrap();
    let hard = home.path().join(".vault.tmp.2222222222222222");
    fs::hard_link(outside.path().join("target"), hard).unwrap();
    put(&store, b"three", Previous::Keep).unwrap();
    assert_eq!(body(&store).unwrap(), b"three");
    assert_eq!(fs::read(outside.path().join("target")).unwrap(), b"outside");
    assert!(link.is_symlink());
}

#[test]
fn hard_link_to_the_vault_keeps_the_generation_it_was_made_of() {
    let (home, store) = vault_home();
    let kept = home.path().join("kept");
    fs::hard_link(home.path().join("vault"), &kept).unwrap();
    append(&store, ", three").unwrap();
    assert_eq!(fs::read(kept).unwrap(), vault(b"two"));
    assert_eq!(body(&store).unwrap(), b"two, three");
}

#[test]
fn symbolic_link_to_a_directory_is_resolved() {
    let (home, _) = vault_home();
    let links = tempdir().unwrap();
    symlink(home.path(), links.path().join("data")).unwrap();
    let store = FileStore::new(links.path().join("data/vault"));
    put(&store, b"three", Previous::Keep).unwrap();
    assert_eq!(contents(home.path())["vault"], vault(b"three"));
}

#[test]
fn dangling_link_to_a_directory_is_an_absent_vault_and_no_place_to_write() {
    let links = tempdir().unwrap();
    symlink(links.path().join("nowhere"), links.path().join("data")).unwrap();
    let store = FileStore::new(links.path().join("data/vault"));
    assert!(store.open().unwrap().is_none());
    assert!(matches!(store.begin_write(), Err(StoreError::Io { .. })));
    assert!(!links.path().join("nowhere").exists());
}

#[test]
fn directory_that_links_to_itself_is_refused() {
    let links = tempdir().unwrap();
    symlink("data", links.path().join("data")).unwrap();
    let store = FileStore::new(links.path().join("data/vault"));
    assert!(matches!(store.open(), Err(StoreError::Io { .. })));
    assert!(matches!(store.begin_write(), Err(StoreError::Io { .. })));
}

#[test]
fn directory_swapped_during_a_turn_gets_nothing() {
    let (home, _) = vault_home();
    let nest = home.path().join("nest");
    let store = FileStore::new(nest.join("vault"));
    put(&store, b"one", Previous::Keep).unwrap();
    let turn = store.begin_write().unwrap();
    let seen = expected(turn.open().unwrap().as_deref());
    fs::rename(&nest, home.path().join("moved")).unwrap();
    fs::create_dir(&nest).unwrap();
    set_mode(&nest, 0o700);
    plant(&nest.join("vault"), &vault(b"the other's"));
    turn.replace(&seen, &vault(b"two"), Previous::Keep).unwrap();
    assert_eq!(contents(&nest), [("vault".to_owned(), vault(b"the other's"))].into());
    assert_eq!(contents(&home.path().join("moved"))["vault"], vault(b"two"));
}

#[test]
fn vault_of_another_kind_is_refused_at_once() {
    let home = tempdir().unwrap();
    let path = home.path().join("vault");
    fs::create_dir(&path).unwrap();
    assert_not_a_file(&store_in(home.path()), "a directory");
    fs::remove_dir(&path).unwrap();
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    assert_not_a_file(&store_in(home.path()), "a FIFO");
    fs::remove_file(&path).unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    assert_not_a_file(&store_in(home.path()), "a socket");
    let error = FileStore::new("/dev/null").open().unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { found: "a device", .. }), "{error}");
}

#[test]
fn huge_sparse_file_is_refused_at_once() {
    let home = tempdir().unwrap();
    let path = home.path().join("vault");
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    let started = Instant::now();
    for length in [10 << 30, MAX_FILE + 1] {
        file.set_len(length).unwrap();
        let error = store_in(home.path()).open().unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { length: found, .. } if found == length), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    file.set_len(MAX_FILE).unwrap();
    assert_eq!(store_in(home.path()).open().unwrap().unwrap().len(), MAX_FILE);
}

#[test]
fn vault_that_others_have_access_to_is_refused_with_the_fix() {
    let (home, store) = vault_home();
    let path = home.path().join("vault");
    for mode in [0o644, 0o660, 0o604, 0o610, 0o601] {
        set_mode(&path, mode);
        let written = put(&store, b"three", Previous::Keep).unwrap_err();
        for error in [store.open().unwrap_err(), written] {
            assert_eq!(error.fix().unwrap(), format!("chmod 600 {}", path.display()));
            assert!(error.to_string().contains(&format!("(mode {mode:04o})")), "{error}");
        }
        assert_eq!(mode_of(&path), mode, "never changed silently");
    }
    set_mode(&path, 0o400);
    assert_eq!(body(&store).unwrap(), b"two");
}

#[test]
fn directory_that_others_can_write_is_refused_with_the_fix() {
    let (home, store) = vault_home();
    for mode in [0o770, 0o720, 0o707, 0o777] {
        set_mode(home.path(), mode);
        let errors = [store.open().unwrap_err(), store.begin_write().map(drop).unwrap_err()];
        for error in errors {
            assert_eq!(error.fix().unwrap(), format!("chmod go-w {}", home.path().display()));
        }
        assert_eq!(mode_of(home.path()), mode, "never changed silently");
    }
}

#[test]
fn sticky_or_readable_directory_is_accepted() {
    let (home, store) = vault_home();
    for mode in [0o1777, 0o1770, 0o755, 0o711] {
        set_mode(home.path(), mode);
        append(&store, ".").unwrap();
    }
    assert_eq!(body(&store).unwrap(), b"two....");
}

#[test]
fn umask_neither_opens_files_to_others_nor_closes_them_to_us() {
    let home = tempdir().unwrap();
    assert!(start(Role::OpenUmask, home.path()).wait().unwrap().success());
    let data = home.path().join("new/data");
    assert_eq!((mode_of(&home.path().join("new")), mode_of(&data)), (0o700, 0o700));
    for name in ["vault", "vault.prev", "vault.lock"] {
        assert_eq!(mode_of(&data.join(name)), 0o600, "{name}");
    }
}

#[test]
fn umask_that_takes_everything_leaves_the_vault_readable_to_us() {
    let home = tempdir().unwrap();
    assert!(start(Role::ShutUmask, home.path()).wait().unwrap().success());
    assert_eq!(mode_of(&home.path().join("vault")), 0o600);
    assert_eq!(body(&store_in(home.path())).unwrap(), b"second");
}

#[test]
fn fix_quotes_a_path_for_the_shell() {
    let home = tempdir().unwrap();
    let store = FileStore::new(home.path().join("my vault's"));
    drop(File::options().write(true).create_new(true).mode(0o644).open(store.location()).unwrap());
    let fix = store.open().unwrap_err().fix().unwrap().to_owned();
    assert_eq!(fix, format!(r"chmod 600 '{}/my vault'\''s'", home.path().display()));
}
