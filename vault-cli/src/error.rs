//! What an error looks like to a person and to a program: kind, hint and exit code are chosen here and
//! nowhere else.

mod login;

use std::error::Error;
use std::path::Path;

use serde::Serialize;
use vault_core::format::{FormatError, Purpose};
use vault_core::source::env::EnvOrigin;
use vault_core::store::StoreError;
use vault_core::vault::commit::CommitError;
use vault_core::vault::draft::ChangeError;
use vault_core::vault::unlock::{Attempt, AttemptFailure, UnlockError};

use crate::child::ChildError;
use crate::environment::EnvironmentError;

pub(crate) use login::{
    LOGIN_HINT, asking_failed, credential_failed, device_failed, grant_failed, id_token_failed, lock_failed,
    login_refused, metadata_failed, no_backend, not_signed_in, poll_failed, profile_failed, refresh_failed,
    selection_failed, session_file_failed, store_failure, verification_failed,
};

/// A failed command.
#[derive(Debug, Clone)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
}

/// The kinds of failure, each with its exit code. The names are those of the JSON output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    AnchorDamaged,
    Busy,
    Configuration,
    Conflict,
    Damaged,
    Exists,
    Failed,
    Forked,
    Interrupted,
    Launch,
    Network,
    Newer,
    NoKeySource,
    NoSuchConnection,
    NoSuchLogin,
    NoSuchProfile,
    NoSuchSecret,
    NoSuchSlot,
    NoSuchVersion,
    NotABundle,
    NotApproved,
    NotAVault,
    NotDurable,
    NotExecutable,
    NotFound,
    NotSignedIn,
    OtherDevice,
    Refused,
    Rejected,
    RolledBack,
    SessionEnded,
    Substituted,
    Truncated,
    UnreadableFile,
    UntrustedFile,
    Usage,
    VaultGone,
    WrongKey,
}

impl Kind {
    /// Returns the exit code.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Configuration | Self::Exists | Self::Failed | Self::NotDurable => 1,
            Self::UnreadableFile | Self::UntrustedFile => 1,
            Self::Usage => 2,
            Self::NotApproved | Self::NotSignedIn | Self::OtherDevice | Self::Rejected => 3,
            Self::SessionEnded => 3,
            Self::NoSuchConnection | Self::NoSuchLogin | Self::NoSuchProfile | Self::NoSuchSecret => 4,
            Self::NoSuchSlot | Self::NoSuchVersion => 4,
            Self::NoKeySource | Self::WrongKey => 5,
            Self::AnchorDamaged | Self::Forked | Self::RolledBack | Self::Substituted => 6,
            Self::Damaged | Self::NotABundle | Self::NotAVault | Self::Truncated | Self::VaultGone => 6,
            Self::Busy | Self::Conflict => 8,
            Self::Network => 9,
            Self::Refused => 10,
            Self::Newer => 12,
            Self::Launch => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Interrupted => 130,
        }
    }

    /// Tells whether the same command may succeed if it is simply run again.
    pub(crate) const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Conflict | Self::Network | Self::NotApproved)
    }
}

impl CommandError {
    /// Makes an error without a cause and without a hint.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Makes an error of wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Makes the error of a person who pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Adds what led to the error, with all its sources.
    pub(crate) fn caused_by(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// Adds the sources of an error whose own text is the message already.
    pub(crate) fn caused_by_sources_of(self, error: &dyn Error) -> Self {
        match error.source() {
            Some(source) => self.caused_by(source),
            None => self,
        }
    }

    /// Adds a line of what led to the error.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Makes the error of a vault that can't be unlocked.
pub(crate) fn cannot_unlock(path: &Path, error: UnlockError) -> CommandError {
    match error {
        UnlockError::Format(error) => bad_file(path, &error),
        error => not_unlocked(path, "the vault", error, unlock_hint),
    }
}

/// Makes the error of a bundle that can't be unlocked.
pub(crate) fn cannot_open_bundle(path: &Path, error: UnlockError) -> CommandError {
    match error {
        UnlockError::Format(error) => bad_bundle(path, &error),
        error => not_unlocked(path, "the bundle", error, bundle_hint),
    }
}

fn not_unlocked(
    path: &Path,
    what: &str,
    error: UnlockError,
    hint: fn(&[&str]) -> &'static str,
) -> CommandError {
    match error {
        UnlockError::Interrupted => CommandError::interrupted(),
        UnlockError::NoKey { slots, attempts, wrong_key } => {
            let kind = if wrong_key { Kind::WrongKey } else { Kind::NoKeySource };
            let mut failed = CommandError::new(kind, format!("cannot unlock {}", path.display()));
            for attempt in attempts.iter().filter(|attempt| attempts.len() == 1 || tells_more(attempt)) {
                failed = failed.because(format!("{}: {}", attempt.source, attempt.failure));
            }
            if attempts.is_empty() {
                failed = failed.because("no key source that may be used has a key");
            }
            failed = failed.because(format!("{what} has these key slots: {}", slots.join(", ")));
            failed.hint(hint(&slots))
        }
        other => {
            CommandError::new(Kind::Failed, format!("cannot unlock {}", path.display())).caused_by(&other)
        }
    }
}

/// That a vault has no slot for one of many sources is worth a line only if the person set that source.
fn tells_more(attempt: &Attempt) -> bool {
    EnvOrigin::is_name(&attempt.source) || !matches!(attempt.failure, AttemptFailure::NoSlot)
}

fn unlock_hint(slots: &[&str]) -> &'static str {
    if slots.contains(&"recovery") {
        return "`keyward --recovery status` opens the vault with its recovery code";
    }
    if slots.contains(&"passphrase") {
        return "set `KEYWARD_VAULT_PASSPHRASE`, or run the command on a terminal to be asked";
    }
    if slots.contains(&"env") {
        return "set `KEYWARD_VAULT_KEY` or `KEYWARD_VAULT_KEY_FILE` to the key of the env slot";
    }
    "`keyward slot list` shows which key slots the vault has"
}

fn bundle_hint(slots: &[&str]) -> &'static str {
    if slots.contains(&"passphrase") {
        return "set `KEYWARD_BUNDLE_PASSPHRASE` to the bundle's passphrase, or run the command on a terminal to be asked";
    }
    "set `KEYWARD_BUNDLE_CODE` to the code that `bundle create` printed, or run the command on a terminal to be asked"
}

