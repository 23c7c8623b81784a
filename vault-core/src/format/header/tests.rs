//! Headers at the edges: each number at its limit and one past it, with a hash that fits, so that what refuses
//! them is the rule and not the hash.

use super::*;

const EPOCH: usize = 36;
const GENERATION: usize = 44;
const COUNT: usize = 60;

fn slot(id: u8) -> SlotRecord {
    SlotRecord { kind: SlotKind::Env, id: SlotId::new([id; 16]), wrapped: [7; WRAPPED_ROOT_LEN] }
}

fn encoded(slots: u8) -> Vec<u8> {
    Header {
        purpose: Purpose::Secrets,
        vault_id: VaultId::new([1; 16]),
        epoch: 1,
        generation: 1,
        sealed_index_len: 4176,
        slots: (0..slots).map(slot).collect(),
    }
    .encode()
}

/// A whole file of this header, with other bytes at a place and a hash that fits.
fn altered(header: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = header;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let content = file.len() - HASH_LEN;
    let hash = Sha256::digest(&file[..content]);
    file[content..].copy_from_slice(&hash);
    file.resize(file.len() + 4176, 0);
    file
}

fn refusal(file: Vec<u8>) -> FormatError {
    Header::read(&file, Purpose::Secrets).unwrap_err()
}

fn is_damaged(file: Vec<u8>, expected: &str) -> bool {
    matches!(refusal(file), FormatError::Damaged(why) if why == expected)
}

#[test]
fn a_header_of_one_to_sixteen_slots_is_read_and_one_of_none_or_more_is_not() {
    for count in 1..=16 {
        let file = altered(encoded(count), 0, &[]);
        assert_eq!(Header::read(&file, Purpose::Secrets).unwrap().0.slots.len(), usize::from(count));
    }
    assert!(is_damaged(altered(encoded(0), 0, &[]), "the length of the header is not that of its slots"));
    assert!(matches!(
        refusal(altered(encoded(17), 0, &[])),
        FormatError::TooLarge("the number of key slots")
    ));
    let huge = altered(encoded(2), COUNT, &[0xff; 4]);
    assert!(matches!(refusal(huge), FormatError::TooLarge("the number of key slots")));
}

#[test]
fn a_number_of_slots_that_is_not_that_of_the_length_is_refused() {
    for count in [1, 3] {
        let file = altered(encoded(2), COUNT, &[count]);
        assert!(is_damaged(file, "the length of the header is not that of its slots"), "{count}");
    }
}

#[test]
fn a_zero_where_numbers_count_from_one_is_damage_and_not_a_newer_file() {
    for (at, zeros, why) in [
        (8, 2, "a version number is zero"),
        (10, 2, "a version number is zero"),
        (12, 1, "the purpose is zero"),
        (EPOCH, 8, "epoch and generation count from one"),
        (GENERATION, 8, "epoch and generation count from one"),
    ] {
        assert!(is_damaged(altered(encoded(1), at, &[0; 8][..zeros]), why), "at {at}");
    }
}

#[test]
fn a_higher_version_suite_or_purpose_is_newer_and_says_which() {
    for (at, number, name) in [(8, 2, "format version"), (10, 2, "suite"), (12, 4, "purpose")] {
        let error = refusal(altered(encoded(1), at, &[number]));
        assert!(
            matches!(error, FormatError::Newer { what, found } if what == name && found == u32::from(number)),
            "{error}"
        );
    }
}

#[test]
fn a_file_shorter_than_any_header_says_how_long_the_shortest_is() {
    let whole = altered(encoded(1), 0, &[]);
    for len in 0..FIXED_LEN {
        let error = refusal(whole[..len].to_vec());
        assert!(
            matches!(error, FormatError::Truncated { expected: 96, found } if found == len as u64),
            "{len} bytes: {error}"
        );
    }
}

#[test]
fn a_file_that_ends_with_its_header_says_how_long_it_has_to_be() {
    let header = encoded(1);
    let error = refusal(header.clone());
    assert!(matches!(error, FormatError::Truncated { expected: 4432, found: 256 }), "{error}");
    let error = refusal(header[..255].to_vec());
    assert!(matches!(error, FormatError::Truncated { expected: 256, found: 255 }), "{error}");
}

#[test]
fn a_length_of_the_header_has_its_least_and_its_most() {
    let with_length = |length: u32| {
        let mut fixed = [0; 20];
        fixed[16..].copy_from_slice(&length.to_le_bytes());
        header_len(&fixed)
    };
    for length in [0, 32, 33, 64, 95] {
        assert!(
            matches!(
                with_length(length),
                Err(FormatError::Damaged("the length of the header is impossible"))
            ),
            "{length}"
        );
    }
    assert_eq!(with_length(96).unwrap(), 96);
    assert_eq!(with_length(MAX_HEADER).unwrap(), 16_384);
    assert!(matches!(with_length(MAX_HEADER + 1), Err(FormatError::TooLarge("the length of the header"))));
}

#[test]
fn a_length_of_the_index_is_whole_blocks_up_to_the_limit() {
    for length in [4176, 80 + 2 * 4096, MAX_SEALED_INDEX] {
        assert!(check_index_len(length).is_ok(), "{length}");
    }
    for length in [0, 79, 80, 81, 4096, 4175, 4177] {
        assert!(
            matches!(
                check_index_len(length),
                Err(FormatError::Damaged("the length of the index is impossible"))
            ),
            "{length}"
        );
    }
    for length in [MAX_SEALED_INDEX + 1, MAX_SEALED_INDEX + 4096, u64::MAX] {
        assert!(matches!(check_index_len(length), Err(FormatError::TooLarge("the size of the index"))));
    }
}

/// A file of some length that no read comes back from.
#[derive(Debug)]
struct Unread {
    len: u64,
    error: ErrorKind,
}

impl Snapshot for Unread {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        Err(self.error.into())
    }
}

#[test]
fn a_file_above_the_limit_is_refused_unread() {
    for (len, is_too_large) in [(MAX_FILE, false), (MAX_FILE + 1, true)] {
        let refused = Header::read(&Unread { len, error: ErrorKind::Other }, Purpose::Secrets).unwrap_err();
        assert_eq!(
            matches!(refused, FormatError::TooLarge("the size of the file")),
            is_too_large,
            "{refused}"
        );
    }
}

#[test]
fn a_disk_that_fails_is_no_file_without_a_revision() {
    let of = |error| revision(&Unread { len: 4432, error });
    assert_eq!(of(ErrorKind::Other).unwrap_err().kind(), ErrorKind::Other);
    assert!(of(ErrorKind::UnexpectedEof).unwrap().is_none(), "somebody cut it off");
    assert!(revision(&encoded(1)).unwrap().is_none(), "it has no index");
    assert!(revision(&altered(encoded(1), 0, &[])).unwrap().is_some());
}

#[test]
fn every_kind_of_slot_has_a_word_of_its_own() {
    let passphrase = SlotKind::Passphrase { params: KdfParams::LIGHT, salt: [0; kdf::SALT_LEN] };
    let kinds = [SlotKind::Env, SlotKind::Keyring, SlotKind::Machine, passphrase, SlotKind::Recovery];
    assert_eq!(kinds.map(|kind| kind.name()), ["env", "keyring", "machine", "passphrase", "recovery"]);
}
