//! Every file of `tests/vectors` opens, or is refused, as the JSON file beside it says. The files and
//! their JSON come from the second implementation; `tests/reader/README.md` describes the fields.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vault_core::connection::{Auth, Connection};
use vault_core::crypto::kdf::derive_kek;
use vault_core::format::{FormatError, Purpose, revision};
use vault_core::secret::{SecretBytes, SlotKey};
use vault_core::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};
use vault_core::source::recovery::RecoveryCode;
use vault_core::source::{key_text, machine};
use vault_core::vault::unlock::UnlockError;
use vault_core::vault::{LockedVault, UnlockedVault};
use zeroize::Zeroizing;

#[test]
fn every_vector_opens_or_is_refused_as_its_json_says() {
    let names = vector_names();
    assert!(names.len() >= 170, "{} vectors", names.len());
    let differing: Vec<String> = names.iter().filter_map(|name| check(name).err()).collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn most_vectors_are_refused_and_every_class_of_refusal_occurs() {
    let facts: Vec<Value> = vector_names().iter().map(|name| facts_of(name)).collect();
    let refused: Vec<&str> = facts.iter().filter_map(|facts| facts["refused"].as_str()).collect();
    assert!(refused.len() * 10 >= facts.len() * 8, "{} of {}", refused.len(), facts.len());
    for class in ["foreign", "damaged", "truncated", "newer", "wrong_key", "wrong_purpose", "too_large"] {
        assert!(refused.contains(&class), "{class}");
    }
}

/// Where and why a file is refused.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    stage: &'static str,
    class: &'static str,
    value: Option<usize>,
}

fn check(name: &str) -> Result<(), String> {
    let facts = facts_of(name);
    let bytes = fs::read(vectors().join(name).with_extension("vault")).unwrap();
    let found = read(&bytes, &facts);
    let found = found.unwrap_or_else(|refusal| match refusal.value {
        Some(value) => json!({"refused": refusal.class, "stage": refusal.stage, "value": value}),
        None => json!({"refused": refusal.class, "stage": refusal.stage}),
    });
    let mut expected = facts.get("expect").cloned().unwrap_or_else(|| json!({}));
    for field in ["refused", "stage", "value"] {
        if let Some(fact) = facts.get(field) {
            expected[field] = fact.clone();
        }
    }
    if found == expected { Ok(()) } else { Err(format!("{name}: {found}\n  instead of {expected}")) }
}

/// Reads a whole file, stage by stage, and describes it.
fn read(bytes: &[u8], facts: &Value) -> Result<Value, Refusal> {
    let refused = |stage| move |error: FormatError| Refusal { stage, class: class_of(&error), value: None };
    let purpose = match facts["purpose"].as_str() {
        Some("bundle") => Purpose::Bundle,
        Some("secrets") => Purpose::Secrets,
        Some("sessions") => Purpose::Sessions,
        other => panic!("{other:?}"),
    };
    let locked = LockedVault::open(Box::new(bytes.to_vec()), purpose).map_err(refused("header"))?;
    let mut source = VectorSource::new(&facts["open"], &locked);
    let unlocked = locked.unlock(&mut [&mut source]).map_err(|error| match error {
        UnlockError::NoKey { wrong_key: true, .. } => {
            Refusal { stage: "slot", class: "wrong_key", value: None }
        }
        UnlockError::Format(error) => refused("index")(error),
        error => panic!("{error:?}"),
    })?;
    describe(bytes, &unlocked.vault)
}

fn describe(bytes: &[u8], vault: &UnlockedVault) -> Result<Value, Refusal> {
    let refused = |error: FormatError| Refusal { stage: "index", class: class_of(&error), value: None };
    let index = vault.index().map_err(refused)?;
    let connections: Vec<Value> =
        index.connections().map_err(refused)?.iter().map(describe_connection).collect();
    let mut values = Vec::new();
    for (position, record) in index.values.iter().enumerate() {
        let value = vault.value(&index, position).map_err(|error| Refusal {
            stage: "value",
            class: class_of(&error),
            value: Some(position),
        })?;
        let scope = index.scopes[record.scope as usize].scope().unwrap();
        values.push(json!({
            "scope": scope.kind(),
            "tenant": scope.tenant().as_str(),
            "workspace": scope.workspace().map_or("", |workspace| workspace.as_str()),
            "name": record.name, "version": record.version, "created": record.created,
            "value_hex": hex(value.expose_secret()),
        }));
    }
    let bindings = index.bindings.iter().map(|binding| {
        json!({"tenant": binding.tenant, "workspace": binding.workspace,
               "directory_hex": hex(&binding.directory)})
    });
    let header = vault.header();
    let slots = header.slots.iter().map(|slot| json!({"kind": slot.kind.name(), "id": slot.id.to_string()}));
    let mut described = json!({
        "vault_id": header.vault_id.to_string(), "epoch": header.epoch, "generation": header.generation,
        "revision": hex(revision(&bytes.to_vec()).unwrap().unwrap().as_bytes()),
        "slots": slots.collect::<Vec<_>>(), "values": values, "bindings": bindings.collect::<Vec<_>>(),
    });
    if !connections.is_empty() {
        described["connections"] = connections.into();
    }
    Ok(described)
}