/// Makes the error of a file that can't be read as a bundle.
pub(crate) fn bad_bundle(path: &Path, error: &FormatError) -> CommandError {
    let hint = match error {
        FormatError::Newer { .. } => NEWER_HINT,
        FormatError::Foreign | FormatError::Purpose { .. } => BUNDLE_FILE_HINT,
        FormatError::Read(_) => "copy the bundle again",
        _ => "copy the bundle again, or make a new one with `keyward bundle create`",
    };
    let kind = kind_of_bundle(format_kind(error));
    CommandError::new(kind, format!("cannot read {}", path.display())).caused_by(error).hint(hint)
}

/// Makes the error of a file that is not there or can't be opened as a bundle.
pub(crate) fn no_bundle(path: &Path, error: Option<&StoreError>) -> CommandError {
    let failed = match error {
        Some(error) => store_failed(error),
        None => CommandError::new(Kind::UnreadableFile, format!("there is no file {}", path.display())),
    };
    CommandError { kind: kind_of_bundle(failed.kind), ..failed }.hint(BUNDLE_FILE_HINT)
}

/// What is no vault where one is expected is no bundle here.
const fn kind_of_bundle(kind: Kind) -> Kind {
    match kind {
        Kind::NotAVault => Kind::NotABundle,
        kind => kind,
    }
}

const BUNDLE_FILE_HINT: &str = "name a file that `keyward bundle create` wrote; `--vault PATH` names a vault";

/// Makes the error of a file that can't be read as a vault.
pub(crate) fn bad_file(path: &Path, error: &FormatError) -> CommandError {
    let kind = format_kind(error);
    let hint = match error {
        FormatError::Newer { .. } => NEWER_HINT,
        FormatError::Purpose { found: Purpose::Bundle, .. } => {
            "`keyward bundle open FILE` takes the secrets of a bundle into the vault"
        }
        FormatError::Value { .. } => {
            "`keyward verify` lists what is damaged; `put` or `rm` of that secret still works"
        }
        FormatError::Foreign | FormatError::Purpose { .. } => "`--vault PATH` names another file",
        FormatError::Read(_) => "`keyward status` says more",
        _ => "`keyward restore` brings the generation before this one back",
    };
    CommandError::new(kind, format!("cannot read {}", path.display())).caused_by(error).hint(hint)
}

const NEWER_HINT: &str = "install a newer keyward; `keyward --version` shows this one's version";

const fn format_kind(error: &FormatError) -> Kind {
    match error {
        FormatError::Foreign | FormatError::Purpose { .. } => Kind::NotAVault,
        FormatError::Newer { .. } => Kind::Newer,
        FormatError::Read(_) => Kind::Failed,
        FormatError::Truncated { .. } => Kind::Truncated,
        _ => Kind::Damaged,
    }
}

