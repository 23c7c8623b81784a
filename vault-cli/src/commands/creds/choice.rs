//! Which providers a command is about that was not told: those that the repository requires, else those of which
//! something is there.

use vault_core::name::SecretName;
use vault_core::provider::{Provider, Registry};

use super::declared::Declared;
use crate::context::Context;
use crate::error::CommandError;

/// What the repository requires, of what keyward knows.
#[derive(Debug, Default)]
pub(super) struct Needs {
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
        Ok(Self { providers, keys })
    }
}
