//! The vectors of `FORMAT.md §9`: computed here with fixed salts and ids, compared with the document
//! and with the golden files.
//!
//! A changed byte fails these tests. Then either the change is a mistake, or the format's version has
//! to change with it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::connection::{Auth, Connection, Label as ConnectionLabel, Settings};
use crate::crypto::kdf::{KdfParams, derive_kek};
use crate::crypto::seal::{Label, PREFIX_LEN, TAG_LEN, seal_with_salt};
use crate::format::header::slot_context;
use crate::format::index::{BindingRecord, Index, ScopeRecord, ValueRecord, encode_index};
use crate::format::values::hash_sealed;
use crate::format::{DOCUMENT, Header, Purpose, ValueId, VaultId, revision};
use crate::name::{ConnectionId, Scope, SecretName, TenantId, WorkspaceId};
use crate::provider::Kind;
use crate::secret::{KEY_LEN, KeyMaterial, RootKey, SealingKey, SecretBytes, SlotKey};
use crate::slot::{SlotId, SlotKind, SlotRecord};
use crate::source::recovery::RecoveryCode;
use crate::source::{key_text, machine};
use crate::vault::LockedVault;

const VAULT_ID: VaultId = VaultId::new([0xa0; 16]);
const EPOCH: u64 = 1;
const VALUES: [(&str, u32, &[u8]); 3] =
    [("API_KEY", 2, b"new value"), ("API_KEY", 1, b"old value"), ("PEM", 1, b"line 1\nline 2\0\xff")];

/// Lines of `name: hex`, in the order of the document.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn title(&mut self, title: &str) {
        writeln!(self.0, "\n### {title}\n\n```text").unwrap();
    }

    fn end(&mut self) {
        writeln!(self.0, "```").unwrap();
    }

    fn add(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.add_text(name, &hex(bytes.as_ref()));
    }

    fn add_text(&mut self, name: &str, text: &str) {
        writeln!(self.0, "{name}: {text}").unwrap();
    }
}

#[test]
fn the_document_has_the_vectors_that_the_code_computes() {
    let mut lines = Lines::default();
    seal_vector(&mut lines);
    passphrase_vector(&mut lines);
    golden_vault(&mut lines);
    slot_key_vectors(&mut lines);
    connected_vault(&mut lines);
    assert!(DOCUMENT.ends_with(&lines.0), "FORMAT.md §9 has to end with:\n{}", lines.0);
}

#[test]
fn the_golden_vault_is_byte_for_byte_what_the_code_writes() {
    let golden = fs::read(vector_path("golden_v1.vault")).unwrap();
    assert_eq!(hex(&golden), hex(&golden_vault(&mut Lines::default())));
}

#[test]
fn the_golden_vault_with_connections_is_byte_for_byte_what_the_code_writes() {
    let golden = fs::read(vector_path("golden_connections.vault")).unwrap();
    assert_eq!(hex(&golden), hex(&connected_vault(&mut Lines::default())));
}

#[test]
fn the_golden_vault_with_connections_gives_them() {
    let golden = fs::read(vector_path("golden_connections.vault")).unwrap();
    let vault =
        LockedVault::open(Box::new(golden), Purpose::Secrets).unwrap().open_with(root(), None).unwrap();
    assert_eq!(vault.index().unwrap().connections().unwrap(), golden_connections());
}

#[test]
fn the_golden_vault_gives_its_values() {
    let golden = fs::read(vector_path("golden_v1.vault")).unwrap();
    let locked = LockedVault::open(Box::new(golden), Purpose::Secrets).unwrap();
    assert_eq!(locked.header().generation, 3);
    let vault = locked.open_with(root(), None).unwrap();
    let index = vault.index().unwrap();
    for (position, (name, version, value)) in VALUES.iter().enumerate() {
        let record = index.values.at(position);
        assert_eq!((record.name, record.version), (*name, *version));
        assert_eq!(vault.value(&index, position).unwrap().expose_secret(), *value);
    }
}

