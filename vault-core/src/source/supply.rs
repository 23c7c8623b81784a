//! Each source as a [`KeySource`]: what `LockedVault::unlock` asks. A program that embeds the library
//! puts them in its own order.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::env::{EnvFound, EnvOrigin, EnvSecret};
use super::keyring;
use super::machine::{self, Hostname};
use crate::crypto::kdf::derive_kek;
use crate::secret::{SecretBytes, SlotKey};
use crate::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};

/// The OS keyring.
#[derive(Debug)]
pub struct KeyringSupply {
    deadline: Duration,
}

impl KeyringSupply {
    /// Asks the keyring for at most `deadline` a slot.
    #[must_use]
    pub const fn new(deadline: Duration) -> Self {
        Self { deadline }
    }
}

impl KeySource for KeyringSupply {
    fn label(&self) -> &str {
        "keyring"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        matches!(kind, SlotKind::Keyring)
    }

    fn slot_key(&mut self, vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        keyring::read(vault_id, slot.id, self.deadline).map_err(|error| SourceError::new(&error))
    }
}

/// One key or passphrase that the environment handed over.
#[derive(Debug)]
pub struct EnvSupply(EnvFound);

impl EnvSupply {
    /// Takes over what was found.
    #[must_use]
    pub const fn new(found: EnvFound) -> Self {
        Self(found)
    }

    /// Tells whether it is a passphrase rather than a key.
    #[must_use]
    pub fn is_passphrase(&self) -> bool {
        self.0.origin == EnvOrigin::Passphrase
    }

    /// Returns why the setting has no usable key, if it has none.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.0.outcome.as_ref().err().map(ToString::to_string)
    }

    /// Returns the passphrase, if it is one.
    #[must_use]
    pub const fn passphrase(&self) -> Option<&SecretBytes> {
        match &self.0.outcome {
            Ok(EnvSecret::Passphrase(passphrase)) => Some(passphrase),
            _ => None,
        }
    }
}

impl KeySource for EnvSupply {
    fn label(&self) -> &str {
        self.0.origin.name()
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        match kind {
            SlotKind::Env => !self.is_passphrase(),
            SlotKind::Passphrase { .. } => self.is_passphrase(),
            _ => false,
        }
    }

    fn slot_key(&mut self, _vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        match (self.0.outcome.as_ref().map_err(SourceError::new)?, &slot.kind) {
            (EnvSecret::Passphrase(passphrase), SlotKind::Passphrase { params, salt }) => {
                derive_kek(passphrase, salt, *params).map_err(|error| SourceError::new(&error))
            }
            (EnvSecret::Key(key), SlotKind::Env) => Ok(SlotKey::new(Zeroizing::new(*key.expose_secret()))),
            _ => Err(SourceError::new("the setting is for another kind of slot")),
        }
    }
}

/// The seed files of this machine.
#[derive(Debug)]
pub struct MachineSupply {
    directory: PathBuf,
    loaded: Option<(SlotId, Hostname)>,
}

impl MachineSupply {
    /// Looks for seeds in `directory`.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory, loaded: None }
    }

    /// Returns the host name that the seed of this slot was made for, if it was the last one loaded.
    #[must_use]
    pub fn recorded_hostname(&self, slot: SlotId) -> Option<&Hostname> {
        self.loaded.as_ref().filter(|(loaded, _)| *loaded == slot).map(|(_, hostname)| hostname)
    }
}

impl KeySource for MachineSupply {
    fn label(&self) -> &str {
        "machine"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        matches!(kind, SlotKind::Machine)
    }

