//! What a repository requires: the table `[creds]` of the nearest `.keyward.toml`. The file is untrusted, as
//! everything that comes with a repository: it names providers and names, no value is read because of it, and
//! the vault is not asked whether the directory may have its workspace.

use vault_core::name::SecretName;
use vault_core::toml_text::TomlFault;
use vault_core::workspace_file::{self, Lined, Required};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::workspace::{self, WorkspaceText};

/// What a file requires.
#[derive(Debug)]
pub(super) struct Declared {
    /// The file, as a person in the current directory would write it.
    pub(super) label: String,
    /// Ids of providers, as the file spells them.
    pub(super) providers: Lined<String>,
    pub(super) keys: Lined<SecretName>,
}

impl Declared {
    /// Reads the nearest file from the current directory upwards; `None` where it requires nothing.
    ///
    /// # Errors
    ///
    /// When the file is not to be trusted, or its table is not understood.
    pub(super) fn read(ctx: &Context) -> Result<Option<Self>, CommandError> {
        const HINT: &str = "correct the file; `keyward creds check --provider PROVIDER` does without it";
        let Some(directory) = ctx.directory()? else { return Ok(None) };
        let located = workspace::locate(&directory).map_err(|error| error.hint(HINT))?;
        let Some(WorkspaceText { path, text }) = located else { return Ok(None) };
        let required = workspace_file::required(&text).map_err(|TomlFault { line, why }| {
            let message = format!("{} is not understood, line {line}", path.display());
            CommandError::new(Kind::UnreadableFile, message).because(why).hint(HINT)
        });
        let Required { providers, keys } = required?;
        let label = path.strip_prefix(&directory).unwrap_or(&path).display().to_string();
        let requires = !(providers.is_empty() && keys.is_empty());
        Ok(requires.then_some(Self { label, providers, keys }))
    }
}
