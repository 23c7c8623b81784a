//! Eight processes write at once, fifty puts each, into one vault; beside them as many processes write
//! the same number of bytes without a vault.

use std::thread;
use std::time::Instant;

use super::Settings;
use crate::bare;
use crate::process::Program;
use crate::statistics::Spread;
use crate::table::{Table, time};
use crate::vaults::{Vault, default_scope, secret_name, value};

const WRITERS: usize = 8;
const OLD: usize = 10;
const PEERS: &str = "kept of 400: kbs2, pass, gnome-keyring 400 (one file a secret, or a daemon); \
                     ansible-vault 277, sops 115, keepassxc-cli 89, fnox 0, secretspec 0";

/// Measures and prints the row.
pub(crate) fn run(settings: &Settings) {
    let columns = ["row", "kept", "old secrets whole", "time", "bare writes", "ratio", "peers"];
    let note = "The bare writes are as many processes, eight at a time, of write-fsync-rename-fsync with \
                as many bytes as the vault has in the middle of the run. Median of the runs.";
    let table = Table::begin("Concurrent writers: 8 × 50 puts into one vault", note, &columns);
    let puts = if settings.quick { 5 } else { 50 };
    let (mut own, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut kept, mut whole) = (usize::MAX, usize::MAX);
    for _ in 0..if settings.quick { 1 } else { 5 } {
        let vault = Vault::new(OLD);
        let length = vault.file_len();
        own.push(puts_at_once(settings, &vault, puts));
        (kept, whole) = (kept.min(count_kept(&vault, puts)), whole.min(count_whole(&vault)));
        bare.push(bare_at_once(&vault, length.midpoint(vault.file_len()), puts));
        ratios.extend(own.last().zip(bare.last()).map(|(own, bare)| own / bare));
    }
    let (all, kept) = (WRITERS * puts, format!("{kept} of {}", WRITERS * puts));
    let (own, bare, ratio) = (Spread::of(own), Spread::of(bare), Spread::of(ratios));
    table.row(&[
        &format!("{all} puts"),
        &kept,
        &format!("{whole} of {OLD}"),
        &time(own.median),
        &time(bare.median),
        &format!("**{:.2}** ({:.2}–{:.2}), {}", ratio.median, ratio.least, ratio.largest, ratio.count),
        &PEERS,
    ]);
}

/// Runs eight writers and returns the seconds until the last has ended.
fn at_once(puts: usize, program: impl Fn(usize, usize) -> Program + Sync) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let program = &program;
            scope.spawn(move || {
                for put in 0..puts {
                    program(writer, put).time();
                }
            });
        }
    });
    start.elapsed().as_secs_f64()
}

fn puts_at_once(settings: &Settings, vault: &Vault, puts: usize) -> f64 {
    let input = vault.input();
    at_once(puts, |writer, put| {
        vault.keyward(&settings.keyward, &["put", &new_name(writer, put)]).input(&input)
    })
}

fn bare_at_once(vault: &Vault, length: u64, puts: usize) -> f64 {
    at_once(puts, |writer, _| bare::program(&vault.beside(&format!("bare{writer}")), length))
}

fn new_name(writer: usize, put: usize) -> String {
    format!("WRITER_{writer}_{put:03}")
}

/// Counts the new secrets that are in the vault.
fn count_kept(vault: &Vault, puts: usize) -> usize {
    let unlocked = vault.unlocked();
    let index = unlocked.index().expect("the vault is whole");
    let names: Vec<String> =
        (0..WRITERS).flat_map(|writer| (0..puts).map(move |put| new_name(writer, put))).collect();
    index.values.iter().filter(|record| names.iter().any(|name| *name == record.name)).count()
}

/// Counts the old secrets that still have their values.
fn count_whole(vault: &Vault) -> usize {
    let unlocked = vault.unlocked();
    let index = unlocked.index().expect("the vault is whole");
    let is_whole = |number: &usize| {
        let position = index.versions(&default_scope(), &secret_name(*number)).next();
        let opened = position.and_then(|position| unlocked.value(&index, position).ok());
        opened.is_some_and(|opened| opened.expose_secret() == value(*number).as_bytes())
    };
    (0..OLD).filter(is_whole).count()
}
