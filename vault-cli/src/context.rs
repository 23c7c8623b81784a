//! What a command knows of the world: flags, environment, clock, directories. The only part of the
//! CLI that reads the environment and the clock.

mod login;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use vault_core::harden::{self, OriginalLimits};
use vault_core::name::{Scope, TenantId, WorkspaceId};
use vault_core::provider::Registry;
use vault_core::secret::SecretBytes;
use vault_core::source::env::{EnvFound, EnvSource};
use vault_core::store::FileStore;

use crate::arguments::{Globals, ScopeKind, SourceKind};
use crate::directories::Directories;
use crate::error::{CommandError, Kind};
use crate::settings::{self, Settings};
use crate::ui::Ui;
use crate::workspace;

pub(crate) use login::SelectionWords;

/// The variable with the recovery code of the vault, for `--recovery`.
pub(crate) const RECOVERY_CODE: &str = "KEYWARD_RECOVERY_CODE";
/// The variable with the code of a bundle.
pub(crate) const BUNDLE_CODE: &str = "KEYWARD_BUNDLE_CODE";
/// The variable with the passphrase of a bundle.
pub(crate) const BUNDLE_PASSPHRASE: &str = "KEYWARD_BUNDLE_PASSPHRASE";

/// Longer than any id: what is read of a file that should hold one.
const MAX_ID_FILE: u64 = 256;

/// Everything that a command may look at beside its own arguments.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) now: u64,
    globals: Globals,
    directories: Result<Directories, CommandError>,
    limits: io::Result<OriginalLimits>,
}

/// What forbids the use of a network.
#[derive(Debug)]
pub(crate) enum AirGap {
    /// `--air-gap`
    Flag,
    /// The configuration file.
    Settings(PathBuf),
    /// `KEYWARD_AIR_GAP`
    Variable,
}

impl fmt::Display for AirGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--air-gap"),
            Self::Settings(path) => write!(f, "air_gap in {}", path.display()),
            Self::Variable => f.write_str("KEYWARD_AIR_GAP"),
        }
    }
}

/// The workspace and tenant that a command acts in.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) workspace: WorkspaceId,
    /// The directory whose `.keyward.toml` claims the workspace; `None` if the user named it, or
    /// nobody did.
    pub(crate) claimed_by: Option<PathBuf>,
    /// The scope of `--scope`.
    pub(crate) only: Option<ScopeKind>,
}

impl Place {
    /// Returns the scope that a secret is written to.
    pub(crate) fn scope(&self) -> Scope {
        match self.only {
            Some(ScopeKind::Tenant) => Scope::Tenant(self.tenant.clone()),
            _ => Scope::Workspace(self.tenant.clone(), self.workspace.clone()),
        }
    }

    /// Returns the scopes that a secret is looked for in, in order.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        match self.only {
            Some(_) => vec![self.scope()],
            None => vec![self.scope(), Scope::Tenant(self.tenant.clone())],
        }
    }
}

impl Context {
    /// Takes flags, environment and clock together.
    pub(crate) fn new(globals: Globals, limits: io::Result<OriginalLimits>) -> Self {
        let is_ci = variable("CI").is_some_and(|value| value != "false" && value != "0");
        let ui = Ui::new(&globals, is_ci);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { ui, now, globals, directories: Directories::find(variable), limits }
    }

    /// Returns the path of the vault: `--vault`, `KEYWARD_VAULT`, or the default one.
    pub(crate) fn vault_path(&self) -> Result<PathBuf, CommandError> {
        let named = self.globals.vault.clone().or_else(|| variable("KEYWARD_VAULT").map(PathBuf::from));
        named.map_or_else(|| Ok(self.directories()?.vault()), Ok)
    }

    /// Returns the store of the vault, which heeds the vault's anchor.
    pub(crate) fn store(&self) -> Result<FileStore, CommandError> {
        // Without a home there are no anchors.
        let anchors = self.directories().ok().map(Directories::anchors);
        Ok(FileStore::new(self.vault_path()?).with_anchors(anchors))
    }

    /// Returns the directory of the rollback anchors.
    pub(crate) fn anchors_directory(&self) -> Result<PathBuf, CommandError> {
        Ok(self.directories()?.anchors())
    }

    /// Returns the directory of the machine source's seed files.
    pub(crate) fn machine_directory(&self) -> Result<PathBuf, CommandError> {
        Ok(self.directories()?.machine())
    }

