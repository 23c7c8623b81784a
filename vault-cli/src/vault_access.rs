//! Opening and changing the vault for a command: store, sources, the messages on the way, and the
//! workspace's right to its id.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use vault_core::connection::Connection;
use vault_core::crypto::kdf::KdfParams;
use vault_core::format::index::Index;
use vault_core::format::{Header, Purpose};
use vault_core::name::{Scope, SecretName};
use vault_core::slot::{KeySource, SlotId};
use vault_core::source::env::EnvOrigin;
use vault_core::source::machine::{self, Hostname};
use vault_core::store::anchor::Anchor;
use vault_core::store::{FileStore, Previous, StoreError, VaultStore};
use vault_core::vault::commit::{CommitError, Committed, commit};
use vault_core::vault::draft::{ChangeError, Draft};
use vault_core::vault::unlock::AttemptFailure;
use vault_core::vault::{LockedVault, UnlockedVault};

use crate::context::{Context, Place};
use crate::enrol::{self, NewSlot};
use crate::error::{BIND_HINT, CommandError, Kind, bad_file, cannot_unlock, commit_failed, store_failed};
use crate::sources::Sources;

/// An unlocked vault and how it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) vault: UnlockedVault,
    /// The name of the source that opened it.
    pub(crate) source: String,
    /// This machine has another name than the slot that opened the vault was made for.
    renamed: Option<Hostname>,
}

impl Opened {
    /// Returns the kind of the slot that opened the vault.
    pub(crate) fn slot_kind(&self) -> &'static str {
        self.vault.opened_by().map_or("new", |slot| slot.kind.name())
    }
}

/// The vault of a command, or its absence, which is an empty vault.
#[derive(Debug)]
pub(crate) struct VaultAccess<'c> {
    pub(crate) ctx: &'c Context,
    pub(crate) store: FileStore,
}

impl<'c> VaultAccess<'c> {
    /// Finds the vault's file; nothing is read yet.
    pub(crate) fn new(ctx: &'c Context) -> Result<Self, CommandError> {
        ctx.warn_if_soft();
        Ok(Self { ctx, store: ctx.store()? })
    }

    /// Returns the same vault, whatever its anchor says.
    pub(crate) fn unheeding(&self) -> Self {
        Self { ctx: self.ctx, store: FileStore::new(self.path()) }
    }

    /// Returns the path of the vault.
    pub(crate) fn path(&self) -> PathBuf {
        self.store.location().to_path_buf()
    }

    /// Loads the vault's rollback anchor, if it has one.
    pub(crate) fn anchor(&self) -> Result<Option<Anchor>, CommandError> {
        self.store.anchor().map_err(|error| store_failed(&error))
    }

    /// Reads the header; `None` where there is no vault yet.
    pub(crate) fn open_locked(&self) -> Result<Option<LockedVault>, CommandError> {
        let snapshot = self.store.open().map_err(|error| store_failed(&error))?;
        let locked = snapshot.map(|snapshot| LockedVault::open(snapshot, Purpose::Secrets)).transpose();
        locked.map_err(|error| bad_file(&self.path(), &error))
    }

    /// Opens the vault; `None` where there is none yet.
    pub(crate) fn open(&self) -> Result<Option<Opened>, CommandError> {
        let Some(locked) = self.open_locked()? else { return Ok(None) };
        self.unlock(locked, Sources::new(self.ctx)?).map(Some)
    }

    /// Opens the vault if that takes nobody's attention and costs no network.
    pub(crate) fn open_quietly(&self) -> Result<Option<Opened>, CommandError> {
        let Some(locked) = self.open_locked()? else { return Ok(None) };
        self.unlock(locked, Sources::new(self.ctx)?.without_prompts()).map(Some)
    }

    /// Opens the vault, which has to be there.
    pub(crate) fn open_existing(&self) -> Result<Opened, CommandError> {
        self.open()?.ok_or_else(|| no_vault(&self.path()))
    }

    /// Unlocks a vault and says what the person should know of how that went.
    pub(crate) fn unlock(&self, locked: LockedVault, mut sources: Sources) -> Result<Opened, CommandError> {
        let unlocked =
            locked.unlock(&mut sources.in_order()).map_err(|error| cannot_unlock(&self.path(), error))?;
        for attempt in &unlocked.failed {
            self.ctx.ui.detail(&format!("not opened by {}: {}", attempt.source, attempt.failure));
        }
        self.ctx.ui.detail(&format!("opened {} by {}", self.path().display(), unlocked.source));
        if !EnvOrigin::is_name(&unlocked.source) {
            self.warn_of_wrong_keys(&unlocked.vault, &mut sources);
        }
        let renamed = self.renamed(&unlocked.vault, &sources);
        Ok(Opened { vault: unlocked.vault, source: unlocked.source, renamed })
    }

