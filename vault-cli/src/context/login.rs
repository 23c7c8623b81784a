//! What flags and environment say of logins: which profile and environment, which credential, how servers are
//! reached, and whether there is a screen to open a page on.

use std::path::PathBuf;
use std::time::Duration;

use vault_auth::credential::GivenCredentials;
use vault_auth::http::ProxySettings;
use vault_auth::profile::Profiles;
use vault_auth::selection::{Asked, Given, Selection, select};
use vault_core::input;
use vault_core::secret::SecretString;
use vault_core::store::FileStore;

use super::{AirGap, Context, text_variable, variable};
use crate::error::{CommandError, Kind, selection_failed};
use crate::input::read_text;

/// What a person wrote about the selection of a session, before the profiles are known.
#[derive(Debug)]
pub(crate) struct SelectionWords {
    profile: [Option<String>; 2],
    tenant: [Option<String>; 2],
    tenant_in_use: Option<String>,
    environment: [Option<String>; 2],
    default_environment: Option<String>,
    base_url: [Option<String>; 2],
}

impl SelectionWords {
    /// Returns the session that is meant.
    pub(crate) fn select(&self, profiles: &Profiles) -> Result<Selection, CommandError> {
        let asked = Asked {
            profile: given(&self.profile),
            tenant: given(&self.tenant),
            environment: given(&self.environment),
            base_url: given(&self.base_url),
            tenant_in_use: self.tenant_in_use.as_deref(),
            default_environment: self.default_environment.as_deref(),
        };
        select(&asked, profiles).map_err(|error| selection_failed(&error))
    }

    /// Returns the name of the profile that is asked for, or that the environment's host is: flags go before variables.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        let [profile_flag, profile_variable] = &self.profile;
        let [host_flag, host_variable] = &self.environment;
        let in_order = [profile_flag, host_flag, profile_variable, host_variable];
        in_order.into_iter().flatten().map(String::as_str).next()
    }

    /// Tells whether a profile is asked for by its name.
    pub(crate) fn names_profile(&self) -> bool {
        self.profile.iter().any(Option::is_some)
    }

    /// Returns the environment that is asked for.
    pub(crate) fn environment(&self) -> Option<&str> {
        self.environment.iter().flatten().map(String::as_str).next()
    }

    /// Returns the tenant that is asked for by flag or variable.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.iter().flatten().map(String::as_str).next()
    }

    /// Returns the backend that is asked for.
    pub(crate) fn base_url(&self) -> Option<&str> {
        self.base_url.iter().flatten().map(String::as_str).next()
    }

    /// Tells whether what is meant can't be said without the profiles: one is asked for, or no backend is.
    pub(crate) fn needs_profiles(&self) -> bool {
        self.profile.iter().any(Option::is_some) || self.base_url().is_none()
    }

    /// Asks for this profile, whatever was asked for.
    pub(crate) fn of_profile(mut self, name: &str) -> Self {
        self.profile = [Some(name.to_owned()), None];
        self
    }
}

fn given([flag, variable]: &[Option<String>; 2]) -> Given<'_> {
    Given { flag: flag.as_deref(), variable: variable.as_deref() }
}

impl Context {
    /// Returns the store of the file of sessions.
    pub(crate) fn session_store(&self) -> Result<FileStore, CommandError> {
        Ok(FileStore::new(self.directories()?.sessions()))
    }

    /// Returns the directory for tokens that the file of sessions could not take.
    pub(crate) fn runtime_directory(&self) -> Option<PathBuf> {
        Some(self.directories().ok()?.runtime().to_path_buf())
    }

    /// Returns what was written about the selection of a session.
    pub(crate) fn selection_words(&self) -> Result<SelectionWords, CommandError> {
        let globals = &self.globals;
        Ok(SelectionWords {
            profile: [globals.profile.clone(), text_variable("KEYWARD_PROFILE")?],
            tenant: [globals.tenant.as_ref().map(ToString::to_string), text_variable("KEYWARD_TENANT")?],
            tenant_in_use: self.tenant_in_use()?.map(|tenant| tenant.to_string()),
            environment: [globals.env.clone(), text_variable("KEYWARD_ENV")?],
            default_environment: self.settings()?.and_then(|(settings, _)| settings.environment),
            base_url: [globals.base_url.clone(), text_variable("KEYWARD_BASE_URL")?],
        })
    }

