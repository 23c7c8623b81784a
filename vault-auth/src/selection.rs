//! Which session a command means: profile, tenant, environment and backend, each from the first place that says
//! something. One function, and its table is its test.

use crate::address::{Address, AddressError};
use crate::profile::{Profile, ProfileName, Profiles};
use crate::session::SessionKey;

/// One setting as the command line and the environment give it. An empty text says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'g> {
    /// The flag's value.
    pub flag: Option<&'g str>,
    /// The variable's value.
    pub variable: Option<&'g str>,
}

/// What a command was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'g> {
    /// `--profile`, `KEYWARD_PROFILE`.
    pub profile: Given<'g>,
    /// `--tenant`, `KEYWARD_TENANT`.
    pub tenant: Given<'g>,
    /// `--env`, `KEYWARD_ENV`.
    pub environment: Given<'g>,
    /// `--base-url`, `KEYWARD_BASE_URL`.
    pub base_url: Given<'g>,
    /// The tenant that `tenant use` chose.
    pub tenant_in_use: Option<&'g str>,
    /// The environment of the configuration.
    pub default_environment: Option<&'g str>,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The profile that is active.
    ActiveProfile,
    /// The configuration, or what holds where nobody says anything.
    Default,
    /// The environment's host.
    Environment,
    /// A flag.
    Flag,
    /// The only profile that there is.
    OnlyProfile,
    /// The profile.
    Profile,
    /// `tenant use`.
    TenantUse,
    /// A variable of the environment.
    Variable,
}

/// A setting with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<T> {
    /// What it is.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a command means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The profile; `None` where none is meant.
    pub profile: Option<Chosen<ProfileName>>,
    /// The tenant.
    pub tenant: Chosen<String>,
    /// The host of the environment.
    pub environment: Option<Chosen<String>>,
    /// The issuer.
    pub issuer: Option<Chosen<Address>>,
    /// The backend; `None` is the local one.
    pub base_url: Option<Chosen<Address>>,
    /// The OAuth client.
    pub client_id: Chosen<String>,
}

/// Why it is not clear what a command means.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// An address can't be used.
    #[error("the {what} can't be used")]
    Address {
        /// Which: `issuer`, `base URL` or `environment`.
        what: &'static str,
        /// Why.
        source: AddressError,
    },
    /// No profile of that name.
    #[error("no profile of that name; there are: {}", listed(.known))]
    NoSuchProfile {
        /// Those that there are.
        known: Vec<ProfileName>,
    },
    /// Several profiles, and none is active.
    #[error("no profile is active; there are: {}", listed(.known))]
    NoneActive {
        /// Those that there are.
        known: Vec<ProfileName>,
    },
}

fn listed(names: &[ProfileName]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(ProfileName::as_str).collect::<Vec<_>>().join(", ")
}

impl Selection {
    /// Returns which session is meant. The whole issuer is a part of it, but for a slash at its end: one host may
    /// have several, each with people of its own. Of the backend it is the origin.
    #[must_use]
    pub fn session_key(&self) -> SessionKey {
        let part = |address: &Option<Chosen<Address>>, text: fn(&Address) -> String| {
            address.as_ref().map_or_else(String::new, |chosen| text(&chosen.value))
        };
        let (issuer, backend) = (part(&self.issuer, whole), part(&self.base_url, Address::origin));
        SessionKey {
            tenant: self.tenant.value.clone(),
            client_id: self.client_id.value.clone(),
            environment: format!("{issuer} {backend}"),
        }
    }
}

/// Says what a command means.
///
/// # Errors
///
/// [`SelectionError`].
pub fn select(asked: &Asked<'_>, profiles: &Profiles) -> Result<Selection, SelectionError> {
    let profile = choose_profile(asked, profiles)?;
    let settings = profile.as_ref().and_then(|chosen| profiles.get(&chosen.value));
    let of =
        |setting: fn(&Profile) -> &Option<String>| settings.and_then(|profile| setting(profile).as_deref());
    let environment = given(asked.environment)
        .or_else(|| from(of(|profile| &profile.environment), Origin::Profile))
        .or_else(|| from(asked.default_environment.filter(|_| settings.is_none()), Origin::Default));
    let servers = settings.filter(|profile| !is_elsewhere(profile, environment.as_ref()));
    let server = |setting: fn(&Profile) -> &Option<String>| {
        from(servers.and_then(|profile| setting(profile).as_deref()), Origin::Profile)
    };
    let service = |name: &str| environment.as_ref().map(|host| format!("https://{name}.{}", host.value));
    let tenant = given(asked.tenant)
        .or_else(|| from(asked.tenant_in_use, Origin::TenantUse))
        .or_else(|| from(of(|profile| &profile.tenant), Origin::Profile))
        .unwrap_or_else(|| chosen(DEFAULT_TENANT, Origin::Default));
    let issuer =
        server(|profile| &profile.issuer).or_else(|| from(service("auth").as_deref(), Origin::Environment));
    let base_url = given(asked.base_url)
        .or_else(|| server(|profile| &profile.base_url))
        .or_else(|| from(service("api").as_deref(), Origin::Environment));
    let client_id = from(of(|profile| &profile.client_id), Origin::Profile);
    Ok(Selection {
        issuer: issuer.map(|issuer| address(issuer, "issuer")).transpose()?,
        base_url: base_url.map(|base_url| address(base_url, "base URL")).transpose()?,
        client_id: client_id.unwrap_or_else(|| chosen(DEFAULT_CLIENT, Origin::Default)),
        profile,
        tenant,
        environment,
    })
}

