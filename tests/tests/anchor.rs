//! The rollback anchor: what is refused with it, what is accepted, and what happens without it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use keyward_tests::anchored::{
    anchor, anchor_file, files, forked, home, removed, rolled_back, substituted, torn,
};
use keyward_tests::vault_file::{VaultFile, place};
use keyward_tests::{Finished, Home, behind};

/// Commands that read the vault or write it. Each of them refuses what the anchor refuses.
const LINES: [&str; 33] = [
    "get A",
    "list",
    "list --all",
    "run -- true",
    "put A v",
    "put NEW v",
    "rm A --force",
    "rm NEW",
    "status",
    "verify",
    "export",
    "export --format json",
    "import .env",
    "import .env --dry-run",
    "bundle create new --code",
    "bundle open b",
    "bundle open b --dry-run",
    "connections list",
    "connections get alerts",
    "connections set --id new --kind cron --label New --no-auth",
    "connections rm alerts",
    "uses A",
    "history A",
    "rollback A --to 1",
    "slot list",
    "slot add env",
    "slot rm 00",
    "rekey",
    "init --bind",
    "vault list",
    "vault put A v",
    "anchor on",
    "init",
];

/// Every command fails in the same way and changes nothing.
#[track_caller]
fn all_refuse(prepare: fn(&Home), kind: &str, text: &str, hint: &str) {
    let home = home();
    prepare(&home);
    let before = files(home.path());
    for line in LINES {
        let said = home.run(["--json"].into_iter().chain(line.split(' ')));
        assert_eq!(said.json()["error"]["kind"], kind, "{line}: {said}");
        said.fails(6, &[text, hint]);
        assert_eq!(files(home.path()), before, "{line}");
    }
    for line in ["creds check --provider openai", "creds check --source vault --provider openai"] {
        let said = home.run(line.split(' '));
        said.fails(6, &[text, hint, "names that only the vault could have are unknown"]);
    }
}

#[test]
fn an_older_copy_is_refused_by_every_command() {
    all_refuse(rolled_back, "rolled_back", "the vault was rolled back: ", "`keyward anchor accept`");
}

#[test]
fn a_fork_is_refused_by_every_command() {
    let text = "the vault is not the one that was written last: ";
    all_refuse(forked, "forked", text, "`keyward anchor accept`");
}

#[test]
fn another_vault_is_refused_by_every_command() {
    let text = "another vault stands in the vault's place: ";
    all_refuse(substituted, "substituted", text, "`keyward anchor accept`");
}

#[test]
fn a_vault_that_was_removed_is_no_empty_one_for_any_command() {
    let text = "the vault is gone, its rollback anchor says that there was one: ";
    all_refuse(removed, "vault_gone", text, "`keyward anchor off`");
}

#[test]
fn a_vault_that_was_removed_with_its_directory_is_no_empty_one() {
    let home = home();
    fs::remove_dir_all(home.vault().parent().unwrap()).unwrap();
    home.run(["put", "A", "v", "--json"]).fails_as(6, "vault_gone");
    home.run(["list", "--json"]).fails_as(6, "vault_gone");
    assert!(!home.vault().parent().unwrap().exists());
}

#[test]
fn a_damaged_anchor_is_an_error_for_every_command() {
    let text = "the rollback anchor is damaged: ";
    all_refuse(torn, "anchor_damaged", text, "`keyward anchor accept`");
}

#[test]
fn the_error_names_both_generations() {
    let home = home();
    rolled_back(&home);
    home.run(["get", "A"]).fails(
        6,
        &[
            "caused by: it has generation 3 (root key 1, revision ",
            ", its rollback anchor generation 4 (root key 1",
        ],
    );
}

#[test]
fn without_the_anchor_an_older_copy_a_fork_and_another_vault_open() {
    for prepare in [rolled_back, forked, substituted] {
        let home = home();
        prepare(&home);
        home.run(["anchor", "off"]).fails(0, &["is off: an older copy is not noticed any more"]);
        home.run(["get", "A"]).succeeds();
        home.put("A", "written");
        assert!(!home.anchors().exists());
    }
}

