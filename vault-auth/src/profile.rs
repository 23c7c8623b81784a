//! Profiles: names for sessions, with what a login of them needs. One of them is active.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;

use crate::session_file::{SessionFile, SessionFileError, record_name};
use crate::stored_session::{RecordError, decode_json, encode_json};

/// The name of a profile: 1 to 253 of the characters `a-z A-Z 0-9 . _ - :`, the first a letter or digit. A host
/// with its port is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

/// A text that is no name of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a profile is 1 to 253 of the characters a-z A-Z 0-9 . _ - : and starts with a letter or digit"
)]
pub struct BadProfileName;

impl ProfileName {
    /// Checks `text` and returns it as a name.
    ///
    /// # Errors
    ///
    /// [`BadProfileName`].
    pub fn parse(text: &str) -> Result<Self, BadProfileName> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
        let starts_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if starts_well && text.len() <= MAX_NAME && text.bytes().all(inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadProfileName)
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProfileName {
    type Error = BadProfileName;

    fn try_from(text: String) -> Result<Self, BadProfileName> {
        Self::parse(&text)
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

/// What a profile says of its session and of its logins. What it leaves out is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// The host of the environment: `auth.<host>` and `api.<host>` are its services.
    pub environment: Option<String>,
    /// The issuer, where it is not that of the environment.
    pub issuer: Option<String>,
    /// The backend, where it is not that of the environment.
    pub base_url: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The OAuth client.
    pub client_id: Option<String>,
    /// What logins ask for.
    pub scopes: Vec<String>,
    /// What the tokens are for, where the provider wants to be told.
    pub audience: Option<String>,
    /// Hosts other than the issuer's whose pages may be opened for a login.
    pub verification_hosts: Vec<String>,
    /// Where roles stand in the ID token, as a JSON pointer (RFC 6901) such as `/realm_access/roles`.
    pub roles_claim: Option<String>,
    /// Where a device login starts, of a provider without discovery.
    pub device_endpoint: Option<String>,
    /// Where tokens are given, of a provider without discovery.
    pub token_endpoint: Option<String>,
    /// Where tokens are revoked, of a provider without discovery.
    pub revocation_endpoint: Option<String>,
}

impl Profile {
    /// Changes one setting. Lists are separated by spaces or commas; an empty text unsets.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoSuchSetting`].
    pub fn set(&mut self, setting: &str, value: &str) -> Result<(), ProfileError> {
        let text = Some(value.to_owned()).filter(|value| !value.is_empty());
        let list = || {
            let parts = value.split([' ', ',']).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        match setting {
            "audience" => self.audience = text,
            "base-url" => self.base_url = text,
            "client-id" => self.client_id = text,
            "device-endpoint" => self.device_endpoint = text,
            "env" => self.environment = text,
            "issuer" => self.issuer = text,
            "revocation-endpoint" => self.revocation_endpoint = text,
            "roles-claim" => self.roles_claim = text,
            "scopes" => self.scopes = list(),
            "tenant" => self.tenant = text,
            "token-endpoint" => self.token_endpoint = text,
            "verification-hosts" => self.verification_hosts = list(),
            _ => return Err(ProfileError::NoSuchSetting(setting.to_owned())),
        }
        Ok(())
    }
}

/// The settings that [`Profile::set`] knows.
pub const SETTINGS: [&str; 12] = [
    "audience",
    "base-url",
    "client-id",
    "device-endpoint",
    "env",
    "issuer",
    "revocation-endpoint",
    "roles-claim",
    "scopes",
    "tenant",
    "token-endpoint",
    "verification-hosts",
];

/// Why profiles are not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The name is taken.
    #[error("there is a profile {0} already")]
    Exists(ProfileName),
    /// The sealed file.
    #[error(transparent)]
    File(#[from] SessionFileError),
    /// No such profile.
    #[error("no profile {0}")]
    NoSuchProfile(ProfileName),
    /// No such setting.
    #[error("a profile has no setting {0}; it has: {known}", known = SETTINGS.join(", "))]
    NoSuchSetting(String),
    /// There is no other profile to switch to, or more than one.
    #[error("there are {0} profiles: name the one to switch to")]
    NotTwo(usize),
}

/// All profiles, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles {
    active: Option<ProfileName>,
    profiles: Vec<(ProfileName, Profile)>,
}

impl Profiles {
    /// Reads the profiles.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn load(file: &SessionFile) -> Result<Self, SessionFileError> {
        let name = record();
        let Some(bytes) = file.read(&name)? else { return Ok(Self::default()) };
        decode(&bytes).map_err(|source| SessionFileError::Record { record: name.to_string(), source })
    }

    /// Changes the profiles while nobody else does, and returns what `change` does.
    ///
    /// # Errors
    ///
    /// [`ProfileError`]; then nothing is changed.
    pub fn change<T>(
        file: &SessionFile,
        change: impl FnOnce(&mut Self) -> Result<T, ProfileError>,
    ) -> Result<T, ProfileError> {
        let _lock = file.lock_named("profiles", LOCK_DEADLINE).map_err(SessionFileError::from)?;
        let mut profiles = Self::load(file)?;
        let outcome = change(&mut profiles)?;
        file.write(&[(record(), Some(profiles.encode()))])?;
        Ok(outcome)
    }

    /// Adds a profile, or gives the one of that name other contents.
    pub fn put(&mut self, name: ProfileName, profile: Profile) {
        match self.position(&name) {
            Ok(position) => self.profiles[position].1 = profile,
            Err(position) => self.profiles.insert(position, (name, profile)),
        }
    }

    /// Makes a profile the active one.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoSuchProfile`].
    pub fn switch(&mut self, name: &ProfileName) -> Result<(), ProfileError> {
        self.existing(name)?;
        self.active = Some(name.clone());
        Ok(())
    }

    /// Makes the other one of two profiles the active one, and returns its name.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NotTwo`].
    pub fn toggle(&mut self) -> Result<ProfileName, ProfileError> {
        let [(first, _), (second, _)] = &self.profiles[..] else {
            return Err(ProfileError::NotTwo(self.profiles.len()));
        };
        let other = if self.active.as_ref() == Some(first) { second } else { first }.clone();
        self.active = Some(other.clone());
        Ok(other)
    }

    /// Gives a profile another name. The session that it points to stays.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoSuchProfile`] or [`ProfileError::Exists`].
    pub fn rename(&mut self, from: &ProfileName, to: ProfileName) -> Result<(), ProfileError> {
        let position = self.existing(from)?;
        if self.position(&to).is_ok() {
            return Err(ProfileError::Exists(to));
        }
        let (_, profile) = self.profiles.remove(position);
        if self.active.as_ref() == Some(from) {
            self.active = Some(to.clone());
        }
        self.put(to, profile);
        Ok(())
    }

    /// Removes a profile and returns it. The session that it pointed to stays: a logout ends that.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoSuchProfile`].
    pub fn remove(&mut self, name: &ProfileName) -> Result<Profile, ProfileError> {
        let position = self.existing(name)?;
        if self.active.as_ref() == Some(name) {
            self.active = None;
        }
        Ok(self.profiles.remove(position).1)
    }

    /// Changes one setting of a profile.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoSuchProfile`] or [`ProfileError::NoSuchSetting`].
    pub fn set(&mut self, name: &ProfileName, setting: &str, value: &str) -> Result<(), ProfileError> {
        let position = self.existing(name)?;
        self.profiles[position].1.set(setting, value)
    }

    /// Returns a profile.
    #[must_use]
    pub fn get(&self, name: &ProfileName) -> Option<&Profile> {
        self.position(name).ok().map(|position| &self.profiles[position].1)
    }

    /// Returns the name of the active profile.
    #[must_use]
    pub const fn active(&self) -> Option<&ProfileName> {
        self.active.as_ref()
    }

    /// Returns all profiles in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&ProfileName, &Profile)> {
        self.profiles.iter().map(|(name, profile)| (name, profile))
    }

