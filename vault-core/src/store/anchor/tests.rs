//! What an anchor says, how its file is read, and how vaults stand to it.

use std::ffi::OsStr;

use super::*;
use crate::checked_text::check_line;
use crate::format::DOCUMENT;

/// The anchor of the golden vault, computed with Python's `hashlib` and `base64`.
const KNOWN: &str = "keyward anchor 1
vault a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0
epoch 1
generation 3
revision da1c4fff811c21f663bd1f31e03c64ad537f3cefa219bb838d34a9a9f91edc7f
path /home/ana/.local/share/keyward/vault
check kuwv6EyYLRd7xLjh4AtDBCj8C3ZJ2otqeAm8uNBB1qg
";
const GOLDEN: &[u8] = include_bytes!("../../../../tests/vectors/golden_v1.vault");

fn state(vault_id: u8, epoch: u64, generation: u64, revision: u8) -> State {
    let vault_id = VaultId::new([vault_id; 16]);
    State { vault_id, epoch, generation, revision: Revision::new([revision; 32]) }
}

fn anchor(state: State) -> Anchor {
    Anchor { vault: "/v".into(), state }
}

/// The lines of the known anchor, which a test changes, with the right check behind them.
fn changed(old: &str, new: &str) -> String {
    let lines = KNOWN.split("check ").next().unwrap();
    assert!(lines.contains(old), "{old}");
    let lines = lines.replacen(old, new, 1);
    format!("{lines}{}", check_line(&lines))
}

#[test]
fn the_golden_vault_has_a_known_anchor() {
    let state = State::of(&GOLDEN).unwrap().unwrap();
    let anchor = Anchor { vault: "/home/ana/.local/share/keyward/vault".into(), state };
    assert_eq!(String::from_utf8(anchor.encode()).unwrap(), KNOWN);
    assert_eq!(Anchor::read(KNOWN.as_bytes()), Ok(anchor));
    assert!(DOCUMENT.contains(KNOWN));
}

#[test]
fn an_anchor_file_that_is_read_is_written_as_it_was() {
    assert_eq!(anchor_file_again(KNOWN.as_bytes()).as_deref(), Some(KNOWN.as_bytes()));
}

#[test]
fn a_path_may_have_any_byte_but_zero() {
    let names: [&[u8]; 4] = [b"/a b", b"/\xff", b"/line\ncheck AAAA\n", b"/path /\n\n"];
    for name in names {
        let anchor = Anchor { vault: OsStr::from_bytes(name).into(), state: state(1, 1, 1, 1) };
        assert_eq!(Anchor::read(&anchor.encode()), Ok(anchor));
    }
}

#[test]
fn the_longest_path_and_the_highest_numbers_fit() {
    let longest = format!("/{}", "x".repeat(4094));
    let anchor = Anchor { vault: longest.into(), state: state(0xff, u64::MAX, u64::MAX, 0xff) };
    assert_eq!(Anchor::read(&anchor.encode()), Ok(anchor));
}

#[test]
fn every_bit_of_an_anchor_flipped_is_damage() {
    for place in 0..KNOWN.len() {
        for bit in 0..8 {
            let mut file = KNOWN.as_bytes().to_vec();
            file[place] ^= 1 << bit;
            assert_eq!(Anchor::read(&file), Err(TextError::Damaged), "byte {place} bit {bit}");
        }
    }
}

#[test]
fn an_anchor_cut_off_or_continued_is_damage() {
    for end in 0..KNOWN.len() {
        assert_eq!(Anchor::read(&KNOWN.as_bytes()[..end]), Err(TextError::Damaged), "{end}");
    }
    for more in ["\n", " ", "\0", KNOWN] {
        assert_eq!(Anchor::read(format!("{KNOWN}{more}").as_bytes()), Err(TextError::Damaged));
    }
}

#[test]
fn a_newer_anchor_is_told_from_a_damaged_one() {
    assert_eq!(Anchor::read(changed("anchor 1", "anchor 2").as_bytes()), Err(TextError::Newer));
    assert_eq!(Anchor::read(changed("keyward anchor 1\n", "").as_bytes()), Err(TextError::Damaged));
}

