//! A vault that somebody altered without its key: header and index are refused when it opens, values
//! when they are used and at the next write. No byte of a file is free.

use crate::format::values::hash_sealed;
use crate::format::{FormatError, Header, Purpose};
use crate::secret::RootKey;
use crate::slot::SlotKind;
use crate::store::memory::MemoryStore;
use crate::vault::commit::CommitError;
use crate::vault::samples::{OneKey, change, content, put, sample, unlocked_bytes};
use crate::vault::{LockedVault, UnlockedVault};

/// Header with two slots: 64 + 2 × 160 + 32 bytes.
const HEADER: usize = 416;
/// The sealed index of a small vault.
const INDEX_END: usize = HEADER + 4176;
/// A sealed value of up to 60 bytes.
const VALUE: usize = 144;

fn vault() -> MemoryStore {
    sample(&[("A", "first"), ("B", "second")])
}

/// Opens everything of a file but its values.
fn open(bytes: &[u8]) -> Result<UnlockedVault, String> {
    let locked = LockedVault::open(Box::new(bytes.to_vec()), Purpose::Secrets);
    let locked = locked.map_err(|error| error.to_string())?;
    let mut keys = [OneKey { kind: "env", key: 1 }, OneKey { kind: "env", key: 2 }];
    let [first, second] = &mut keys;
    let vault = locked.unlock(&mut [first, second]).map_err(|error| error.to_string())?.vault;
    vault.index().map_err(|error| error.to_string())?;
    Ok(vault)
}

/// The file with its header hash made to fit whatever the header is.
fn with_right_hash(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = hash_sealed(&bytes[..HEADER - 32]);
    bytes[HEADER - 32..HEADER].copy_from_slice(&hash);
    bytes
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn every_flipped_bit_of_header_and_index_is_refused_at_open() {
    let whole = vault().current();
    assert_eq!(whole.len(), INDEX_END + 2 * VALUE);
    assert!(open(&whole).is_ok());
    for bit in 0..8 * INDEX_END {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&altered).is_err(), "byte {} bit {}", bit / 8, bit % 8);
    }
}

#[test]
fn every_flipped_bit_of_the_header_is_refused_even_if_its_hash_was_made_to_fit() {
    let whole = vault().current();
    for bit in 0..8 * (HEADER - 32) {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&with_right_hash(altered)).is_err(), "byte {} bit {}", bit / 8, bit % 8);
    }
}

#[test]
fn every_flipped_bit_of_a_value_is_refused_at_its_use_and_at_the_next_write() {
    let store = vault();
    let whole = store.current();
    for bit in 0..8 * 2 * VALUE {
        let mut altered = whole.clone();
        altered[INDEX_END + bit / 8] ^= 1 << (bit % 8);
        let damaged = bit / 8 / VALUE;
        let opened = unlocked_bytes(altered.clone());
        let index = opened.index().unwrap();
        assert!(opened.value(&index, damaged).is_err(), "bit {bit}");
        assert!(opened.value(&index, 1 - damaged).is_ok(), "bit {bit}");
        assert_eq!(opened.verify(&index).unwrap(), [damaged], "bit {bit}");
        store.set_current(Some(altered.clone()));
        let error = change(&store, |draft| put(draft, "C", "third")).unwrap_err();
        assert!(matches!(error, CommitError::Format(FormatError::Value { .. })), "bit {bit}: {error}");
        assert_eq!(store.current(), altered);
    }
}

