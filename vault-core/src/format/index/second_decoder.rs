//! A second implementation of the index's encoding: wincode, which is maintained, in the place of
//! bincode, which is not. As long as both read and write the same bytes there is a way out.

use wincode::{deserialize_exact, serialize};

use super::{INDEX_BLOCK, Index, PREAMBLE_LEN};
use crate::format::DOCUMENT;

/// Scope kind, tenant, workspace.
type Scope = (u8, String, String);
/// Scope, name, version, created, value id, sealed length, SHA-256.
type Value = (u32, String, u32, u64, [u8; 16], u32, [u8; 32]);
/// Tenant, workspace, directory.
type Binding = (String, String, Vec<u8>);
type Body = (Vec<Scope>, Vec<Value>, Vec<Binding>);

#[test]
fn a_second_decoder_finds_the_same_fields_in_the_golden_index() {
    let bytes = golden_body();
    let (scopes, values, bindings): Body = deserialize_exact(&bytes).unwrap();
    let plaintext = plaintext_of(&bytes);
    let index = Index::decode(&plaintext).unwrap();
    assert_eq!((scopes.len(), values.len(), bindings.len()), (1, 3, 1));
    for (ours, theirs) in index.scopes.iter().zip(&scopes) {
        assert_eq!((ours.kind, &*ours.tenant, &*ours.workspace), (theirs.0, &*theirs.1, &*theirs.2));
    }
    assert_eq!(index.values.len(), values.len());
    for (ours, theirs) in index.values.iter().zip(values) {
        let fields = (ours.scope, ours.name.to_string(), ours.version, ours.created);
        assert_eq!(fields, (theirs.0, theirs.1, theirs.2, theirs.3));
        assert_eq!((ours.id.as_bytes(), ours.sealed_len, ours.sha256), (&theirs.4, theirs.5, theirs.6));
    }
    assert_eq!(index.bindings.len(), bindings.len());
    for (ours, theirs) in index.bindings.iter().zip(&bindings) {
        let fields = (&*ours.tenant, &*ours.workspace, &*ours.directory);
        assert_eq!(fields, (&*theirs.0, &*theirs.1, &*theirs.2));
    }
}

#[test]
fn a_second_encoder_writes_the_same_golden_index() {
    let bytes = golden_body();
    let body: Body = deserialize_exact(&bytes).unwrap();
    assert_eq!(serialize(&body).unwrap(), bytes);
}

#[test]
fn the_second_decoder_refuses_what_is_cut_off_or_continued() {
    let bytes = golden_body();
    for end in 0..bytes.len() {
        assert!(deserialize_exact::<Body>(&bytes[..end]).is_err(), "{end} bytes");
    }
    assert!(deserialize_exact::<Body>(&[bytes, vec![0]].concat()).is_err());
}

/// The body of the golden index, as `FORMAT.md §9.3` prints it.
fn golden_body() -> Vec<u8> {
    let line = DOCUMENT.lines().find_map(|line| line.strip_prefix("index_body: ")).unwrap();
    (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn plaintext_of(body: &[u8]) -> Vec<u8> {
    let mut plaintext = vec![0; PREAMBLE_LEN];
    plaintext[0] = 1;
    plaintext[4..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    plaintext.extend_from_slice(body);
    plaintext.resize(plaintext.len().next_multiple_of(INDEX_BLOCK), 0);
    plaintext
}
