//! `seal` and `open` beside the bare cipher: the same key, the same buffers, in turn.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use vault_core::crypto::generate;
use vault_core::crypto::seal::{Label, OVERHEAD, PREFIX_LEN, TAG_LEN, open_in_place, seal_in_place};
use vault_core::secret::SlotKey;
use zeroize::Zeroizing;

use super::Settings;
use crate::machine;
use crate::statistics::Spread;
use crate::table::{Limit, Table, time};

/// The hidden argument that makes this program print how fast it seals 1 MiB.
pub(crate) const RATE_ARGUMENT: &str = "--seal-rate";

const SIZES: [(usize, &str); 5] =
    [(64, "64 B"), (1 << 10, "1 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB"), (16 << 20, "16 MiB")];
const CONTEXT: &[u8] = b"benchmark";
/// How many bytes one figure is taken over, so that the clock does not matter.
const BYTES_A_FIGURE: usize = 8 << 20;

/// Measures and prints the rows, then shows that the CPU's AES instructions are at work.
pub(crate) fn run(settings: &Settings) {
    let columns = ["row", "size", "time", "rate", "bare cipher", "speed of the bare cipher", "limit", ""];
    let note = "`seal` draws a salt, derives a key of its own by HKDF, commits to it and sets up AES; the bare \
                cipher has its key set up and a nonce given. `open` and the bare decryption both start \
                from a fresh copy.";
    let table = Table::begin("`seal` and `open` in one process", note, &columns);
    for (size, shown) in SIZES {
        let bench = Bench::new(size);
        let limit = if size == 1 << 20 { Limit::AtLeast(85.0) } else { Limit::None };
        for (label, own, bare) in [
            ("`seal`", Bench::seal as Measure, Bench::seal_bare as Measure),
            ("`open`", Bench::open, Bench::open_bare),
        ] {
            let (own, bare, share) = bench.in_turn(own, bare, settings.runs(41));
            let percent = share * 100.0;
            table.row(&[
                &label,
                &shown,
                &time(own),
                &rate(size, own),
                &rate(size, bare),
                &format!("**{percent:.0} %**"),
                &limit.text(" %"),
                &limit.mark(percent),
            ]);
        }
    }
    if !settings.quick {
        show_hardware();
    }
}

/// Prints how many MiB this build seals in a second.
pub(crate) fn print_rate() {
    let bench = Bench::new(1 << 20);
    let (own, ..) = bench.in_turn(Bench::seal, Bench::seal_bare, 5);
    println!("{:.0}", mebibytes_a_second(1 << 20, own));
}

/// Builds this program once more without AES instructions and compares the two.
fn show_hardware() {
    let columns = ["build", "seal 1 MiB"];
    let found = machine::aes_features();
    let note = format!("CPU features found: {found}. The second build has `--cfg aes_backend=\"soft\"`.");
    let table = Table::begin("Hardware AES is used", &note, &columns);
    let this = std::env::current_exe().expect("a program knows its own path");
    let usual = rate_of(&this);
    let flags = "--cfg aes_backend=\"soft\" -C target-feature=+crt-static";
    let soft = machine::build("keyward-benches", "keyward-benches", "soft", flags).map(|path| rate_of(&path));
    table.row(&[&"as released", &format!("{usual:.0} MiB/s")]);
    match soft {
        Some(soft) => {
            table.row(&[&"AES in software", &format!("{soft:.0} MiB/s")]);
            let mark = if usual > 2.0 * soft { "✓" } else { "**no hardware AES**" };
            println!("\nThe release seals {:.1} times as fast: {mark}", usual / soft);
        }
        None => println!("\nThe second build failed, so that nothing is shown."),
    }
}

fn rate_of(program: &Path) -> f64 {
    let output = Command::new(program).arg(RATE_ARGUMENT).output().expect("the program was just built");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the program prints a number")
}