#[test]
fn a_file_that_is_cut_off_at_any_length_is_refused() {
    let whole = vault().current();
    for len in 0..whole.len() {
        let error = open(&whole[..len]).unwrap_err();
        assert!(error.contains("cut off"), "{len} bytes: {error}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let (whole, other) = (vault().current(), vault().current());
    let more = [whole.clone(), other, whole[INDEX_END..].to_vec()];
    for more in (1..=64).map(|count| vec![0; count]).chain(more) {
        let error = open(&joined(&[&whole, &more])).unwrap_err();
        assert!(error.contains("damaged"), "{} bytes: {error}", more.len());
    }
}

#[test]
fn bytes_taken_out_or_put_in_anywhere_are_refused() {
    let whole = vault().current();
    for at in (0..INDEX_END).step_by(7) {
        assert!(open(&joined(&[&whole[..at], &whole[at + 1..]])).is_err(), "without byte {at}");
        assert!(open(&joined(&[&whole[..at], &[0], &whole[at..]])).is_err(), "a byte more at {at}");
    }
}

#[test]
fn exchanged_and_doubled_slots_are_refused() {
    let whole = vault().current();
    let (first, second) = (&whole[64..224], &whole[224..384]);
    for slots in [[second, first], [first, first], [second, second]] {
        let altered = joined(&[&whole[..64], slots[0], slots[1], &whole[384..]]);
        assert!(open(&with_right_hash(altered)).is_err());
    }
}

#[test]
fn a_header_without_its_stronger_slot_is_refused() {
    let whole = vault().current();
    let vault = unlocked_bytes(whole.clone());
    for kept in 0..2 {
        let slots = vec![vault.header().slots[kept].clone()];
        let header = Header { slots, ..vault.header().clone() }.encode();
        assert!(open(&joined(&[&header, &whole[HEADER..]])).is_err());
    }
}

#[test]
fn a_slot_of_another_vault_is_refused() {
    let (whole, other) = (vault().current(), vault().current());
    let altered = joined(&[&whole[..64], &other[64..224], &whole[224..]]);
    assert!(open(&with_right_hash(altered)).is_err());
}

#[test]
fn the_index_of_another_vault_or_generation_is_refused() {
    let store = vault();
    change(&store, |draft| put(draft, "A", "newer")).unwrap();
    let (older, newer) = (store.previous().unwrap(), store.current());
    for other in [older, vault().current()] {
        assert!(open(&joined(&[&newer[..HEADER], &other[HEADER..]])).is_err());
        assert!(open(&joined(&[&newer[..HEADER], &other[HEADER..INDEX_END], &newer[INDEX_END..]])).is_err());
        assert!(open(&joined(&[&other[..INDEX_END], &newer[INDEX_END..]])).is_err());
    }
}

#[test]
fn exchanged_values_are_refused() {
    let whole = vault().current();
    let (first, second) = (&whole[INDEX_END..INDEX_END + VALUE], &whole[INDEX_END + VALUE..]);
    let opened = unlocked_bytes(joined(&[&whole[..INDEX_END], second, first]));
    let index = opened.index().unwrap();
    assert_eq!(opened.verify(&index).unwrap(), [0, 1]);
}

#[test]
fn the_value_of_an_older_version_put_back_is_refused() {
    let store = vault();
    change(&store, |draft| put(draft, "A", "newer")).unwrap();
    let mut altered = store.current();
    assert_eq!(content(&store), ["A/2=newer", "A/1=first", "B/1=second"]);
    altered.copy_within(INDEX_END + VALUE..INDEX_END + 2 * VALUE, INDEX_END);
    let opened = unlocked_bytes(altered);
    assert_eq!(opened.verify(&opened.index().unwrap()).unwrap(), [0]);
}

#[test]
fn a_value_of_the_same_name_in_another_vault_is_refused() {
    let (whole, other) = (vault().current(), vault().current());
    let opened = unlocked_bytes(joined(&[&whole[..INDEX_END], &other[INDEX_END..]]));
    assert_eq!(opened.verify(&opened.index().unwrap()).unwrap(), [0, 1]);
}

#[test]
fn a_whole_vault_made_by_somebody_else_does_not_open() {
    let theirs = MemoryStore::default();
    let vault = UnlockedVault::create(Purpose::Secrets).unwrap();
    crate::vault::commit::commit(&theirs, vault, crate::store::Previous::Keep, |draft| {
        draft.add_slot(SlotKind::Env, crate::slot::SlotId::generate(), &crate::vault::samples::slot_key(9))
    })
    .unwrap();
    assert_eq!(open(&theirs.current()).unwrap_err(), "no key at hand opens this vault");
}

/// The part of a file that does not open; a header is refused before anybody is asked for a key.
fn refused_part(bytes: Vec<u8>) -> Option<&'static str> {
    let Ok(locked) = LockedVault::open(Box::new(bytes), Purpose::Secrets) else { return Some("header") };
    let Ok(opened) = locked.unlock(&mut [&mut OneKey { kind: "env", key: 1 }]) else { return Some("index") };
    let index = opened.vault.index().ok()?;
    let damaged = opened.vault.verify(&index).ok()?;
    (!damaged.is_empty()).then_some("values")
}

#[test]
fn a_hundred_thousand_windows_of_random_bytes_are_refused_by_the_part_that_they_hit_first() {
    let whole = vault().current();
    assert_eq!(refused_part(whole.clone()), None);
    for seed in 0..100_000_u32 {
        let noise = hash_sealed(&seed.to_le_bytes());
        let (offset, _) = noise[16..].split_first_chunk().unwrap();
        let at = usize::from(u16::from_le_bytes(*offset)) % (whole.len() - 15);
        let mut altered = whole.clone();
        altered[at..at + 16].copy_from_slice(&noise[..16]);
        // A byte of the noise may be the one that was there.
        let hit = match whole.iter().zip(&altered).position(|(before, after)| before != after) {
            Some(..HEADER) => "header",
            Some(HEADER..INDEX_END) => "index",
            Some(_) => "values",
            None => continue,
        };
        assert_eq!(refused_part(altered), Some(hit), "seed {seed}: 16 bytes at {at}");
    }
}

#[test]
fn a_slot_made_one_of_another_kind_is_refused() {
    let whole = vault().current();
    let light = [&[0, 0, 1, 0, 3, 0, 0, 0, 4, 0, 0, 0][..], &[7; 16]].concat();
    for (slot, kind) in
        [64, 224].into_iter().flat_map(|slot| [0, 1, 3, 4, 5, 6, 255].map(|kind| (slot, kind)))
    {
        let mut altered = whole.clone();
        altered[slot] = kind;
        assert!(open(&with_right_hash(altered.clone())).is_err(), "kind {kind} at {slot}");
        altered[slot + 20..slot + 48].copy_from_slice(&light);
        assert!(open(&with_right_hash(altered)).is_err(), "kind {kind} with costs at {slot}");
    }
}

#[test]
fn a_wrong_commitment_and_a_wrong_tag_are_refused_in_the_same_words() {
    let whole = vault().current();
    let with_flipped = |places: &[usize]| {
        let mut altered = whole.clone();
        places.iter().for_each(|place| altered[*place] ^= 1);
        open(&with_right_hash(altered)).unwrap_err()
    };
    // Both slots, because one that is left opens the file.
    let (commitments, tags) = ([64 + 48 + 32, 224 + 48 + 32], [224 - 1, 384 - 1]);
    assert_eq!(with_flipped(&commitments), "no key at hand opens this vault");
    assert_eq!(with_flipped(&commitments), with_flipped(&tags));
    let (commitment, tag) = ([HEADER + 32], [INDEX_END - 1]);
    assert_eq!(
        with_flipped(&commitment),
        "the file is damaged: the index does not open with the vault's own key"
    );
    assert_eq!(with_flipped(&commitment), with_flipped(&tag));
}

#[test]
fn a_version_or_suite_of_zero_is_damage_and_a_later_one_is_a_newer_keyward() {
    let whole = vault().current();
    for (offset, what) in [(8, "format version"), (10, "suite")] {
        let with_number = |number: u16| {
            let mut altered = whole.clone();
            altered[offset..offset + 2].copy_from_slice(&number.to_le_bytes());
            open(&with_right_hash(altered)).unwrap_err()
        };
        assert_eq!(with_number(0), "the file is damaged: a version number is zero");
        for number in [2, 0xffff] {
            let newer = format!("the file was written by a newer keyward ({what} {number})");
            assert_eq!(with_number(number), newer);
        }
    }
}

#[test]
fn the_root_key_of_another_vault_opens_nothing() {
    let locked = LockedVault::open(Box::new(vault().current()), Purpose::Secrets).unwrap();
    let other = RootKey::new(zeroize::Zeroizing::new([0; 32]));
    assert!(matches!(locked.open_with(other, None), Err(FormatError::Damaged(_))));
}
