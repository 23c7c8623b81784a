//! Which providers a command is about that was not told: those that the repository requires, else those of which
//! something is there or to which a connection refers.

use serde::Serialize;
use vault_core::name::SecretName;
use vault_core::provider::{Provider, Registry};

use super::declared::Declared;
use super::presence::{Presence, Search};
use crate::context::Context;
use crate::error::CommandError;

/// What the repository requires, of what keyward knows.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// The file that says so.
    pub(super) file: Option<String>,
    pub(super) providers: Vec<&'static Provider>,
    pub(super) keys: Vec<SecretName>,
}

impl Needs {
    /// Reads what is declared. An unknown provider is warned of: it may be one of a newer keyward, or of somebody
    /// else's own.
    ///
    /// # Errors
    ///
    /// Those of [`Declared::read`].
    pub(super) fn read(ctx: &Context, known: &Registry) -> Result<Self, CommandError> {
        let Some(declared) = Declared::read(ctx)? else { return Ok(Self::default()) };
        let Declared { label, providers, keys } = declared;
        let find = |(id, line): &(String, usize)| {
            let found = known.find(id);
            if found.is_none() {
                ctx.ui.warn(&format!("{label}, line {line}: unknown provider {}", id.escape_debug()));
            }
            found
        };
        let providers = providers.iter().filter_map(find).collect();
        let keys = keys.into_iter().map(|(name, _)| name).collect();
        Ok(Self { providers, keys, file: Some(label) })
    }
}

/// Why these providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Chosen {
    /// `.keyward.toml` requires them.
    Declared,
    /// Something of them is there, or a connection refers to them.
    Detected,
    /// They were named on the command line.
    Named,
    /// There are none.
    Nothing,
}

/// Looks up what the providers need that were `named`; without any, of those that are declared, else detected.
pub(super) fn choose(search: Search<'_>, named: &[&'static Provider], needs: &Needs) -> (Chosen, Presence) {
    if !named.is_empty() {
        let mut found = search.look_up(named, needs);
        found.keys.clear();
        return (Chosen::Named, found);
    }
    if needs.file.is_some() {
        return (Chosen::Declared, search.look_up(&needs.providers, needs));
    }
    let all: Vec<_> = search.known.iter().collect();
    let found = search.look_up_in_use(&all, needs);
    let is_nothing = found.providers.is_empty() && found.keys.is_empty();
    (if is_nothing { Chosen::Nothing } else { Chosen::Detected }, found)
}
