//! Numbers that somebody else chose: lengths, counts and costs are refused before they cost memory, time or a
//! question. The memory is that of the whole process.

use std::fs::{self, File};
use std::path::Path;

use keyward_tests::Home;
use keyward_tests::crafted::{KEY, one_scope, text, value, vault_with_body};
use keyward_tests::terminal::Terminal;
use keyward_tests::usage::{Usage, measured};
use keyward_tests::vault_file::{VaultFile, place};

const MIB: u64 = 1 << 20;
/// What a process may take that refuses a file at once; a command of a small vault takes half of it.
const LITTLE: u64 = 32 * MIB;

/// A home whose vault is one of the format's vectors; no key is set.
fn home(vector: &str) -> (Home, VaultFile) {
    let home = Home::new();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let file = VaultFile::read(&vectors.join(vector).with_extension("vault"));
    file.write(&home.vault());
    (home, file)
}

/// Checks that a reading and a writing command refuse the vault and take little memory.
#[track_caller]
fn refused(home: &Home, what: &str) {
    for line in ["list --json", "put A v --json"] {
        let before = VaultFile::read(&home.vault()).0;
        let Usage { finished, peak_memory, .. } = measured(&home.command(line.split(' ')));
        finished.fails(6, &["error: cannot read ", "caused by: ", "hint: "]);
        assert!(peak_memory < LITTLE, "{what}, `{line}`: {peak_memory} bytes");
        assert!(VaultFile::read(&home.vault()).0 == before, "{what}, `{line}`: the file was changed");
    }
}

/// Refuses the vault with each of `numbers` in the header's field at `offset`.
#[track_caller]
fn numbers_are_refused(offset: usize, width: usize, numbers: &[u64]) {
    let (home, file) = home("golden_v1");
    let home = home.with("KEYWARD_VAULT_KEY", KEY);
    for number in numbers {
        file.with_field(offset, &number.to_le_bytes()[..width]).write(&home.vault());
        refused(&home, &format!("{number} at {offset}"));
    }
}

#[test]
fn every_hostile_header_length_is_refused_with_little_memory() {
    numbers_are_refused(16, 4, &[0, 1, 95, 16_383, 16_384, 16_385, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]);
}

#[test]
fn every_hostile_index_length_is_refused_with_little_memory() {
    let limit = 134_213_712;
    let numbers = [0, 1, limit - 1, limit, limit + 4096, 1 << 31, 1 << 32, 1 << 63, (1 << 63) - 1, u64::MAX];
    numbers_are_refused(52, 8, &numbers);
}

#[test]
fn every_hostile_slot_count_is_refused_with_little_memory() {
    numbers_are_refused(60, 4, &[0, 2, 15, 16, 17, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]);
}

#[test]
fn an_index_of_the_largest_size_takes_no_more_memory_than_the_file() {
    let (home, file) = home("golden_v1");
    let home = home.with("KEYWARD_VAULT_KEY", KEY);
    let index = 134_213_712_u64;
    file.with_field(52, &index.to_le_bytes()).write(&home.vault());
    let size = file.header().end as u64 + index;
    File::options().write(true).open(home.vault()).unwrap().set_len(size).unwrap();
    let Usage { finished, peak_memory, .. } = measured(&home.command(["list"]));
    finished.fails(6, &["the index does not open with the vault's own key"]);
    assert!(peak_memory < size + LITTLE, "{peak_memory} bytes");
}

/// Puts costs into the passphrase slot of a vault: memory in KiB, passes, lanes.
#[track_caller]
fn costs_are_refused(costs: &[(u32, u32, u32)]) {
    let (home, file) = home("passphrase_slot");
    let home = home.with("KEYWARD_VAULT_PASSPHRASE", " correct hörse ");
    for (memory, passes, lanes) in costs {
        let field = [memory, passes, lanes].map(|number| number.to_le_bytes()).concat();
        file.with_field(64 + 20, &field).write(&home.vault());
        refused(&home, &format!("{memory} KiB, {passes} passes, {lanes} lanes"));
    }
}

#[test]
fn costs_of_argon2id_above_the_limits_are_refused_before_memory_is_taken() {
    let max = u32::MAX;
    let lanes = (1 << 24) - 1;
    costs_are_refused(&[
        (max, 3, 4),
        (65_536, max, 4),
        (65_536, 3, lanes),
        (max, max, lanes),
        (1_048_577, 3, 4),
        (1_048_576, 5, 4),
        (65_536, 65_536, 4),
        (1 << 31, 2, 1),
    ]);
}

#[test]
fn costs_of_argon2id_below_the_floor_are_refused_and_not_used() {
    costs_are_refused(&[(65_535, 3, 4), (65_536, 2, 4), (65_536, 3, 0), (8, 1, 1), (0, 0, 0), (127, 3, 16)]);
}

