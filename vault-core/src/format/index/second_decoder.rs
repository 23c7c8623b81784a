//! A second implementation of the index's encoding: wincode, which is maintained, in the place of
//! bincode, which is not. As long as both read and write the same bytes there is a way out.

use wincode::{deserialize_exact, serialize};

use super::{INDEX_BLOCK, Index, PREAMBLE_LEN};
use crate::connection::Auth;
use crate::format::DOCUMENT;

/// Scope kind, tenant, workspace.
type Scope = (u8, String, String);
/// Scope, name, version, created, value id, sealed length, SHA-256.
type Value = (u32, String, u32, u64, [u8; 16], u32, [u8; 32]);
/// Tenant, workspace, directory.
type Binding = (String, String, Vec<u8>);
type Body = (Vec<Scope>, Vec<Value>, Vec<Binding>);
/// Scope, id, kind, label, auth, secret, settings, created, updated.
type Connection = (Scope, String, u8, String, u8, String, Vec<(String, String)>, u64, u64);
type BodyWithConnections = (Vec<Scope>, Vec<Value>, Vec<Binding>, Vec<Connection>);

#[test]
fn a_second_decoder_finds_the_same_fields_in_the_golden_index() {
    let bytes = golden_body();
    let (scopes, values, bindings): Body = deserialize_exact(&bytes).unwrap();
    let plaintext = plaintext_of(1, &bytes);
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

#[test]
fn a_second_decoder_finds_the_same_fields_in_the_golden_connections() {
    let bytes = golden_body_with_connections();
    let (.., connections): BodyWithConnections = deserialize_exact(&bytes).unwrap();
    let plaintext = plaintext_of(2, &bytes);
    let ours = Index::decode(&plaintext).unwrap().connections().unwrap();
    assert_eq!((ours.len(), connections.len()), (2, 2));
    for (ours, theirs) in ours.iter().zip(connections) {
        let workspace = ours.scope.workspace().map_or("", |workspace| workspace.as_str());
        assert_eq!((ours.scope.tenant().as_str(), workspace), (&*theirs.0.1, &*theirs.0.2));
        assert_eq!((ours.id.as_str(), ours.label.as_str()), (&*theirs.1, &*theirs.3));
        let (auth, secret) = match &ours.auth {
            Auth::None => (0, ""),
            Auth::Secret { scope, name } => (if scope.workspace().is_some() { 1 } else { 2 }, name.as_str()),
        };
        assert_eq!((auth, secret), (theirs.4, &*theirs.5));
        let settings: Vec<_> =
            ours.settings.iter().map(|s| (s.key().to_owned(), s.value().to_owned())).collect();
        assert_eq!(settings, theirs.6);
        assert_eq!((ours.created, ours.updated), (theirs.7, theirs.8));
    }
}

#[test]
fn a_second_encoder_writes_the_same_golden_connections() {
    let bytes = golden_body_with_connections();
    let body: BodyWithConnections = deserialize_exact(&bytes).unwrap();
    assert_eq!(serialize(&body).unwrap(), bytes);
}

/// The body of the golden index, as `FORMAT.md §9.3` prints it.
fn golden_body() -> Vec<u8> {
    body_in_document(0)
}

/// The body of the golden index with connections, as `FORMAT.md §9.5` prints it.
fn golden_body_with_connections() -> Vec<u8> {
    body_in_document(1)
}

fn body_in_document(nth: usize) -> Vec<u8> {
    let mut lines = DOCUMENT.lines().filter_map(|line| line.strip_prefix("index_body: "));
    let line = lines.nth(nth).unwrap();
    (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn plaintext_of(schema: u8, body: &[u8]) -> Vec<u8> {
    let mut plaintext = vec![0; PREAMBLE_LEN];
    plaintext[0] = schema;
    plaintext[4..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    plaintext.extend_from_slice(body);
    plaintext.resize(plaintext.len().next_multiple_of(INDEX_BLOCK), 0);
    plaintext
}
