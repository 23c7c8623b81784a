//! Disks that are full or read-only. These tests mount small file systems, so they run as root.

use std::path::Path;
use std::process::Command;

use tempfile::{TempDir, tempdir};
use vault_core::store::{FileStore, Previous, StoreError, VaultStore};

use crate::sample::{body, contents, put, store_in};

/// A file system in memory of 64 KiB, mounted until it is dropped.
pub(crate) struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    pub(crate) fn mount() -> Self {
        let directory = tempdir().unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"], directory.path());
        Self { directory }
    }

    fn remount_read_only(&self) {
        run("mount", &["-o", "remount,ro"], self.path());
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn store(&self) -> FileStore {
        store_in(self.path())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.directory.path());
    }
}

fn run(command: &str, arguments: &[&str], directory: &Path) {
    let status = Command::new(command).args(arguments).arg(directory).status().unwrap();
    assert!(status.success(), "`{command}` failed: these tests mount file systems and run as root");
}

#[test]
fn full_disk_leaves_the_vault_and_no_temporary_file() {
    let disk = SmallDisk::mount();
    put(&disk.store(), b"one", Previous::Keep).unwrap();
    put(&disk.store(), &[2; 5000], Previous::Keep).unwrap();
    let before = contents(disk.path());
    let error = put(&disk.store(), &[3; 100_000], Previous::Keep).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { act: "write", source, .. }
        if source.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error())),
        "{error:?}"
    );
    assert_eq!(contents(disk.path()), before);
    put(&disk.store(), b"four", Previous::Keep).unwrap();
    assert_eq!(body(&disk.store()).unwrap(), b"four");
}

#[test]
fn full_disk_leaves_no_first_vault() {
    let disk = SmallDisk::mount();
    put(&disk.store(), &[1; 100_000], Previous::Keep).unwrap_err();
    assert!(disk.store().open().unwrap().is_none());
    assert!(contents(disk.path()).is_empty());
}

#[test]
fn read_only_file_system_is_read_and_not_written() {
    let disk = SmallDisk::mount();
    put(&disk.store(), b"one", Previous::Keep).unwrap();
    disk.remount_read_only();
    assert_eq!(body(&disk.store()).unwrap(), b"one");
    let error = put(&disk.store(), b"two", Previous::Keep).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert_eq!(body(&disk.store()).unwrap(), b"one");
}
