//! `connections`: how to reach services, and which secret authenticates each. One file a command; here is
//! what they share.

mod get;
mod kinds;
mod list;
mod rm;
mod set;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_core::connection::{Auth, Connection, Setting};
use vault_core::format::index::Index;
use vault_core::name::ConnectionId;
use vault_core::provider::Kind;

use crate::context::{Context, Place};
use crate::error::{self, CommandError};
use crate::output::finish;
use crate::report::PlaceRef;
use crate::time;

/// Store, list and remove connections: how to reach a service, and which secret authenticates it
///
/// A connection has the name of a secret and never the secret. `keyward uses NAME` says which connections
/// need a secret.
#[derive(Debug, Args)]
pub(crate) struct ConnectionsArguments {
    #[command(subcommand)]
    command: ConnectionsCommand,
}

#[derive(Debug, Subcommand)]
enum ConnectionsCommand {
    Set(set::SetArguments),
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    Get(get::GetArguments),
    #[command(visible_alias = "delete")]
    Rm(rm::RmArguments),
    /// List the kinds of connections
    Kinds,
}

/// Runs one of the commands.
pub(crate) fn dispatch(ctx: &Context, args: &ConnectionsArguments) -> ExitCode {
    match &args.command {
        ConnectionsCommand::Set(args) => finish(ctx.ui, "connections set", set::run(ctx, args)),
        ConnectionsCommand::List(args) => finish(ctx.ui, "connections list", list::run(ctx, args)),
        ConnectionsCommand::Get(args) => finish(ctx.ui, "connections get", get::run(ctx, args)),
        ConnectionsCommand::Rm(args) => finish(ctx.ui, "connections rm", rm::run(ctx, args)),
        ConnectionsCommand::Kinds => finish(ctx.ui, "connections kinds", Ok(kinds::run())),
    }
}

/// A connection as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionRow {
    id: String,
    kind: Kind,
    label: String,
    #[serde(flatten)]
    place: PlaceRef,
    auth: Option<AuthRow>,
    settings: BTreeMap<String, String>,
    #[serde(serialize_with = "time::as_date")]
    created: u64,
    #[serde(serialize_with = "time::as_date")]
    updated: u64,
}

/// The reference of a connection as it is shown.
#[derive(Debug, Serialize)]
struct AuthRow {
    secret: String,
    #[serde(flatten)]
    place: PlaceRef,
    /// Whether the vault has the secret.
    resolves: bool,
}

impl ConnectionRow {
    /// Describes a connection; `index` says whether its reference resolves.
    pub(crate) fn new(connection: &Connection, index: &Index<'_>) -> Self {
        let auth = match &connection.auth {
            Auth::None => None,
            Auth::Secret { scope, name } => Some(AuthRow {
                secret: name.to_string(),
                place: PlaceRef::new(scope),
                resolves: index.has_secret(scope, name),
            }),
        };
        let setting = |setting: &Setting| (setting.key().to_owned(), setting.value().to_owned());
        Self {
            id: connection.id.to_string(),
            kind: connection.kind,
            label: connection.label.to_string(),
            place: PlaceRef::new(&connection.scope),
            auth,
            settings: connection.settings.iter().map(setting).collect(),
            created: connection.created,
            updated: connection.updated,
        }
    }
}

impl AuthRow {
    const fn state(&self) -> &'static str {
        if self.resolves { "resolves" } else { "missing" }
    }
}

/// Writes connections as lines: in columns for a person, with tabs for a program.
pub(crate) fn write_rows(out: &mut dyn Write, rows: &[ConnectionRow], terminal: bool) -> io::Result<()> {
    if !terminal {
        return rows.iter().try_for_each(|row| write_row(out, row));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = tabwriter::TabWriter::new(out).padding(3);
    writeln!(table, "ID\tKIND\tSCOPE\tSECRET\tSCOPE OF SECRET\tSTATE\tLABEL")?;
    rows.iter().try_for_each(|row| write_row(&mut table, row))?;
    table.flush()
}

fn write_row(out: &mut dyn Write, row: &ConnectionRow) -> io::Result<()> {
    let ConnectionRow { id, kind, label, place, auth, .. } = row;
    let (secret, of, state) = match auth {
        None => ("-", "-", "-"),
        Some(auth) => (auth.secret.as_str(), auth.place.as_str(), auth.state()),
    };
    writeln!(out, "{id}\t{kind}\t{place}\t{secret}\t{of}\t{state}\t{label}")
}

/// Makes the error of a connection that is in none of the place's scopes.
fn no_connection(id: &ConnectionId, place: &Place) -> CommandError {
    let scopes: Vec<String> = place.scopes().iter().map(ToString::to_string).collect();
    CommandError::new(error::Kind::NoSuchConnection, format!("no connection {id} in {}", scopes.join(" or ")))
        .hint("`keyward connections list` shows what there is")
}
