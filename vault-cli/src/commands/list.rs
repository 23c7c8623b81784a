//! `list`: the names of the secrets, never a value.

use std::io::{self, Write};
use std::rc::Rc;

use clap::Args;
use serde::Serialize;
use vault_core::format::index::{Index, ValueRecord};
use vault_core::name::Scope;

use crate::context::Context;
use crate::error::{CommandError, bad_file};
use crate::report::{PlaceRef, Report, SecretRef};
use crate::time;
use crate::vault_access::VaultAccess;

/// List the names of secrets with scope, version and age; never a value
///
/// Piped, the columns are separated by tabs and the age is a date.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// List every workspace and tenant of the vault
    #[arg(long, conflicts_with = "scope")]
    all: bool,
}

/// What there is.
#[derive(Debug, Serialize)]
pub(crate) struct ListReport {
    secrets: Vec<SecretRow>,
    #[serde(skip)]
    now: u64,
}

/// One secret.
#[derive(Debug, Serialize)]
struct SecretRow {
    #[serde(flatten)]
    secret: SecretRef,
    version: u32,
    #[serde(serialize_with = "time::as_date")]
    created: u64,
    source: &'static str,
}

impl Report for ListReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        if !terminal {
            return self.write_rows(out, time::date);
        }
        if self.secrets.is_empty() {
            return Ok(());
        }
        let mut table = tabwriter::TabWriter::new(out).padding(3);
        writeln!(table, "NAME\tSCOPE\tVERSION\tAGE\tSOURCE")?;
        self.write_rows(&mut table, |created| time::age(created, self.now))?;
        table.flush()
    }
}

impl ListReport {
    fn write_rows(&self, out: &mut dyn Write, when: impl Fn(u64) -> String) -> io::Result<()> {
        let mut line = String::new();
        for row in &self.secrets {
            let SecretRow { secret: SecretRef { name, place }, version, created, source } = row;
            line.clear();
            // One text a row and one write: to format each field into `out` takes four times as long.
            for part in [
                name,
                "\t",
                place.as_str(),
                "\t",
                &version.to_string(),
                "\t",
                &when(*created),
                "\t",
                source,
                "\n",
            ] {
                line.push_str(part);
            }
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }
}

/// Opens the index alone; no value is in memory.
pub(crate) fn run(ctx: &Context, args: &ListArguments) -> Result<ListReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Ok(ListReport { secrets: Vec::new(), now: ctx.now }) };
    let index = access.index(&opened)?;
    let scopes = index.scopes.iter().map(|record| record.scope()).collect::<Result<Vec<_>, _>>();
    let scopes = scopes.map_err(|error| bad_file(&access.path(), &error))?;
    let wanted = place.scopes();
    let is_wanted = |scope: &Scope| args.all || wanted.contains(scope);
    let secrets = rows(&index, &scopes, is_wanted, opened.slot_kind());
    Ok(ListReport { secrets, now: ctx.now })
}

fn rows(
    index: &Index<'_>,
    scopes: &[Scope],
    is_wanted: impl Fn(&Scope) -> bool,
    source: &'static str,
) -> Vec<SecretRow> {
    let wanted: Vec<Option<Rc<PlaceRef>>> =
        scopes.iter().map(|scope| is_wanted(scope).then(|| Rc::new(PlaceRef::new(scope)))).collect();
    let row = |value: &ValueRecord<'_>| {
        let place = wanted[value.scope as usize].clone()?;
        Some(SecretRow {
            secret: SecretRef { name: value.name.to_string(), place },
            version: value.version,
            created: value.created,
            source,
        })
    };
    let mut rows = Vec::with_capacity(index.values.len());
    rows.extend(index.current().filter_map(|position| row(&index.values[position])));
    rows
}
