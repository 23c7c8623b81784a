//! Which session a login is for: the profile that is named, with what the flags say over it.

use clap::Args;
use vault_auth::address::Address;
use vault_auth::clock::UnixTime;
use vault_auth::http::HttpClient;
use vault_auth::metadata::{ManualEndpoints, Metadata};
use vault_auth::profile::{Profile, ProfileName, Profiles};
use vault_auth::selection::Selection;

use crate::arguments::OauthScopes;
use crate::context::{Context, SelectionWords};
use crate::error::{CommandError, Kind, metadata_failed};
use crate::input::ValueArgument;

/// Where to sign in, and as which client.
#[derive(Debug, Args)]
pub(super) struct TargetArguments {
    /// Sign in at the provider URL, as it calls itself
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    issuer: Option<Address>,
    /// Sign in as the OAuth client ID; a profile without one has `keyward`
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Authenticate the client with this secret: @FILE, or - for stdin
    #[arg(long, value_name = "SECRET")]
    pub(super) client_secret: Option<ValueArgument>,
    #[command(flatten)]
    scopes: OauthScopes,
    /// Ask for tokens that are for this audience
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// Take roles from this claim of the ID token, a JSON pointer such as /realm_access/roles
    #[arg(long, value_name = "POINTER")]
    roles_claim: Option<String>,
    /// Start logins here, at a provider without discovery
    #[arg(long, value_name = "URL", value_parser = Address::parse, requires = "token_endpoint")]
    device_endpoint: Option<Address>,
    /// Ask for tokens here, at a provider without discovery
    #[arg(long, value_name = "URL", value_parser = Address::parse, requires = "device_endpoint", conflicts_with = "issuer")]
    token_endpoint: Option<Address>,
    /// Revoke tokens here, at a provider without discovery
    #[arg(long, value_name = "URL", value_parser = Address::parse, requires = "token_endpoint")]
    revocation_endpoint: Option<Address>,
}

/// The session of a login, and the profile that will point to it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: ProfileName,
    pub(super) profile: Profile,
    pub(super) selection: Selection,
}

impl Target {
    /// Says which session is meant. Nothing is changed yet.
    pub(super) fn choose(
        ctx: &Context,
        args: &TargetArguments,
        known: &Profiles,
    ) -> Result<Self, CommandError> {
        let words = ctx.selection_words()?;
        let name = for_tenant(name_of(&words, args, known)?, &words, known)?;
        let profile = args.over(known.get(&name).cloned().unwrap_or_default(), &words);
        let mut with_it = known.clone();
        with_it.put(name.clone(), profile.clone());
        let selection = words.of_profile(name.as_str()).select(&with_it)?;
        Ok(Self { name, profile, selection })
    }

    /// Returns the provider.
    pub(super) fn issuer(&self) -> Result<&Address, CommandError> {
        let issuer = self.selection.issuer.as_ref().map(|chosen| &chosen.value);
        issuer.ok_or_else(|| {
            CommandError::usage("no provider to sign in at").hint(
                "`--issuer URL` or `--env HOST` names it; `keyward auth login --with-api-key` needs none",
            )
        })
    }

    /// Returns the backend, where there is one.
    pub(super) fn base_url(&self) -> Option<&Address> {
        self.selection.base_url.as_ref().map(|chosen| &chosen.value)
    }
}

/// Returns what is known of a provider: what the profile says by hand, else what the provider says of itself.
pub(super) fn metadata(
    profile: &Profile,
    issuer: &Address,
    http: &HttpClient,
    now: UnixTime,
) -> Result<Metadata, CommandError> {
    let (Some(device), Some(token)) = (&profile.device_endpoint, &profile.token_endpoint) else {
        return Metadata::discover(http, issuer).map_err(|error| metadata_failed(&error));
    };
    let endpoints = ManualEndpoints {
        token: endpoint(token)?,
        device_authorization: endpoint(device)?,
        revocation: profile.revocation_endpoint.as_deref().map(endpoint).transpose()?,
    };
    Ok(Metadata::by_hand(endpoints, now))
}

