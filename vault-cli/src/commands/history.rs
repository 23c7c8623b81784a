//! `history`: the versions of a secret, never a value.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::name::SecretName;

use crate::commands::completions::secret_names;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::{Report, SecretRef};
use crate::time;
use crate::vault_access::{VaultAccess, no_secret};

/// List the versions of a secret that are kept
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// The name of the secret
    #[arg(value_name = "NAME", add = secret_names())]
    name: SecretName,
}

/// The versions, newest first.
#[derive(Debug, Serialize)]
pub(crate) struct HistoryReport {
    #[serde(flatten)]
    secret: SecretRef,
    versions: Vec<Version>,
    #[serde(skip)]
    now: u64,
}

#[derive(Debug, Serialize)]
struct Version {
    version: u32,
    #[serde(serialize_with = "time::as_date")]
    created: u64,
    current: bool,
}

impl Report for HistoryReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        if !terminal {
            return self.write_rows(out, time::date);
        }
        let mut table = tabwriter::TabWriter::new(out).padding(3);
        writeln!(table, "VERSION\tAGE\t")?;
        self.write_rows(&mut table, |created| time::age(created, self.now))?;
        table.flush()
    }
}

impl HistoryReport {
    fn write_rows(&self, out: &mut dyn Write, when: impl Fn(u64) -> String) -> io::Result<()> {
        for version in &self.versions {
            let mark = if version.current { "current" } else { "" };
            writeln!(out, "{}\t{}\t{mark}", version.version, when(version.created))?;
        }
        Ok(())
    }
}

/// Opens the index alone.
pub(crate) fn run(ctx: &Context, args: &HistoryArguments) -> Result<HistoryReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_secret(&args.name, &place)) };
    let index = access.index(&opened)?;
    let mut found = place.scopes().into_iter().map(|scope| (index.versions(&scope, &args.name), scope));
    let (versions, scope) =
        found.find(|(versions, _)| !versions.is_empty()).ok_or_else(|| no_secret(&args.name, &place))?;
    let newest = versions.start;
    let version = |at: usize| {
        let record = index.values.at(at);
        Version { version: record.version, created: record.created, current: at == newest }
    };
    Ok(HistoryReport {
        secret: SecretRef::new(args.name.as_str(), &scope),
        versions: versions.map(version).collect(),
        now: ctx.now,
    })
}
