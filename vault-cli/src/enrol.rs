//! Making key slots: for a vault that is being created, for `slot add`, for `rekey`, and for a machine
//! that was renamed. Whatever a slot needs outside the vault is durable before the vault is written.

use std::path::Path;

use vault_auth::session_file::{SessionFile, SessionFileError};
use vault_core::crypto::generate;
use vault_core::crypto::kdf::{KdfParams, derive_kek};
use vault_core::format::Purpose;
use vault_core::secret::{SecretBytes, SecretString, SlotKey};
use vault_core::slot::{SlotId, SlotKind, VaultId};
use vault_core::source::env::{EnvFound, EnvOrigin, EnvSecret};
use vault_core::source::keyring::{self, KeyringError};
use vault_core::source::machine::{self, Hostname};
use vault_core::source::recovery::RecoveryCode;
use vault_core::source::supply::EnvSupply;
use vault_core::source::{generate_slot_key, key_text};
use vault_core::store::{FileStore, Previous, VaultStore};
use vault_core::vault::UnlockedVault;
use vault_core::vault::commit::{CommitError, commit};
use vault_core::vault::draft::{ChangeError, Draft};

use crate::arguments::SourceKind;
use crate::context::Context;
use crate::error::{CommandError, Kind, bad_file, store_failed};

/// A slot that is not in the vault yet, with its key.
#[derive(Debug)]
pub(crate) struct NewSlot {
    pub(crate) kind: SlotKind,
    pub(crate) id: SlotId,
    key: SlotKey,
    /// What the person has to keep: an env key or a recovery code, shown once after the commit.
    pub(crate) to_keep: Option<SecretString>,
}

impl NewSlot {
    /// Writes a key into the OS keyring.
    pub(crate) fn keyring(ctx: &Context, vault_id: VaultId) -> Result<Self, KeyringError> {
        let id = SlotId::generate();
        let key = generate_slot_key();
        match keyring::write(&key, vault_id, id, ctx.keyring_deadline()) {
            Ok(()) => Ok(Self { kind: SlotKind::Keyring, id, key, to_keep: None }),
            Err(error) => {
                if !matches!(error, KeyringError::Absent | KeyringError::NotBuilt | KeyringError::TimedOut(_))
                {
                    drop(keyring::remove(vault_id, id, ctx.keyring_deadline()));
                }
                Err(error)
            }
        }
    }

    /// Writes a seed file of this machine.
    pub(crate) fn machine(
        ctx: &Context,
        vault_id: VaultId,
        hostname: &Hostname,
    ) -> Result<Self, CommandError> {
        let id = SlotId::generate();
        let directory = ctx.machine_directory()?;
        let key = machine::enrol(&directory, vault_id, id, hostname).map_err(|error| {
            // A seed that is there and not surely on disk serves no slot.
            drop(machine::remove(&directory, vault_id, id));
            CommandError::new(Kind::Failed, "cannot make a machine slot")
                .caused_by(&error)
                .hint("the vault was not changed; the directory of the seeds has to be yours to write in")
        })?;
        Ok(Self { kind: SlotKind::Machine, id, key, to_keep: None })
    }

    /// Takes a key that the environment hands over.
    pub(crate) fn env(key: SlotKey) -> Self {
        Self { kind: SlotKind::Env, id: SlotId::generate(), key, to_keep: None }
    }

    /// Generates an env key for the person to keep.
    pub(crate) fn new_env() -> Self {
        let key = generate_slot_key();
        let to_keep = Some(key_text::encode(&key));
        Self { to_keep, ..Self::env(key) }
    }

    /// Derives a key from a passphrase.
    pub(crate) fn passphrase(passphrase: &SecretBytes, params: KdfParams) -> Result<Self, CommandError> {
        let salt = generate();
        let key = derive_kek(passphrase, &salt, params).map_err(|error| {
            CommandError::new(Kind::Failed, "cannot make a passphrase slot").caused_by(&error)
        })?;
        Ok(Self { kind: SlotKind::Passphrase { params, salt }, id: SlotId::generate(), key, to_keep: None })
    }

