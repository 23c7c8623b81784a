//! Properties of header and index: what is encoded comes back, nothing else is accepted, and no bytes
//! make a reader panic.

use std::cmp::Ordering;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::connection::{Auth, Connection, Label, Setting, Settings};
use crate::crypto::kdf::KdfParams;
use crate::crypto::seal::{PREFIX_LEN, TAG_LEN};
use crate::format::header::{FIXED_LEN, HASH_LEN, MAGIC};
use crate::format::index::{BindingRecord, INDEX_BLOCK, Index, ScopeRecord, ValueRecord, encode_index};
use crate::format::{FormatError, Header, MAX_HEADER, Purpose, SlotId, ValueId, VaultId, revision};
use crate::name::{ConnectionId, Scope, SecretName, TenantId, WorkspaceId};
use crate::provider::Kind;
use crate::slot::{SlotKind, SlotRecord};

const PURPOSES: [Purpose; 3] = [Purpose::Bundle, Purpose::Secrets, Purpose::Sessions];
const ID: &str = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

fn any_scope() -> impl Strategy<Value = Scope> {
    (ID, proptest::option::of(ID)).prop_map(|(tenant, workspace)| {
        let tenant = TenantId::parse(&tenant).unwrap();
        match workspace {
            Some(workspace) => Scope::Workspace(tenant, WorkspaceId::parse(&workspace).unwrap()),
            None => Scope::Tenant(tenant),
        }
    })
}

fn any_name() -> impl Strategy<Value = String> {
    "\\PC{1,60}".prop_filter("a name", |name| SecretName::parse(name).is_ok())
}

/// Name, versions, created, id, sealed blocks, hash: one secret in one of the scopes.
type Secret = (usize, String, Vec<u32>, u64, [u8; 16], u32, [u8; 32]);

fn any_secret() -> impl Strategy<Value = Secret> {
    let versions = vec(1..=u32::MAX, 1..=11);
    (any::<usize>(), any_name(), versions, any::<u64>(), any::<[u8; 16]>(), 1..=16_385_u32, any::<[u8; 32]>())
}

fn any_line() -> impl Strategy<Value = String> {
    "\\PC{1,60}".prop_filter("a line", |text| Label::parse(text).is_ok())
}

prop_compose! {
    fn any_connection()(
        scope in any_scope(),
        (id, kind) in ("[a-z0-9][a-z0-9-]{0,62}", proptest::sample::select(Kind::ALL.to_vec())),
        (label, secret) in (any_line(), proptest::option::of((any::<bool>(), any_name()))),
        settings in btree_map(any_line(), any_line(), 0..4),
        (created, updated) in any::<(u64, u64)>(),
    ) -> Connection {
        let settings = settings.iter().filter_map(|(key, value)| Setting::new(key, value).ok());
        let auth = secret.map_or(Auth::None, |(own, name)| {
            let tenant = Scope::Tenant(scope.tenant().clone());
            let name = SecretName::parse(&name).unwrap();
            Auth::Secret { scope: if own { scope.clone() } else { tenant }, name }
        });
        Connection {
            id: ConnectionId::parse(&id).unwrap(),
            label: Label::parse(&label).unwrap(),
            settings: Settings::new(settings.collect()).unwrap(),
            scope, kind, auth, created, updated,
        }
    }
}

/// Connections in their order, each once.
fn any_connections() -> impl Strategy<Value = Vec<Connection>> {
    let key = |connection: &Connection| (ScopeRecord::new(&connection.scope), connection.id.clone());
    vec(any_connection(), 0..6).prop_map(move |mut connections| {
        connections.sort_by_key(key);
        connections.dedup_by_key(|connection| key(connection));
        connections
    })
}

/// An index with connections, and those.
fn any_index_and_connections() -> impl Strategy<Value = (Index<'static>, Vec<Connection>)> {
    (any_index(), any_connections()).prop_map(|(mut index, connections)| {
        index.set_connections(&connections).unwrap();
        (index, connections)
    })
}

prop_compose! {
    fn any_index()(
        scopes in vec(any_scope(), 1..4),
        secrets in vec(any_secret(), 0..8),
        bindings in vec((ID, ID, vec(1_u8..=255, 0..40)), 0..4),
    ) -> Index<'static> {
        index_of(&scopes, secrets, bindings)
    }
}

