//! `status`: where the vault is, what opens it, what that protects and what not.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::connection::{Auth, Connection};
use vault_core::format::Header;
use vault_core::format::index::Index;
use vault_core::name::escape_deceptive;

use crate::commands::auth;
use crate::commands::slot::{SlotRow, write_slots};
use crate::context::{Context, Place};
use crate::error::{CommandError, Kind, LOGIN_HINT};
use crate::report::{Report, counted};
use crate::session_access::SessionAccess;
use crate::sources::Sources;
use crate::vault_access::VaultAccess;

/// Show the vault, its key slots, which source opens it, and what it protects
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {}

/// The facts.
#[derive(Debug, Serialize)]
pub(crate) struct StatusReport {
    path: String,
    exists: bool,
    #[serde(flatten)]
    vault: Option<VaultFacts>,
    workspace: String,
    tenant: String,
    workspace_from: String,
    /// What forbids the use of a network.
    air_gap: Option<String>,
    protects: &'static str,
    does_not_protect: String,
    login: LoginPart,
}

/// Who is signed in, as `auth status` says it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum LoginPart {
    Facts(Box<auth::status::StatusReport>),
    /// The file of sessions can't be opened, which says nothing of the vault.
    Unreadable {
        error: String,
        causes: Vec<String>,
    },
}

/// What the header and, if it opened, the index say.
#[derive(Debug, Serialize)]
struct VaultFacts {
    vault_id: String,
    epoch: u64,
    generation: u64,
    slots: Vec<SlotRow>,
    /// The generation that the rollback anchor has; `None` if it is off.
    anchored_generation: Option<u64>,
    unlocked: bool,
    opened_by: Option<String>,
    locked_because: Vec<String>,
    secrets: Option<usize>,
    connections: Option<usize>,
    /// Connections whose secret is not there.
    dangling_connections: Option<usize>,
    #[serde(skip)]
    locked_kind: Option<Kind>,
}

const PROTECTS: &str = "a copy of the file (backup, sync, stolen disk, another user) against reading and altering; \
                        the secrets against loss in a crash, on a full disk or between two writers";

impl Report for StatusReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "vault:            {}{}", self.path, if self.exists { "" } else { " (none yet)" })?;
        if let Some(vault) = &self.vault {
            vault.write(out)?;
        }
        writeln!(
            out,
            "workspace:        {} of tenant {} ({})",
            self.workspace, self.tenant, self.workspace_from
        )?;
        match &self.air_gap {
            Some(from) => writeln!(out, "air gap:          on ({from}): no network is used")?,
            None => writeln!(out, "air gap:          off")?,
        }
        writeln!(out, "protects:         {}", self.protects)?;
        writeln!(out, "does not protect: {}", self.does_not_protect)?;
        self.login.write(out)
    }

    fn exit_code(&self) -> u8 {
        let locked = self.vault.as_ref().and_then(|vault| vault.locked_kind);
        locked.map_or(0, Kind::exit_code)
    }
}

impl LoginPart {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Facts(report) if report.is_empty() => {
                writeln!(out, "login:            not logged in ({LOGIN_HINT})")
            }
            Self::Facts(report) => {
                writeln!(out)?;
                report.write_data(out, false)
            }
            Self::Unreadable { error, causes } => {
                writeln!(out, "login:            unknown, {}", escape_deceptive(error))?;
                causes
                    .iter()
                    .try_for_each(|cause| writeln!(out, "                  {}", escape_deceptive(cause)))
            }
        }
    }
}

impl VaultFacts {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "vault id:         {}", self.vault_id)?;
        writeln!(out, "generation:       {} (root key {})", self.generation, self.epoch)?;
        match self.anchored_generation {
            Some(generation) => writeln!(out, "rollback anchor:  on, at generation {generation}")?,
            None => {
                writeln!(out, "rollback anchor:  off (`keyward anchor on` notices an older copy put back)")?
            }
        }
        match (&self.opened_by, self.secrets) {
            (Some(source), Some(secrets)) => {
                writeln!(out, "opened by:        {source} ({})", counted(secrets, "secret"))?
            }
            _ => writeln!(out, "opened by:        nothing, it is locked")?,
        }
        if let Some(connections) = self.connections.filter(|count| *count > 0) {
            writeln!(out, "connections:      {connections}{}", dangling(self.dangling_connections))?;
        }
        for reason in &self.locked_because {
            writeln!(out, "                  {reason}")?;
        }
        writeln!(out, "key slots:")?;
        write_slots(out, &self.slots, "  ")
    }
}

