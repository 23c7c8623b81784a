//! `put`: store a secret.

use clap::Args;
use serde::Serialize;
use vault_core::name::{Scope, SecretName};
use vault_core::vault::draft::Stored;

use crate::commands::completions::secret_names;
use crate::context::Context;
use crate::error::CommandError;
use crate::input::{ValueArgument, ValueInput};
use crate::report::{Report, SecretRef};
use crate::vault_access::{VaultAccess, claim};

/// Store a secret; the value comes from a hidden prompt or from stdin
///
/// One line end at the end of a text is taken off, as editors and `echo` add one; binary values keep
/// every byte. Up to ten earlier values are kept for `history` and `rollback`.
#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// The name of the secret
    #[arg(value_name = "NAME", add = secret_names())]
    name: SecretName,
    /// Where the value is: `-` for stdin, `@FILE` for a file, else the value itself (visible to others)
    #[arg(value_name = "VALUE")]
    value: Option<ValueArgument>,
    /// Read the value from the file descriptor N
    #[arg(long, value_name = "N", conflicts_with = "value")]
    value_fd: Option<u32>,
    /// Keep a line end at the end of the value
    #[arg(long, visible_alias = "no-strip")]
    raw: bool,
    /// Store a value of no bytes
    #[arg(long)]
    allow_empty: bool,
}

/// What was stored.
#[derive(Debug, Serialize)]
pub(crate) struct PutReport {
    #[serde(flatten)]
    secret: SecretRef,
    version: u32,
    dropped_versions: Vec<u32>,
}

impl PutReport {
    /// Says what a change stored.
    pub(crate) fn new(name: &SecretName, scope: &Scope, stored: Stored) -> Self {
        let Stored { version, dropped } = stored;
        Self { secret: SecretRef::new(name.as_str(), scope), version, dropped_versions: dropped }
    }
}

impl Report for PutReport {
    fn summary(&self) -> Option<String> {
        let stored =
            format!("stored {} in {} (version {})", self.secret.name, self.secret.place, self.version);
        if self.dropped_versions.is_empty() {
            return Some(stored);
        }
        Some(format!("{stored}\ngave up damaged earlier versions: {:?}", self.dropped_versions))
    }
}

/// Reads the value first, then stores it: nothing is opened or created for a value that is not there.
pub(crate) fn run(ctx: &Context, args: &PutArguments) -> Result<PutReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let input = ValueInput {
        argument: args.value.as_ref(),
        descriptor: args.value_fd,
        raw: args.raw,
        allow_empty: args.allow_empty,
    };
    let value = input.read(ctx.ui, args.name.as_str())?;
    let scope = place.scope();
    let stored = access.change_or_create(|draft| {
        claim(draft, &place)?;
        draft.put(&scope, &args.name, &value, ctx.now)
    })?;
    Ok(PutReport::new(&args.name, &scope, stored))
}
