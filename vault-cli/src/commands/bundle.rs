//! `bundle`: carry secrets and connections to another vault in one sealed file, without a network.

mod create;
mod open;

use std::fmt;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_core::connection::Connection;
use vault_core::provider::Kind;

use crate::context::Context;
use crate::output::finish;
use crate::report::{PlaceRef, counted};

/// Carry secrets and connections to another vault in one sealed file
#[derive(Debug, Args)]
pub(crate) struct BundleArguments {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    Create(create::CreateArguments),
    Open(open::OpenArguments),
}

/// Runs one of the two commands.
pub(crate) fn dispatch(ctx: &Context, args: &BundleArguments) -> ExitCode {
    match &args.command {
        BundleCommand::Create(args) => finish(ctx.ui, "bundle create", create::run(ctx, args)),
        BundleCommand::Open(args) => finish(ctx.ui, "bundle open", open::run(ctx, args)),
    }
}

/// Which connection a report is about.
#[derive(Debug, Serialize)]
struct ConnectionRef {
    id: String,
    kind: Kind,
    #[serde(flatten)]
    place: PlaceRef,
}

impl ConnectionRef {
    fn new(connection: &Connection) -> Self {
        let Connection { id, kind, scope, .. } = connection;
        Self { id: id.to_string(), kind: *kind, place: PlaceRef::new(scope) }
    }
}

/// Tells a connection from a secret of that name.
impl fmt::Display for ConnectionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} ({})", self.id, self.kind)
    }
}

/// Counts what is carried in words: `2 secrets and 1 connection`.
fn counted_all(secrets: usize, connections: usize) -> String {
    match (counted(secrets, "secret"), counted(connections, "connection")) {
        (secrets, _) if connections == 0 => secrets,
        (_, connections) if secrets == 0 => connections,
        (secrets, connections) => format!("{secrets} and {connections}"),
    }
}