/// Brings random parts into the order of an index and leaves out what would be there twice.
fn index_of(
    scopes: &[Scope],
    secrets: Vec<Secret>,
    bindings: Vec<(String, String, Vec<u8>)>,
) -> Index<'static> {
    let scope_of = |secret: &Secret| ScopeRecord::new(&scopes[secret.0 % scopes.len()]);
    let mut used: Vec<_> = secrets.iter().map(scope_of).collect();
    used.sort();
    used.dedup();
    let mut values = Vec::new();
    for secret in &secrets {
        let scope = u32::try_from(used.binary_search(&scope_of(secret)).unwrap()).unwrap();
        let (_, name, versions, created, id, blocks, sha256) = secret;
        values.extend(versions.iter().map(|version| ValueRecord {
            scope,
            name,
            version: *version,
            created: *created,
            id: ValueId::new(*id),
            sealed_len: 80 + 64 * blocks,
            sha256: *sha256,
        }));
    }
    values.sort_by(order);
    values.dedup_by(|a, b| order(a, b).is_eq());
    let mut bindings: Vec<_> = bindings.into_iter().map(binding_of).collect();
    bindings.sort();
    bindings.dedup();
    Index { scopes: used, values: values.into_iter().collect(), bindings, ..Index::default() }
}

/// The order of values: scope, name bytewise, newest version first (`FORMAT.md §5`).
fn order(a: &ValueRecord<'_>, b: &ValueRecord<'_>) -> Ordering {
    (a.scope, a.name.as_bytes()).cmp(&(b.scope, b.name.as_bytes())).then(b.version.cmp(&a.version))
}

fn binding_of((tenant, workspace, path): (String, String, Vec<u8>)) -> BindingRecord<'static> {
    let directory = [b"/".as_slice(), &path].concat();
    BindingRecord { tenant: tenant.into(), workspace: workspace.into(), directory: directory.into() }
}

fn plaintext(index: &Index<'_>) -> Vec<u8> {
    let message = encode_index(index).unwrap();
    message[PREFIX_LEN..message.len() - TAG_LEN].to_vec()
}

/// The same index of records that are encoded anew, not kept in the encoding that was read.
fn made_again<'a>(index: &Index<'a>) -> Index<'a> {
    Index { values: index.values.iter().collect(), ..index.clone() }
}

fn any_kind() -> impl Strategy<Value = SlotKind> {
    let passphrase = (65_536..=100_000_u32, 3..=9_u32, 1..=16_u32, any::<[u8; 16]>());
    let passphrase = passphrase.prop_map(|(memory_kib, passes, lanes, salt)| SlotKind::Passphrase {
        params: KdfParams::new(memory_kib, passes, lanes).unwrap(),
        salt,
    });
    let others = [SlotKind::Env, SlotKind::Keyring, SlotKind::Machine, SlotKind::Recovery];
    prop_oneof![4 => proptest::sample::select(others.to_vec()), 1 => passphrase]
}

fn any_slot() -> impl Strategy<Value = SlotRecord> {
    (any_kind(), any::<[u8; 16]>(), any::<[u8; 112]>()).prop_map(|(kind, id, wrapped)| SlotRecord {
        kind,
        id: SlotId::new(id),
        wrapped,
    })
}

prop_compose! {
    fn any_header()(
        purpose in prop::sample::select(&PURPOSES),
        vault_id in any::<[u8; 16]>(),
        epoch in 1..=u64::MAX,
        generation in 1..=u64::MAX,
        blocks in 1..=2_u64,
        slots in vec(any_slot(), 1..=4),
    ) -> Header {
        let sealed_index_len = blocks * 4096 + 80;
        Header { purpose, vault_id: VaultId::new(vault_id), epoch, generation, sealed_index_len, slots }
    }
}

/// A file of this header whose index has any bytes.
fn file_of(header: &Header) -> Vec<u8> {
    let mut bytes = header.encode();
    bytes.resize(bytes.len() + usize::try_from(header.sealed_index_len).unwrap(), 0);
    bytes
}

/// Header bytes with a length and a hash that fit, so that what stands between is looked at.
fn plausible(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&[1, 0, 1, 0]);
    let length = u32::try_from(bytes.len() + HASH_LEN).unwrap();
    bytes[16..20].copy_from_slice(&length.to_le_bytes());
    let hash = Sha256::digest(&bytes);
    [bytes.as_slice(), hash.as_slice(), &[0; 2 * 4096 + 80]].concat()
}

