//! `auth profiles list`: every profile, what it means, and whether somebody is signed in there.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::name::escape_deceptive;

use super::ProfileRow;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::session_access::SessionAccess;

/// List the profiles; `*` marks the active one
///
/// Piped, the columns are separated by tabs.
#[derive(Debug, Args)]
pub(in crate::commands::auth) struct ListArguments {}

/// What there is.
#[derive(Debug, Serialize)]
pub(in crate::commands::auth) struct ListReport {
    profiles: Vec<ProfileRow>,
}

impl Report for ListReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        if !terminal {
            return self.profiles.iter().try_for_each(|row| write_row(out, row));
        }
        if self.profiles.is_empty() {
            return Ok(());
        }
        let mut table = tabwriter::TabWriter::new(out).padding(3);
        writeln!(table, "\tPROFILE\tTENANT\tSERVER\tLOGIN\tACCOUNT")?;
        self.profiles.iter().try_for_each(|row| write_row(&mut table, row))?;
        table.flush()
    }

    fn summary(&self) -> Option<String> {
        let is_empty = self.profiles.is_empty();
        is_empty.then(|| "there are no profiles; `keyward auth login` makes one".to_owned())
    }
}

fn write_row(out: &mut dyn Write, row: &ProfileRow) -> io::Result<()> {
    let ProfileRow { name, tenant, issuer, base_url, login, account, .. } = row;
    let mark = if row.active { "*" } else { "" };
    let server = base_url.as_deref().or(issuer.as_deref()).unwrap_or("-");
    let (login, account) = (login.unwrap_or("-"), escape_deceptive(account.as_deref().unwrap_or("-")));
    writeln!(out, "{mark}\t{name}\t{tenant}\t{server}\t{login}\t{account}")
}

/// Reads the profiles and the logins that they name.
pub(in crate::commands::auth) fn run(ctx: &Context) -> Result<ListReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let Some(file) = access.open()? else { return Ok(ListReport { profiles: Vec::new() }) };
    let profiles = access.profiles(&file)?;
    let rows = profiles.iter().map(|(name, _)| ProfileRow::new(&access, &file, &profiles, name));
    Ok(ListReport { profiles: rows.collect::<Result<_, _>>()? })
}