fn describe_connection(connection: &Connection) -> Value {
    let Connection { scope, id, kind, label, auth, settings, created, updated } = connection;
    let (secret, secret_scope) = match auth {
        Auth::None => (None, None),
        Auth::Secret { scope, name } => (Some(name.as_str()), Some(scope.kind())),
    };
    let settings: Vec<_> = settings.iter().map(|setting| [setting.key(), setting.value()]).collect();
    json!({
        "scope": scope.kind(), "tenant": scope.tenant().as_str(),
        "workspace": scope.workspace().map_or("", |workspace| workspace.as_str()),
        "id": id.as_str(), "kind": kind.as_str(), "label": label.as_str(),
        "secret": secret, "secret_scope": secret_scope, "settings": settings,
        "created": created, "updated": updated,
    })
}

fn class_of(error: &FormatError) -> &'static str {
    match error {
        FormatError::Damaged(_) | FormatError::Value { .. } => "damaged",
        FormatError::Foreign => "foreign",
        FormatError::Newer { .. } => "newer",
        FormatError::Purpose { .. } => "wrong_purpose",
        FormatError::TooLarge(_) => "too_large",
        FormatError::Truncated { .. } => "truncated",
        other => panic!("{other:?}"),
    }
}

/// The key of a vector, for the one slot that it names.
#[derive(Debug)]
struct VectorSource {
    slot: SlotId,
    open: Value,
}

impl VectorSource {
    fn new(open: &Value, vault: &LockedVault) -> Self {
        let position = usize::try_from(open["slot"].as_u64().unwrap()).unwrap();
        Self { slot: vault.header().slots[position].id, open: open.clone() }
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.open[field].as_str()
    }
}

impl KeySource for VectorSource {
    fn label(&self) -> &'static str {
        "vector"
    }

    fn serves(&self, _kind: &SlotKind) -> bool {
        true
    }

    fn slot_key(&mut self, vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        if slot.id != self.slot {
            return Err(SourceError::new("another slot"));
        }
        Ok(if let Some(key) = self.text("slot_key") {
            SlotKey::new(Zeroizing::new(unhex(key).try_into().unwrap()))
        } else if let Some(text) = self.text("key_text") {
            key_text::parse(text).unwrap()
        } else if let Some(code) = self.text("recovery_code") {
            RecoveryCode::parse(code).unwrap().derive_key()
        } else if let Some(passphrase) = self.text("passphrase") {
            passphrase_key(passphrase, &slot.kind)
        } else {
            machine_key(&self.open["machine"], vault_id, slot.id)
        })
    }
}

fn passphrase_key(passphrase: &str, kind: &SlotKind) -> SlotKey {
    let SlotKind::Passphrase { params, salt } = kind else { panic!("a passphrase for {}", kind.name()) };
    derive_kek(&SecretBytes::new(passphrase.into()), salt, *params).unwrap()
}

/// Writes the seed file that `FORMAT.md §8.1` describes, and loads it.
fn machine_key(machine: &Value, vault_id: VaultId, slot: SlotId) -> SlotKey {
    let seed = Base64UrlUnpadded::encode_string(&unhex(machine["seed"].as_str().unwrap()));
    let host = machine["host_name"].as_str().unwrap();
    let lines = format!("keyward machine seed 1\nseed {seed}\nhost {host}\n");
    let check = Base64UrlUnpadded::encode_string(&Sha256::digest(&lines));
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let file = folder.path().join(format!("{vault_id}-{slot}"));
    fs::write(&file, format!("{lines}check {check}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    machine::load(folder.path(), vault_id, slot).unwrap().key
}

fn facts_of(name: &str) -> Value {
    serde_json::from_slice(&fs::read(vectors().join(name).with_extension("json")).unwrap()).unwrap()
}

fn vector_names() -> Vec<String> {
    let files = fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let vaults = files.filter(|path| path.extension().is_some_and(|extension| extension == "vault"));
    let mut names: Vec<String> =
        vaults.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}