    /// Generates a recovery code for the person to keep.
    pub(crate) fn recovery() -> Self {
        let code = RecoveryCode::generate();
        let to_keep = Some(code.encode());
        Self { kind: SlotKind::Recovery, id: SlotId::generate(), key: code.derive_key(), to_keep }
    }

    /// Adds the slot to a change.
    pub(crate) fn add_to(&self, draft: &mut Draft<'_>) -> Result<(), ChangeError> {
        draft.add_slot(self.kind, self.id, &self.key)
    }

    /// Takes back what was written outside the vault, when the vault was not.
    fn discard(&self, ctx: &Context, vault_id: VaultId) {
        forget(ctx, vault_id, self.kind, self.id);
    }
}

/// After an error: slots of a vault that was written all the same (but not confirmed on disk) are kept,
/// and what they have to show is shown; what was made for a vault that was not written is taken back.
pub(crate) fn settle(ctx: &Context, vault_id: VaultId, slots: &[NewSlot], written: bool) {
    for slot in slots {
        if written { show_kept(ctx, slot) } else { slot.discard(ctx, vault_id) }
    }
}

/// Removes what a slot had outside the vault. What can't be removed is useless without the slot.
pub(crate) fn forget(ctx: &Context, vault_id: VaultId, kind: SlotKind, id: SlotId) {
    let failure = match kind {
        SlotKind::Keyring => {
            keyring::remove(vault_id, id, ctx.keyring_deadline()).err().map(|error| error.to_string())
        }
        SlotKind::Machine => {
            let removed = ctx.machine_directory().map(|directory| machine::remove(&directory, vault_id, id));
            removed.ok().and_then(Result::err).map(|error| error.to_string())
        }
        SlotKind::Env | SlotKind::Passphrase { .. } | SlotKind::Recovery => None,
    };
    if let Some(failure) = failure {
        ctx.ui.warn(&format!("the unused key of slot {id} could not be removed: {failure}"));
    }
}

/// A vault that is about to be created.
#[derive(Debug)]
pub(crate) struct Creation<'c> {
    ctx: &'c Context,
    vault: UnlockedVault,
    slots: Vec<NewSlot>,
}

impl<'c> Creation<'c> {
    /// Makes the slots of a new vault: of the source asked for, or of the first source that works and
    /// of each key and passphrase that the environment hands over.
    pub(crate) fn prepare(
        ctx: &'c Context,
        wanted: Option<SourceKind>,
        params: KdfParams,
    ) -> Result<Self, CommandError> {
        let vault = new_vault(&ctx.store()?, Purpose::Secrets)?;
        let wanted = wanted.map_or_else(|| ctx.forced_source(), |wanted| Ok(Some(wanted)))?;
        let recovery = offer_recovery(ctx, wanted)?;
        let mut slots = slots_of(ctx, &vault, wanted, params)?;
        slots.extend(recovery);
        Ok(Self { ctx, vault, slots })
    }

    /// Makes the slots of a file of sessions, as those of a vault. It gets no recovery code: a login makes up for
    /// its loss.
    pub(crate) fn of_sessions(ctx: &'c Context) -> Result<Self, CommandError> {
        let vault = new_vault(&ctx.session_store()?, Purpose::Sessions)?;
        let slots = slots_of(ctx, &vault, ctx.forced_source()?, KdfParams::DEFAULT)?;
        Ok(Self { ctx, vault, slots })
    }

    /// Writes the file of sessions, without any session, or nothing at all if another process was first.
    pub(crate) fn commit_sessions(self, store: FileStore) -> Result<SessionFile, SessionFileError> {
        let path = store.location().to_path_buf();
        let created = SessionFile::create(store, &self.vault, |draft| {
            self.slots.iter().try_for_each(|slot| slot.add_to(draft))
        });
        let written = created.as_ref().err().is_none_or(SessionFileError::is_written);
        if written {
            announce(self.ctx, "the file of sessions", &path, &self.slots);
        } else {
            settle(self.ctx, self.vault.header().vault_id, &self.slots, false);
        }
        created
    }

