//! `verify`: check every byte of the vault.

use clap::Args;
use serde::Serialize;
use vault_core::name::escape_deceptive;

use crate::context::Context;
use crate::error::{CommandError, Kind, bad_file};
use crate::report::{Report, counted};
use crate::vault_access::VaultAccess;

/// Check the whole vault: header, index and every stored value
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {}

/// What was checked.
#[derive(Debug, Serialize)]
pub(crate) struct VerifyReport {
    path: String,
    vault: bool,
    values: usize,
    damaged: Vec<DamagedValue>,
}

/// A value that can't be read any more.
#[derive(Debug, Serialize)]
struct DamagedValue {
    name: String,
    version: u32,
}

impl Report for VerifyReport {
    fn summary(&self) -> Option<String> {
        if !self.vault {
            return Some(format!("there is no vault at {}", escape_deceptive(&self.path)));
        }
        if self.damaged.is_empty() {
            let values = counted(self.values, "stored value");
            return Some(format!("{} is intact: header, index and {values}", escape_deceptive(&self.path)));
        }
        let damaged =
            self.damaged.iter().map(|value| format!("damaged: {} version {}", value.name, value.version));
        let advice =
            "`put` or `rm` of these secrets works; `keyward restore` brings the previous generation back";
        Some(damaged.chain([advice.to_owned()]).collect::<Vec<_>>().join("\n"))
    }

    fn exit_code(&self) -> u8 {
        if self.damaged.is_empty() { 0 } else { Kind::Damaged.exit_code() }
    }
}

/// Opens every value once and keeps none.
pub(crate) fn run(ctx: &Context, _args: &VerifyArguments) -> Result<VerifyReport, CommandError> {
    let access = VaultAccess::new(ctx)?;
    let path = access.path().display().to_string();
    let Some(opened) = access.open()? else {
        return Ok(VerifyReport { path, vault: false, values: 0, damaged: Vec::new() });
    };
    let index = access.index(&opened)?;
    let damaged = opened.vault.verify(&index).map_err(|error| bad_file(&access.path(), &error))?;
    let describe = |at: usize| DamagedValue {
        name: index.values.at(at).name.to_owned(),
        version: index.values.at(at).version,
    };
    let damaged = damaged.into_iter().map(describe).collect();
    Ok(VerifyReport { path, vault: true, values: index.values.len(), damaged })
}
