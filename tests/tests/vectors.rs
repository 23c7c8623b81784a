//! Every test vector of the format through the program itself: the same classes of refusal, as exit codes,
//! with little memory, and no vector is changed.

use std::fs;
use std::path::Path;

use keyward_tests::Home;
use keyward_tests::crafted::KEY;
use keyward_tests::usage::{Usage, measured};
use keyward_tests::vault_file::VaultFile;
use serde_json::{Value, json};

/// The vectors that open with the slot key of [`KEY`], as vaults.
fn vectors() -> Vec<(String, Value, VaultFile)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_vaults = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut found: Vec<_> = of_vaults
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let facts = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (name, facts, VaultFile::read(&path.with_extension("vault")))
        })
        .collect();
    found.retain(|(_, facts, _): &(_, Value, _)| {
        facts["purpose"] == "secrets" && facts["open"]["slot_key"] == json!("11".repeat(32))
    });
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn exit_code(facts: &Value) -> i32 {
    match facts["refused"].as_str() {
        None => 0,
        Some("newer") => 12,
        Some("wrong_key") => 5,
        Some(_) => 6,
    }
}

#[test]
fn the_program_refuses_every_vector_by_its_class_with_less_than_32_mebibytes() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    let vectors = vectors();
    let mut largest = 0;
    for (name, facts, file) in &vectors {
        file.write(&home.vault());
        let Usage { finished, peak_memory, .. } = measured(&home.command(["verify"]));
        assert_eq!(finished.code, exit_code(facts), "{name}: {}\n{finished}", facts["about"]);
        assert!(peak_memory < 32 << 20, "{name}: {peak_memory} bytes");
        assert!(fs::read(home.vault()).unwrap() == file.0, "{name}");
        largest = largest.max(peak_memory);
    }
    let refused = vectors.iter().filter(|(_, facts, _)| exit_code(facts) != 0).count();
    println!("{} vectors, {refused} of them refused, at most {} KiB", vectors.len(), largest >> 10);
    assert!(refused >= 120 && vectors.len() > refused);
}