    /// Returns the directories that are for keyward's own files alone; none without a home.
    pub(crate) fn own_directories(&self) -> Vec<PathBuf> {
        self.directories().map_or_else(|_| Vec::new(), Directories::own)
    }

    /// Returns the directory that keyward was started in, unless it is gone. Where the system can't tell, a command
    /// must not act for the default workspace instead of the one that is claimed there.
    pub(crate) fn directory(&self) -> Result<Option<PathBuf>, CommandError> {
        match std::env::current_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some).map_err(|error| {
                CommandError::new(Kind::Failed, "cannot tell the current directory")
                    .caused_by(&error)
                    .hint("`--workspace ID` names the workspace without it")
            }),
        }
    }

    /// Returns the directory of the repository that a job of GitHub Actions is about.
    pub(crate) fn github_workspace() -> Option<PathBuf> {
        variable("GITHUB_WORKSPACE").map(PathBuf::from)
    }

    /// Loads the providers: the built-in ones, and the user's own from the configuration directory.
    pub(crate) fn registry(&self) -> Result<Registry, CommandError> {
        // Without a home there is no configuration.
        let Ok(directories) = self.directories() else { return Ok(Registry::built_in()) };
        Registry::load(&directories.providers()).map_err(|error| {
            CommandError::new(Kind::UnreadableFile, error.to_string())
                .caused_by_sources_of(&error)
                .hint("correct or remove the file; its form is that of keyward's own `providers.toml`")
        })
    }

    /// Finds workspace and tenant.
    pub(crate) fn place(&self) -> Result<Place, CommandError> {
        let tenant = self.tenant()?;
        let only = self.globals.scope_kind();
        if let Some(workspace) = self.named_workspace()? {
            return Ok(Place { tenant, workspace, claimed_by: None, only });
        }
        match self.directory()?.as_deref().map(workspace::find).transpose()?.flatten() {
            Some(found) => {
                Ok(Place { tenant, workspace: found.workspace, claimed_by: Some(found.directory), only })
            }
            None => Ok(Place { tenant, workspace: WorkspaceId::default(), claimed_by: None, only }),
        }
    }

    /// Returns the key source that flags or environment force.
    pub(crate) fn forced_source(&self) -> Result<Option<SourceKind>, CommandError> {
        if self.globals.recovery {
            return Ok(Some(SourceKind::Recovery));
        }
        if self.globals.key_source.is_some() {
            return Ok(self.globals.key_source);
        }
        let Some(value) = text_variable("KEYWARD_KEY_SOURCE")? else { return Ok(None) };
        let kind = SourceKind::from_str(&value, true);
        kind.map(Some).map_err(|_| {
            CommandError::usage("KEYWARD_KEY_SOURCE is no key source")
                .hint("it is one of keyring, env, machine, passphrase, recovery")
        })
    }

    /// Loads the keys and passphrases that the environment hands over.
    pub(crate) fn environment_keys(&self) -> Vec<EnvFound> {
        EnvSource::from_environment(self.globals.key_fd).load()
    }

    /// Keeps the descriptor of `--key-fd` from the programs that are started next.
    ///
    /// # Errors
    ///
    /// The system's error; they would get it.
    pub(crate) fn keep_key_from_children(&self) -> io::Result<()> {
        self.globals.key_fd.map_or(Ok(()), harden::keep_from_children)
    }

    /// Returns the code that the environment hands over: [`RECOVERY_CODE`] or [`BUNDLE_CODE`].
    pub(crate) fn code(&self, name: &str) -> Result<Option<String>, CommandError> {
        text_variable(name)
    }

    /// Returns the passphrase that the environment hands over for a bundle, byte for byte.
    pub(crate) fn bundle_passphrase(&self) -> Option<SecretBytes> {
        variable(BUNDLE_PASSPHRASE).map(|passphrase| SecretBytes::new(passphrase.into_encoded_bytes()))
    }

    /// Returns how long one call of the keyring may take: a person may have to type a password.
    pub(crate) fn keyring_deadline(&self) -> Duration {
        Duration::from_secs(if io::IsTerminal::is_terminal(&io::stderr()) { 30 } else { 3 })
    }

    /// Tells whether no network may be used.
    pub(crate) fn is_air_gapped(&self) -> Result<bool, CommandError> {
        self.air_gap().map(|from| from.is_some())
    }

    /// Returns what forbids the use of a network: the first of flag, variable and configuration that does.
    /// None of them can allow what another one forbids.
    pub(crate) fn air_gap(&self) -> Result<Option<AirGap>, CommandError> {
        if self.globals.air_gap {
            return Ok(Some(AirGap::Flag));
        }
        if variable("KEYWARD_AIR_GAP").is_some_and(|value| value != "0" && value != "false") {
            return Ok(Some(AirGap::Variable));
        }
        let Some((settings, path)) = self.settings()? else { return Ok(None) };
        Ok(settings.air_gap.then_some(AirGap::Settings(path)))
    }

    /// Loads `config.toml`, with its path; `None` without a home, where there is no configuration.
    fn settings(&self) -> Result<Option<(Settings, PathBuf)>, CommandError> {
        let Ok(directories) = self.directories() else { return Ok(None) };
        let path = directories.config().join(settings::FILE_NAME);
        Ok(Some((Settings::load(&path)?, path)))
    }

    /// Returns the whole environment, for a child.
    #[allow(clippy::disallowed_methods, reason = "this is the CLI's context.rs")]
    pub(crate) fn inherited_environment(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }

    /// Returns the limits that a child gets.
    pub(crate) fn original_limits(&self) -> Result<OriginalLimits, CommandError> {
        self.limits.as_ref().copied().map_err(|error| {
            CommandError::new(Kind::Launch, "the process could not be hardened")
                .caused_by(error)
                .hint("a sandbox that forbids prctl(2) or setrlimit(2) would show secrets in core dumps")
        })
    }

    /// Warns once if the process could not be hardened.
    pub(crate) fn warn_if_soft(&self) {
        if let Err(error) = &self.limits {
            self.ui.warn(&format!("core dumps could not be ruled out: {error}"));
        }
    }

    fn directories(&self) -> Result<&Directories, CommandError> {
        self.directories.as_ref().map_err(CommandError::clone)
    }

    fn tenant(&self) -> Result<TenantId, CommandError> {
        if let Some(tenant) = &self.globals.tenant {
            return Ok(tenant.clone());
        }
        if let Some(text) = text_variable("KEYWARD_TENANT")? {
            return TenantId::parse(&text).map_err(|error| bad_id("KEYWARD_TENANT", &error));
        }
        self.tenant_in_use().map(Option::unwrap_or_default)
    }

    /// Returns the tenant that `tenant use` chose.
    fn tenant_in_use(&self) -> Result<Option<TenantId>, CommandError> {
        let Ok(directories) = self.directories() else { return Ok(None) };
        active_tenant(&directories.active_tenant())
    }

    fn named_workspace(&self) -> Result<Option<WorkspaceId>, CommandError> {
        if self.globals.workspace.is_some() {
            return Ok(self.globals.workspace.clone());
        }
        let Some(text) = text_variable("KEYWARD_WORKSPACE")? else { return Ok(None) };
        WorkspaceId::parse(&text).map(Some).map_err(|error| bad_id("KEYWARD_WORKSPACE", &error))
    }
}

