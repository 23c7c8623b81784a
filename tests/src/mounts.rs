//! File systems over a directory of a test: tiny ones, full ones, and some that can't be written. Unmounted when dropped.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system over a directory.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts an empty file system of 1 MiB over the directory, which is made where it is missing.
    #[track_caller]
    pub fn tiny(path: &Path) -> Self {
        fs::create_dir_all(path).expect("a directory");
        mount(&["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"], path);
        Self(path.to_owned())
    }

    /// Mounts the directory over itself, where nobody can write any more.
    #[track_caller]
    pub fn read_only(path: &Path) -> Self {
        mount(&["--bind", path.to_str().expect("a path of text")], path);
        let mounted = Self(path.to_owned());
        mount(&["-o", "remount,bind,ro"], path);
        mounted
    }

    /// Takes all the room that is left, with a file that [`Self::free`] removes.
    pub fn fill(&self) {
        let mut filler = File::create_new(self.filler()).expect("a new file");
        loop {
            match filler.write_all(&[0; 4096]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                written => written.expect("room, or none"),
            }
        }
    }

    /// Gives the room back.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("the file that took the room");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[track_caller]
fn mount(options: &[&str], path: &Path) {
    let mounted = Command::new("mount").args(options).arg(path).status().expect("`mount` starts");
    assert!(mounted.success(), "the tests run as root");
}
