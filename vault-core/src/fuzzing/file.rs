//! The parts of a vault file in plain: header, index, connections. What a reader accepts has no second
//! encoding: it has to become the same bytes again.

use std::io;

use sha2::{Digest, Sha256};

use crate::crypto::seal::{PREFIX_LEN, TAG_LEN};
use crate::format::header::{FIXED_LEN, HASH_LEN};
use crate::format::index::{INDEX_BLOCK, Index, encode_index};
use crate::format::{Header, MAX_FILE, MAX_HEADER, Purpose, Snapshot, revision};
use crate::name::SecretName;

pub(super) const PURPOSES: [Purpose; 3] = [Purpose::Bundle, Purpose::Secrets, Purpose::Sessions];

/// Reads bytes as a file, and once more with a hash that fits and as much behind them as they announce: a
/// fuzzer computes no SHA-256.
pub fn header(bytes: &[u8]) -> bool {
    let as_it_is = check_header(&bytes.to_vec());
    check_header(&Padded(with_right_hash(bytes))) || as_it_is
}

fn check_header(snapshot: &dyn Snapshot) -> bool {
    let read = PURPOSES.map(|purpose| Header::read(snapshot, purpose));
    let accepted: Vec<_> = read.into_iter().filter_map(Result::ok).collect();
    for (header, bytes) in &accepted {
        assert!(header.encode() == *bytes, "a header has two encodings");
        assert!(
            revision(snapshot).is_ok_and(|revision| revision.is_some()),
            "a file with a header has no revision"
        );
    }
    assert!(accepted.len() <= 1, "a file has two purposes");
    !accepted.is_empty()
}

fn with_right_hash(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some(length) = bytes.get(16..20).and_then(|length| length.first_chunk()) else { return bytes };
    let length = u32::from_le_bytes(*length).min(MAX_HEADER) as usize;
    if length >= FIXED_LEN + HASH_LEN {
        bytes.resize(length, 0);
        let (content, hash) = bytes.split_at_mut(length - HASH_LEN);
        hash.copy_from_slice(&Sha256::digest(content));
    }
    bytes
}

/// Bytes with zeros behind them, up to the largest size of a file.
#[derive(Debug)]
struct Padded(Vec<u8>);

impl Snapshot for Padded {
    fn len(&self) -> u64 {
        MAX_FILE
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        assert!(offset + buffer.len() as u64 <= MAX_FILE, "a read past the end of the file");
        let rest = usize::try_from(offset).ok().and_then(|start| self.0.get(start..)).unwrap_or_default();
        let (from_bytes, zeros) = buffer.split_at_mut(rest.len().min(buffer.len()));
        from_bytes.copy_from_slice(&rest[..from_bytes.len()]);
        zeros.fill(0);
        Ok(())
    }
}

/// Decodes bytes as the plaintext of an index, and as the body of one for each schema.
pub fn index(bytes: &[u8]) -> bool {
    let plaintexts = [bytes.to_vec(), index_plaintext(1, bytes), index_plaintext(2, bytes)];
    let accepted = plaintexts.map(|plaintext| {
        let Ok(index) = Index::decode(&plaintext) else { return false };
        let message = encode_index(&index).expect("what was read is within the limits");
        assert!(message[PREFIX_LEN..message.len() - TAG_LEN] == plaintext, "an index has two encodings");
        check_lookups(&index);
        check_connections(&index);
        true
    });
    accepted.contains(&true)
}

/// Puts a body into the frame of `FORMAT.md §5`.
pub(super) fn index_plaintext(schema: u32, body: &[u8]) -> Vec<u8> {
    let mut plaintext = [&schema.to_le_bytes()[..], &(body.len() as u64).to_le_bytes(), body].concat();
    plaintext.resize(plaintext.len().next_multiple_of(INDEX_BLOCK), 0);
    plaintext
}

/// Checks that every value is found by its name, and in no other place.
fn check_lookups(index: &Index<'_>) {
    let mut at = 0;
    let mut current = index.current().map(|(position, _)| position);
    for (position, record) in index.values.iter().enumerate() {
        let scope = index.scopes[record.scope as usize].scope().expect("scopes are checked with the index");
        let name = SecretName::parse(record.name).expect("names are checked with the index");
        let versions = index.versions(&scope, &name);
        assert!(versions.contains(&position), "a value is not among those of its name");
        assert!(
            versions.start != position || current.next() == Some(position),
            "a newest value is not current"
        );
        assert!(
            index.values.message_at(position) == at.min(u32::MAX.into()),
            "a message is at another place"
        );
        at += u64::from(record.sealed_len);
    }
    assert!(current.next().is_none(), "a value is current and not the newest");
    assert!(index.values.sealed_len() == at, "the sizes of the messages have another sum");
}

/// Reads bytes as the encoded vector of connections.
pub fn connections(bytes: &[u8]) -> bool {
    check_connections(&Index { connection_bytes: bytes.into(), ..Index::default() })
}

fn check_connections(index: &Index<'_>) -> bool {
    let Ok(connections) = index.connections() else { return false };
    let mut again = Index::default();
    again.set_connections(&connections).expect("what was read is within the limits");
    assert!(again.connection_bytes == index.connection_bytes, "connections have two encodings");
    true
}