type Measure = fn(&Bench, &mut Vec<u8>) -> f64;

/// Keys and buffers of one size.
struct Bench {
    key: SlotKey,
    cipher: Aes256Gcm,
    size: usize,
    sealed: Vec<u8>,
    bare_tag: Tag,
    bare_sealed: Vec<u8>,
}

impl Bench {
    fn new(size: usize) -> Self {
        let bytes: [u8; 32] = generate();
        let key = SlotKey::new(Zeroizing::new(bytes));
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(bytes));
        let mut sealed = vec![0x5a; OVERHEAD + size];
        seal_in_place(&key, Label::Value, CONTEXT, &mut sealed);
        let mut bare_sealed = vec![0x5a; size];
        let bare_tag = cipher
            .encrypt_inout_detached(&Nonce::default(), b"", bare_sealed.as_mut_slice().into())
            .expect("the sizes are far below the limit of AES-GCM");
        Self { key, cipher, size, sealed, bare_tag, bare_sealed }
    }

    /// Returns the median seconds of one operation of each kind, and the share of the speed.
    fn in_turn(&self, own: Measure, bare: Measure, runs: usize) -> (f64, f64, f64) {
        let mut buffer = Vec::with_capacity(self.sealed.len());
        let (mut owns, mut bares, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..runs + 2 {
            let (own, bare) = (own(self, &mut buffer), bare(self, &mut buffer));
            if round >= 2 {
                owns.push(own);
                bares.push(bare);
                shares.push(bare / own);
            }
        }
        (Spread::of(owns).median, Spread::of(bares).median, Spread::of(shares).median)
    }

    /// Returns the seconds of one `step`, taken over many.
    fn repeat(&self, mut step: impl FnMut()) -> f64 {
        let count = (BYTES_A_FIGURE / self.size).clamp(1, 4_096);
        let start = Instant::now();
        (0..count).for_each(|_| step());
        start.elapsed().as_secs_f64() / count as f64
    }

    fn seal(&self, buffer: &mut Vec<u8>) -> f64 {
        buffer.clear();
        buffer.resize(OVERHEAD + self.size, 0x5a);
        self.repeat(|| seal_in_place(&self.key, Label::Value, CONTEXT, buffer))
    }

    fn seal_bare(&self, buffer: &mut Vec<u8>) -> f64 {
        buffer.clear();
        buffer.resize(OVERHEAD + self.size, 0x5a);
        self.repeat(|| {
            let (prefix, rest) = buffer.split_at_mut(PREFIX_LEN);
            let (plaintext, room) = rest.split_at_mut(self.size);
            prefix.fill(0);
            let tag = self.cipher.encrypt_inout_detached(&Nonce::default(), b"", plaintext.into());
            room.copy_from_slice(&tag.expect("the sizes are far below the limit of AES-GCM"));
        })
    }

    fn open(&self, buffer: &mut Vec<u8>) -> f64 {
        self.repeat(|| {
            buffer.clear();
            buffer.extend_from_slice(&self.sealed);
            open_in_place(&self.key, Label::Value, CONTEXT, buffer).expect("nobody altered it");
        })
    }

    fn open_bare(&self, buffer: &mut Vec<u8>) -> f64 {
        self.repeat(|| {
            buffer.clear();
            buffer.extend_from_slice(&self.bare_sealed);
            let bytes = buffer.as_mut_slice().into();
            let opened = self.cipher.decrypt_inout_detached(&Nonce::default(), b"", bytes, &self.bare_tag);
            opened.expect("nobody altered it");
            buffer.extend_from_slice(&[0; TAG_LEN]);
        })
    }
}

fn rate(size: usize, seconds: f64) -> String {
    format!("{:.0} MiB/s", mebibytes_a_second(size, seconds))
}

fn mebibytes_a_second(size: usize, seconds: f64) -> f64 {
    size as f64 / seconds / f64::from(1 << 20)
}