#[test]
fn an_anchor_longer_than_any_path_is_damage() {
    let file = changed("/vault\n", &format!("/{}\n", "x".repeat(MAX_LEN)));
    assert_eq!(Anchor::read(file.as_bytes()), Err(TextError::Damaged));
}

#[test]
fn a_right_check_does_not_make_up_for_a_wrong_line() {
    for (old, new) in [
        ("vault a0", "vault A0"),
        ("vault a0a0", "vault a0"),
        ("vault a0", "vault +0"),
        ("vault a0", "vault \u{e9}"),
        ("vault a0", "Vault a0"),
        ("epoch 1", "epoch 0"),
        ("epoch 1", "epoch 01"),
        ("epoch 1", "epoch +1"),
        ("epoch 1", "epoch -1"),
        ("epoch 1", "epoch 1 "),
        ("epoch 1", "epoch"),
        ("epoch 1\n", ""),
        ("epoch 1\ngeneration 3\n", "generation 3\nepoch 1\n"),
        ("epoch 1\n", "epoch 1\nepoch 1\n"),
        ("generation 3", "generation 0"),
        ("generation 3", "generation 18446744073709551616"),
        ("generation 3", "generation 3\r"),
        ("revision da", "revision DA"),
        ("revision da", "revision "),
        ("revision da", "revision dada"),
        ("revision da1c", "revision da1g"),
        ("path /", "path "),
        ("path /home/ana", "path /home/\0ana"),
        ("path /home/ana/.local/share/keyward/vault\n", ""),
        ("path /home/ana/.local/share/keyward/vault\n", "path \n"),
        ("/vault\n", "/vault"),
    ] {
        assert_eq!(Anchor::read(changed(old, new).as_bytes()), Err(TextError::Damaged), "{new:?}");
    }
}

#[test]
fn a_vault_stands_to_its_anchor_as_its_numbers_say() {
    use Standing::{Ahead, Forked, RolledBack, Same, Substituted};
    let anchor = anchor(state(1, 5, 50, 7));
    for (found, standing) in [
        (state(1, 5, 50, 7), Same),
        (state(1, 5, 51, 8), Ahead),
        (state(1, 6, 51, 8), Ahead),
        (state(1, 5, u64::MAX, 8), Ahead),
        (state(1, 5, 49, 8), RolledBack),
        (state(1, 5, 1, 7), RolledBack),
        (state(1, 4, 50, 7), RolledBack),
        (state(1, 4, 51, 8), RolledBack),
        (state(1, 6, 49, 8), RolledBack),
        (state(1, 5, 50, 8), Forked),
        (state(1, 6, 50, 8), Forked),
        (state(2, 5, 50, 7), Substituted),
        (state(2, 9, 99, 8), Substituted),
        (state(2, 1, 1, 8), Substituted),
    ] {
        assert_eq!(anchor.standing(&found), standing, "{found}");
        let admitted = anchor.check(&found, Path::new("v"));
        assert_eq!(admitted.is_ok(), matches!(standing, Ahead | Same), "{found}");
    }
}

#[test]
fn what_is_restored_may_be_older_but_not_of_a_former_key_or_another_vault() {
    let anchor = anchor(state(1, 5, 50, 7));
    let check = |former| anchor.check_restored(&former, Path::new("v"));
    for former in [state(1, 5, 49, 8), state(1, 5, 1, 8), state(1, 5, 50, 8), state(1, 6, 60, 8)] {
        check(former).unwrap();
    }
    assert!(matches!(check(state(1, 4, 60, 8)), Err(StoreError::RolledBack { .. })));
    assert!(matches!(check(state(2, 5, 60, 8)), Err(StoreError::Substituted { .. })));
}

#[test]
fn the_header_alone_does_not_name_a_state() {
    for cut in [0, 7, 63, 300, 416, 500, 4175] {
        assert_eq!(State::of(&&GOLDEN[..cut]).unwrap(), None, "{cut}");
    }
}

