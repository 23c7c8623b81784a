//! The check for people: a table of the providers, and one of the names that are required by themselves.

use std::io::{self, Write};

use tabwriter::TabWriter;
use vault_core::creds::{Outcome, ProviderReport, Report};
use vault_core::name::escape_deceptive;

use super::super::words::standing;
use super::required::Places;

/// Writes both tables, each where it has rows.
pub(super) fn write(out: &mut dyn Write, found: &Report, places: &Places) -> io::Result<()> {
    if !found.providers.is_empty() {
        let mut table = TabWriter::new(&mut *out).padding(2);
        writeln!(table, "PROVIDER\tKEY\tSTATE\tSOURCE")?;
        found.providers.iter().try_for_each(|provider| write_provider(&mut table, provider))?;
        table.flush()?;
    }
    if !(found.providers.is_empty() || found.keys.is_empty()) {
        writeln!(out)?;
    }
    if !found.keys.is_empty() {
        let mut table = TabWriter::new(&mut *out).padding(2);
        writeln!(table, "REQUIRED BY\tNAME\tSTATE\tSOURCE")?;
        for key in &found.keys {
            let by = places.keys.get(&key.name).map_or("connection", |place| &place.file);
            let by = escape_deceptive(by);
            writeln!(table, "{by}\t{}\t{}", key.name, standing(key))?;
        }
        table.flush()?;
    }
    Ok(())
}

fn write_provider(table: &mut dyn Write, provider: &ProviderReport) -> io::Result<()> {
    let id = provider.id;
    match (provider.outcome, &provider.keys[..]) {
        (Outcome::Skipped, _) => writeln!(table, "{id}\t-\tskipped\tcloud, in an air gap"),
        (_, []) => writeln!(table, "{id}\t-\tneeds nothing\t-"),
        (_, keys) => keys.iter().try_for_each(|key| {
            let optional = if key.required { "" } else { " (optional)" };
            writeln!(table, "{id}\t{}{optional}\t{}", key.name, standing(key))
        }),
    }
}