    /// Writes the vault with a first change, or nothing at all if another process was first.
    pub(crate) fn commit<T>(
        self,
        store: &FileStore,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, ChangeError>,
    ) -> Result<T, CommitError> {
        let vault_id = self.vault.header().vault_id;
        let committed = commit(store, self.vault, Previous::Keep, |draft| {
            self.slots.iter().try_for_each(|slot| slot.add_to(draft))?;
            change(draft)
        });
        match committed {
            Ok(committed) => {
                announce(self.ctx, "the vault", store.location(), &self.slots);
                Ok(committed.outcome)
            }
            Err(error) => {
                let written = matches!(&error, CommitError::Store(error) if error.is_written());
                settle(self.ctx, vault_id, &self.slots, written);
                Err(error)
            }
        }
    }
}

/// Makes a vault that is in no file yet. Refuses a place that can hold none before a key is made for it elsewhere:
/// root with the HOME of another user would leave a directory there that this user can't write.
fn new_vault(store: &FileStore, purpose: Purpose) -> Result<UnlockedVault, CommandError> {
    store.check_place().map_err(|error| store_failed(&error))?;
    UnlockedVault::create(purpose).map_err(|error| bad_file(store.location(), &error))
}

/// Makes the first slots of a vault: of the source that is asked for, or of those that there are.
fn slots_of(
    ctx: &Context,
    vault: &UnlockedVault,
    wanted: Option<SourceKind>,
    params: KdfParams,
) -> Result<Vec<NewSlot>, CommandError> {
    match wanted {
        Some(kind) => Ok(vec![slot_of(ctx, vault, kind, params)?]),
        None => first_slots(ctx, vault.header().vault_id),
    }
}

/// Asks on a terminal whether a recovery code should be made. This comes before the other slots are made,
/// because whoever ends keyward here must not leave a keyring entry or a seed behind.
fn offer_recovery(ctx: &Context, wanted: Option<SourceKind>) -> Result<Option<NewSlot>, CommandError> {
    if !ctx.ui.may_prompt() || wanted == Some(SourceKind::Recovery) {
        return Ok(None);
    }
    let question =
        "This makes a new vault. Make a recovery code too, to open it when every other key is gone?";
    Ok(if ctx.ui.ask_yes(question)? { Some(NewSlot::recovery()) } else { None })
}

/// Makes a slot of one kind for a vault, asking the person where the kind needs one. A key or passphrase
/// of the environment is taken unless the vault has it already.
pub(crate) fn slot_of(
    ctx: &Context,
    vault: &UnlockedVault,
    kind: SourceKind,
    params: KdfParams,
) -> Result<NewSlot, CommandError> {
    let vault_id = vault.header().vault_id;
    match kind {
        SourceKind::Keyring => NewSlot::keyring(ctx, vault_id).map_err(|error| keyring_failed(&error)),
        SourceKind::Machine => NewSlot::machine(ctx, vault_id, &machine::canonical_hostname()),
        SourceKind::Recovery => Ok(NewSlot::recovery()),
        SourceKind::Env => Ok(unused_env_key(ctx, vault)?.map_or_else(NewSlot::new_env, NewSlot::env)),
        SourceKind::Passphrase => NewSlot::passphrase(&new_passphrase(ctx, vault)?, params),
    }
}

/// The slots of a vault that nobody configured: the first source that works, and each env source that
/// is set, so that CI can open what a desktop made. Only a source that is definitely not there is passed
/// over: a keyring in a bad mood must not make a weaker vault.
fn first_slots(ctx: &Context, vault_id: VaultId) -> Result<Vec<NewSlot>, CommandError> {
    let mut slots = Vec::new();
    match NewSlot::keyring(ctx, vault_id) {
        Ok(slot) => slots.push(slot),
        Err(KeyringError::Absent | KeyringError::NotBuilt) => {}
        Err(error) => return Err(keyring_failed(&error)),
    }
    match env_slots(ctx) {
        Ok(environment) => slots.extend(environment),
        Err(error) => {
            slots.iter().for_each(|slot| slot.discard(ctx, vault_id));
            return Err(error);
        }
    }
    if slots.is_empty() {
        slots.push(NewSlot::machine(ctx, vault_id, &machine::canonical_hostname())?);
    }
    Ok(slots)
}