/// Makes the error of a store that refused or failed.
pub(crate) fn store_failed(error: &StoreError) -> CommandError {
    let (kind, hint) = match error {
        StoreError::AnchorDamaged { .. } => (
            Kind::AnchorDamaged,
            "`keyward anchor accept` makes it anew from the vault as it is, `keyward anchor off` removes it",
        ),
        StoreError::AnchorNewer { .. } => (Kind::Newer, NEWER_HINT),
        StoreError::AnchorNotWritten { .. } => {
            (Kind::NotDurable, "the change is stored; the next write brings the anchor up to it")
        }
        StoreError::Busy { .. } => (Kind::Busy, "run the command again when that process is done"),
        StoreError::Conflict { .. } => (Kind::Conflict, "run the command again"),
        StoreError::Exists { .. } => (Kind::Exists, "name another file, or remove this one"),
        StoreError::Forked { .. } => (Kind::Forked, ANCHOR_HINT),
        StoreError::Gone { .. } => (
            Kind::VaultGone,
            "bring the file back from a backup; if this is on purpose: `keyward anchor off`",
        ),
        StoreError::Missing { .. } => {
            (Kind::VaultGone, "`keyward restore` brings the previous generation back")
        }
        StoreError::NoLocks { .. } => {
            (Kind::Failed, "nothing was written; `--vault PATH` names a vault on a file system with locks")
        }
        StoreError::NotAFile { .. } | StoreError::TooLarge { .. } => {
            (Kind::NotAVault, "`--vault PATH` names another file")
        }
        StoreError::NotDurable { .. } => {
            (Kind::NotDurable, "the change is stored; run `sync` to be sure of it")
        }
        StoreError::RolledBack { .. } => (Kind::RolledBack, ANCHOR_HINT),
        StoreError::Substituted { .. } => (Kind::Substituted, ANCHOR_HINT),
        StoreError::Untrusted { .. } => (Kind::UntrustedFile, ""),
        _ => (Kind::Failed, "nothing was written; `keyward status` shows the vault"),
    };
    let failed = CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error.fix() {
        Some(fix) => failed.hint(format!("run `{fix}`")),
        None => failed.hint(hint),
    }
}

const ANCHOR_HINT: &str =
    "bring the newest copy of the file back; if this is on purpose: `keyward anchor accept`";

/// Makes the error of a change that was not written.
pub(crate) fn commit_failed(path: &Path, error: CommitError) -> CommandError {
    match error {
        CommitError::Change(error) => change_refused(path, &error),
        CommitError::Format(error) => bad_file(path, &error),
        CommitError::Store(error) => store_failed(&error),
        rekeyed => CommandError::new(Kind::Conflict, rekeyed.to_string()).hint("run the command again"),
    }
}

/// Makes the error of a change that the vault refuses, or of a version that it does not have.
pub(crate) fn change_refused(path: &Path, error: &ChangeError) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string());
    match error {
        ChangeError::Format(error) => bad_file(path, error),
        ChangeError::LastSlot => {
            failed(Kind::Refused).hint("add another one first: `keyward slot add recovery`")
        }
        ChangeError::NoConnection { .. } => {
            failed(Kind::NoSuchConnection).hint("`keyward connections list` shows what there is")
        }
        ChangeError::NoSecret { .. } => failed(Kind::NoSuchSecret).hint("`keyward list` shows what there is"),
        ChangeError::NoSlot(_) => failed(Kind::NoSuchSlot).hint("`keyward slot list` shows the slots"),
        ChangeError::NoVersion { name, .. } => {
            failed(Kind::NoSuchVersion).hint(format!("`keyward history {name}` shows the versions"))
        }
        ChangeError::SecretInUse { name, scope, .. } => failed(Kind::Refused).hint(format!(
            "`keyward connections rm ID` removes a connection; `keyward rm {name} --scope {} --force` breaks them",
            scope.kind()
        )),
        ChangeError::OtherConnections(_) => failed(Kind::Exists).hint(
            "`--on-conflict overwrite` replaces them, `--on-conflict skip` keeps what the vault has",
        ),
        ChangeError::OtherValues(_) => failed(Kind::Exists).hint(
            "`--on-conflict overwrite` makes new versions, `--on-conflict skip` keeps what the vault has",
        ),
        ChangeError::SlotsChanged => failed(Kind::Conflict).hint("run the command again"),
        ChangeError::TooManyConnections => {
            failed(Kind::Refused).hint("`keyward connections rm ID` makes room")
        }
        ChangeError::TooManySlots => failed(Kind::Refused).hint("`keyward slot rm ID` makes room"),
        ChangeError::WorkspaceElsewhere { .. } => failed(Kind::Refused).hint(BIND_HINT),
        _ => failed(Kind::Failed),
    }
}

/// What to do about a workspace id that is used in a directory it was not bound to.
pub(crate) const BIND_HINT: &str = "if this directory may have the workspace's secrets: `keyward init --bind`, or `--workspace ID` for one command";

impl From<ChildError> for CommandError {
    fn from(error: ChildError) -> Self {
        let (kind, hint) = match error {
            ChildError::NotExecutable { .. } => {
                (Kind::NotExecutable, "name a program: `keyward run -- sh FILE` runs a script")
            }
            ChildError::NotFound { .. } => (
                Kind::NotFound,
                "name a program in PATH, or by its path; `keyward run -- sh -c 'LINE'` runs a line of shell",
            ),
            _ => (Kind::Launch, "`keyward run --help` says what a program can be given"),
        };
        Self::new(kind, error.to_string()).caused_by_sources_of(&error).hint(hint)
    }
}

impl From<EnvironmentError> for CommandError {
    fn from(error: EnvironmentError) -> Self {
        Self::new(Kind::Launch, error.to_string())
            .hint("`--only NAME,NAME` chooses other secrets; `keyward get NAME` hands this one over")
    }
}