#[test]
fn a_new_passphrase_slot_takes_its_costs_from_the_program_and_not_from_the_file() {
    let (home, _) = home("passphrase_slot");
    let home = home.with("KEYWARD_VAULT_PASSPHRASE", " correct hörse ");
    let mut terminal = Terminal::start(&home.command(["slot", "add", "passphrase"]));
    terminal.wait_for_hidden("New passphrase: ").type_keys("five other words\n");
    terminal.wait_for_hidden("The same again: ").type_keys("five other words\n");
    terminal.finish().ends(0);
    let slots = home.run(["slot", "list"]).succeeds().text();
    let costs: Vec<&str> = slots.lines().filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(costs, ["passphrase (64 MiB)", "passphrase (256 MiB)"]);
}

#[test]
fn sixteen_slots_of_the_largest_costs_take_at_most_four_tries_one_after_the_other() {
    let (home, _) = home("sixteen_slots");
    let home = home.with("KEYWARD_VAULT_PASSPHRASE", "wrong");
    let Usage { finished, peak_memory, cpu_seconds } = measured(&home.command(["list", "--json"]));
    finished.fails_as(5, "wrong_key");
    // The slots together ask for 2 GiB, the largest for 1 GiB: that much memory shows that it was tried, and
    // that the others waited for it to be given back.
    println!("four tries: {} MiB at most, {cpu_seconds:.1} s of one processor", peak_memory / MIB);
    assert!((1024 * MIB..1024 * MIB + LITTLE).contains(&peak_memory), "{peak_memory} bytes");
    assert!(cpu_seconds < 60.0, "{cpu_seconds} s");
}

/// Opens a large vault with a hostile body, and checks what that takes.
#[track_caller]
fn hostile_body_is_refused(body: &[u8], text: &str) {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    place(&home.vault(), &vault_with_body(body));
    let size = fs::metadata(home.vault()).unwrap().len();
    let Usage { finished, peak_memory, .. } = measured(&home.command(["list"]));
    finished.fails(6, &["error: cannot read ", text]);
    println!("{text}: {} MiB for a file of {} MiB", peak_memory / MIB, size / MIB);
    assert!(size > 20 * MIB && peak_memory < 2 * size, "{peak_memory} bytes for a file of {size}");
}

/// An index's body of so many values, and any number as their count.
fn body_of(values: u32, count: u64) -> Vec<u8> {
    let mut record = value(b"0000000");
    let mut body = [one_scope(), count.to_le_bytes().to_vec()].concat();
    for nth in 0..values {
        record[12..19].copy_from_slice(format!("{nth:07}").as_bytes());
        body.extend_from_slice(&record);
    }
    body.extend_from_slice(&0_u64.to_le_bytes());
    body
}

#[test]
fn an_authentic_index_with_a_value_too_many_takes_less_than_twice_the_file() {
    hostile_body_is_refused(&body_of(1_000_001, 1_000_001), "above the limit of the format");
}

#[test]
fn an_authentic_index_with_a_hostile_count_takes_less_than_twice_the_file() {
    for count in [300_001, u64::MAX] {
        hostile_body_is_refused(&body_of(300_000, count), "the index does not decode");
    }
}

#[test]
fn an_authentic_name_of_24_mebibytes_takes_less_than_twice_the_file() {
    let name = vec![b'A'; 24 << 20];
    let body =
        [one_scope(), 1_u64.to_le_bytes().to_vec(), value(&name), 0_u64.to_le_bytes().to_vec()].concat();
    hostile_body_is_refused(&body, "above the limit of the format");
}

#[test]
fn an_authentic_directory_of_24_mebibytes_takes_less_than_twice_the_file() {
    let directory = [text(b"default"), text(b"default"), text(&vec![b'd'; 24 << 20])].concat();
    let none = 0_u64.to_le_bytes();
    let body = [&none[..], &none, &1_u64.to_le_bytes(), &directory].concat();
    hostile_body_is_refused(&body, "the file is damaged");
}

#[test]
fn a_crafted_vault_with_a_sound_index_opens() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    place(&home.vault(), &vault_with_body(&[0; 24]));
    assert_eq!(home.run(["list"]).succeeds().text(), "");
}

#[test]
fn the_measure_sees_the_memory_of_a_passphrase() {
    let (home, _) = home("passphrase_slot");
    let home = home.with("KEYWARD_VAULT_PASSPHRASE", " correct hörse ");
    let Usage { finished, peak_memory, .. } = measured(&home.command(["list"]));
    finished.succeeds();
    assert!((64 * MIB..64 * MIB + LITTLE).contains(&peak_memory), "{peak_memory} bytes");
}