/// Reads the header and tries to open the index; a vault that stays locked is still described.
pub(crate) fn run(ctx: &Context, _args: &StatusArguments) -> Result<StatusReport, CommandError> {
    let place = ctx.place()?;
    let air_gap = ctx.air_gap()?.map(|from| from.to_string());
    let access = VaultAccess::new(ctx)?;
    let locked = access.open_locked()?;
    let exists = locked.is_some();
    let vault = match locked {
        None => None,
        Some(locked) => {
            let header = locked.header().clone();
            let opened = access.unlock(locked, Sources::new(ctx)?);
            Some(facts(&access, &header, opened)?)
        }
    };
    let kinds: Vec<&str> = vault.iter().flat_map(|vault| &vault.slots).map(|slot| slot.kind).collect();
    Ok(StatusReport {
        path: access.path().display().to_string(),
        exists,
        workspace: place.workspace.to_string(),
        tenant: place.tenant.to_string(),
        workspace_from: origin(&place),
        air_gap,
        protects: PROTECTS,
        does_not_protect: not_protected(&kinds),
        vault,
        login: login(ctx),
    })
}

/// Describes the logins, without asking for anybody's attention once more.
fn login(ctx: &Context) -> LoginPart {
    let described = || {
        let access = SessionAccess::beside_the_vault(ctx)?;
        auth::status::report(&access, access.open_quietly()?.as_ref(), false)
    };
    match described() {
        Ok(report) => LoginPart::Facts(Box::new(report)),
        Err(CommandError { message, causes, .. }) => LoginPart::Unreadable { error: message, causes },
    }
}

fn facts(
    access: &VaultAccess<'_>,
    header: &Header,
    opened: Result<crate::vault_access::Opened, CommandError>,
) -> Result<VaultFacts, CommandError> {
    let anchor = access.anchor()?;
    let mut facts = VaultFacts {
        vault_id: header.vault_id.to_string(),
        epoch: header.epoch,
        generation: header.generation,
        slots: header.slots.iter().map(|slot| SlotRow::new(slot, None)).collect(),
        anchored_generation: anchor.map(|anchor| anchor.state().generation),
        unlocked: false,
        opened_by: None,
        locked_because: Vec::new(),
        secrets: None,
        connections: None,
        dangling_connections: None,
        locked_kind: None,
    };
    match opened {
        Ok(opened) => {
            let by = opened.vault.opened_by().map(|slot| slot.id);
            facts.slots = header.slots.iter().map(|slot| SlotRow::new(slot, by)).collect();
            let index = access.index(&opened)?;
            let connections = access.connections(&index)?;
            facts.secrets = Some(index.current().count());
            facts.connections = Some(connections.len());
            facts.dangling_connections =
                Some(connections.iter().filter(|connection| is_dangling(connection, &index)).count());
            facts.opened_by = Some(opened.source);
            facts.unlocked = true;
        }
        Err(error) if matches!(error.kind, Kind::NoKeySource | Kind::WrongKey) => {
            facts.locked_kind = Some(error.kind);
            facts.locked_because = error.causes.into_iter().chain(error.hint).collect();
        }
        Err(error) => return Err(error),
    }
    Ok(facts)
}

fn is_dangling(connection: &Connection, index: &Index<'_>) -> bool {
    matches!(&connection.auth, Auth::Secret { scope, name } if !index.has_secret(scope, name))
}

fn dangling(count: Option<usize>) -> String {
    match count {
        None | Some(0) => String::new(),
        Some(count) => format!(" (dangling: {count}; `keyward connections list --all` shows them)"),
    }
}

fn origin(place: &Place) -> String {
    match &place.claimed_by {
        Some(directory) => format!("named by {}", directory.join(crate::workspace::FILE_NAME).display()),
        None => "no .keyward.toml names another".to_owned(),
    }
}

/// What the weakest slot leaves open, said in words.
fn not_protected(kinds: &[&str]) -> String {
    let mut text = "against programs that run as you while the vault can be opened, or against root; \
                    what a program does with a secret that it was given"
        .to_owned();
    if kinds.contains(&"machine") {
        text.push_str(
            "; with the machine slot, against anybody who has both the file and your state directory",
        );
    }
    if kinds.contains(&"passphrase") {
        text.push_str("; with the passphrase slot, against guessing a weak passphrase");
    }
    text
}