    fn position(&self, name: &ProfileName) -> Result<usize, usize> {
        self.profiles.binary_search_by(|(known, _)| known.cmp(name))
    }

    fn existing(&self, name: &ProfileName) -> Result<usize, ProfileError> {
        self.position(name).map_err(|_| ProfileError::NoSuchProfile(name.clone()))
    }

    fn encode(&self) -> SecretBytes {
        let Self { active, profiles } = self.clone();
        encode_json(&Record { schema: SCHEMA, active, profiles })
    }
}

fn decode(bytes: &SecretBytes) -> Result<Profiles, RecordError> {
    let Record { active, profiles, .. } = decode_json(bytes, SCHEMA)?;
    let in_order = profiles.is_sorted_by(|(one, _), (next, _)| one < next);
    let known = |name: &ProfileName| profiles.iter().any(|(known, _)| known == name);
    let is_whole = in_order && active.as_ref().is_none_or(known);
    if is_whole { Ok(Profiles { active, profiles }) } else { Err(RecordError::Damaged) }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    active: Option<ProfileName>,
    profiles: Vec<(ProfileName, Profile)>,
}

fn record() -> SecretName {
    record_name("profiles", "")
}

const SCHEMA: u32 = 1;
/// As many characters as a host's name has.
const MAX_NAME: usize = 253;
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ProfileName {
        ProfileName::parse(text).unwrap()
    }

    fn profiles(names: &[&str]) -> Profiles {
        let mut profiles = Profiles::default();
        names.iter().for_each(|text| profiles.put(name(text), Profile::default()));
        profiles
    }

    fn names(profiles: &Profiles) -> Vec<&str> {
        profiles.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_name_is_a_host_with_its_port_or_a_word_and_nothing_that_deceives() {
        for good in ["prod", "auth.example.com", "devinc.localhost:7070", "7", &"x".repeat(253)] {
            assert!(ProfileName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "a b", "a/b", "ümlaut", "a\n", "../x", &"x".repeat(254)] {
            assert_eq!(ProfileName::parse(bad), Err(BadProfileName), "{bad:?}");
        }
    }

    #[test]
    fn ae_03_a_profile_is_put_once_and_then_updated() {
        let mut profiles = profiles(&["b", "a"]);
        let updated = Profile { tenant: Some("acme".into()), ..Profile::default() };
        profiles.put(name("a"), updated.clone());
        assert_eq!((names(&profiles), profiles.get(&name("a"))), (vec!["a", "b"], Some(&updated)));
    }

    #[test]
    fn ae_07_switching_changes_the_active_profile_and_nothing_else() {
        let mut profiles = profiles(&["a", "b"]);
        profiles.switch(&name("b")).unwrap();
        assert_eq!(profiles.active(), Some(&name("b")));
        assert!(matches!(profiles.switch(&name("c")), Err(ProfileError::NoSuchProfile(_))));
        assert_eq!(profiles.active(), Some(&name("b")));
    }

    #[test]
    fn two_profiles_toggle_and_more_or_fewer_do_not() {
        let mut two = profiles(&["a", "b"]);
        assert_eq!([two.toggle().unwrap(), two.toggle().unwrap()], [name("a"), name("b")]);
        assert_eq!(two.active(), Some(&name("b")));
        for names in [&[][..], &["a"], &["a", "b", "c"]] {
            assert!(
                matches!(profiles(names).toggle(), Err(ProfileError::NotTwo(found)) if found == names.len())
            );
        }
    }

    #[test]
    fn a_renamed_profile_stays_active_and_takes_nobodys_name() {
        let mut profiles = profiles(&["a", "b"]);
        profiles.switch(&name("a")).unwrap();
        profiles.rename(&name("a"), name("z")).unwrap();
        assert_eq!((profiles.active(), names(&profiles)), (Some(&name("z")), vec!["b", "z"]));
        assert!(matches!(profiles.rename(&name("z"), name("b")), Err(ProfileError::Exists(_))));
        assert!(matches!(profiles.rename(&name("a"), name("c")), Err(ProfileError::NoSuchProfile(_))));
    }

    #[test]
    fn a_removed_profile_is_not_active_any_more() {
        let mut profiles = profiles(&["a", "b"]);
        profiles.switch(&name("a")).unwrap();
        profiles.remove(&name("a")).unwrap();
        assert_eq!((profiles.active(), names(&profiles)), (None, vec!["b"]));
        assert!(matches!(profiles.remove(&name("a")), Err(ProfileError::NoSuchProfile(_))));
    }

    #[test]
    fn every_setting_is_set_and_unset_and_an_unknown_one_refused_with_the_known_ones() {
        for setting in SETTINGS {
            let mut profile = Profile::default();
            profile.set(setting, "one,two three").unwrap();
            assert_ne!(profile, Profile::default(), "{setting}");
            profile.set(setting, "").unwrap();
            assert_eq!(profile, Profile::default(), "{setting}");
        }
        let error = Profile::default().set("password", "x").unwrap_err();
        assert!(error.to_string().contains("verification-hosts"), "{error}");
    }

    #[test]
    fn profiles_are_read_as_they_were_written_and_not_otherwise() {
        let mut written = profiles(&["a", "b"]);
        written.set(&name("a"), "scopes", "openid offline_access").unwrap();
        written.switch(&name("b")).unwrap();
        assert_eq!(decode(&written.encode()).unwrap(), written);
        for (from, to) in
            [("\"active\":\"b\"", "\"active\":\"c\""), ("\"a\"", "\"c\""), ("schema\":1", "schema\":2")]
        {
            let text = String::from_utf8(written.encode().expose_secret().to_vec()).unwrap();
            assert!(text.contains(from), "{text}");
            assert!(decode(&SecretBytes::new(text.replace(from, to).into())).is_err(), "{to}");
        }
    }
}