/// A file that somebody changes while it is read: each look at it gives the next bytes.
#[derive(Debug)]
struct Changing(std::sync::Mutex<Vec<&'static [u8]>>);

impl Snapshot for Changing {
    fn len(&self) -> u64 {
        GOLDEN.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut looks = self.0.lock().unwrap();
        let bytes = if looks.len() > 1 { looks.remove(0) } else { looks[0] };
        bytes.read_at(offset, buffer)
    }
}

#[test]
fn what_was_compared_is_what_is_read_whatever_becomes_of_the_file() {
    let other: &'static [u8] = Box::leak(vec![0; GOLDEN.len()].into_boxed_slice());
    let changing =
        |looks: &[&'static [u8]]| -> Box<dyn Snapshot> { Box::new(Changing(looks.to_vec().into())) };
    let anchored = anchor(State::of(&GOLDEN).unwrap().unwrap());
    let admitted = admit(Some(&anchored), Some(changing(&[GOLDEN, other])), Path::new("v"));
    let admitted = admitted.unwrap().unwrap();
    let read = |range: std::ops::Range<usize>| {
        let mut bytes = vec![1; range.len()];
        admitted.read_at(range.start as u64, &mut bytes).unwrap();
        bytes
    };
    let pinned = GOLDEN.len().min(MAX_HEADER as usize + PREFIX_LEN);
    assert_eq!(read(0..64), GOLDEN[..64]);
    assert_eq!(read(100..pinned), GOLDEN[100..pinned]);
    // Without the anchor the file is what it has become.
    let free = admit(None, Some(changing(&[other])), Path::new("v")).unwrap().unwrap();
    let mut bytes = [1; 64];
    free.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 64]);
}

#[test]
fn a_pinned_file_is_read_like_any_other() {
    let long = [GOLDEN, &[7; 40_000]].concat();
    let pinned = Pinned::new(Box::new(long.clone())).unwrap();
    assert_eq!(pinned.len(), long.len() as u64);
    let edge = MAX_HEADER as usize + PREFIX_LEN;
    for range in
        [0..1, 0..long.len(), edge - 1..edge, edge - 1..edge + 1, edge..edge + 1, 30_000..long.len(), 5..5]
    {
        let mut bytes = vec![0; range.len()];
        pinned.read_at(range.start as u64, &mut bytes).unwrap();
        assert_eq!(bytes, long[range]);
    }
    for start in [long.len(), usize::MAX] {
        assert!(pinned.read_at(start as u64, &mut [0; 1]).is_err());
    }
    assert!(pinned.read_at(0, &mut vec![0; long.len() + 1]).is_err());
}

#[test]
fn no_vault_where_an_anchor_is_is_no_empty_vault() {
    let anchored = anchor(state(1, 1, 1, 1));
    assert!(matches!(admit(Some(&anchored), None, Path::new("v")), Err(StoreError::Gone { .. })));
    assert!(admit(None, None, Path::new("v")).unwrap().is_none());
}

#[test]
fn a_file_that_is_no_vault_is_left_to_who_opens_it() {
    let anchored = anchor(state(1, 1, 1, 1));
    for bytes in [Vec::new(), b"torn".to_vec(), vec![0; 100_000]] {
        let admitted = admit(Some(&anchored), Some(Box::new(bytes)), Path::new("v")).unwrap();
        assert!(admitted.is_some());
    }
}

#[test]
fn a_mismatch_names_the_vaults_where_they_are_two() {
    let shown =
        |found, anchored| Mismatch { found: Box::new(found), anchored: Box::new(anchored) }.to_string();
    let older = shown(state(1, 1, 2, 3), state(1, 1, 4, 5));
    assert_eq!(older.matches(" of vault ").count(), 0, "{older}");
    let other = shown(state(1, 1, 2, 3), state(2, 1, 4, 5));
    assert_eq!(other.matches(" of vault ").count(), 2, "{other}");
}