    /// Applies a change to the newest state and writes it. A machine slot made for a former host name
    /// is replaced on the way.
    pub(crate) fn change<T>(
        &self,
        opened: Opened,
        previous: Previous,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, ChangeError>,
    ) -> Result<Committed<T>, CommandError> {
        let replacement = self.replacement_slot(&opened)?;
        let vault_id = opened.vault.header().vault_id;
        let mut used = false;
        let committed = commit(&self.store, opened.vault, previous, |draft| {
            if let Some((old, new)) = &replacement {
                used = replace_slot(draft, *old, new)?;
            }
            change(draft)
        });
        let committed = committed.map_err(|error| commit_failed(&self.path(), error));
        if let Some((_, new)) = replacement {
            let written = committed.as_ref().err().is_none_or(|error| error.kind == Kind::NotDurable);
            enrol::settle(self.ctx, vault_id, &[new], used && written);
        }
        committed
    }

    /// Replaces the root key; the slots are those that `add_slots` adds. Refuses if the vault has other
    /// slots by now than those that were looked at.
    pub(crate) fn rekey(
        &self,
        opened: Opened,
        known: &[SlotId],
        add_slots: impl FnOnce(&mut Draft<'_>) -> Result<(), ChangeError>,
    ) -> Result<Header, CommandError> {
        let committed = commit(&self.store, opened.vault, Previous::Drop, |draft| {
            let changed = !draft.slots().iter().map(|slot| slot.id).eq(known.iter().copied());
            if changed {
                return Err(ChangeError::SlotsChanged);
            }
            draft.rekey()?;
            add_slots(draft)
        });
        committed.map(|committed| committed.header).map_err(|error| commit_failed(&self.path(), error))
    }

    /// Applies a change, and creates the vault first where there is none.
    pub(crate) fn change_or_create<T>(
        &self,
        change: impl Fn(&mut Draft<'_>) -> Result<T, ChangeError>,
    ) -> Result<T, CommandError> {
        if let Some(opened) = self.open()? {
            return self.change(opened, Previous::Keep, change).map(|committed| committed.outcome);
        }
        let creation = enrol::Creation::prepare(self.ctx, None, KdfParams::DEFAULT)?;
        match creation.commit(&self.store, &change) {
            Ok(outcome) => Ok(outcome),
            Err(CommitError::Store(StoreError::Conflict { .. })) => {
                let opened = self.open_existing()?;
                self.change(opened, Previous::Keep, change).map(|committed| committed.outcome)
            }
            Err(error) => Err(commit_failed(&self.path(), error)),
        }
    }

    /// Reads the index of an opened vault.
    pub(crate) fn index<'v>(&self, opened: &'v Opened) -> Result<Index<'v>, CommandError> {
        opened.vault.index().map_err(|error| bad_file(&self.path(), &error))
    }

    /// Decodes the connections, which reading the index leaves out.
    pub(crate) fn connections(&self, index: &Index<'_>) -> Result<Vec<Connection>, CommandError> {
        index.connections().map_err(|error| bad_file(&self.path(), &error))
    }

    /// Refuses a workspace that a `.keyward.toml` claims and that the vault gave to other directories.
    pub(crate) fn check_claim(&self, place: &Place, index: &Index<'_>) -> Result<(), CommandError> {
        let Some(directory) = &place.claimed_by else { return Ok(()) };
        if may_use(index, place) {
            return Ok(());
        }
        let (workspace, directory) = (&place.workspace, directory.display());
        let refused = format!("workspace {workspace} is not bound to {directory}");
        Err(CommandError::new(Kind::Refused, refused).hint(BIND_HINT))
    }

    /// A key that is set and wrong is said, even where another source opened the vault.
    fn warn_of_wrong_keys(&self, vault: &UnlockedVault, sources: &mut Sources) {
        for supply in sources.environment_keys() {
            let wrong = match supply.problem() {
                Some(problem) => problem,
                None => match vault.ask(supply) {
                    Err(AttemptFailure::WrongKey(_)) => "does not open the vault's env slot".to_owned(),
                    _ => continue,
                },
            };
            self.ctx.ui.warn(&format!("{}: {wrong}; the vault was opened by another key", supply.label()));
        }
    }

