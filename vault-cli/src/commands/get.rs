//! `get`: print one value. `export` prints many, and nothing else prints any.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::Args;
use serde::{Serialize, Serializer};
use vault_core::format::FormatError;
use vault_core::name::{Scope, SecretName};
use vault_core::secret::SecretBytes;
use vault_core::vault::draft::ChangeError;

use crate::commands::completions::secret_names;
use crate::context::{Context, Place};
use crate::error::{CommandError, bad_file, change_refused};
use crate::report::{self, Report, SecretRef};
use crate::vault_access::{VaultAccess, no_secret, no_vault};

/// Print the value of a secret
///
/// The value alone goes to stdout; a line end is added on a terminal only. A terminal gets it only with
/// `--reveal`, and so does `--json`. The workspace is asked first, then its tenant.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The name of the secret
    #[arg(value_name = "NAME", add = secret_names())]
    name: SecretName,
    /// Print an earlier version, as `history` lists them
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Print the value on a terminal, or in the JSON object
    #[arg(long)]
    reveal: bool,
    /// Add no line end on a terminal
    #[arg(long, short = 'n')]
    no_newline: bool,
}

/// A value with its facts.
#[derive(Debug, Serialize)]
pub(crate) struct GetReport {
    #[serde(flatten)]
    secret: SecretRef,
    version: u32,
    #[serde(flatten, serialize_with = "revealed")]
    value: Shown,
}

/// The value and how it may be shown.
#[derive(Debug)]
struct Shown {
    value: SecretBytes,
    in_json: bool,
    newline: bool,
}

impl Report for GetReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        out.write_all(self.value.value.expose_secret())?;
        if terminal && self.value.newline { out.write_all(b"\n") } else { Ok(()) }
    }
}

/// Finds the secret, opens its value, and no other one.
pub(crate) fn run(ctx: &Context, args: &GetArguments) -> Result<GetReport, CommandError> {
    if io::stdout().is_terminal() && !args.reveal && !ctx.ui.json {
        return Err(CommandError::usage("a value is not printed on a terminal unless you ask for it")
            .hint(format!("`keyward get {} --reveal`", args.name)));
    }
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_vault(&access.path())) };
    let index = access.index(&opened)?;
    access.check_claim(&place, &index)?;
    let (scope, position) = find(&index, &place, args, &access.path())?;
    let unreadable = |error: FormatError| bad_file(&access.path(), &error);
    let value = opened.vault.value(&index, position).map_err(unreadable)?;
    Ok(GetReport {
        secret: SecretRef::new(args.name.as_str(), &scope),
        version: index.values.at(position).version,
        value: Shown { value, in_json: args.reveal, newline: !args.no_newline },
    })
}

fn find(
    index: &vault_core::format::index::Index<'_>,
    place: &Place,
    args: &GetArguments,
    path: &Path,
) -> Result<(Scope, usize), CommandError> {
    for scope in place.scopes() {
        let mut versions = index.versions(&scope, &args.name);
        if versions.is_empty() {
            continue;
        }
        let Some(version) = args.version else { return Ok((scope, versions.start)) };
        return match versions.find(|at| index.values.at(*at).version == version) {
            Some(position) => Ok((scope, position)),
            None => {
                Err(change_refused(path, &ChangeError::NoVersion { name: args.name.clone(), scope, version }))
            }
        };
    }
    Err(no_secret(&args.name, place))
}

fn revealed<S: Serializer>(shown: &Shown, serializer: S) -> Result<S::Ok, S::Error> {
    report::revealed(&shown.value, shown.in_json, serializer)
}