#[test]
fn an_older_copy_with_a_raised_generation_is_damaged() {
    let home = home();
    rolled_back(&home);
    let mut file = VaultFile::read(&home.vault());
    file.0[44..52].copy_from_slice(&99_u64.to_le_bytes());
    let version = u16::from_le_bytes([file.0[8], file.0[9]]);
    // The same version: this makes the hash of the header right again.
    file.of_version(version).write(&home.vault());
    home.run(["get", "A", "--json"]).fails_as(6, "damaged");
    home.run(["put", "A", "v", "--json"]).fails_as(6, "damaged");
    home.run(["anchor", "accept", "--yes", "--json"]).fails_as(6, "damaged");
}

#[test]
fn a_crash_between_the_vault_and_its_anchor_is_accepted_and_mended_by_the_next_write() {
    let home = home();
    let before = anchor(&home);
    home.put("A", "newest");
    place(&anchor_file(&home), &before);
    assert_eq!(home.get("A"), b"newest");
    home.run(["status"]).succeeds();
    let said = home.run(["anchor", "status", "--json"]);
    assert_eq!(said.succeeds().json()["standing"], "ahead");
    assert_eq!(anchor(&home), before, "readers write no anchor");
    home.put("B", "next");
    let said = home.run(["anchor", "status", "--json"]);
    assert_eq!((&said.json()["standing"], &said.json()["anchor"]["generation"]), (&"same".into(), &5.into()));
}

#[test]
fn every_command_that_writes_brings_the_anchor_with_it() {
    let home = home();
    for line in [
        "put A v",
        "rollback A --to 1",
        "import .env",
        "connections set --id new --kind cron --label New --no-auth",
        "connections rm new",
        "slot add recovery",
        "rm B --purge",
        "bundle open b --on-conflict overwrite --workspace other",
        "rekey",
        "put A w",
        "restore",
        "restore",
    ] {
        let before = anchor(&home);
        home.run(line.split(' ')).succeeds();
        assert_ne!(anchor(&home), before, "{line}");
        assert_eq!(home.run(["anchor", "status", "--json"]).json()["standing"], "same", "{line}");
    }
}

#[test]
fn restore_brings_back_a_vault_that_is_newer_than_the_anchor_and_says_what_is_lost() {
    let home = home();
    let old = VaultFile::read(&home.vault());
    for _ in 0..3 {
        home.put("A", "newer");
    }
    fs::remove_file(home.vault()).unwrap();
    old.write(&home.vault().with_extension("prev"));
    let said = home.run(["restore"]);
    said.fails(
        0,
        &[
            "restored ",
            "from generation 3 as generation 7",
            "the rollback anchor knew generation 6: what was written after generation 3 is lost",
        ],
    );
    assert_eq!(home.get("A"), b"new");
}

#[test]
fn restore_puts_a_vault_that_was_rolled_back_aside() {
    let home = home();
    home.put("A", "better");
    rolled_back(&home);
    let said = home.run(["restore"]);
    said.fails(0, &["from generation 4 as generation 6"]);
    assert!(!said.stderr.contains("is lost"), "{said}");
    assert!(home.vault().with_extension("damaged").exists());
    assert_eq!(home.get("A"), b"better");
}

#[test]
fn every_spelling_of_the_path_has_the_anchor() {
    let home = home();
    rolled_back(&home);
    symlink(home.vault().parent().unwrap(), home.path().join("link")).unwrap();
    for spelling in ["link/vault", ".local/share/keyward/vault", ".local/state/../share/./keyward/vault"] {
        home.run(["get", "A", "--json", "--vault", spelling]).fails_as(6, "rolled_back");
        home.run(["put", "A", "v", "--json", "--vault", spelling]).fails_as(6, "rolled_back");
    }
    home.run(["anchor", "accept", "--yes", "--vault", "link/vault"]).succeeds();
    assert_eq!(home.get("A"), b"new");
}

