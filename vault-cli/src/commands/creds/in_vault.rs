//! The question to the vault which of some names it has, and which its connections refer to. Nobody is asked for
//! a key, and no value is opened.

use vault_core::connection::{Auth, Connection};
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
    let index = access.index(&opened)?;
    let connected = connected(access.connections(&index)?, &place);
    Ok(VaultAnswer::Answered { found: found(&index, &place, names), connected })
}

/// Answers from an open index, for providers that somebody named: connections do not matter to these.
pub(super) fn answer(index: &Index<'_>, place: &Place, names: &[&str]) -> VaultAnswer {
    VaultAnswer::Answered { found: found(index, place, names), connected: Vec::new() }
}

/// The answer where there is no vault.
pub(super) const fn nothing() -> VaultAnswer {
    VaultAnswer::Answered { found: Vec::new(), connected: Vec::new() }
}

/// Returns those of the names that have a secret in the place.
fn found(index: &Index<'_>, place: &Place, names: &[&str]) -> Vec<String> {
    let scopes = place.scopes();
    let has = |name: &str| {
        let name = SecretName::parse(name).ok();
        name.is_some_and(|name| scopes.iter().any(|scope| !index.versions(scope, &name).is_empty()))
    };
    names.iter().filter(|name| has(name)).map(ToString::to_string).collect()
}

/// Returns the names to which the connections of the place refer, be there a secret or not.
fn connected(connections: Vec<Connection>, place: &Place) -> Vec<String> {
    let scopes = place.scopes();
    let seen = connections.into_iter().filter(|connection| scopes.contains(&connection.scope));
    seen.filter_map(|connection| match connection.auth {
        Auth::None => None,
        Auth::Secret { name, .. } => Some(name.to_string()),
    })
    .collect()
}
