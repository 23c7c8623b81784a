//! Which files and directories are fit to keep a vault: their kind, size, owner and mode. Only judges;
//! nothing here changes a mode or an owner.

use std::path::Path;

use rustix::fs::{FileType, Stat};
use rustix::process::geteuid;

use super::StoreError;
use crate::format::MAX_FILE;

/// Checks a file that is going to be read and returns its length: regular, ours, not for others, and
/// of a size that a vault can have.
pub(super) fn check_file(stat: &Stat, path: &Path) -> Result<u64, StoreError> {
    check_own_file(stat, path)?;
    check_private(stat, path)?;
    check_length(stat, path)
}

/// Checks that a file has the size of a vault, and returns its length.
pub(super) fn check_length(stat: &Stat, path: &Path) -> Result<u64, StoreError> {
    let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if length > MAX_FILE {
        return Err(StoreError::TooLarge { path: path.to_owned(), length });
    }
    Ok(length)
}

/// Checks a file that is going to be unlinked: regular and ours. Its mode does not matter any more.
pub(super) fn check_own_file(stat: &Stat, path: &Path) -> Result<(), StoreError> {
    check_regular(stat, path)?;
    if stat.st_uid != geteuid().as_raw() {
        return Err(foreign("the file", stat.st_uid, path));
    }
    Ok(())
}

/// Checks that something is a regular file, whoever it belongs to.
pub(super) fn check_regular(stat: &Stat, path: &Path) -> Result<(), StoreError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        kind => Err(StoreError::NotAFile { path: path.to_owned(), found: kind_name(kind) }),
    }
}

/// Checks the directory that holds a vault: nobody but its owner (us or root) may replace what is in it.
pub(super) fn check_directory(stat: &Stat, path: &Path) -> Result<(), StoreError> {
    if !owned_by_us_or_root(stat) {
        return Err(foreign("the directory", stat.st_uid, path));
    }
    let (writable, sticky) = (stat.st_mode & 0o022 != 0, stat.st_mode & 0o1000 != 0);
    if writable && !sticky {
        let problem = format!("others can replace files in the directory (mode {:04o})", mode(stat));
        return Err(untrusted(path, problem, format!("chmod go-w {}", quoted(path))));
    }
    Ok(())
}

/// Checks the directory in which the missing directories of `wanted` are going to be made, so that
/// root with another user's `HOME` leaves nothing there that this user can't remove.
pub(super) fn check_ancestor(stat: &Stat, path: &Path, wanted: &Path) -> Result<(), StoreError> {
    if owned_by_us_or_root(stat) {
        return Ok(());
    }
    let problem = format!("nothing is created in a directory of user {}", stat.st_uid);
    let fix =
        if geteuid().is_root() { run_as(stat.st_uid) } else { format!("mkdir -p -m 700 {}", quoted(wanted)) };
    Err(untrusted(path, problem, fix))
}

fn check_private(stat: &Stat, path: &Path) -> Result<(), StoreError> {
    if stat.st_mode & 0o077 == 0 {
        return Ok(());
    }
    let problem = format!("others have access to the file (mode {:04o})", mode(stat));
    Err(untrusted(path, problem, format!("chmod 600 {}", quoted(path))))
}

fn owned_by_us_or_root(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == geteuid().as_raw()
}

/// Root should act as the owner: a file that root takes over is lost to its owner.
fn foreign(what: &str, owner: u32, path: &Path) -> StoreError {
    let us = geteuid();
    let problem = format!("{what} belongs to user {owner}, not to user {}", us.as_raw());
    let fix =
        if us.is_root() { run_as(owner) } else { format!("sudo chown {} {}", us.as_raw(), quoted(path)) };
    untrusted(path, problem, fix)
}

fn run_as(user: u32) -> String {
    format!("sudo -H -u '#{user}' keyward")
}

fn untrusted(path: &Path, problem: String, fix: String) -> StoreError {
    StoreError::Untrusted { path: path.to_owned(), problem, fix }
}

fn mode(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::Symlink => "a symbolic link",
        _ => "something else",
    }
}

/// Returns `path` as one word of a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let dashed = if text.starts_with('-') { "./" } else { "" };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(plain) {
        return format!("{dashed}{text}");
    }
    format!("'{dashed}{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_fix_is_one_word_of_the_shell() {
        for (path, word) in [
            ("/home/ana/vault", "/home/ana/vault"),
            ("-vault", "./-vault"),
            ("/a b/vault", "'/a b/vault'"),
            ("/a'b;$(c)", r"'/a'\''b;$(c)'"),
            ("-a b", "'./-a b'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