    /// Returns the credentials that flag and environment give.
    pub(crate) fn given_credentials(&self) -> Result<GivenCredentials, CommandError> {
        let flag = self.globals.api_key.as_ref();
        Ok(GivenCredentials {
            flag: flag.map(|key| read_text(self.ui, key, "--api-key")).transpose()?,
            api_key_variable: secret_variable("KEYWARD_API_KEY")?,
            token_variable: secret_variable("KEYWARD_TOKEN")?,
        })
    }

    /// Names what gives a credential that goes before every stored login; nothing is read.
    pub(crate) fn overriding_credential(&self) -> Option<&'static str> {
        if self.globals.api_key.is_some() {
            return Some("--api-key");
        }
        ["KEYWARD_API_KEY", "KEYWARD_TOKEN"].into_iter().find(|name| variable(name).is_some())
    }

    /// Names what says which profile is meant, so that the active one is not.
    pub(crate) fn overriding_profile(&self) -> Option<&'static str> {
        let flags = [("--profile", &self.globals.profile), ("--env", &self.globals.env)];
        let flag = flags.into_iter().find(|(_, flag)| flag.is_some()).map(|(name, _)| name);
        flag.or_else(|| ["KEYWARD_PROFILE", "KEYWARD_ENV"].into_iter().find(|name| variable(name).is_some()))
    }

    /// Names what says which tenant is meant, so that the one of `tenant use` is not.
    pub(crate) fn overriding_tenant(&self) -> Option<&'static str> {
        let flag = self.globals.tenant.as_ref().map(|_| "--tenant");
        flag.or_else(|| variable("KEYWARD_TENANT").map(|_| "KEYWARD_TENANT"))
    }

    /// Returns the file that names the active tenant.
    pub(crate) fn active_tenant_path(&self) -> Result<PathBuf, CommandError> {
        Ok(self.directories()?.active_tenant())
    }

    /// Returns the time that `--timeout` gives.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.globals.timeout
    }

    /// Loads the additional authorities of `--ca-file` or `KEYWARD_CA_FILE`.
    pub(crate) fn additional_roots(&self) -> Result<Option<Vec<u8>>, CommandError> {
        let named = self.globals.ca_file.clone().or_else(|| variable("KEYWARD_CA_FILE").map(PathBuf::from));
        let Some(path) = named else { return Ok(None) };
        let read = input::read(&path, MAX_CA_FILE, CA_FILE_DEADLINE);
        read.map(|bytes| Some(bytes.expose_secret().to_vec())).map_err(|error| {
            CommandError::new(Kind::UnreadableFile, format!("cannot read {}", path.display()))
                .caused_by(&error)
                .hint("`--ca-file` and `KEYWARD_CA_FILE` name a file of certificates in PEM")
        })
    }

    /// Returns the proxy for servers elsewhere.
    pub(crate) fn proxy(&self) -> Result<Option<ProxySettings>, CommandError> {
        let mut addresses = PROXIES.iter().map(|name| secret_variable(name));
        let address = addresses.find_map(Result::transpose).transpose()?;
        let exceptions = text_variable("NO_PROXY")?.or(text_variable("no_proxy")?).unwrap_or_default();
        Ok(address.map(|address| ProxySettings { address, exceptions }))
    }

    /// Refuses to use the network where that is forbidden.
    pub(crate) fn check_network(&self, purpose: &str) -> Result<(), CommandError> {
        self.air_gap()?.map_or(Ok(()), |from| Err(air_gapped(purpose, &from)))
    }

    /// Tells whether a page can be opened in front of the person: there is a screen, and it is this machine's.
    pub(crate) fn has_screen(&self) -> bool {
        let is_set = |name: &&str| variable(name).is_some();
        let elsewhere = ["SSH_CONNECTION", "SSH_TTY", "KEYWARD_NO_BROWSER"].iter().any(is_set);
        !elsewhere && ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set)
    }

    /// Returns the program that `BROWSER` names.
    pub(crate) fn browser() -> Option<PathBuf> {
        variable("BROWSER").map(PathBuf::from)
    }
}

fn air_gapped(purpose: &str, from: &AirGap) -> CommandError {
    CommandError::new(Kind::Refused, format!("{purpose} needs the network, which {from} forbids"))
        .hint("`keyward auth status` works without the network")
}

/// A variable whose value is a secret; a text, as everything that goes into a header.
fn secret_variable(name: &str) -> Result<Option<SecretString>, CommandError> {
    text_variable(name).map(|value| value.map(SecretString::new))
}

/// Where programs look for a proxy of addresses with TLS, the first one counts.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The system's own list of authorities has about 200 KiB.
const MAX_CA_FILE: usize = 4 << 20;
const CA_FILE_DEADLINE: Duration = Duration::from_secs(10);
