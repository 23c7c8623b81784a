//! The entry points of fuzzing. Each takes any bytes, hands them to a reader as they would come from
//! outside, and panics if the reader panics or what it accepts breaks a promise. `fuzz/` makes the bytes up; the
//! tests below replay the ones that are kept.
//!
//! Malleability: what `connections`, `header`, `index`, `keys` and `sealed` accept has to become the same bytes again,
//! else something "has two encodings".
//!
//! The module needs the feature `fuzzing`, which no released program has. Every function tells whether the
//! bytes were accepted, so that the tests can show that seeds reach both ends.
//!
//! # Panics
//!
//! That is what these functions are for: every panic is a fault.

#![allow(clippy::missing_panics_doc, reason = "each of them panics when it finds a fault")]

mod file;
mod keys;
mod sealed;
mod sections;
mod seeds;
mod texts;
mod written;

pub use self::file::{connections, header, index};
pub use self::keys::keys;
pub use self::sealed::sealed;
pub use self::seeds::seeds;
pub use self::texts::{dotenv, json, names, providers, workspace};
pub use self::written::export;

/// An entry point.
pub type Target = fn(&[u8]) -> bool;

/// Every entry point by the name of its program in `fuzz/`, in order.
pub const TARGETS: [(&str, Target); 11] = [
    ("connections", connections),
    ("dotenv", dotenv),
    ("export", export),
    ("header", header),
    ("index", index),
    ("json", json),
    ("keys", keys),
    ("names", names),
    ("providers", providers),
    ("sealed", sealed),
    ("workspace", workspace),
];

/// Returns how many lines a text has at most: CR LF counts as two line ends.
fn line_count(bytes: &[u8]) -> usize {
    1 + bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn fuzz_folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
    }

    /// The seeds of one target: those in the tree, and what the vectors have for it.
    fn seeds_for(target: &str) -> Vec<Vec<u8>> {
        let kept = files(&fuzz_folder("seeds").join(target)).into_iter().map(|path| fs::read(path).unwrap());
        let vectors = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")).into_iter();
        let vaults = vectors.filter(|path| path.extension().is_some_and(|extension| extension == "vault"));
        let of_vectors = vaults.flat_map(|path| seeds(&fs::read(path).unwrap()));
        let of_vectors = of_vectors.filter(|(found, _)| *found == target).map(|(_, bytes)| bytes);
        kept.chain(of_vectors).collect()
    }

    #[test]
    fn every_seed_passes_and_each_target_accepts_some_and_refuses_some() {
        for (name, target) in TARGETS {
            let seeds = seeds_for(name);
            let accepted = seeds.iter().filter(|bytes| target(bytes)).count();
            assert!(accepted > 0, "{name} accepts nothing");
            assert!(accepted < seeds.len(), "{name} refuses nothing");
        }
    }

    #[test]
    fn every_seed_passes_cut_off_and_with_a_changed_byte() {
        for (name, target) in TARGETS {
            for seed in seeds_for(name).into_iter().filter(|seed| seed.len() <= 256) {
                for at in 0..seed.len() {
                    target(&seed[..at]);
                    let mut changed = seed.clone();
                    changed[at] = changed[at].wrapping_add(1);
                    target(&changed);
                }
            }
        }
    }

    #[test]
    fn each_target_has_a_program_and_each_program_a_target() {
        let programs: Vec<_> = files(&fuzz_folder("fuzz_targets"))
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(programs, TARGETS.map(|(name, _)| name));
    }
}
