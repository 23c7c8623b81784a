//! `list`: the names of the secrets, never a value.

use std::io::{self, Write};

use clap::Args;
use serde::{Serialize, Serializer};
use vault_core::format::index::Index;
use vault_core::name::Scope;

use crate::context::Context;
use crate::error::{CommandError, bad_file};
use crate::report::{PlaceRef, Report};
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
#[derive(Debug, Default, Serialize)]
pub(crate) struct ListReport {
    #[serde(rename = "secrets", serialize_with = "each_secret")]
    secrets: Secrets,
    #[serde(skip)]
    now: u64,
}

/// The secrets to list. There may be many, so their names share one text and their scopes one list.
#[derive(Debug, Default)]
struct Secrets {
    names: String,
    rows: Vec<Row>,
    /// One for each scope of the vault; `None` for one that is not listed.
    places: Vec<Option<PlaceRef>>,
    source: &'static str,
}

#[derive(Debug)]
struct Row {
    /// Where the name ends in [`Secrets::names`]. It begins where the one before ends.
    name_end: usize,
    /// The position in [`Secrets::places`].
    place: u32,
    version: u32,
    created: u64,
}

/// One secret.
#[derive(Debug, Serialize)]
struct Secret<'r> {
    name: &'r str,
    #[serde(flatten)]
    place: &'r PlaceRef,
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
        if self.secrets.rows.is_empty() {
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
        // Secrets that were stored together differ in their names alone.
        let mut before = None;
        let mut rest = String::new();
        for Secret { name, place, version, created, source } in self.secrets.iter() {
            if before.replace((place.as_str(), version, created)) != Some((place.as_str(), version, created))
            {
                rest = format!("\t{place}\t{version}\t{}\t{source}\n", when(created));
            }
            out.write_all(name.as_bytes())?;
            out.write_all(rest.as_bytes())?;
        }
        Ok(())
    }
}

impl Secrets {
    /// Takes from the index what is in a wanted scope.
    fn new(index: &Index<'_>, places: Vec<Option<PlaceRef>>, source: &'static str) -> Self {
        let mut secrets = Self { places, source, ..Self::default() };
        secrets.names.reserve_exact(index.values.names_len());
        secrets.rows.reserve_exact(index.values.len());
        for (_, value) in index.current() {
            if secrets.places[value.scope as usize].is_some() {
                secrets.names.push_str(value.name);
                let name_end = secrets.names.len();
                let (place, version, created) = (value.scope, value.version, value.created);
                secrets.rows.push(Row { name_end, place, version, created });
            }
        }
        secrets
    }

    fn iter(&self) -> impl Iterator<Item = Secret<'_>> {
        let mut start = 0;
        self.rows.iter().filter_map(move |row| {
            let Row { name_end, place, version, created } = *row;
            let name = &self.names[start..name_end];
            start = name_end;
            let place = self.places[place as usize].as_ref()?;
            Some(Secret { name, place, version, created, source: self.source })
        })
    }
}

fn each_secret<S: Serializer>(secrets: &Secrets, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter())
}

/// Opens the index alone; no value is in memory.
pub(crate) fn run(ctx: &Context, args: &ListArguments) -> Result<ListReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Ok(ListReport::default()) };
    let index = access.index(&opened)?;
    let scopes = index.scopes.iter().map(|record| record.scope()).collect::<Result<Vec<_>, _>>();
    let scopes = scopes.map_err(|error| bad_file(&access.path(), &error))?;
    let wanted = place.scopes();
    let is_wanted = |scope: &Scope| args.all || wanted.contains(scope);
    let places = scopes.iter().map(|scope| is_wanted(scope).then(|| PlaceRef::new(scope))).collect();
    Ok(ListReport { secrets: Secrets::new(&index, places, opened.slot_kind()), now: ctx.now })
}
