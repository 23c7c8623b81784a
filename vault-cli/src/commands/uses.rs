//! `uses`: which connections need a secret, and so break when it is rotated.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::connection::Connection;
use vault_core::name::{Scope, SecretName};

use crate::commands::completions::secret_names;
use crate::commands::connections::{ConnectionRow, write_rows};
use crate::context::Context;
use crate::error::CommandError;
use crate::report::{PlaceRef, Report};
use crate::vault_access::{VaultAccess, no_secret};

/// Show which connections break if a secret is rotated
///
/// A name that the workspace and its tenant both have is two secrets: the connections of both are shown.
#[derive(Debug, Args)]
pub(crate) struct UsesArguments {
    /// The name of the secret
    #[arg(value_name = "NAME", add = secret_names())]
    name: SecretName,
}

/// The secrets of that name, and who refers to them.
#[derive(Debug, Serialize)]
pub(crate) struct UsesReport {
    name: String,
    secrets: Vec<PlaceRef>,
    connections: Vec<ConnectionRow>,
}

impl Report for UsesReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        write_rows(out, &self.connections, terminal)
    }

    fn summary(&self) -> Option<String> {
        self.connections.is_empty().then(|| format!("no connection uses {}", self.name))
    }
}

/// Opens the index alone. Connections of other workspaces count too where they refer to the tenant's secret.
pub(crate) fn run(ctx: &Context, args: &UsesArguments) -> Result<UsesReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_secret(&args.name, &place)) };
    let index = access.index(&opened)?;
    let scopes = place.scopes();
    let uses = |connection: &&Connection| scopes.iter().any(|scope| connection.uses(scope, &args.name));
    let has_secret = |scope: &&Scope| index.has_secret(scope, &args.name);
    let connections = access.connections(&index)?;
    let rows = connections.iter().filter(uses).map(|connection| ConnectionRow::new(connection, &index));
    let report = UsesReport {
        name: args.name.to_string(),
        secrets: scopes.iter().filter(has_secret).map(PlaceRef::new).collect(),
        connections: rows.collect(),
    };
    if report.secrets.is_empty() && report.connections.is_empty() {
        return Err(no_secret(&args.name, &place));
    }
    Ok(report)
}
