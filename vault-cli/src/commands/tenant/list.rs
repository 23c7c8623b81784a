//! `tenant list`: the tenants that the backend lists, or those of the logins and profiles of this machine.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_auth::api_key::StoredApiKey;
use vault_auth::profile::Profiles;
use vault_auth::session_file::SessionFile;
use vault_auth::tenants;

use crate::context::Context;
use crate::credential::choose_credential;
use crate::error::{CommandError, Kind};
use crate::identity::{Answered, Caller, selection_of};
use crate::report::Report;
use crate::session_access::SessionAccess;

/// List the tenants; `*` marks the one that commands act for
///
/// The backend is asked where there is one and somebody is signed in to it. Who may not list its tenants gets the
/// current one alone. Without a backend, they are those of the logins and profiles of this machine. Piped, the
/// columns are separated by tabs.
#[derive(Debug, Args)]
pub(super) struct ListArguments {}

/// What there is.
#[derive(Debug, Serialize)]
pub(super) struct ListReport {
    tenants: Vec<TenantRow>,
    /// The backend that listed them; `None` where they are known from here.
    server: Option<String>,
    /// Whether the backend lists them for this login.
    complete: bool,
    #[serde(skip)]
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct TenantRow {
    id: String,
    name: Option<String>,
    active: bool,
}

impl Report for ListReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        if !terminal {
            return self.tenants.iter().try_for_each(|row| write_row(out, row));
        }
        let mut table = tabwriter::TabWriter::new(out).padding(3);
        writeln!(table, "\tTENANT\tNAME")?;
        self.tenants.iter().try_for_each(|row| write_row(&mut table, row))?;
        table.flush()
    }

    fn summary(&self) -> Option<String> {
        let server = self.server.as_ref().filter(|_| !self.complete)?;
        Some(format!("{server} does not list its tenants for this login: this is the current one"))
    }

    fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

fn write_row(out: &mut dyn Write, row: &TenantRow) -> io::Result<()> {
    let mark = if row.active { "*" } else { "" };
    writeln!(out, "{mark}\t{}\t{}", row.id, row.name.as_deref().unwrap_or("-"))
}

/// Asks the backend, or looks at what is stored.
pub(super) fn run(ctx: &Context) -> Result<ListReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let choice = match choose_credential(&access) {
        Ok(choice) => choice,
        Err(error) if error.kind == Kind::NotSignedIn => return stored(&access),
        Err(error) => return Err(error),
    };
    let selection = selection_of(&access, &choice)?;
    let caller = Caller::of_choice(&access, &choice, &selection);
    let Some(base) = caller.base_url() else { return stored(&access) };
    let Answered { answer, server, exit_code } =
        caller.ask(base, tenants::list).map_err(CommandError::from)?;
    let complete = answer.is_some();
    let listed = answer.into_iter().flatten();
    let named = listed.map(|tenant| (tenant.id.to_string(), tenant.name.map(|name| name.to_string())));
    let tenants = rows(named.collect(), &selection.tenant.value);
    Ok(ListReport { tenants, server: Some(server), complete, exit_code })
}

/// Lists what is known without asking anybody.
fn stored(access: &SessionAccess<'_>) -> Result<ListReport, CommandError> {
    let words = access.ctx.selection_words()?;
    let (known, current) = match access.open()? {
        None => (BTreeMap::new(), words.select(&Profiles::default())?),
        Some(file) => (of_file(access, &file)?, access.select(&file)?),
    };
    let tenants = rows(known, &current.tenant.value);
    Ok(ListReport { tenants, server: None, complete: true, exit_code: 0 })
}

fn of_file(
    access: &SessionAccess<'_>,
    file: &SessionFile,
) -> Result<BTreeMap<String, Option<String>>, CommandError> {
    let failed = |error| access.failed(error);
    let mut known = BTreeMap::new();
    for session in access.readable_sessions(file)? {
        known.insert(session.key().tenant.clone(), None);
    }
    for (key, _) in StoredApiKey::all(file).map_err(failed)? {
        known.insert(key.tenant, None);
    }
    let profiles = access.profiles(file)?;
    known.extend(profiles.iter().filter_map(|(_, profile)| Some((profile.tenant.clone()?, None))));
    Ok(known)
}

/// Marks the current tenant, which is one of them whoever lists them.
fn rows(mut known: BTreeMap<String, Option<String>>, current: &str) -> Vec<TenantRow> {
    known.entry(current.to_owned()).or_default();
    known.into_iter().map(|(id, name)| TenantRow { active: id == current, id, name }).collect()
}
