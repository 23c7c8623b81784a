//! `connections set`: store a connection, or replace it.

use clap::{ArgGroup, Args};
use serde::Serialize;
use vault_core::connection::{Auth, Connection, Label, Setting, Settings};
use vault_core::format::index::Index;
use vault_core::name::{ConnectionId, SecretName};
use vault_core::provider::{Kind, Registry};
use vault_core::secret_like::looks_like_a_secret_of;
use vault_core::vault::draft::{ChangeError, Draft};

use super::ConnectionRow;
use crate::arguments::ScopeKind;
use crate::commands::completions::{connection_ids, kinds, secret_names};
use crate::context::{Context, Place};
use crate::error::{self, CommandError};
use crate::report::Report;
use crate::vault_access::{VaultAccess, claim, no_secret};

/// Store a connection, or replace the one of this id
///
/// The secret is looked for in the workspace first, then in its tenant; where it is found is stored with its
/// name. A connection that is replaced loses the settings that are not given again.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("auth").required(true))]
pub(super) struct SetArguments {
    /// The id of the connection: small letters, digits and `-`
    #[arg(long, value_name = "ID", add = connection_ids())]
    id: ConnectionId,
    /// The kind of service; `keyward connections kinds` shows the kinds
    #[arg(long, value_name = "KIND", add = kinds())]
    kind: Kind,
    /// What people call the connection
    #[arg(long, value_name = "TEXT")]
    label: Label,
    /// The NAME of the secret that authenticates the connection, never the secret itself
    #[arg(long, value_name = "NAME", group = "auth", add = secret_names())]
    secret_id: Option<SecretName>,
    /// The service asks for no credentials
    #[arg(long, group = "auth")]
    no_auth: bool,
    /// Something else to know that is not secret; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<Setting>,
    /// Refer to a secret that is not there yet
    #[arg(long, conflicts_with = "no_auth")]
    allow_missing: bool,
}

/// What was stored.
#[derive(Debug, Serialize)]
pub(super) struct SetReport {
    #[serde(flatten)]
    connection: ConnectionRow,
    replaced: bool,
}

impl Report for SetReport {
    fn summary(&self) -> Option<String> {
        let ConnectionRow { id, kind, place, auth, .. } = &self.connection;
        let done = if self.replaced { "replaced" } else { "created" };
        let stored = format!("{done} connection {id} ({kind}) in {place}");
        match auth {
            None => Some(format!("{stored}, without credentials")),
            Some(auth) if auth.resolves => Some(format!("{stored}, with {} of {}", auth.secret, auth.place)),
            Some(auth) => Some(format!("{stored}\nthere is no {} in {} yet", auth.secret, auth.place)),
        }
    }
}

/// Refuses what looks like a secret before anything is opened or created.
pub(super) fn run(ctx: &Context, args: &SetArguments) -> Result<SetReport, CommandError> {
    args.refuse_secrets(&ctx.registry()?)?;
    let settings = Settings::new(args.settings.clone());
    let settings = settings.map_err(|error| {
        CommandError::usage("the settings can't be stored").caused_by(&error).hint("give each `--set` once")
    })?;
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    if let Some(name) = args.required_secret()
        && access.open_locked()?.is_none()
    {
        // A new vault would be made before the secret is found missing.
        return Err(missing_secret(name, &place));
    }
    let stored = access.change_or_create(|draft| {
        claim(draft, &place)?;
        args.store(draft, &place, &settings, ctx.now)
    });
    stored.map_err(|error| match args.required_secret() {
        Some(name) if error.kind == error::Kind::NoSuchSecret => missing_secret(name, &place),
        _ => error,
    })
}

impl SetArguments {
    /// The texts are not repeated: whoever gave a secret by mistake wants it on no screen and in no log.
    fn refuse_secrets(&self, known: &Registry) -> Result<(), CommandError> {
        let name = self.secret_id.as_ref().map(|name| ("`--secret-id`".to_owned(), name.as_str()));
        let id = ("`--id`".to_owned(), self.id.as_str());
        let label = ("`--label`".to_owned(), self.label.as_str());
        let settings = self.settings.iter().flat_map(|setting| {
            let key = ("the key of a setting".to_owned(), setting.key());
            [key, (format!("the value of `--set {}`", setting.key()), setting.value())]
        });
        let mut texts = name.into_iter().chain([id, label]).chain(settings);
        let Some((what, _)) = texts.find(|(_, text)| looks_like_a_secret_of(known, text)) else {
            return Ok(());
        };
        Err(CommandError::usage("give the name of a secret, not the secret")
            .because(format!("{what} looks like a key or a token itself"))
            .hint("`keyward put NAME` stores it and asks for it; then `--secret-id NAME`"))
    }

    /// Returns the secret that has to be there.
    fn required_secret(&self) -> Option<&SecretName> {
        self.secret_id.as_ref().filter(|_| !self.allow_missing)
    }

    fn store(
        &self,
        draft: &mut Draft<'_>,
        place: &Place,
        settings: &Settings,
        now: u64,
    ) -> Result<SetReport, ChangeError> {
        let connection = Connection {
            scope: place.scope(),
            id: self.id.clone(),
            kind: self.kind,
            label: self.label.clone(),
            auth: self.auth(draft.index(), place)?,
            settings: settings.clone(),
            created: now,
            updated: now,
        };
        let replaced = draft.set_connection(connection.clone())?;
        let created = replaced.as_ref().map_or(now, |replaced| replaced.created);
        let connection = ConnectionRow::new(&Connection { created, ..connection }, draft.index());
        Ok(SetReport { connection, replaced: replaced.is_some() })
    }

    /// Finds the secret as `get` does. One that is missing is expected in the connection's own scope.
    fn auth(&self, index: &Index<'_>, place: &Place) -> Result<Auth, ChangeError> {
        let Some(name) = self.secret_id.clone() else { return Ok(Auth::None) };
        match place.scopes().into_iter().find(|scope| index.has_secret(scope, &name)) {
            Some(scope) => Ok(Auth::Secret { scope, name }),
            None if self.allow_missing => Ok(Auth::Secret { scope: place.scope(), name }),
            None => Err(ChangeError::NoSecret { name, scope: place.scope() }),
        }
    }
}

fn missing_secret(name: &SecretName, place: &Place) -> CommandError {
    let option = if place.only == Some(ScopeKind::Tenant) { " --scope tenant" } else { "" };
    no_secret(name, place).hint(format!(
        "`keyward put {name}{option}` stores it; `--allow-missing` refers to it before it is there"
    ))
}
