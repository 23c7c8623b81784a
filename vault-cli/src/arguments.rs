//! The flags that every command takes, and the words that more than one command takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{EnumValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, ValueEnum};
use jiff::SignedDuration;
use vault_core::name::{TenantId, WorkspaceId};

use crate::input::ValueArgument;

/// The flags that every command takes.
#[derive(Debug, Default, Args)]
pub(crate) struct Globals {
    /// Print one JSON object on stdout, also on failure
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Choose the form of the output
    #[arg(long, global = true, value_name = "FORM", conflicts_with = "json", help_heading = GLOBAL)]
    pub(crate) output: Option<OutputForm>,
    /// Use the vault file at PATH [env: KEYWARD_VAULT]
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    pub(crate) vault: Option<PathBuf>,
    /// Act in the workspace ID [env: KEYWARD_WORKSPACE]
    #[arg(long, global = true, value_name = "ID", help_heading = GLOBAL)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// Act for the tenant ID [env: KEYWARD_TENANT]
    #[arg(long, global = true, value_name = "ID", help_heading = GLOBAL)]
    pub(crate) tenant: Option<TenantId>,
    /// Act as the profile NAME [env: KEYWARD_PROFILE]
    #[arg(long, global = true, value_name = "NAME", help_heading = GLOBAL)]
    pub(crate) profile: Option<String>,
    /// Act in the environment HOST, with its services auth.HOST and api.HOST [env: KEYWARD_ENV]
    #[arg(long, global = true, value_name = "HOST", help_heading = GLOBAL)]
    pub(crate) env: Option<String>,
    /// Ask the backend at URL [env: KEYWARD_BASE_URL]
    #[arg(long, visible_aliases = ["backend", "backend-url"], global = true, value_name = "URL", help_heading = GLOBAL)]
    pub(crate) base_url: Option<String>,
    /// Authenticate with this API key: KEY, @FILE or - for stdin [env: KEYWARD_API_KEY, KEYWARD_TOKEN]
    #[arg(long, global = true, value_name = "KEY", help_heading = GLOBAL)]
    pub(crate) api_key: Option<ValueArgument>,
    /// Trust the authorities in this PEM file beside the system's [env: KEYWARD_CA_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Wait no longer than this for servers and locks, as in 90s or 5m
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, help_heading = GLOBAL)]
    pub(crate) timeout: Option<Duration>,
    /// Look in or write to this scope alone
    #[arg(long, global = true, value_name = "SCOPE", value_parser = scope_kind(), help_heading = GLOBAL)]
    pub(crate) scope: Option<ScopeArgument>,
    /// Open no network socket and skip cloud providers [env: KEYWARD_AIR_GAP; config.toml: air_gap]
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) air_gap: bool,
    /// Never prompt
    #[arg(long, visible_alias = "non-interactive", global = true, help_heading = GLOBAL)]
    pub(crate) no_input: bool,
    /// Open the vault with this key source alone [env: KEYWARD_KEY_SOURCE]
    #[arg(long, global = true, value_name = "SOURCE", help_heading = GLOBAL)]
    pub(crate) key_source: Option<SourceKind>,
    /// Read the key of an env slot from the file descriptor N
    #[arg(long, global = true, value_name = "N", help_heading = GLOBAL)]
    pub(crate) key_fd: Option<u32>,
    /// Open the vault with the recovery code: a prompt, or KEYWARD_RECOVERY_CODE
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) recovery: bool,
    /// Say nothing but errors on stderr
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(crate) quiet: bool,
    /// Say more on stderr
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,
    /// Use colour on stderr
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = GLOBAL)]
    pub(crate) color: ColorWhen,
}

impl Globals {
    /// Returns the scope of secrets that is meant.
    pub(crate) const fn scope_kind(&self) -> Option<ScopeKind> {
        match &self.scope {
            Some(ScopeArgument::Secrets(kind)) => Some(*kind),
            _ => None,
        }
    }
}

/// What `--scope` says: one word, with two meanings. clap knows one type for the option of one name, also where a
/// command gives it a meaning of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScopeArgument {
    /// What a provider is asked for.
    Oauth(String),
    /// Where secrets are.
    Secrets(ScopeKind),
}

impl ScopeArgument {
    /// Reads a scope of a provider (RFC 6749 §3.3).
    fn oauth(text: &str) -> Result<Self, &'static str> {
        let is_token = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if !text.is_empty() && text.bytes().all(is_token) {
            return Ok(Self::Oauth(text.to_owned()));
        }
        Err("a scope is one word of visible characters; repeat the option for more")
    }
}

/// The scopes that a login asks for. Where `--scope` was made an argument of the command already, as it is of one at the
/// top level, it gets another meaning; elsewhere it is defined here.
#[derive(Debug)]
pub(crate) struct OauthScopes(pub(crate) Vec<String>);

impl Args for OauthScopes {
    fn augment_args(command: clap::Command) -> clap::Command {
        let describe = |argument: Arg| {
            let argument = argument.value_name("SCOPE").value_parser(ScopeArgument::oauth);
            let argument = argument.help("Ask for this scope of the provider; repeat it for more");
            argument.action(ArgAction::Append).help_heading(None::<&str>)
        };
        let is_there = command.get_arguments().any(|argument| argument.get_id() == SCOPE);
        if is_there {
            command.mut_arg(SCOPE, describe)
        } else {
            command.arg(describe(Arg::new(SCOPE).long(SCOPE)))
        }
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OauthScopes {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = matches.get_many::<ScopeArgument>(SCOPE).into_iter().flatten();
        let oauth = given.filter_map(|scope| match scope {
            ScopeArgument::Oauth(scope) => Some(scope.clone()),
            ScopeArgument::Secrets(_) => None,
        });
        Ok(Self(oauth.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const SCOPE: &str = "scope";

fn scope_kind() -> impl TypedValueParser<Value = ScopeArgument> {
    EnumValueParser::<ScopeKind>::new().map(ScopeArgument::Secrets)
}

const GLOBAL: &str = "Global options";

/// Reads a length of time, as in `90s`, `5m` or `1h30m`; a number alone is of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let read = || text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    seconds.or_else(read).ok_or("it is a length of time such as 90s, 5m or 1h30m")
}

/// The forms of `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// One object
    Json,
    /// For people and pipes
    Text,
}

/// The kinds of `--scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeKind {
    /// Seen in one workspace
    Workspace,
    /// Seen in every workspace of the tenant
    Tenant,
}

/// The kinds of `--key-source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceKind {
    /// The OS keyring
    Keyring,
    /// A key from the environment, a file or a descriptor
    Env,
    /// A seed file of this machine
    Machine,
    /// A passphrase
    Passphrase,
    /// The recovery code
    Recovery,
}

/// When `--color` colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