/// Refuses a file, or gives the bytes that its header stands for.
fn reencoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = bytes.to_vec();
    drop(revision(&file));
    PURPOSES.into_iter().find_map(|purpose| Header::read(&file, purpose).ok()).map(|(header, read)| {
        assert_eq!(header.encode(), read);
        read
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_valid_index_comes_back_from_its_encoding(
        (index, connections) in any_index_and_connections(),
    ) {
        let bytes = plaintext(&index);
        prop_assert_eq!(bytes[0], if connections.is_empty() { 1 } else { 2 });
        let read = Index::decode(&bytes).unwrap();
        prop_assert_eq!(read.connections().unwrap(), connections);
        prop_assert_eq!(read, index);
    }

    #[test]
    fn an_altered_index_is_refused_or_is_itself_the_encoding_of_another(
        (index, _) in any_index_and_connections(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = plaintext(&index);
        let used = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let at = at.index(used + 1).min(bytes.len() - 1);
        bytes[at] = byte;
        if let Ok(other) = Index::decode(&bytes) {
            let mut other = made_again(&other);
            prop_assert_eq!(&plaintext(&other), &bytes);
            if let Ok(connections) = other.connections() {
                other.set_connections(&connections).unwrap();
                prop_assert_eq!(plaintext(&other), bytes);
            }
        }
    }

    #[test]
    fn random_bytes_as_an_index_are_refused_or_canonical(body in vec(0_u8..4, 0..200)) {
        let mut bytes = [&[1, 0, 0, 0][..], &(body.len() as u64).to_le_bytes(), &body].concat();
        bytes.resize(bytes.len().next_multiple_of(INDEX_BLOCK), 0);
        if let Ok(index) = Index::decode(&bytes) {
            prop_assert_eq!(plaintext(&made_again(&index)), bytes);
        }
    }

    #[test]
    fn random_bytes_as_connections_are_refused_or_canonical(body in vec(0_u8..4, 0..200)) {
        let mut index = Index { connection_bytes: body.clone().into(), ..Index::default() };
        if let Ok(connections) = index.connections() {
            index.set_connections(&connections).unwrap();
            prop_assert_eq!(&*index.connection_bytes, body);
        }
    }

    #[test]
    fn no_bytes_make_the_index_panic(bytes in vec(any::<u8>(), 0..500)) {
        prop_assert!(Index::decode(&bytes).is_err());
    }

    #[test]
    fn every_valid_header_comes_back_from_its_encoding(header in any_header()) {
        let file = file_of(&header);
        let distinct = header.slots.iter().enumerate().all(|(nth, slot)| {
            header.slots[..nth].iter().all(|other| other.id != slot.id)
        });
        prop_assume!(distinct);
        let (read, bytes) = Header::read(&file, header.purpose).unwrap();
        prop_assert_eq!(&read, &header);
        prop_assert_eq!(bytes, header.encode());
        prop_assert!(revision(&file).unwrap().is_some());
    }

    #[test]
    fn a_header_of_another_purpose_is_refused_as_such(header in any_header()) {
        for other in PURPOSES.into_iter().filter(|other| *other != header.purpose) {
            let refused = matches!(Header::read(&file_of(&header), other), Err(FormatError::Purpose { .. }));
            prop_assert!(refused);
        }
    }

    #[test]
    fn an_altered_header_is_refused_or_is_itself_the_encoding_of_another(
        header in any_header(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = header.encode();
        bytes.truncate(bytes.len() - HASH_LEN);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(reencoded(&plausible(bytes)));
    }

    #[test]
    fn no_bytes_make_the_header_panic(bytes in vec(any::<u8>(), 0..1000)) {
        prop_assert_eq!(reencoded(&bytes), None);
    }

    #[test]
    fn no_bytes_behind_the_magic_make_the_header_panic(bytes in vec(any::<u8>(), 12..1000)) {
        prop_assert_eq!(reencoded(&[&MAGIC[..], &bytes].concat()), None);
    }

    #[test]
    fn no_bytes_with_a_right_hash_make_the_header_panic(bytes in vec(0_u8..4, FIXED_LEN..800)) {
        drop(reencoded(&plausible(bytes)));
    }

    #[test]
    fn a_header_length_above_the_limit_is_too_large_whatever_follows(length in MAX_HEADER + 1..) {
        let mut file = vec![0; 100];
        file[..8].copy_from_slice(&MAGIC);
        file[16..20].copy_from_slice(&length.to_le_bytes());
        let refused = matches!(Header::read(&file, Purpose::Secrets), Err(FormatError::TooLarge(_)));
        prop_assert!(refused);
    }
}