fn env_slots(ctx: &Context) -> Result<Vec<NewSlot>, CommandError> {
    let found = ctx.environment_keys().into_iter();
    found
        .map(|found| match secret_of(found)? {
            EnvSecret::Key(key) => Ok(NewSlot::env(key)),
            EnvSecret::Passphrase(passphrase) => NewSlot::passphrase(&passphrase, KdfParams::DEFAULT),
        })
        .collect()
}

/// Returns the first env key of the environment, unless it opens the vault already.
fn unused_env_key(ctx: &Context, vault: &UnlockedVault) -> Result<Option<SlotKey>, CommandError> {
    let keys = || ctx.environment_keys().into_iter().filter(|found| found.origin != EnvOrigin::Passphrase);
    let is_used = keys().next().is_some_and(|found| vault.ask(&mut EnvSupply::new(found)).is_ok());
    match keys().next().filter(|_| !is_used).map(secret_of).transpose()? {
        Some(EnvSecret::Key(key)) => Ok(Some(key)),
        _ => Ok(None),
    }
}

/// Returns the passphrase of the environment for a vault that has no passphrase yet, or asks for one.
pub(crate) fn new_passphrase(ctx: &Context, vault: &UnlockedVault) -> Result<SecretBytes, CommandError> {
    let has_one = vault.header().slots.iter().any(|slot| matches!(slot.kind, SlotKind::Passphrase { .. }));
    let mut found = ctx.environment_keys().into_iter().filter(|found| found.origin == EnvOrigin::Passphrase);
    if let Some(EnvSecret::Passphrase(passphrase)) =
        found.next().filter(|_| !has_one).map(secret_of).transpose()?
    {
        return Ok(passphrase);
    }
    if ctx.ui.may_prompt() {
        return ctx.ui.ask_new_passphrase();
    }
    Err(CommandError::usage("no new passphrase, and nobody to ask")
        .hint("run the command on a terminal, or set `KEYWARD_VAULT_PASSPHRASE` for a first passphrase slot"))
}

fn secret_of(found: EnvFound) -> Result<EnvSecret, CommandError> {
    found.outcome.map_err(|error| {
        CommandError::new(Kind::NoKeySource, format!("{} has no usable key", found.origin))
            .caused_by(&error)
            .hint("correct or unset it; `keyward slot add env` makes a key for an existing vault")
    })
}

fn keyring_failed(error: &KeyringError) -> CommandError {
    CommandError::new(Kind::NoKeySource, "cannot use the keyring for a key of the vault")
        .caused_by(error)
        .hint("`keyward init --source env` or `--source machine` chooses another source of the key")
}

/// Says where the new file is and what opens it, and shows what the person has to keep.
fn announce(ctx: &Context, what: &str, path: &Path, slots: &[NewSlot]) {
    let kinds: Vec<&str> = slots.iter().map(|slot| slot.kind.name()).collect();
    ctx.ui.note(&format!("created {what} {}, opened by: {}", path.display(), kinds.join(", ")));
    if kinds == ["machine"] {
        ctx.ui.note(
            "the machine key protects a copied file, not against this account: `keyward status` says more",
        );
    }
    for slot in slots {
        show_kept(ctx, slot);
    }
}

/// Shows a key or code once, on the terminal or where stderr goes.
fn show_kept(ctx: &Context, slot: &NewSlot) {
    if let Some(text) = &slot.to_keep {
        let what = match slot.kind {
            SlotKind::Env => "key for `KEYWARD_VAULT_KEY`",
            _ => "recovery code",
        };
        ctx.ui.show_once(what, text);
    }
}
