//! `connections get`: all there is to know about one connection, which is no secret.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::name::ConnectionId;

use super::{ConnectionRow, no_connection};
use crate::commands::completions::connection_ids;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::time;
use crate::vault_access::VaultAccess;

/// Show one connection with its settings, and whether its secret is there
///
/// The workspace is asked first, then its tenant.
#[derive(Debug, Args)]
pub(super) struct GetArguments {
    /// The id of the connection
    #[arg(value_name = "ID", add = connection_ids())]
    id: ConnectionId,
}

/// The connection.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct GetReport {
    connection: ConnectionRow,
}

impl Report for GetReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let ConnectionRow { id, kind, label, place, settings, created, updated, .. } = &self.connection;
        writeln!(out, "id:        {id}\nkind:      {kind}\nlabel:     {label}\nscope:     {place}")?;
        writeln!(out, "secret:    {}", self.secret())?;
        for (nth, (key, value)) in settings.iter().enumerate() {
            let title = if nth == 0 { "settings:" } else { "" };
            writeln!(out, "{title:<11}{key}={value}")?;
        }
        writeln!(out, "created:   {}\nupdated:   {}", time::date(*created), time::date(*updated))
    }
}

impl GetReport {
    fn secret(&self) -> String {
        match &self.connection.auth {
            None => "none".to_owned(),
            Some(auth) => format!("{} in {} ({})", auth.secret, auth.place, auth.state()),
        }
    }
}

/// Opens the index alone.
pub(super) fn run(ctx: &Context, args: &GetArguments) -> Result<GetReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_connection(&args.id, &place)) };
    let index = access.index(&opened)?;
    let connections = access.connections(&index)?;
    let find =
        |scope| connections.iter().find(|connection| connection.scope == scope && connection.id == args.id);
    let found = place.scopes().into_iter().find_map(find);
    let connection = found.ok_or_else(|| no_connection(&args.id, &place))?;
    Ok(GetReport { connection: ConnectionRow::new(connection, &index) })
}
