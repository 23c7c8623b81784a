//! What may stand in the vault's place and is no vault: each is refused at once, with its own words, and
//! left as it was.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward_tests::Home;
use keyward_tests::deadline::within;
use keyward_tests::vault_file::{VaultFile, place};
use rustix::fs::{CWD, Mode, mkfifoat};

/// A home with a vault, and a path beside it for what is no vault.
fn home() -> (Home, PathBuf) {
    let home = Home::new();
    home.put("A", "one");
    let path = home.path().join("strange/vault");
    place(&path, b"");
    fs::remove_file(&path).unwrap();
    (home, path)
}

/// Every command refuses the file, at once, and without a word of what it is not.
#[track_caller]
fn refused(home: &Home, path: &Path, kind: &str, text: &str) {
    let before = names(path);
    for line in
        ["list", "get A", "put A v", "rm A", "status", "verify", "slot list", "run -- true", "init", "rekey"]
    {
        let mut command = home.command(["--json", "--vault"]);
        let said = within(Duration::from_secs(5), command.arg(path).args(line.split(' ')));
        said.fails_as(6, kind);
        said.fails(6, &[text, "hint: "]);
    }
    assert_eq!(names(path), before, "nothing was left beside it");
}

fn names(path: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_none_or(|extension| extension != "lock"));
    names.sort();
    names
}

#[track_caller]
fn bytes_are_refused(bytes: &[u8], kind: &str, text: &str) {
    let (home, path) = home();
    place(&path, bytes);
    refused(&home, &path, kind, text);
    assert!(fs::read(&path).unwrap() == bytes);
}

fn good() -> Vec<u8> {
    let (home, _) = home();
    fs::read(home.vault()).unwrap()
}

#[test]
fn a_directory() {
    let (home, path) = home();
    fs::create_dir(&path).unwrap();
    refused(&home, &path, "not_a_vault", "expected a regular file, found a directory: ");
}

#[test]
fn a_fifo_does_not_make_anybody_wait() {
    let (home, path) = home();
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    refused(&home, &path, "not_a_vault", "expected a regular file, found a FIFO: ");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn a_symbolic_link_even_to_a_vault() {
    let (home, path) = home();
    symlink(home.vault(), &path).unwrap();
    let before = fs::read(home.vault()).unwrap();
    refused(&home, &path, "not_a_vault", "expected a regular file, found a symbolic link: ");
    assert_eq!(fs::read(home.vault()).unwrap(), before);
}

#[test]
fn a_symbolic_link_to_nothing_is_not_written_through() {
    let (home, path) = home();
    symlink("nowhere", &path).unwrap();
    refused(&home, &path, "not_a_vault", "found a symbolic link: ");
    assert!(!path.with_file_name("nowhere").exists());
}

#[test]
fn a_device() {
    let (home, _) = home();
    let said = home.run(["list", "--vault", "/dev/null"]);
    said.fails(6, &["expected a regular file, found a device: /dev/null"]);
}

#[test]
fn a_sparse_file_of_ten_gibibytes() {
    let (home, path) = home();
    place(&path, b"KEYWARD\x1a");
    File::options().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
    refused(&home, &path, "not_a_vault", "10737418240 bytes are more than a vault can have (268435456): ");
    assert_eq!(fs::metadata(&path).unwrap().len(), 10 << 30);
}

#[test]
fn zero_bytes_are_no_new_vault() {
    bytes_are_refused(b"", "truncated", "the file is cut off: 0 bytes of 96");
}

#[test]
fn half_a_file() {
    let good = good();
    bytes_are_refused(&good[..good.len() / 2], "truncated", "the file is cut off: ");
}

#[test]
fn a_part_of_a_header() {
    bytes_are_refused(&good()[..100], "truncated", "the file is cut off: 100 bytes of 256");
}

#[test]
fn two_files_glued_together() {
    let good = good();
    let (home, path) = home();
    let glued = [&fs::read(home.vault()).unwrap()[..], &good].concat();
    place(&path, &glued);
    let said = home.run(["get", "A", "--json", "--vault", path.to_str().unwrap()]);
    said.fails_as(6, "damaged");
    said.fails(6, &["bytes follow the end of the vault"]);
    home.run(["put", "A", "v", "--vault", path.to_str().unwrap()])
        .fails(6, &["bytes follow the end of the vault"]);
    assert!(fs::read(&path).unwrap() == glued);
}

#[test]
fn a_file_of_age() {
    bytes_are_refused(
        b"age-encryption.org/v1\n-> X25519 abc\n",
        "not_a_vault",
        "the file is not one that keyward wrote",
    );
}

#[test]
fn a_file_of_sqlite() {
    bytes_are_refused(
        &[b"SQLite format 3\0", &[0; 4080][..]].concat(),
        "not_a_vault",
        "the file is not one that keyward wrote",
    );
}

#[test]
fn random_bytes() {
    let noise: Vec<u8> = (1..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    bytes_are_refused(&noise, "not_a_vault", "the file is not one that keyward wrote");
}

#[test]
fn the_magic_alone() {
    bytes_are_refused(b"KEYWARD\x1a", "truncated", "the file is cut off: 8 bytes of 96");
}

#[test]
fn a_vault_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    use std::os::unix::fs::PermissionsExt;
    let (home, _) = home();
    fs::set_permissions(home.vault(), fs::Permissions::from_mode(0o644)).unwrap();
    let said = home.run(["get", "A", "--json"]);
    said.fails_as(1, "untrusted_file");
    said.fails(1, &["others have access to the file (mode 0644)", "hint: run `chmod 600 "]);
    assert_eq!(fs::metadata(home.vault()).unwrap().permissions().mode() & 0o777, 0o644, "no silent chmod");
}

#[test]
fn a_vault_of_sessions_is_no_vault_of_secrets() {
    let (home, path) = home();
    VaultFile::read(&home.vault()).with_field(12, &[2]).write(&path);
    refused(&home, &path, "not_a_vault", "the file is a file of sessions, not a vault");
}
