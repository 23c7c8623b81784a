//! `connections rm`: remove a connection and keep its secret.

use clap::Args;
use serde::Serialize;
use vault_core::name::ConnectionId;
use vault_core::store::Previous;

use super::{ConnectionRow, no_connection};
use crate::commands::completions::connection_ids;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::vault_access::{VaultAccess, claim};

/// Remove a connection; the secret that it refers to stays
#[derive(Debug, Args)]
pub(super) struct RmArguments {
    /// The id of the connection
    #[arg(value_name = "ID", add = connection_ids())]
    id: ConnectionId,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub(super) struct RmReport {
    #[serde(flatten)]
    connection: ConnectionRow,
    secret_kept: bool,
}

impl Report for RmReport {
    fn summary(&self) -> Option<String> {
        let ConnectionRow { id, place, auth, .. } = &self.connection;
        let removed = format!("removed connection {id} from {place}");
        match auth.as_ref().filter(|_| self.secret_kept) {
            None => Some(removed),
            Some(auth) => Some(format!("{removed}\nthe secret {} stays in {}", auth.secret, auth.place)),
        }
    }
}

/// Removes the connection from the one scope that is named, or from the workspace.
pub(super) fn run(ctx: &Context, args: &RmArguments) -> Result<RmReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_connection(&args.id, &place)) };
    let scope = place.scope();
    let committed = access.change(opened, Previous::Keep, |draft| {
        claim(draft, &place)?;
        let removed = draft.remove_connection(&scope, &args.id)?;
        Ok(ConnectionRow::new(&removed, draft.index()))
    })?;
    let connection = committed.outcome;
    let secret_kept = connection.auth.as_ref().is_some_and(|auth| auth.resolves);
    Ok(RmReport { connection, secret_kept })
}
