//! The vaults and files that are measured: made by the library, names and values like those that the
//! peers were measured with (`SECRET_000000` and 40 characters).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vault_core::crypto::generate;
use vault_core::crypto::kdf::{KdfParams, SALT_LEN, derive_kek};
use vault_core::format::{Header, Purpose};
use vault_core::name::{Scope, SecretName, TenantId, WorkspaceId};
use vault_core::secret::{KEY_LEN, SecretBytes, SlotKey};
use vault_core::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};
use vault_core::source::key_text;
use vault_core::store::{FileStore, Previous, VaultStore};
use vault_core::vault::commit::commit;
use vault_core::vault::{LockedVault, UnlockedVault};
use zeroize::Zeroizing;

use crate::process::Program;

/// The name that a `creds check` looks for.
pub(crate) const PROVIDER_NAME: &str = "OPENAI_API_KEY";
/// The passphrase of [`Vault::with_passphrase`].
const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// A vault in a directory of its own, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Vault {
    directory: TempDir,
    key: [u8; KEY_LEN],
    count: usize,
}

impl Vault {
    /// Makes a vault of `count` secrets with an env slot, in one commit.
    pub(crate) fn new(count: usize) -> Self {
        let key = generate();
        let vault = Self { directory: directory(), key, count };
        vault.create(SlotKind::Env, &SlotKey::new(Zeroizing::new(key)));
        vault
    }

    /// Makes a vault of `count` secrets with a passphrase slot of the lightest allowed costs.
    pub(crate) fn with_passphrase(count: usize) -> Self {
        let vault = Self { directory: directory(), key: [0; KEY_LEN], count };
        let (params, salt) = (KdfParams::LIGHT, generate::<SALT_LEN>());
        let passphrase = SecretBytes::new(PASSPHRASE.to_vec());
        let key = derive_kek(&passphrase, &salt, params).expect("64 MiB are there");
        vault.create(SlotKind::Passphrase { params, salt }, &key);
        vault
    }

    fn create(&self, kind: SlotKind, key: &SlotKey) {
        let vault = UnlockedVault::create(Purpose::Secrets).expect("an empty index is in every limit");
        let scope = default_scope();
        let created = commit(&self.store(), vault, Previous::Keep, |draft| {
            draft.add_slot(kind, SlotId::generate(), key)?;
            for number in 0..self.count {
                draft.put(&scope, &secret_name(number), &SecretBytes::new(value(number).into_bytes()), 1)?;
            }
            Ok(())
        });
        created.expect("a new vault can be written");
    }

    /// Returns how many secrets the vault was made with.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Returns the path of the vault file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("vault")
    }

    /// Returns a path beside the vault.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the vault's store.
    pub(crate) fn store(&self) -> FileStore {
        FileStore::new(self.path())
    }

    /// Returns the size of the vault file.
    pub(crate) fn file_len(&self) -> u64 {
        fs::metadata(self.path()).expect("the vault was made").len()
    }

    /// Reads the vault's header, without a key.
    pub(crate) fn header(&self) -> Header {
        self.locked().header().clone()
    }

    /// Opens the vault's file.
    pub(crate) fn locked(&self) -> LockedVault {
        let snapshot = self.store().open().expect("the vault can be read").expect("the vault was made");
        LockedVault::open(snapshot, Purpose::Secrets).expect("the vault is whole")
    }

    /// Opens the vault with its env key.
    pub(crate) fn unlocked(&self) -> UnlockedVault {
        let unlocked = self.locked().unlock(&mut [&mut Held(self.key)]);
        unlocked.expect("the key is the vault's").vault
    }

    /// Returns the keyward process that opens this vault by its env key.
    pub(crate) fn keyward(&self, keyward: &Path, arguments: &[&str]) -> Program {
        let key = key_text::encode(&SlotKey::new(Zeroizing::new(self.key)));
        self.process(keyward, arguments).variable("KEYWARD_VAULT_KEY", key.expose_secret())
    }

    /// Returns the keyward process that opens this vault by its passphrase.
    pub(crate) fn keyward_by_passphrase(&self, keyward: &Path, arguments: &[&str]) -> Program {
        let passphrase = std::str::from_utf8(PASSPHRASE).expect("the passphrase is text");
        self.process(keyward, arguments).variable("KEYWARD_VAULT_PASSPHRASE", passphrase)
    }

    fn process(&self, keyward: &Path, arguments: &[&str]) -> Program {
        let home = self.directory.path();
        Program::new(keyward)
            .with(arguments)
            .variable("KEYWARD_HOME", home)
            .variable("KEYWARD_VAULT", self.path())
    }

    /// Writes a value to put beside the vault and returns its path.
    pub(crate) fn input(&self) -> PathBuf {
        let path = self.beside("input");
        fs::write(&path, value(0)).expect("the directory can be written");
        path
    }

    /// Writes a `.env` file of `lines` assignments, the provider's name last, and returns its path.
    pub(crate) fn env_file(&self, lines: usize) -> PathBuf {
        let mut text = String::new();
        for number in 1..lines {
            writeln!(text, "{}={}", secret_name(number), value(number)).expect("a String takes any text");
        }
        writeln!(text, "{PROVIDER_NAME}={}", value(0)).expect("a String takes any text");
        let path = self.beside("env");
        fs::write(&path, text).expect("the directory can be written");
        path
    }
}

/// The key of an env slot, held in memory.
#[derive(Debug)]
struct Held([u8; KEY_LEN]);

impl KeySource for Held {
    fn label(&self) -> &str {
        "benchmark"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        matches!(kind, SlotKind::Env)
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        Ok(SlotKey::new(Zeroizing::new(self.0)))
    }
}

/// Returns the name of the secret with a number.
pub(crate) fn secret_name(number: usize) -> SecretName {
    SecretName::parse(&format!("SECRET_{number:06}")).expect("letters and digits are a name")
}

/// Returns a value of 40 characters that tells its number.
pub(crate) fn value(number: usize) -> String {
    format!("{:A<40}", format!("value{number}"))
}

/// Returns the scope that keyward uses where nobody names one.
pub(crate) fn default_scope() -> Scope {
    Scope::Workspace(TenantId::default(), WorkspaceId::default())
}

/// Makes a directory beside this program: on the disk of the build, not in a file system in memory.
pub(crate) fn directory() -> TempDir {
    let this = std::env::current_exe().expect("a program knows its own path");
    let place = this.parent().expect("a program is in a directory");
    tempfile::Builder::new().prefix("bench-").tempdir_in(place).expect("the build directory can be written")
}