fn endpoint(text: &str) -> Result<Address, CommandError> {
    Address::parse(text).map_err(|error| {
        CommandError::new(Kind::Configuration, "an endpoint of the profile can't be used")
            .caused_by(&error)
            .hint("`--token-endpoint` and `--device-endpoint` give it anew")
    })
}

/// Returns the profile's name: that of the profile or environment that is asked for, the provider's host, that of
/// the profile in use, the backend's host.
fn name_of(
    words: &SelectionWords,
    args: &TargetArguments,
    known: &Profiles,
) -> Result<ProfileName, CommandError> {
    let provider = args.issuer.as_ref().or(args.token_endpoint.as_ref());
    if let Some(name) = words.profile_name().map(str::to_owned).or_else(|| provider.map(host)) {
        return profile_name(&name);
    }
    let selection = words.select(known)?;
    match (selection.profile, selection.base_url) {
        (Some(profile), _) => Ok(profile.value),
        (None, Some(base_url)) => profile_name(&host(&base_url.value)),
        (None, None) => profile_name(UNNAMED),
    }
}

/// A second tenant at a host gets a profile of its own, unless the person named the profile: the first one stays
/// what it is.
fn for_tenant(
    name: ProfileName,
    words: &SelectionWords,
    known: &Profiles,
) -> Result<ProfileName, CommandError> {
    let before = known.get(&name).and_then(|profile| profile.tenant.as_deref());
    match (words.tenant(), before) {
        (Some(tenant), Some(before)) if tenant != before && !words.names_profile() => {
            profile_name(&format!("{name}-{tenant}"))
        }
        _ => Ok(name),
    }
}

fn profile_name(text: &str) -> Result<ProfileName, CommandError> {
    ProfileName::parse(text).map_err(|error| {
        CommandError::usage(error.to_string()).hint("`--profile NAME` gives the login a name")
    })
}

/// Returns the host, with its port where that is not the usual one.
fn host(address: &Address) -> String {
    let origin = address.origin();
    origin.split_once("://").map_or_else(String::new, |(_, host)| host.to_owned())
}

impl TargetArguments {
    /// Returns a profile with what flags and variables say over it. Another environment or provider takes away what
    /// was said of the one before.
    fn over(&self, profile: Profile, words: &SelectionWords) -> Profile {
        let mut profile = profile;
        if let Some(host) = words.environment().filter(|host| profile.environment.as_deref() != Some(*host)) {
            profile = Profile { base_url: None, ..elsewhere(profile) };
            profile.environment = Some(host.to_owned());
        }
        if let Some(issuer) = &self.issuer {
            profile = Profile { issuer: Some(issuer.as_str().to_owned()), ..elsewhere(profile) };
        }
        if let (Some(device), Some(token)) = (&self.device_endpoint, &self.token_endpoint) {
            profile.issuer = Some(token.origin());
            profile.device_endpoint = Some(device.as_str().to_owned());
            profile.token_endpoint = Some(token.as_str().to_owned());
            profile.revocation_endpoint = self.revocation_endpoint.as_ref().map(ToString::to_string);
        }
        let given = |given: Option<&str>, kept| given.map(str::to_owned).or(kept);
        profile.base_url = given(words.base_url(), profile.base_url);
        profile.tenant = given(words.tenant(), profile.tenant);
        profile.client_id = given(self.client_id.as_deref(), profile.client_id);
        profile.audience = given(self.audience.as_deref(), profile.audience);
        profile.roles_claim = given(self.roles_claim.as_deref(), profile.roles_claim);
        if !self.scopes.0.is_empty() {
            profile.scopes.clone_from(&self.scopes.0);
        }
        profile
    }
}

fn elsewhere(profile: Profile) -> Profile {
    Profile {
        issuer: None,
        device_endpoint: None,
        token_endpoint: None,
        revocation_endpoint: None,
        ..profile
    }
}

/// The name of the profile of a login that says nothing about where it is for.
const UNNAMED: &str = "default";