    fn renamed(&self, vault: &UnlockedVault, sources: &Sources) -> Option<Hostname> {
        let recorded = sources.machine.as_ref()?.recorded_hostname(vault.opened_by()?.id)?;
        let today = Some(machine::canonical_hostname()).filter(|today| today != recorded)?;
        self.ctx.ui.note(&format!(
            "this machine was named {recorded} when its key slot was made and is now {today}; \
             the next write makes a slot for the new name"
        ));
        Some(today)
    }

    /// Makes the slot for a new host name before the turn to write begins.
    fn replacement_slot(&self, opened: &Opened) -> Result<Option<(SlotId, NewSlot)>, CommandError> {
        let (Some(hostname), Some(old)) = (&opened.renamed, opened.vault.opened_by()) else {
            return Ok(None);
        };
        let new = NewSlot::machine(self.ctx, opened.vault.header().vault_id, hostname)?;
        Ok(Some((old.id, new)))
    }
}

/// Puts the new machine slot in the place of the old one, unless another process did so already.
fn replace_slot(draft: &mut Draft<'_>, old: SlotId, new: &NewSlot) -> Result<bool, ChangeError> {
    if !draft.slots().iter().any(|slot| slot.id == old) {
        return Ok(false);
    }
    if draft.slots().len() == 1 {
        new.add_to(draft)?;
        draft.remove_slot(old)?;
    } else {
        // A vault that has as many slots as it can takes the new one only after the old one is gone.
        draft.remove_slot(old)?;
        new.add_to(draft)?;
    }
    Ok(true)
}

/// Binds the claiming directory to its workspace where the id is new, and refuses it where it is not.
pub(crate) fn claim(draft: &mut Draft<'_>, place: &Place) -> Result<(), ChangeError> {
    let Some(directory) = &place.claimed_by else { return Ok(()) };
    if !may_use(draft.index(), place) {
        let directory = directory.display().to_string();
        return Err(ChangeError::WorkspaceElsewhere { workspace: place.workspace.clone(), directory });
    }
    bind(draft, place)
}

/// Binds the claiming directory to its workspace, whoever else uses it.
pub(crate) fn bind(draft: &mut Draft<'_>, place: &Place) -> Result<(), ChangeError> {
    let Some(directory) = &place.claimed_by else { return Ok(()) };
    draft.bind(&place.tenant, &place.workspace, directory.as_os_str().as_bytes())
}

/// A directory may use the id that it claims if the vault bound it, or if nobody uses the id yet.
fn may_use(index: &Index<'_>, place: &Place) -> bool {
    let Some(directory) = &place.claimed_by else { return true };
    let of_workspace = |binding: &&vault_core::format::index::BindingRecord<'_>| {
        binding.tenant == place.tenant.as_str() && binding.workspace == place.workspace.as_str()
    };
    let mut bindings = index.bindings.iter().filter(of_workspace).peekable();
    if bindings.peek().is_none() {
        let scope = Scope::Workspace(place.tenant.clone(), place.workspace.clone());
        return index.scope_position(&scope).is_none() && !has_connections(index, &scope);
    }
    bindings.any(|binding| binding.directory == directory.as_os_str().as_bytes())
}

/// Connections that can't be read are somebody's: their workspace is given to nobody else.
fn has_connections(index: &Index<'_>, scope: &Scope) -> bool {
    let in_scope = |connections: Vec<Connection>| connections.iter().any(|known| known.scope == *scope);
    index.connections().map_or(true, in_scope)
}

/// Makes the error of a command that needs a vault where there is none.
pub(crate) fn no_vault(path: &std::path::Path) -> CommandError {
    CommandError::new(Kind::NoSuchSecret, format!("there is no vault at {}", path.display()))
        .hint("`keyward put NAME` makes one and stores a secret in it")
}

/// Makes the error of a secret that is in none of the place's scopes.
pub(crate) fn no_secret(name: &SecretName, place: &Place) -> CommandError {
    let scopes: Vec<String> = place.scopes().iter().map(ToString::to_string).collect();
    CommandError::new(Kind::NoSuchSecret, format!("no secret {name} in {}", scopes.join(" or ")))
        .hint("`keyward list` shows what there is")
}