/// Reads the tenant that is active until another one is chosen.
fn active_tenant(path: &Path) -> Result<Option<TenantId>, CommandError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_ID_FILE).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read the active tenant from {}", path.display());
            Err(CommandError::new(Kind::UnreadableFile, message)
                .caused_by(&error)
                .hint("`--tenant ID` names the tenant without the file"))
        }
        Ok(_) => {
            let tenant = TenantId::parse(text.trim_end()).map(Some);
            tenant.map_err(|error| bad_id(&path.display().to_string(), &error))
        }
    }
}

fn bad_id(from: &str, error: &dyn std::error::Error) -> CommandError {
    CommandError::usage(format!("{from} has no valid id"))
        .caused_by(error)
        .hint("`--workspace ID` and `--tenant ID` go before it")
}

/// Returns a variable, blank ones being unset.
#[allow(clippy::disallowed_methods, reason = "this is the CLI's context.rs")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.as_encoded_bytes().trim_ascii().is_empty())
}

/// Returns a variable that has to be text.
fn text_variable(name: &str) -> Result<Option<String>, CommandError> {
    let value = variable(name).map(OsString::into_string).transpose();
    value.map_err(|_| {
        CommandError::usage(format!("{name} is not UTF-8 text"))
            .hint("`keyward --help` names the option for it")
    })
}
