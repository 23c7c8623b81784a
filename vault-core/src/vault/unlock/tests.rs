//! Which source opens which slot, in which order, and what is said when none does.

use super::*;
use crate::secret::SecretBytes;
use crate::slot::{SlotKind, VaultId};
use crate::store::Previous;
use crate::vault::commit::commit;
use crate::vault::samples::{OneKey, SLOTS, locked, put, sample, slot_key, unlocked};

/// A source that writes down for which slots it was asked.
#[derive(Debug, Default)]
struct Scripted {
    serves: Vec<&'static str>,
    answers: Vec<Answer>,
    asked: Vec<SlotId>,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Interrupted,
    Key(u8),
    Nothing,
}

impl KeySource for Scripted {
    fn label(&self) -> &'static str {
        "scripted"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        self.serves.contains(&kind.name())
    }

    fn slot_key(&mut self, _vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        let answer = self.answers[self.asked.len()];
        self.asked.push(slot.id);
        match answer {
            Answer::Interrupted => Err(SourceError::interrupted()),
            Answer::Key(byte) => Ok(slot_key(byte)),
            Answer::Nothing => Err(SourceError::new("nothing here")),
        }
    }
}

fn env(answers: &[Answer]) -> Scripted {
    Scripted { serves: vec!["env"], answers: answers.to_vec(), asked: Vec::new() }
}

