//! Writers that are killed, each at every call that it makes: the next one finds the old vault or the new one, loses
//! nothing of it, and what it says is durable is so.

use super::writes::{PUT, WRITES, Write};
use super::{Files, Home, PREVIOUS, VAULT, files};
use crate::disk::model::Tree;
use crate::disk::watch::{Call, Fate, Seen, recorded, watched};
use crate::store::Previous;
use crate::vault::commit::commit;
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::samples::{content, put, unlocked};

/// Kills a write at its call `nth`, and returns what it did before.
fn killed(home: &Home, write: &Write, nth: usize) -> Seen {
    let die = move |at, _: Call| if at == nth { Fate::Die } else { Fate::Pass };
    let (result, seen) = watched(die, || (write.run)(&home.store()));
    assert_eq!(seen.calls.len(), nth + 1);
    // A file that can't be removed is no error, and that is the last call of some writes.
    assert!(result.is_err() || seen.calls[nth] == Call::Unlink, "{} outlives call {nth}", write.name);
    seen
}

/// Returns the calls of a write, and the state before it.
fn calls(write: &Write) -> (Tree, usize) {
    let home = Home::before(write);
    let before = Tree::read(home.root());
    let (result, seen) = recorded(|| (write.run)(&home.store()));
    result.unwrap();
    (before, seen.calls.len())
}

#[test]
fn a_writer_that_is_killed_anywhere_leaves_the_old_vault_or_the_new_one() {
    for write in WRITES {
        let (before, calls) = calls(write);
        let done = Home::like(&before);
        done.write(write);
        for nth in 0..calls {
            let home = Home::like(&before);
            let (old, previous) = (home.read(VAULT), home.read(PREVIOUS));
            killed(&home, write, nth);
            if home.read(VAULT) == old {
                let is_kept = write.previous != Previous::Exchange || home.read(PREVIOUS) == previous;
                assert!(is_kept, "{}, killed at call {nth}, has lost what it restores", write.name);
                home.write(write);
            }
            assert_eq!(home.told(), done.told(), "{}, killed at call {nth}", write.name);
            home.write_again();
        }
    }
}

#[test]
fn what_a_killed_writer_published_is_not_lost_by_one_that_opened_the_vault_before() {
    let (before, calls) = calls(&PUT);
    let mut published = 0;
    for nth in 0..calls {
        let home = Home::like(&before);
        let store = home.store();
        let (old, other) = (home.read(VAULT), unlocked(&store));
        killed(&home, &PUT, nth);
        let mut expected = content(&store);
        published += usize::from(home.read(VAULT) != old);
        let (written, _) = recorded(|| commit(&store, other, Previous::Keep, put_other));
        written.unwrap();
        expected.push("D/1=other".to_owned());
        assert_eq!(content(&store), expected, "killed at call {nth}");
    }
    assert!(published > 0 && published < calls, "{published} of {calls}");
}

#[test]
fn success_after_a_killed_writer_outlives_a_power_cut() {
    for write in WRITES {
        let (before, calls) = calls(write);
        for nth in 0..calls {
            let home = Home::like(&before);
            let mut tree = Tree::read(home.root());
            let mut changes = killed(&home, write, nth).changes;
            let (_, next) = recorded(|| go_on(&home, write));
            changes.extend(next.changes);
            changes.iter().for_each(|change| tree.apply(change));
            let left: Files = home.files();
            tree.crash(|state| {
                assert_eq!(files(state), left, "{}, killed at call {nth}", write.name);
            });
        }
    }
}

fn put_other(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    put(draft, "D", "other")
}

/// Does the write, or another one if it was done.
fn go_on(home: &Home, write: &Write) {
    let store = home.store();
    match home.told() {
        Some(told) if told.generation > 2 || write.previous != Previous::Exchange => {
            commit(&store, unlocked(&store), Previous::Keep, put_other).unwrap();
        }
        _ => (write.run)(&store).unwrap(),
    }
}