fn seal_vector(lines: &mut Lines) {
    lines.title("§9.1 Seal");
    let message = seal_shown(lines, &root(), Label::Value, b"context", 0x40, b"plaintext");
    assert_eq!(message.len(), 89);
    lines.end();
}

fn passphrase_vector(lines: &mut Lines) {
    lines.title("§9.2 Passphrase slot key");
    let key =
        derive_kek(&SecretBytes::new(b"correct horse".to_vec()), &[0x50; 16], KdfParams::LIGHT).unwrap();
    lines.add("passphrase", b"correct horse");
    lines.add("salt", [0x50; 16]);
    lines.add("memory_kib passes lanes", [0x0001_0000_u32, 3, 4].map(u32::to_le_bytes).concat());
    lines.add("slot_key", key.expose_secret());
    lines.end();
}

/// A whole vault: one env slot, two secrets, one of them with a history, one binding.
fn golden_vault(lines: &mut Lines) -> Vec<u8> {
    lines.title("§9.3 A whole file: `golden_v1.vault`");
    lines.add("root_key", root().expose_secret());
    let slot = golden_slot(lines);
    let values = golden_values(lines);
    let file = golden_file(lines, 3, slot, &golden_index(&values), &values);
    lines.end();
    file
}

/// The next generation of that vault, which has connections too.
fn connected_vault(lines: &mut Lines) -> Vec<u8> {
    lines.title("§9.5 The file of §9.3 with connections: `golden_connections.vault`");
    let as_before = &mut Lines::default();
    let slot = golden_slot(as_before);
    let values = golden_values(as_before);
    let mut index = golden_index(&values);
    index.set_connections(&golden_connections()).unwrap();
    let file = golden_file(lines, 4, slot, &index, &values);
    lines.end();
    file
}

/// One connection of each scope: with a reference and settings, and without either.
fn golden_connections() -> [Connection; 2] {
    let workspace = golden_scope();
    let auth = Auth::Secret { scope: workspace.clone(), name: SecretName::parse("API_KEY").unwrap() };
    let settings = ["channel=#alerts", "region=eu"].map(|setting| setting.parse().unwrap());
    let connection = |scope: Scope, id: &str, kind, label: &str, auth, settings: Vec<_>| Connection {
        scope,
        id: ConnectionId::parse(id).unwrap(),
        kind,
        label: ConnectionLabel::parse(label).unwrap(),
        auth,
        settings: Settings::new(settings).unwrap(),
        created: 0x6543_2100,
        updated: 0x6543_2101,
    };
    let tenant = Scope::Tenant(TenantId::default());
    [
        connection(workspace, "alerts", Kind::Slack, "Alerts", auth, settings.into()),
        connection(tenant, "nightly", Kind::Cron, "Every night", Auth::None, Vec::new()),
    ]
}

fn golden_scope() -> Scope {
    Scope::Workspace(TenantId::default(), WorkspaceId::parse("web").unwrap())
}

fn golden_index(values: &[Vec<u8>]) -> Index<'static> {
    let records =
        VALUES.iter().zip(values).zip(0..).map(|(((name, version, _), message), nth)| ValueRecord {
            scope: 0,
            name,
            version: *version,
            created: 0x6543_2100 + nth,
            id: value_id(u8::try_from(nth).unwrap()),
            sealed_len: u32::try_from(message.len()).unwrap(),
            sha256: hash_sealed(message),
        });
    let binding = BindingRecord {
        tenant: "default".into(),
        workspace: "web".into(),
        directory: b"/src/web".as_slice().into(),
    };
    Index {
        scopes: vec![ScopeRecord::new(&golden_scope())],
        values: records.collect(),
        bindings: vec![binding],
        ..Index::default()
    }
}

