//! `restore`: bring the generation before the current one back.

use clap::Args;
use serde::Serialize;
use vault_core::format::Purpose;
use vault_core::name::escape_deceptive;
use vault_core::vault::restore::{self, Restored};

use crate::context::Context;
use crate::error::{CommandError, Kind, commit_failed};
use crate::report::{Report, counted};
use crate::sources::Sources;
use crate::vault_access::VaultAccess;

/// Bring the previous generation of the vault back, when the current one is damaged or gone
///
/// What is there now becomes the previous generation; a file that can't be read at all is set aside as
/// `<vault>.damaged`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {}

/// What was brought back.
#[derive(Debug, Serialize)]
pub(crate) struct RestoreReport {
    path: String,
    generation: u64,
    restored_generation: u64,
    secrets: usize,
    slots: Vec<String>,
    given_up: Vec<GivenUp>,
}

/// A stored value that was damaged in the previous generation too.
#[derive(Debug, Serialize)]
struct GivenUp {
    name: String,
    version: u32,
}

impl Report for RestoreReport {
    fn summary(&self) -> Option<String> {
        let Self { path, generation, restored_generation, secrets, slots, given_up } = self;
        let path = escape_deceptive(path);
        let restored = format!(
            "restored {path} from generation {restored_generation} as generation {generation}: \
             {}, key slots: {}",
            counted(*secrets, "secret"),
            slots.join(", ")
        );
        let lost =
            given_up.iter().map(|lost| format!("gave up, damaged: {} version {}", lost.name, lost.version));
        Some([restored].into_iter().chain(lost).collect::<Vec<_>>().join("\n"))
    }
}

/// Unlocks the previous generation first, then puts it in the place of the current one.
pub(crate) fn run(ctx: &Context, _args: &RestoreArguments) -> Result<RestoreReport, CommandError> {
    let access = VaultAccess::new(ctx)?;
    let path = access.path();
    let previous = restore::open_previous(&access.store, Purpose::Secrets)
        .map_err(|error| commit_failed(&path, error))?;
    let locked = previous.ok_or_else(|| {
        CommandError::new(Kind::VaultGone, format!("{} has no previous generation", path.display()))
            .hint("bring the file back from a backup")
    })?;
    let opened = access.unlock(locked, Sources::new(ctx)?)?;
    let restored_generation = opened.vault.header().generation;
    let anchor = access.anchor()?;
    let Restored { header, given_up, secrets } =
        restore::restore(&access.store, opened.vault).map_err(|error| commit_failed(&path, error))?;
    if let Some(anchor) = anchor.filter(|anchor| anchor.state().generation > restored_generation + 1) {
        let newest = anchor.state().generation;
        ctx.ui.warn(&format!(
            "the rollback anchor knew generation {newest}: what was written after generation {restored_generation} is lost"
        ));
    }
    Ok(RestoreReport {
        path: path.display().to_string(),
        generation: header.generation,
        restored_generation,
        secrets,
        slots: header.slots.iter().map(|slot| slot.kind.name().to_owned()).collect(),
        given_up: given_up.into_iter().map(|(name, version)| GivenUp { name, version }).collect(),
    })
}
