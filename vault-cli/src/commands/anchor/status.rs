//! `anchor status`: what the anchor has, what the vault has, and whether they agree.

use std::io::{self, Write};

use serde::Serialize;
use vault_core::store::anchor::{Anchor, Standing, State};

use super::StateRow;
use crate::context::Context;
use crate::error::{CommandError, Kind, bad_file, store_failed};
use crate::report::Report;
use crate::vault_access::VaultAccess;

/// How vault and anchor stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ahead,
    Forked,
    Off,
    RolledBack,
    Same,
    Substituted,
    VaultGone,
}

impl Verdict {
    fn of(anchor: Option<&Anchor>, found: Option<&State>) -> Self {
        match (anchor, found) {
            (None, _) => Self::Off,
            (Some(_), None) => Self::VaultGone,
            (Some(anchor), Some(found)) => match anchor.standing(found) {
                Standing::Ahead => Self::Ahead,
                Standing::Forked => Self::Forked,
                Standing::RolledBack => Self::RolledBack,
                Standing::Same => Self::Same,
                Standing::Substituted => Self::Substituted,
            },
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Ahead => {
                "the vault is newer, as after a write on another machine; the next write here notes it"
            }
            Self::Forked => "forked: the vault is as old, and is not the one that was written last",
            Self::Off => "off: an older copy of the vault is not noticed",
            Self::RolledBack => "rolled back: the vault is older",
            Self::Same => "they agree",
            Self::Substituted => "substituted: it is another vault",
            Self::VaultGone => "the vault is gone",
        }
    }

    const fn error(self) -> Option<Kind> {
        match self {
            Self::Ahead | Self::Off | Self::Same => None,
            Self::Forked => Some(Kind::Forked),
            Self::RolledBack => Some(Kind::RolledBack),
            Self::Substituted => Some(Kind::Substituted),
            Self::VaultGone => Some(Kind::VaultGone),
        }
    }
}

/// Anchor and vault side by side.
#[derive(Debug, Serialize)]
pub(super) struct StatusReport {
    path: String,
    on: bool,
    anchor_file: Option<String>,
    anchor: Option<StateRow>,
    found: Option<StateRow>,
    standing: Verdict,
}

impl Report for StatusReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "vault:     {}", self.path)?;
        writeln!(out, "anchor:    {}", self.anchor_file.as_deref().unwrap_or("none"))?;
        if let Some(anchor) = &self.anchor {
            writeln!(out, "it has:    {anchor}")?;
        }
        match &self.found {
            Some(found) => writeln!(out, "vault has: {found}")?,
            None => writeln!(out, "vault has: nothing, there is no vault")?,
        }
        writeln!(out, "standing:  {}", self.standing.words())
    }

    fn summary(&self) -> Option<String> {
        let command = match self.standing.error()? {
            Kind::VaultGone => "off",
            _ => "accept",
        };
        Some(format!(
            "bring the newest copy of the file back; if this is on purpose: `keyward anchor {command}`"
        ))
    }

    fn exit_code(&self) -> u8 {
        self.standing.error().map_or(0, Kind::exit_code)
    }
}

/// Reads the anchor first, as every command does, and the header alone.
pub(super) fn run(ctx: &Context) -> Result<StatusReport, CommandError> {
    let access = VaultAccess::new(ctx)?;
    let anchor = access.anchor()?;
    let found = access.unheeding().open_locked()?.map(|locked| locked.state()).transpose();
    let found = found.map_err(|error| bad_file(&access.path(), &error))?.flatten();
    let file = access.store.anchor_path().map_err(|error| store_failed(&error))?;
    Ok(StatusReport {
        path: access.path().display().to_string(),
        on: anchor.is_some(),
        anchor_file: anchor.as_ref().and(file).map(|file| file.display().to_string()),
        anchor: anchor.as_ref().map(|anchor| StateRow::new(anchor.state())),
        found: found.as_ref().map(StateRow::new),
        standing: Verdict::of(anchor.as_ref(), found.as_ref()),
    })
}