#[test]
fn two_vaults_have_two_anchors() {
    let home = home();
    home.run(["put", "A", "other", "--vault", "other/vault"]).succeeds();
    home.run(["anchor", "on", "--vault", "other/vault"]).succeeds();
    rolled_back_at(&home, &home.path().join("other/vault"));
    home.run(["get", "A", "--json", "--vault", "other/vault"]).fails_as(6, "rolled_back");
    assert_eq!(home.get("A"), b"new");
    home.run(["anchor", "off", "--vault", "other/vault"]).succeeds();
    assert!(anchor_file(&home).exists());
}

fn rolled_back_at(home: &Home, vault: &Path) {
    let old = VaultFile::read(vault);
    home.run(["put", "A", "newer", "--vault"].map(AsRef::as_ref).into_iter().chain([vault.as_os_str()]))
        .succeeds();
    old.write(vault);
}

#[test]
fn the_anchor_stands_in_the_home_that_keyward_has() {
    let home = Home::new().with("KEYWARD_HOME", "kept");
    home.put("A", "old");
    home.run(["anchor", "on"]).succeeds();
    let vault = home.path().join("kept/vault");
    rolled_back_at(&home, &vault);
    home.run(["get", "A", "--json"]).fails_as(6, "rolled_back");
    assert_eq!(fs::read_dir(home.path().join("kept/anchor")).unwrap().count(), 1);
}

#[test]
fn the_anchor_of_somebody_else_or_one_that_others_can_read_is_refused() {
    let home = home();
    let file = anchor_file(&home);
    chown(&file, Some(12345), Some(12345)).unwrap();
    home.run(["get", "A", "--json"]).fails_as(1, "untrusted_file");
    home.run_with_input(["put", "A", "--json"], "v").fails_as(1, "untrusted_file");
    chown(&file, Some(0), Some(0)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o660)).unwrap();
    home.run(["get", "A"]).fails(1, &["others have access to the file (mode 0660)", "hint: run `chmod 600 "]);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(home.anchors(), Permissions::from_mode(0o770)).unwrap();
    home.run(["get", "A"]).fails(1, &["others can replace files in the directory", "hint: run `chmod go-w "]);
}

#[test]
fn an_anchor_of_a_later_version_is_not_damaged() {
    let home = home();
    let later = "keyward anchor 2\nof a later version\ncheck AeiscOel83ThAq9mz4Lw9lU3oI4Lb1wbaQ5fAOU_yng\n";
    place(&anchor_file(&home), later.as_bytes());
    home.run(["get", "A", "--json"]).fails_as(12, "newer");
    home.run(["anchor", "accept", "--yes", "--json"]).fails_as(12, "newer");
    home.run(["anchor", "off"]).succeeds();
}

#[test]
fn a_vault_is_saved_where_the_state_directory_is_read_only_and_the_anchor_follows_later() {
    let home = home();
    let before = anchor(&home);
    // A file system that is read-only stops root too, whom modes do not stop.
    let line = "mount --bind \"$HOME/.local/state\" \"$HOME/.local/state\" \
                && mount -o remount,bind,ro \"$HOME/.local/state\" && printf kept | \"$0\" put A --json";
    let in_a_mount_of_its_own = ["unshare", "--mount", "bash", "-c", line];
    let said: Finished = behind(&in_a_mount_of_its_own, &home.command([""; 0])).output().unwrap().into();
    said.fails_as(1, "not_durable");
    said.fails(
        1,
        &["saved, but the rollback anchor is still that of a generation before", "Read-only file system"],
    );
    assert_eq!(home.get("A"), b"kept");
    assert_eq!(anchor(&home), before);
    home.put("B", "v");
    assert_eq!(home.run(["anchor", "status", "--json"]).json()["standing"], "same");
}