fn no_key(error: UnlockError) -> (Vec<&'static str>, Vec<Attempt>, bool) {
    match error {
        UnlockError::NoKey { slots, attempts, wrong_key } => (slots, attempts, wrong_key),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_source_with_a_key_opens_the_vault_and_no_later_one_is_asked() {
    let store = sample(&[("A", "a")]);
    let (mut first, mut second) = (env(&[Answer::Key(1)]), env(&[Answer::Key(2)]));
    let unlocked = locked(&store).unlock(&mut [&mut first, &mut second]).unwrap();
    assert_eq!(unlocked.vault.opened_by().unwrap().id, SLOTS[0]);
    assert_eq!((unlocked.source.as_str(), unlocked.failed.len()), ("scripted", 0));
    assert_eq!((first.asked, second.asked), (vec![SLOTS[0]], vec![]));
}

#[test]
fn a_key_is_tried_on_each_slot_in_the_order_of_the_file() {
    let store = sample(&[]);
    let mut source = env(&[Answer::Key(2), Answer::Key(2)]);
    let unlocked = locked(&store).unlock(&mut [&mut source]).unwrap();
    assert_eq!(unlocked.vault.opened_by().unwrap().id, SLOTS[1]);
    assert_eq!(source.asked, SLOTS);
}

#[test]
fn a_slot_without_a_key_does_not_stop_the_search() {
    let store = sample(&[]);
    let mut source = env(&[Answer::Nothing, Answer::Key(2)]);
    assert!(locked(&store).unlock(&mut [&mut source]).is_ok());
}

#[test]
fn a_source_that_failed_is_listed_beside_the_one_that_opened() {
    let store = sample(&[]);
    let mut failing = OneKey { kind: "env", key: 9 };
    let unlocked = locked(&store).unlock(&mut [&mut failing, &mut OneKey { kind: "env", key: 1 }]).unwrap();
    assert_eq!(unlocked.failed.len(), 1);
    assert!(matches!(unlocked.failed[0].failure, AttemptFailure::WrongKey("env")));
}

#[test]
fn a_key_for_slots_of_another_kind_is_not_asked_for() {
    let store = sample(&[]);
    let mut source = Scripted { serves: vec!["keyring"], ..Scripted::default() };
    let (slots, attempts, wrong_key) = no_key(locked(&store).unlock(&mut [&mut source]).unwrap_err());
    assert_eq!((slots, wrong_key), (vec!["env", "env"], false));
    assert!(matches!(&attempts[..], [Attempt { failure: AttemptFailure::NoSlot, .. }]));
    assert_eq!(source.asked, []);
}

#[test]
fn no_source_is_another_error_than_a_wrong_key() {
    let store = sample(&[]);
    let none = no_key(locked(&store).unlock(&mut []).unwrap_err());
    assert!(none.1.is_empty() && !none.2);
    let (_, attempts, wrong_key) =
        no_key(locked(&store).unlock(&mut [&mut env(&[Answer::Nothing; 2])]).unwrap_err());
    assert!(!wrong_key && matches!(attempts[0].failure, AttemptFailure::Source(_)));
    let (_, attempts, wrong_key) =
        no_key(locked(&store).unlock(&mut [&mut env(&[Answer::Key(9); 2])]).unwrap_err());
    assert!(wrong_key && matches!(attempts[0].failure, AttemptFailure::WrongKey("env")));
}

#[test]
fn a_wrong_key_says_more_than_a_missing_one() {
    let store = sample(&[]);
    for answers in [[Answer::Key(9), Answer::Nothing], [Answer::Nothing, Answer::Key(9)]] {
        let (_, attempts, wrong_key) = no_key(locked(&store).unlock(&mut [&mut env(&answers)]).unwrap_err());
        assert!(wrong_key && matches!(attempts[0].failure, AttemptFailure::WrongKey("env")), "{answers:?}");
    }
}

#[test]
fn every_attempt_is_listed_in_order() {
    let store = sample(&[]);
    let mut sources =
        (OneKey { kind: "keyring", key: 1 }, env(&[Answer::Nothing; 2]), OneKey { kind: "env", key: 9 });
    let error = locked(&store).unlock(&mut [&mut sources.0, &mut sources.1, &mut sources.2]).unwrap_err();
    let texts: Vec<String> =
        no_key(error).1.iter().map(|attempt| format!("{}: {}", attempt.source, attempt.failure)).collect();
    let expected = [
        "keyring: this vault has no slot for it",
        "scripted: nothing here",
        "env: does not open the env slot",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_person_who_stops_the_search_ends_it() {
    let store = sample(&[]);
    for answers in [[Answer::Interrupted, Answer::Nothing], [Answer::Key(9), Answer::Interrupted]] {
        let mut later = OneKey { kind: "env", key: 1 };
        let error = locked(&store).unlock(&mut [&mut env(&answers), &mut later]).unwrap_err();
        assert!(matches!(error, UnlockError::Interrupted), "{error:?}");
    }
}

#[test]
fn a_right_key_over_a_damaged_index_is_damage_and_not_a_wrong_key() {
    let store = sample(&[]);
    let mut bytes = store.current();
    bytes[500] ^= 1;
    store.set_current(Some(bytes));
    let mut later = env(&[Answer::Key(2); 2]);
    let error = locked(&store).unlock(&mut [&mut OneKey { kind: "env", key: 1 }, &mut later]).unwrap_err();
    assert!(matches!(error, UnlockError::Format(FormatError::Damaged(_))), "{error:?}");
    assert_eq!(later.asked, []);
}

#[test]
fn an_altered_slot_does_not_keep_the_next_one_from_being_tried() {
    let store = sample(&[("A", "a")]);
    let mut header = unlocked(&store).header().clone();
    header.slots[0].wrapped[40] ^= 1;
    let mut bytes = store.current();
    bytes[..416].copy_from_slice(&header.encode());
    store.set_current(Some(bytes));
    // The index authenticates the whole header, so that the altered slot is found all the same.
    let error = locked(&store).unlock(&mut [&mut OneKey { kind: "env", key: 2 }]).unwrap_err();
    assert!(matches!(error, UnlockError::Format(FormatError::Damaged(_))), "{error:?}");
    let error = locked(&store).unlock(&mut [&mut OneKey { kind: "env", key: 1 }]).unwrap_err();
    assert!(no_key(error).2);
}

#[test]
fn a_removed_slot_opens_the_vault_no_more() {
    let store = sample(&[]);
    let vault = unlocked(&store);
    commit(&store, vault, Previous::Drop, |draft| draft.remove_slot(SLOTS[0])).unwrap();
    let error = locked(&store).unlock(&mut [&mut OneKey { kind: "env", key: 1 }]).unwrap_err();
    assert!(no_key(error).2);
    assert!(locked(&store).unlock(&mut [&mut OneKey { kind: "env", key: 2 }]).is_ok());
}

#[test]
fn every_secret_of_a_rekeyed_vault_is_closed_to_the_old_keys() {
    let store = sample(&[("A", "a")]);
    let stale = unlocked(&store);
    commit(&store, unlocked(&store), Previous::Drop, |draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(3))?;
        put(draft, "B", "b")
    })
    .unwrap();
    for key in [1, 2] {
        assert!(locked(&store).unlock(&mut [&mut OneKey { kind: "env", key }]).is_err());
    }
    assert!(locked(&store).open_with(stale.root, None).is_err());
    let vault = locked(&store).unlock(&mut [&mut OneKey { kind: "env", key: 3 }]).unwrap().vault;
    let values = vault.values(&vault.index().unwrap(), &[0, 1]).unwrap();
    assert_eq!(values.iter().map(SecretBytes::expose_secret).collect::<Vec<_>>(), [b"a", b"b"]);
}

#[test]
fn key_of_gives_a_key_only_for_the_slot_that_it_opens() {
    let vault = unlocked(&sample(&[]));
    let slots = &vault.header().slots;
    assert!(vault.key_of(&slots[0], &mut OneKey { kind: "env", key: 1 }).is_some());
    assert!(vault.key_of(&slots[1], &mut OneKey { kind: "env", key: 1 }).is_none());
    assert!(vault.key_of(&slots[0], &mut OneKey { kind: "keyring", key: 1 }).is_none());
}

#[test]
fn an_unlocked_vault_tells_which_slot_one_more_source_opens() {
    let vault = unlocked(&sample(&[]));
    assert_eq!(vault.ask(&mut OneKey { kind: "env", key: 2 }).unwrap(), SLOTS[1]);
    let failure = vault.ask(&mut OneKey { kind: "env", key: 9 }).unwrap_err();
    assert!(matches!(failure, AttemptFailure::WrongKey("env")));
}
