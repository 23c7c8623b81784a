//! Which secrets a command takes: `--only` and `--prefix`, and what they select of a vault.

use std::collections::BTreeMap;

use clap::Args;
use vault_core::format::index::Index;
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;

use crate::commands::completions::secret_names;
use crate::context::{Context, Place};
use crate::error::{CommandError, bad_file};
use crate::vault_access::{VaultAccess, no_secret};

/// The choice of names; all of them, if neither is given.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Take these secrets only, separated by commas
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', add = secret_names())]
    pub(crate) only: Vec<SecretName>,
    /// Take only secrets whose names start with PREFIX
    #[arg(long, value_name = "PREFIX", conflicts_with = "only")]
    prefix: Option<String>,
}

/// Secrets with their values, in the order of the vault.
pub(crate) type Secrets = Vec<(SecretName, SecretBytes)>;

impl Selection {
    /// Tells whether a name is selected.
    pub(crate) fn takes(&self, name: &str) -> bool {
        match &self.prefix {
            Some(prefix) => name.starts_with(prefix.as_str()),
            None => self.only.is_empty() || self.only.iter().any(|only| only.as_str() == name),
        }
    }

    /// Opens the values that are selected, and no others, from the workspace and then its tenant. `None`
    /// where there is no vault.
    ///
    /// # Errors
    ///
    /// A name of `--only` that is in neither, and a workspace that the directory may not use.
    pub(crate) fn open(&self, ctx: &Context) -> Result<Option<Secrets>, CommandError> {
        let place = ctx.place()?;
        let access = VaultAccess::new(ctx)?;
        let Some(opened) = access.open()? else {
            return self.only.first().map_or(Ok(None), |name| Err(no_secret(name, &place)));
        };
        let index = access.index(&opened)?;
        access.check_claim(&place, &index)?;
        let selected = self.select(&index, &place)?;
        let positions: Vec<usize> = selected.keys().copied().collect();
        let values =
            opened.vault.values(&index, &positions).map_err(|error| bad_file(&access.path(), &error))?;
        Ok(Some(selected.into_values().zip(values).collect()))
    }

    /// Returns the positions of the current versions that are asked for, with their names.
    fn select(&self, index: &Index<'_>, place: &Place) -> Result<BTreeMap<usize, SecretName>, CommandError> {
        let scopes = place.scopes();
        // Of two with one name the last is kept, so the scope that goes first comes last.
        let scopes = scopes.iter().rev().filter_map(|scope| index.scope_position(scope));
        let current_in = |scope| index.current().filter(move |(_, value)| value.scope == scope);
        let by_name: BTreeMap<&str, usize> =
            scopes.flat_map(current_in).map(|(position, value)| (value.name, position)).collect();
        if let Some(missing) = self.only.iter().find(|name| !by_name.contains_key(name.as_str())) {
            return Err(no_secret(missing, place));
        }
        let asked_for = by_name.into_iter().filter(|(name, _)| self.takes(name));
        let parse = |(name, position): (&str, usize)| SecretName::parse(name).map(|name| (position, name));
        asked_for.map(parse).collect::<Result<_, _>>().map_err(|error| CommandError::usage(error.to_string()))
    }
}
