//! Every command that writes, on a disk without room and on one that can't be written: refused, and the vault is as it
//! was, for those who read it meanwhile and for the next who writes.

use std::fs;

use keyward_tests::mounts::Mounted;
use keyward_tests::writes::{self, Write, names};

#[test]
fn on_a_full_disk_every_write_is_refused_and_done_once_there_is_room() {
    // What only removes a file needs no room.
    for write in writes::all().into_iter().filter(|write| write.name() != "anchor off") {
        let disk = Mounted::tiny(write.home().path());
        write.undo();
        let before = write.state();
        disk.fill();
        let said = write.run_as_is();
        write.was_refused(&said, "caused by: No space left on device", &before);
        disk.free();
        write.run_as_is().succeeds();
        assert_ne!(write.state(), before, "{}", write.name());
    }
}

#[test]
fn on_a_read_only_disk_every_write_is_refused_and_everything_can_be_read() {
    for write in writes::all() {
        write.undo();
        let before = write.state();
        let disk = Mounted::read_only(write.home().path());
        let said = write.run_as_is();
        write.was_refused(&said, "caused by: Read-only file system", &before);
        drop(disk);
        write.run_as_is().succeeds();
    }
}

#[test]
fn in_a_read_only_directory_every_write_of_the_vault_is_refused_and_leaves_no_seed() {
    let elsewhere = ["bundle create", "export", "creds require"];
    let of_the_vault = |write: &Write| !elsewhere.iter().any(|start| write.name().starts_with(start));
    for write in writes::all().into_iter().filter(of_the_vault) {
        write.undo();
        let (before, seeds) = (write.state(), names(&write.home().seeds()));
        let directory = write.home().vault().with_file_name("");
        fs::create_dir_all(&directory).unwrap();
        let disk = Mounted::read_only(&directory);
        let said = write.run_as_is();
        write.was_refused(&said, "caused by: Read-only file system", &before);
        assert_eq!(names(&write.home().seeds()), seeds, "{}", write.name());
        drop(disk);
        write.run_as_is().succeeds();
    }
}
