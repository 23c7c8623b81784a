//! The question to the vault which of some names it has. Nobody is asked for a key, and no value is opened.

use vault_core::creds::VaultAnswer;
use vault_core::format::index::Index;
use vault_core::name::SecretName;

use crate::context::{Context, Place};
use crate::error::CommandError;
use crate::vault_access::VaultAccess;

/// Asks the vault, if it opens without a prompt.
///
/// # Errors
///
/// A vault that does not open.
pub(super) fn ask(ctx: &Context, names: &[&str]) -> Result<VaultAnswer, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open_quietly()? else { return Ok(nothing()) };
    Ok(answer(&access.index(&opened)?, &place, names))
}

/// Answers from an index.
pub(super) fn answer(index: &Index<'_>, place: &Place, names: &[&str]) -> VaultAnswer {
    let scopes = place.scopes();
    let has = |name: &str| {
        let name = SecretName::parse(name).ok();
        name.is_some_and(|name| scopes.iter().any(|scope| !index.versions(scope, &name).is_empty()))
    };
    let found = names.iter().filter(|name| has(name)).map(ToString::to_string).collect();
    VaultAnswer::Answered { found, connected: Vec::new() }
}

/// The answer where there is no vault.
pub(super) const fn nothing() -> VaultAnswer {
    VaultAnswer::Answered { found: Vec::new(), connected: Vec::new() }
}
