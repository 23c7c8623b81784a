//! `connections list`: the connections of the workspace and its tenant, and whether their secrets are there.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::connection::Connection;
use vault_core::provider::Kind;

use super::{ConnectionRow, write_rows};
use crate::commands::completions::kinds;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::vault_access::VaultAccess;

/// List the connections of the workspace and its tenant, with the secrets that they refer to
///
/// Piped, the columns are separated by tabs.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// List connections of this kind alone; `keyward connections kinds` shows the kinds
    #[arg(long, value_name = "KIND", add = kinds())]
    kind: Option<Kind>,
    /// List every workspace and tenant of the vault
    #[arg(long, conflicts_with = "scope")]
    all: bool,
}

/// What there is.
#[derive(Debug, Serialize)]
pub(super) struct ListReport {
    connections: Vec<ConnectionRow>,
}

impl Report for ListReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        write_rows(out, &self.connections, terminal)
    }
}

/// Opens the index alone.
pub(super) fn run(ctx: &Context, args: &ListArguments) -> Result<ListReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Ok(ListReport { connections: Vec::new() }) };
    let index = access.index(&opened)?;
    let scopes = place.scopes();
    let is_wanted = |connection: &&Connection| {
        (args.all || scopes.contains(&connection.scope))
            && args.kind.is_none_or(|kind| kind == connection.kind)
    };
    let connections = access.connections(&index)?;
    let rows = connections.iter().filter(is_wanted).map(|connection| ConnectionRow::new(connection, &index));
    Ok(ListReport { connections: rows.collect() })
}