/// Tells whether another environment than the profile's is asked for: then what the profile says of servers is not
/// meant, and a credential must not go there.
fn is_elsewhere(profile: &Profile, environment: Option<&Chosen<String>>) -> bool {
    environment.is_some_and(|environment| {
        matches!(environment.origin, Origin::Flag | Origin::Variable)
            && profile.environment.as_deref() != Some(environment.value.as_str())
    })
}

/// An environment that is asked for by name is that of the profile for it, or of none: the active profile is about
/// another one.
fn choose_profile(
    asked: &Asked<'_>,
    profiles: &Profiles,
) -> Result<Option<Chosen<ProfileName>>, SelectionError> {
    let known = || profiles.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if let Some(Chosen { value, origin }) = given(asked.profile) {
        let name = ProfileName::parse(&value).ok().filter(|name| profiles.get(name).is_some());
        let name = name.ok_or_else(|| SelectionError::NoSuchProfile { known: known() })?;
        return Ok(Some(Chosen { value: name, origin }));
    }
    if let Some(host) = given(asked.environment) {
        let is_for = |profile: &Profile| profile.environment.as_deref() == Some(host.value.as_str());
        let found = profiles.iter().find(|(name, profile)| name.as_str() == host.value && is_for(profile));
        return Ok(found.map(|(name, _)| Chosen { value: name.clone(), origin: Origin::Environment }));
    }
    let one = |name: &ProfileName, origin| Ok(Some(Chosen { value: name.clone(), origin }));
    match (profiles.active(), &known()[..]) {
        (Some(active), _) => one(active, Origin::ActiveProfile),
        (None, []) => Ok(None),
        (None, [only]) => one(only, Origin::OnlyProfile),
        (None, several) => Err(SelectionError::NoneActive { known: several.to_vec() }),
    }
}

fn given(given: Given<'_>) -> Option<Chosen<String>> {
    from(given.flag, Origin::Flag).or_else(|| from(given.variable, Origin::Variable))
}

fn from(value: Option<&str>, origin: Origin) -> Option<Chosen<String>> {
    value.filter(|value| !value.trim().is_empty()).map(|value| chosen(value, origin))
}

fn chosen(value: &str, origin: Origin) -> Chosen<String> {
    Chosen { value: value.to_owned(), origin }
}

fn address(text: Chosen<String>, what: &'static str) -> Result<Chosen<Address>, SelectionError> {
    let what = if text.origin == Origin::Environment { "environment" } else { what };
    let value = Address::parse(&text.value).map_err(|source| SelectionError::Address { what, source })?;
    Ok(Chosen { value, origin: text.origin })
}

fn whole(issuer: &Address) -> String {
    format!("{}{}", issuer.origin(), issuer.path().trim_end_matches('/'))
}