    fn slot_key(&mut self, vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        let seeded =
            machine::load(&self.directory, vault_id, slot.id).map_err(|error| SourceError::new(&error))?;
        self.loaded = Some((slot.id, seeded.hostname));
        Ok(seeded.key)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::crypto::kdf::KdfParams;
    use crate::source::env::EnvSource;

    /// Takes over the key or the passphrase that an environment has.
    fn env(key: Option<&str>, passphrase: Option<&str>) -> EnvSupply {
        let mut found = EnvSource::new(None, None, key.map(Into::into), passphrase.map(Into::into)).load();
        EnvSupply::new(found.remove(0))
    }

    #[test]
    fn a_key_of_the_environment_is_no_passphrase_and_serves_env_slots() {
        let key = env(Some("kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF"), None);
        assert_eq!((key.label(), key.problem()), ("KEYWARD_VAULT_KEY", None));
        assert!(!key.is_passphrase() && key.passphrase().is_none());
        assert!(key.serves(&SlotKind::Env) && !key.serves(&SlotKind::Machine));
    }

    #[test]
    fn a_key_of_the_environment_is_the_key_of_an_env_slot_and_of_no_other_kind() {
        let (id, wrapped) = (SlotId::new([2; 16]), [0; _]);
        let mut key = env(Some("kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF"), None);
        let mut key_of = |kind| key.slot_key(VaultId::new([1; 16]), &SlotRecord { kind, id, wrapped });
        assert!(key_of(SlotKind::Env).unwrap().expose_secret() == &[0; 32]);
        assert!(key_of(SlotKind::Machine).is_err());
    }

    #[test]
    fn a_passphrase_of_the_environment_is_handed_on() {
        let passphrase = env(None, Some("pass"));
        let kind = SlotKind::Passphrase { params: KdfParams::DEFAULT, salt: [0; 16] };
        assert!(passphrase.is_passphrase() && passphrase.serves(&kind) && !passphrase.serves(&SlotKind::Env));
        assert_eq!(passphrase.passphrase().unwrap().expose_secret(), b"pass");
    }

    #[test]
    fn a_passphrase_of_the_environment_gives_the_key_of_its_slot_and_of_no_other_kind() {
        let (params, salt, id, wrapped) = (KdfParams::LIGHT, [3; 16], SlotId::new([2; 16]), [0; _]);
        let slot = |kind| SlotRecord { kind, id, wrapped };
        let key = |kind| env(None, Some("pass")).slot_key(VaultId::new([1; 16]), &slot(kind));
        let derived = derive_kek(&SecretBytes::new(b"pass".to_vec()), &salt, params).unwrap();
        let given = key(SlotKind::Passphrase { params, salt }).unwrap();
        assert!(given.expose_secret() == derived.expose_secret());
        assert_eq!(key(SlotKind::Env).unwrap_err().to_string(), "the setting is for another kind of slot");
    }

    #[test]
    fn a_setting_that_is_no_key_has_a_problem() {
        assert!(env(Some("kwk1_x"), None).problem().is_some());
    }

    #[test]
    fn a_keyring_serves_keyring_slots_under_that_name() {
        let supply = KeyringSupply::new(Duration::ZERO);
        assert_eq!(supply.label(), SlotKind::Keyring.name());
        assert!(supply.serves(&SlotKind::Keyring) && !supply.serves(&SlotKind::Machine));
    }

    #[test]
    fn the_seeds_of_this_machine_serve_machine_slots_under_that_name() {
        let supply = MachineSupply::new(PathBuf::from("/nowhere"));
        assert_eq!(supply.label(), SlotKind::Machine.name());
        assert!(supply.serves(&SlotKind::Machine) && !supply.serves(&SlotKind::Env));
    }

    #[test]
    fn the_host_name_of_the_seed_that_was_loaded_is_known_and_of_no_other() {
        let mut supply = MachineSupply::new(PathBuf::from("/nowhere"));
        supply.loaded = Some((SlotId::new([1; 16]), Hostname::canonical(OsStr::new("build-7"))));
        let recorded = |id: u8| supply.recorded_hostname(SlotId::new([id; 16])).map(Hostname::as_str);
        assert_eq!((recorded(1), recorded(2)), (Some("build-7"), None));
    }
}