fn golden_file(
    lines: &mut Lines,
    generation: u64,
    slot: SlotRecord,
    index: &Index<'_>,
    values: &[Vec<u8>],
) -> Vec<u8> {
    let mut message = encode_index(index).unwrap();
    let header = Header {
        purpose: Purpose::Secrets,
        vault_id: VAULT_ID,
        epoch: EPOCH,
        generation,
        sealed_index_len: message.len() as u64,
        slots: vec![slot],
    }
    .encode();
    lines.add("header", &header);
    let body_len = u64::from_le_bytes(message[PREFIX_LEN + 4..PREFIX_LEN + 12].try_into().unwrap());
    lines.add("index_body", &message[PREFIX_LEN + 12..][..usize::try_from(body_len).unwrap()]);
    seal_with_salt(&root(), Label::Index, &header, &[0x70; 32], &mut message);
    lines.add("index_salt", &message[..32]);
    lines.add("index_commitment", &message[32..PREFIX_LEN]);
    lines.add("index_tag", &message[message.len() - 16..]);
    let file = [&*header, &message, &values.concat()].concat();
    lines.add("revision", revision(&file).unwrap().unwrap().as_bytes());
    file
}

/// The texts and files that slot keys are kept in.
fn slot_key_vectors(lines: &mut Lines) {
    lines.title("§9.4 Other slot keys");
    let key = SlotKey::new(Zeroizing::new(*root().expose_secret()));
    lines.add("key", key.expose_secret());
    lines.add_text("key_text", key_text::encode(&key).expose_secret());
    let bytes = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
    let code = RecoveryCode::new(Zeroizing::new(bytes));
    lines.add("recovery_bytes", bytes);
    lines.add_text("recovery_code", code.encode().expose_secret());
    lines.add("recovery_slot_key", code.derive_key().expose_secret());
    let (seed_file, key) = machine::seed_file([0x22; KEY_LEN], "build-1");
    lines.add("seed", [0x22; KEY_LEN]);
    lines.add_text("host", "build-1");
    lines.add("seed_file", seed_file);
    lines.add("machine_slot_key", key.expose_secret());
    lines.end();
}

fn golden_slot(lines: &mut Lines) -> SlotRecord {
    let key = SlotKey::new(Zeroizing::new([0x11; KEY_LEN]));
    let id = SlotId::new([0xb0; 16]);
    lines.add("slot_key", key.expose_secret());
    let context = slot_context(Purpose::Secrets, VAULT_ID, EPOCH, &SlotKind::Env, id);
    let wrapped = seal_shown(lines, &key, Label::Slot, &context, 0x60, root().expose_secret());
    SlotRecord { kind: SlotKind::Env, id, wrapped: wrapped.try_into().unwrap() }
}

fn golden_values(lines: &mut Lines) -> Vec<Vec<u8>> {
    let seal_nth = |(nth, (_, _, value)): (usize, &(&str, u32, &[u8]))| {
        let nth = u8::try_from(nth).unwrap();
        let mut plaintext = u32::try_from(value.len()).unwrap().to_le_bytes().to_vec();
        plaintext.extend_from_slice(value);
        plaintext.resize(64, 0);
        let context =
            [&[1, 0, 1, 0][..], VAULT_ID.as_bytes().as_slice(), value_id(nth).as_bytes().as_slice()].concat();
        seal_shown(lines, &root(), Label::Value, &context, 0x80 + nth, &plaintext)
    };
    VALUES.iter().enumerate().map(seal_nth).collect()
}

/// Seals with a salt of one repeated byte and shows every intermediate value.
fn seal_shown(
    lines: &mut Lines,
    key: &impl SealingKey,
    label: Label,
    context: &[u8],
    salt: u8,
    plaintext: &[u8],
) -> Vec<u8> {
    let salt = [salt; 32];
    let mut message = [&[0; PREFIX_LEN], plaintext, &[0; TAG_LEN]].concat();
    let okm = seal_with_salt(key, label, context, &salt, &mut message);
    lines.add("  label", label.as_bytes());
    lines.add("  context", context);
    lines.add("  salt", salt);
    lines.add("  okm", *okm);
    lines.add("  plaintext", plaintext);
    lines.add("  sealed", &message);
    message
}

fn root() -> RootKey {
    RootKey::new(Zeroizing::new(core::array::from_fn(|nth| u8::try_from(nth).unwrap())))
}

const fn value_id(nth: u8) -> ValueId {
    ValueId::new([0xc0 + nth; 16])
}

fn vector_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