const DEFAULT_TENANT: &str = "default";
/// The client that keyward is registered as, where nobody says otherwise.
const DEFAULT_CLIENT: &str = "keyward";

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(names: &[&str], active: Option<&str>) -> Profiles {
        let mut profiles = Profiles::default();
        for name in names {
            let profile = Profile {
                environment: Some((*name).to_owned()),
                tenant: Some(format!("tenant-of-{name}")),
                ..Profile::default()
            };
            profiles.put(ProfileName::parse(name).unwrap(), profile);
        }
        if let Some(active) = active {
            profiles.switch(&ProfileName::parse(active).unwrap()).unwrap();
        }
        profiles
    }

    fn flag(value: &str) -> Given<'_> {
        Given { flag: Some(value), variable: None }
    }

    fn variable(value: &str) -> Given<'_> {
        Given { flag: None, variable: Some(value) }
    }

    fn both() -> Given<'static> {
        Given { flag: Some("flag.example"), variable: Some("variable.example") }
    }

    fn profile_of(asked: &Asked<'_>, profiles: &Profiles) -> Option<(String, Origin)> {
        let profile = select(asked, profiles).unwrap().profile?;
        Some((profile.value.to_string(), profile.origin))
    }

    #[test]
    fn the_profile_is_that_of_the_flag_the_variable_the_active_or_the_only_one() {
        let all = ["active.example", "flag.example", "variable.example"];
        let profiles_with = profiles(&all, Some("active.example"));
        for (given, name, origin) in [
            (both(), "flag.example", Origin::Flag),
            (variable("variable.example"), "variable.example", Origin::Variable),
            (variable(""), "active.example", Origin::ActiveProfile),
            (Given::default(), "active.example", Origin::ActiveProfile),
        ] {
            let asked = Asked { profile: given, ..Asked::default() };
            assert_eq!(profile_of(&asked, &profiles_with), Some((name.to_owned(), origin)));
        }
        let only = profile_of(&Asked::default(), &profiles(&["one"], None));
        assert_eq!(only, Some(("one".to_owned(), Origin::OnlyProfile)));
        assert_eq!(profile_of(&Asked::default(), &profiles(&[], None)), None);
    }

    #[test]
    fn several_profiles_of_which_none_is_active_are_named() {
        let error = select(&Asked::default(), &profiles(&["b", "a"], None)).unwrap_err();
        assert_eq!(error.to_string(), "no profile is active; there are: a, b");
        let asked = Asked { profile: flag("c"), ..Asked::default() };
        let error = select(&asked, &profiles(&["b", "a"], Some("a"))).unwrap_err();
        assert_eq!(error.to_string(), "no profile of that name; there are: a, b");
    }

    #[test]
    fn ec_10_the_tenant_is_that_of_the_flag_the_variable_the_use_the_profile_or_the_default() {
        let known = profiles(&["p"], Some("p"));
        let none = profiles(&[], None);
        let tenant = |tenant, tenant_in_use, profiles: &Profiles| {
            let chosen =
                select(&Asked { tenant, tenant_in_use, ..Asked::default() }, profiles).unwrap().tenant;
            (chosen.value, chosen.origin)
        };
        let is = |value: &str, origin| (value.to_owned(), origin);
        assert_eq!(tenant(both(), Some("used"), &known), is("flag.example", Origin::Flag));
        assert_eq!(tenant(variable("v"), Some("used"), &known), is("v", Origin::Variable));
        assert_eq!(tenant(Given::default(), Some("used"), &known), is("used", Origin::TenantUse));
        assert_eq!(tenant(Given::default(), None, &known), is("tenant-of-p", Origin::Profile));
        assert_eq!(tenant(Given::default(), None, &none), is("default", Origin::Default));
    }

    #[test]
    fn ae_04_the_environment_is_that_of_the_flag_the_variable_the_profile_or_the_configuration() {
        let known = profiles(&["profile.example"], None);
        let none = profiles(&[], None);
        let environment = |environment, profiles: &Profiles| {
            let asked =
                Asked { environment, default_environment: Some("default.example"), ..Asked::default() };
            let chosen = select(&asked, profiles).unwrap().environment.unwrap();
            (chosen.value, chosen.origin)
        };
        let is = |value: &str, origin| (value.to_owned(), origin);
        assert_eq!(environment(both(), &known), is("flag.example", Origin::Flag));
        assert_eq!(environment(variable("v.example"), &known), is("v.example", Origin::Variable));
        assert_eq!(environment(Given::default(), &known), is("profile.example", Origin::Profile));
        assert_eq!(environment(Given::default(), &none), is("default.example", Origin::Default));
    }

    #[test]
    fn ae_01_the_services_are_derived_from_the_host() {
        let asked = Asked { environment: flag("example.com"), ..Asked::default() };
        let selection = select(&asked, &Profiles::default()).unwrap();
        assert_eq!(selection.issuer.as_ref().unwrap().value.as_str(), "https://auth.example.com");
        assert_eq!(selection.base_url.as_ref().unwrap().value.as_str(), "https://api.example.com");
        assert_eq!(selection.session_key().environment, "https://auth.example.com https://api.example.com");
    }

    #[test]
    fn ec_10_the_base_url_is_that_of_the_flag_the_variable_the_profile_or_the_environment() {
        let mut known = profiles(&["p.example"], None);
        let name = ProfileName::parse("p.example").unwrap();
        let base_url = |base_url, profiles: &Profiles| {
            let asked = Asked { base_url, ..Asked::default() };
            let chosen = select(&asked, profiles).unwrap().base_url.unwrap();
            (chosen.value.as_str().to_owned(), chosen.origin)
        };
        let is = |value: &str, origin| (value.to_owned(), origin);
        assert_eq!(base_url(Given::default(), &known), is("https://api.p.example", Origin::Environment));
        known.set(&name, "base-url", "https://b.example").unwrap();
        assert_eq!(base_url(Given::default(), &known), is("https://b.example", Origin::Profile));
        assert_eq!(
            base_url(variable("https://v.example"), &known),
            is("https://v.example", Origin::Variable)
        );
        assert_eq!(base_url(flag("https://devinc.localhost:7070"), &known).1, Origin::Flag);
        assert_eq!(select(&Asked::default(), &Profiles::default()).unwrap().base_url, None);
    }

    #[test]
    fn an_environment_that_is_asked_for_is_not_that_of_the_active_profile() {
        let mut known = profiles(&["dev.example", "prod.example"], Some("prod.example"));
        known.set(&ProfileName::parse("prod.example").unwrap(), "issuer", "https://id.prod.example").unwrap();
        let asked = Asked { environment: flag("dev.example"), ..Asked::default() };
        assert_eq!(profile_of(&asked, &known), Some(("dev.example".to_owned(), Origin::Environment)));
        let asked = Asked { environment: flag("new.example"), ..Asked::default() };
        let selection = select(&asked, &known).unwrap();
        assert_eq!(selection.profile, None);
        assert_eq!(selection.issuer.unwrap().value.as_str(), "https://auth.new.example");
    }

    #[test]
    fn an_environment_other_than_the_profiles_takes_nothing_that_the_profile_says_of_servers() {
        let mut known = profiles(&["p.example", "without"], None);
        for name in ["p.example", "without"] {
            let name = ProfileName::parse(name).unwrap();
            known.set(&name, "issuer", "https://id.profile.example").unwrap();
            known.set(&name, "base-url", "https://b.profile.example").unwrap();
            known.set(&name, "client-id", "client-of-profile").unwrap();
        }
        known.set(&ProfileName::parse("without").unwrap(), "env", "").unwrap();
        let own = ("https://id.profile.example", "https://b.profile.example");
        let (none, derived) = (Given::default(), ("https://auth.q.example", "https://api.q.example"));
        for (profile, environment, base_url, (issuer, backend)) in [
            ("p.example", none, none, own),
            ("p.example", flag("p.example"), none, own),
            ("p.example", variable("p.example"), none, own),
            ("p.example", flag("q.example"), none, derived),
            ("p.example", variable("q.example"), none, derived),
            ("p.example", flag("q.example"), flag("https://b.example"), (derived.0, "https://b.example")),
            ("without", none, none, own),
            ("without", variable(""), none, own),
            ("without", flag("q.example"), none, derived),
            ("without", variable("q.example"), none, derived),
        ] {
            let asked = Asked { profile: flag(profile), environment, base_url, ..Asked::default() };
            let selection = select(&asked, &known).unwrap();
            let found = (selection.issuer.unwrap().value, selection.base_url.unwrap().value);
            assert_eq!((found.0.as_str(), found.1.as_str()), (issuer, backend), "{asked:?}");
            assert_eq!(selection.client_id.value, "client-of-profile", "{asked:?}");
        }
    }

    #[test]
    fn ec_16_sessions_of_two_environments_or_backends_are_two() {
        let key = |base_url| {
            let asked = Asked { environment: flag("example.com"), base_url, ..Asked::default() };
            select(&asked, &Profiles::default()).unwrap().session_key()
        };
        let keys =
            [key(Given::default()), key(flag("https://dev.example")), key(flag("https://dev.example:8443"))];
        assert!(keys[0].id() != keys[1].id() && keys[1].id() != keys[2].id() && keys[0].id() != keys[2].id());
        assert_eq!(key(flag("https://dev.example/v1")), key(flag("https://DEV.example:443")));
    }

    #[test]
    fn ec_16_two_issuers_on_one_host_have_two_sessions() {
        let key = |issuer| {
            let mut known = profiles(&["p"], None);
            known.set(&ProfileName::parse("p").unwrap(), "issuer", issuer).unwrap();
            select(&Asked::default(), &known).unwrap().session_key()
        };
        assert_ne!(key("https://id.example/realms/a").id(), key("https://id.example/realms/b").id());
        assert_ne!(key("https://id.example/realms/a").id(), key("https://id.example").id());
        assert_eq!(key("https://id.example/realms/a"), key("https://ID.example:443/realms/a/"));
        assert_eq!(key("https://id.example").environment, "https://id.example https://api.p");
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_not_repeated() {
        for (base_url, environment) in [
            (flag("ftp://canary.example"), Given::default()),
            (flag("http://canary.example"), Given::default()),
            (flag("https://user:canary@example"), Given::default()),
            (Given::default(), flag("canary@evil.example")),
        ] {
            let error = select(&Asked { base_url, environment, ..Asked::default() }, &Profiles::default());
            let error = error.unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
