//! Power cuts. For each write, every state that a crash at any point of it can leave: the vault is the old one or the
//! new one, and the new one once success was said.

use std::collections::HashSet;
use std::path::Path;

use super::writes::{FIRST, PURGE, PUT, WRITES, Write};
use super::{Files, Home, PREVIOUS, Told, VAULT, files, is_temp};
use crate::disk::model::{State, Tree, hash_of};
use crate::disk::watch::{Change, recorded};
use crate::store::Previous;

/// A write with what it did to the disk.
struct Written {
    write: &'static Write,
    before: Tree,
    changes: Vec<Change>,
    old: Generation,
    new: Generation,
    previous: Option<u64>,
    /// What is there after the write.
    left: Files,
}

/// A vault file, or none.
struct Generation {
    hash: Option<u64>,
    told: Option<Told>,
}

/// Which generation a crash has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    New,
    Old,
}

/// What came of all states of a write.
#[derive(Debug, Default)]
struct Outcome {
    states: HashSet<u64>,
    violations: HashSet<String>,
}

impl Generation {
    fn of(bytes: Option<Vec<u8>>) -> Self {
        Self { hash: bytes.as_deref().map(hash_of), told: bytes.as_deref().and_then(Told::by) }
    }
}

impl Written {
    fn by(write: &'static Write) -> Self {
        let home = Home::before(write);
        let before = Tree::read(home.root());
        let (old, previous) = (home.read(VAULT), home.read(PREVIOUS));
        let (result, seen) = recorded(|| (write.run)(&home.store()));
        result.unwrap();
        Self {
            write,
            before,
            changes: seen.changes,
            old: Generation::of(old),
            new: Generation::of(home.read(VAULT)),
            previous: previous.as_deref().map(hash_of),
            left: home.files(),
        }
    }

    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        self.before.crash_during(&self.changes, |state, success| {
            outcome.states.insert(state.hash());
            if let Err(violation) = self.judge(state, success) {
                outcome.violations.insert(violation);
            }
        });
        outcome
    }

    /// Says which generation is left, or what is wrong with the state.
    fn judge(&self, state: &State<'_>, success: bool) -> Result<Left, String> {
        let vault = state.hash_at(Path::new(VAULT));
        let previous = state.hash_at(Path::new(PREVIOUS));
        let left = match vault {
            vault if vault == self.new.hash => Left::New,
            vault if vault == self.old.hash => Left::Old,
            None => return Err("the vault is gone".to_owned()),
            Some(_) => return Err("the vault is neither the old nor the new one".to_owned()),
        };
        if success && left == Left::Old {
            return Err("success was said, and the old vault is back".to_owned());
        }
        if success && files(state) != self.left {
            return Err("success was said, and other files are there than it left".to_owned());
        }
        if left == Left::Old && self.write.previous == Previous::Exchange && previous != self.previous {
            return Err("what was to be restored is lost".to_owned());
        }
        if previous.is_some() && ![self.previous, self.old.hash].contains(&previous) {
            return Err("the previous generation is none".to_owned());
        }
        Ok(left)
    }

    /// Opens a state with a store, does the write where it was lost, and one more.
    fn go_on(&self, state: &State<'_>, left: Left) {
        let home = Home::empty();
        state.make(home.root());
        if left == Left::Old {
            assert_eq!(home.told(), self.old.told);
            home.write(self.write);
        }
        assert_eq!(home.told(), self.new.told);
        home.write_again();
    }

    /// Returns what is wrong with the states of the same write with other changes, as a program without a part of the
    /// write protocol makes them.
    fn violations_with(mut self, edit: impl FnOnce(&mut Vec<Change>)) -> Vec<String> {
        let before = self.changes.clone();
        edit(&mut self.changes);
        assert_ne!(self.changes, before, "the edit has an effect");
        let mut violations: Vec<String> = self.outcome().violations.into_iter().collect();
        violations.sort();
        violations
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the number of states is a figure that is published")]
fn a_crash_leaves_the_old_vault_or_the_new_one_and_the_new_one_after_success() {
    for write in WRITES {
        let written = Written::by(write);
        assert!(written.new.told.is_some(), "{}", write.name);
        let Outcome { states, violations } = written.outcome();
        println!("{}: {} crash states of {} changes", write.name, states.len(), written.changes.len());
        assert!(violations.is_empty(), "{}: {violations:?}", write.name);
        assert!(states.len() >= 10_000, "{}: {}", write.name, states.len());
    }
}

#[test]
fn a_write_that_takes_a_key_or_a_value_out_of_use_leaves_no_former_generation_to_come_back() {
    for write in WRITES {
        let left = Written::by(write).left;
        let keeps = left.iter().any(|(path, _)| path == Path::new(PREVIOUS));
        assert_eq!(keeps, write.previous != Previous::Drop && write.name != FIRST.name, "{}", write.name);
        assert!(!left.iter().any(|(path, _)| is_temp(path)), "{}", write.name);
    }
}

#[test]
fn after_a_crash_the_next_write_goes_on_and_leaves_nothing_behind() {
    for write in WRITES {
        let written = Written::by(write);
        let mut made = HashSet::new();
        let mut visited = 0;
        written.before.crash_during(&written.changes, |state, success| {
            visited += 1;
            if (state.is_whole() || visited % SAMPLED == 0) && made.insert(state.hash()) {
                written.go_on(state, written.judge(state, success).unwrap());
            }
        });
        assert!(made.len() >= 30, "{}: {}", write.name, made.len());
    }
}

#[test]
fn a_write_that_does_not_flush_its_bytes_is_found_out() {
    for write in [&PUT, &FIRST] {
        let violations = Written::by(write).violations_with(|changes| {
            let file = changes.iter().find_map(|change| match change {
                Change::Write { file, bytes, .. } if bytes.len() > 100 => Some(*file),
                _ => None,
            });
            changes.retain(|change| !matches!(change, Change::Sync { what } if Some(*what) == file));
        });
        assert!(
            violations.contains(&"the vault is neither the old nor the new one".to_owned()),
            "{violations:?}"
        );
    }
}

#[test]
fn a_write_that_does_not_flush_its_names_is_found_out() {
    for write in [&PUT, &FIRST, &PURGE] {
        let violations = Written::by(write).violations_with(|changes| drop(changes.pop()));
        assert!(violations.iter().any(|violation| violation.contains("success was said")), "{violations:?}");
    }
}

#[test]
fn a_first_write_that_does_not_flush_the_way_to_its_directory_is_found_out() {
    let violations = Written::by(&FIRST).violations_with(|changes| {
        let made = changes.iter().find_map(|change| match change {
            Change::MakeDirectory { directory, .. } => Some(*directory),
            _ => None,
        });
        changes.retain(|change| !matches!(change, Change::Sync { what } if Some(*what) == made));
    });
    assert!(violations.contains(&"success was said, and the old vault is back".to_owned()), "{violations:?}");
}

#[test]
fn a_write_that_makes_room_before_it_renames_is_found_out() {
    let violations = Written::by(&PUT).violations_with(|changes| {
        let at = changes.iter().position(|change| matches!(change, Change::Rename { .. })).unwrap();
        let Change::Rename { directory, to, .. } = changes[at].clone() else { unreachable!() };
        changes.insert(at, Change::Unlink { directory, name: to });
    });
    assert_eq!(violations, ["the vault is gone"]);
}

#[test]
fn a_write_that_changes_the_vault_in_its_place_is_found_out() {
    let violations = Written::by(&PUT).violations_with(|changes| {
        let link = changes.iter().find_map(|change| match change {
            Change::Link { file, .. } => Some(*file),
            _ => None,
        });
        changes.iter_mut().for_each(|change| match change {
            Change::Write { file, bytes, .. } if bytes.len() > 100 => *file = link.unwrap(),
            _ => {}
        });
    });
    assert!(
        violations.contains(&"the vault is neither the old nor the new one".to_owned()),
        "{violations:?}"
    );
}

/// Of the states with torn files, one of so many is made and opened.
const SAMPLED: usize = 2003;
