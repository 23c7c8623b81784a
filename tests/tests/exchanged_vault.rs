//! A vault in the place of another: made by somebody who knows everything about this machine but no key, or
//! made of the true one without its key.

use std::fs;

use keyward_tests::Home;
use keyward_tests::vault_file::VaultFile;

const KEY: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";

#[test]
fn a_vault_that_somebody_else_made_on_this_very_machine_opens_for_nobody() {
    let (home, theirs) = (Home::new(), Home::new());
    home.put("A", "ours");
    theirs.put("A", "theirs");
    let planted = VaultFile::read(&theirs.vault());
    planted.write(&home.vault());
    for line in ["get A", "list", "put A v", "rm A", "verify", "run -- true", "rekey", "slot add recovery"] {
        let said = home.run(line.split(' '));
        said.fails(5, &["error: cannot unlock ", "machine: this machine has no seed for the slot"]);
        assert!(fs::read(home.vault()).unwrap() == planted.0, "`{line}` wrote");
    }
}

#[test]
fn a_vault_without_its_stronger_slot_opens_for_nobody() {
    let home = Home::new();
    home.put("A", "ours");
    home.run(["slot", "add", "recovery"]).succeeds();
    let file = VaultFile::read(&home.vault());
    let slots = home.run(["slot", "list"]).succeeds().text();
    assert!(slots.lines().nth(1).is_some_and(|slot| slot.contains("recovery")), "{slots}");
    let mut stripped = [&file.0[..224], &file.0[384..]].concat();
    stripped[16..20].copy_from_slice(&256_u32.to_le_bytes());
    VaultFile(stripped).with_field(60, &1_u32.to_le_bytes()).write(&home.vault());
    for line in ["get A", "list", "put A v", "verify"] {
        home.run(line.split(' ')).fails(6, &["the index does not open with the vault's own key"]);
    }
}

#[test]
fn the_index_of_another_vault_with_the_same_key_is_refused() {
    let with_key = |value: &str| {
        let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
        home.put("A", value);
        let file = VaultFile::read(&home.vault());
        (home, file)
    };
    let ((home, ours), (_, other)) = (with_key("ours"), with_key("theirs"));
    VaultFile([&ours.0[..ours.header().end], &other.0[other.index().start..]].concat()).write(&home.vault());
    home.run(["list"]).fails(6, &["the index does not open with the vault's own key"]);
}
