//! The library in one process: open, get, put and list with 10 to 100,000 secrets.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use vault_core::secret::SecretBytes;
use vault_core::store::Previous;
use vault_core::vault::commit::commit;

use super::Settings;
use crate::bare;
use crate::statistics::Spread;
use crate::table::{Table, time};
use crate::vaults::{Vault, default_scope, secret_name, value};

/// Measures and prints the rows.
pub(crate) fn run(settings: &Settings) {
    let columns = ["row", "size", "time, median (min–max), n", "beside", "its time", "ratio"];
    let table = Table::begin("The library in one process", "", &columns);
    for size in settings.sizes(&[10, 1_000, 10_000, 100_000]) {
        let vault = Vault::new(size);
        let runs = settings.runs(if size < 100_000 { 41 } else { 15 });
        let rows = [
            ("open", open(&vault, runs)),
            ("get", get(&vault, runs)),
            ("list", list(&vault, runs)),
            ("put", put(&vault, runs)),
        ];
        for (label, row) in rows {
            let own = row.own;
            let spread =
                format!("{} ({}–{}), {}", time(own.median), time(own.least), time(own.largest), own.count);
            let ratio = format!("**{:.2}**", own.median / row.beside.median);
            let size = format!("{size} secrets");
            table.row(&[&label, &size, &spread, &row.what, &time(row.beside.median), &ratio]);
        }
    }
}

/// One operation with what stands beside it.
struct Row {
    own: Spread,
    what: &'static str,
    beside: Spread,
}

impl Row {
    /// Runs the two in turn.
    fn in_turn(runs: usize, what: &'static str, mut own: impl FnMut(), mut beside: impl FnMut()) -> Self {
        let (mut owns, mut besides) = (Vec::new(), Vec::new());
        for round in 0..runs + 2 {
            let (other, own) = (seconds(&mut beside), seconds(&mut own));
            if round >= 2 {
                owns.push(own);
                besides.push(other);
            }
        }
        Self { own: Spread::of(owns), what, beside: Spread::of(besides) }
    }
}

fn seconds(step: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    step();
    start.elapsed().as_secs_f64()
}

/// From the file's name to a decoded and checked index.
fn open(vault: &Vault, runs: usize) -> Row {
    let what = "reading the file and decrypting the index with the bare cipher";
    let own = || {
        let unlocked = vault.unlocked();
        black_box(unlocked.index().expect("the vault is whole").values.len());
    };
    let index = usize::try_from(vault.header().sealed_index_len).expect("an index fits into memory");
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([7; 32]));
    let beside = || {
        let mut bytes = fs::read(vault.path()).expect("the vault can be read");
        let sealed = &mut bytes[..index];
        let tag = cipher.encrypt_inout_detached(&Nonce::default(), b"", sealed.into());
        black_box(tag.is_ok());
    };
    Row::in_turn(runs, what, own, beside)
}

/// From an open vault to one value.
fn get(vault: &Vault, runs: usize) -> Row {
    let unlocked = vault.unlocked();
    let index = unlocked.index().expect("the vault is whole");
    let (scope, name) = (default_scope(), secret_name(vault.count() / 2));
    let own = || {
        let position = index.versions(&scope, &name).start;
        black_box(unlocked.value(&index, position).expect("the value is whole").len());
    };
    let positions: Vec<usize> = index.current().map(|(position, _)| position).collect();
    let all = || drop(black_box(unlocked.values(&index, &positions)));
    Row::in_turn(runs, "opening every value", own, all)
}

/// From an open vault to every name.
fn list(vault: &Vault, runs: usize) -> Row {
    let unlocked = vault.unlocked();
    let own = || {
        let index = unlocked.index().expect("the vault is whole");
        let bytes: usize = index.current().map(|(_, value)| value.name.len()).sum();
        black_box(bytes);
    };
    let index = unlocked.index().expect("the vault is whole");
    let copy = || drop(black_box(index.values.iter().map(|value| value.name.to_owned()).collect::<Vec<_>>()));
    Row::in_turn(runs, "copying every name", own, copy)
}

/// From the file's name to a durable new generation.
fn put(vault: &Vault, runs: usize) -> Row {
    let name = secret_name(vault.count() / 2);
    let bytes = vec![0x5a; usize::try_from(vault.file_len()).expect("the file fits into memory")];
    let bare_path = vault.beside("bare");
    let own = || {
        let stored = commit(&vault.store(), vault.unlocked(), Previous::Keep, |draft| {
            draft.put(&default_scope(), &name, &SecretBytes::new(value(0).into_bytes()), 2)
        });
        stored.expect("the vault can be written");
    };
    let beside = || bare::write(&bare_path, &bytes).expect("the directory can be written");
    Row::in_turn(runs, "write-fsync-rename-fsync of the same bytes", own, beside)
}
