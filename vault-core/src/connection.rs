//! Connections: how to reach a service, and which secret authenticates it. A connection has the name of a
//! secret and never the secret itself, so all of it may be shown.

use std::fmt;
use std::str::FromStr;

use crate::name::{ConnectionId, Scope, SecretName, has_deceptive};
use crate::provider::Kind;

/// The longest label, in bytes (`FORMAT.md §7`).
pub const MAX_LABEL: usize = 256;
/// The longest key of a setting, in bytes (`FORMAT.md §7`).
pub const MAX_SETTING_KEY: usize = 64;
/// The longest value of a setting, in bytes (`FORMAT.md §7`).
pub const MAX_SETTING_VALUE: usize = 4096;
/// The most settings of a connection (`FORMAT.md §7`).
pub const MAX_SETTINGS: usize = 64;
/// The most connections of a vault (`FORMAT.md §7`).
pub const MAX_CONNECTIONS: usize = 10_000;

/// Why a text is no part of a connection. The text is not repeated: it may be a secret in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The same key twice.
    #[error("a setting is given twice")]
    DuplicateSetting,
    /// The text is no label.
    #[error(
        "a label is 1 to 256 bytes without control or invisible characters, and without white space at either end"
    )]
    Label,
    /// The text has no `=`.
    #[error("a setting is `key=value`")]
    NoEqualsSign,
    /// The key is none.
    #[error(
        "the key of a setting is 1 to 64 bytes without `=`, control or invisible characters, and without white \
         space at either end"
    )]
    SettingKey,
    /// The value is too long, or has characters that deceive.
    #[error("the value of a setting has at most 4096 bytes and no control or invisible characters")]
    SettingValue,
    /// More settings than a connection can have.
    #[error("a connection has at most {MAX_SETTINGS} settings")]
    TooManySettings,
}

/// What authenticates a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nothing: the service asks for no credentials.
    None,
    /// A secret of the vault. It need not exist (any more).
    Secret {
        /// Where the secret is: the connection's own scope, or its tenant.
        scope: Scope,
        /// The name of the secret.
        name: SecretName,
    },
}

/// How to reach a service. A scope has one connection of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where the connection is seen.
    pub scope: Scope,
    /// Its id in that scope.
    pub id: ConnectionId,
    /// The kind of service.
    pub kind: Kind,
    /// What people call it.
    pub label: Label,
    /// What authenticates it.
    pub auth: Auth,
    /// What else is to be known, none of it secret.
    pub settings: Settings,
    /// When it was first stored, in seconds since 1970-01-01T00:00:00Z.
    pub created: u64,
    /// When it was last stored, in the same seconds.
    pub updated: u64,
}

impl Connection {
    /// Tells whether this is what authenticates the connection.
    #[must_use]
    pub fn uses(&self, scope: &Scope, name: &SecretName) -> bool {
        matches!(&self.auth, Auth::Secret { scope: of, name: used } if of == scope && used == name)
    }
}

/// Names the connection with its scope, as one vault may have the id in several.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.scope)
    }
}

/// What people call a connection: a line of 1 to 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// Checks `text` and returns it as a label.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Label`] when the text is none.
    pub fn parse(text: &str) -> Result<Self, ConnectionError> {
        let is_label = is_line(text) && text.len() <= MAX_LABEL;
        if is_label { Ok(Self(text.to_owned())) } else { Err(ConnectionError::Label) }
    }

    /// Returns the label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        Self::parse(text)
    }
}

/// One thing to know about a connection that is no secret: a region, a channel, an address. Ordered by its
/// key, bytewise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    key: String,
    value: String,
}

impl Setting {
    /// Checks a key and a value and returns them as a setting.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::SettingKey`] or [`ConnectionError::SettingValue`].
    pub fn new(key: &str, value: &str) -> Result<Self, ConnectionError> {
        if !is_line(key) || key.contains('=') || key.len() > MAX_SETTING_KEY {
            return Err(ConnectionError::SettingKey);
        }
        if has_deceptive(value) || value.len() > MAX_SETTING_VALUE {
            return Err(ConnectionError::SettingValue);
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Reads `key=value`; a value may have more `=`.
impl FromStr for Setting {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let (key, value) = text.split_once('=').ok_or(ConnectionError::NoEqualsSign)?;
        Self::new(key, value)
    }
}

/// The settings of a connection, in the order of their keys, each key once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Brings settings into order.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::DuplicateSetting`] or [`ConnectionError::TooManySettings`].
    pub fn new(mut settings: Vec<Setting>) -> Result<Self, ConnectionError> {
        if settings.len() > MAX_SETTINGS {
            return Err(ConnectionError::TooManySettings);
        }
        settings.sort();
        if settings.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return Err(ConnectionError::DuplicateSetting);
        }
        Ok(Self(settings))
    }

    /// Returns the settings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Setting> {
        self.0.iter()
    }
}

/// A text that stands on one line and looks like what it is.
fn is_line(text: &str) -> bool {
    !text.is_empty() && !has_deceptive(text) && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::TenantId;

    #[test]
    fn labels_are_lines_of_text() {
        for label in ["Alerts", "a = b", "Zahlungen für Müller", "x", &"l".repeat(256)] {
            assert_eq!(Label::parse(label).map(|label| label.to_string()).as_deref(), Ok(label));
        }
    }

    #[test]
    fn labels_that_are_empty_long_or_deceive_are_refused() {
        for label in
            ["", " a", "a\u{a0}", "a\nb", "a\0", "\u{202e}a", "a\u{200b}b", "\u{1b}[2J", &"l".repeat(257)]
        {
            assert_eq!(Label::parse(label), Err(ConnectionError::Label), "{label:?}");
        }
    }

    #[test]
    fn a_setting_is_split_at_its_first_equals_sign() {
        for (text, key, value) in
            [("a=b", "a", "b"), ("a=", "a", ""), ("a=b=c", "a", "b=c"), ("a= b ", "a", " b ")]
        {
            let setting: Setting = text.parse().unwrap();
            assert_eq!((setting.key(), setting.value()), (key, value));
        }
    }

    #[test]
    fn settings_of_another_form_are_refused_each_for_its_reason() {
        let (long_key, long_value) = ("k".repeat(65), "v".repeat(4097));
        assert_eq!("region".parse::<Setting>(), Err(ConnectionError::NoEqualsSign));
        for key in ["", " a", "a ", "a=b", "a\n", "a\u{2066}", &long_key] {
            assert_eq!(Setting::new(key, "v"), Err(ConnectionError::SettingKey), "{key:?}");
        }
        for value in ["a\nb", "\u{1b}[0m", "\u{200b}", "\0", &long_value] {
            assert_eq!(Setting::new("k", value), Err(ConnectionError::SettingValue), "{value:?}");
        }
        assert!(Setting::new(&long_key[1..], &long_value[1..]).is_ok());
    }

    #[test]
    fn settings_come_in_order_and_each_once() {
        let setting = |key: &str| Setting::new(key, "v").unwrap();
        let settings = Settings::new(vec![setting("b"), setting("a"), setting("B")]).unwrap();
        assert_eq!(settings.iter().map(Setting::key).collect::<Vec<_>>(), ["B", "a", "b"]);
        let twice = vec![setting("a"), Setting::new("a", "w").unwrap()];
        assert_eq!(Settings::new(twice), Err(ConnectionError::DuplicateSetting));
    }

    #[test]
    fn sixty_four_settings_are_the_most() {
        let settings = |count: usize| {
            Settings::new((0..count).map(|nth| Setting::new(&nth.to_string(), "").unwrap()).collect())
        };
        assert_eq!(settings(64).unwrap().iter().len(), 64);
        assert_eq!(settings(65), Err(ConnectionError::TooManySettings));
    }

    #[test]
    fn a_connection_uses_the_secret_of_one_scope_alone() {
        let (tenant, name) = (Scope::Tenant(TenantId::default()), SecretName::parse("A").unwrap());
        let mut connection = Connection {
            scope: tenant.clone(),
            id: ConnectionId::parse("a").unwrap(),
            kind: Kind::Slack,
            label: Label::parse("a").unwrap(),
            auth: Auth::Secret { scope: tenant.clone(), name: name.clone() },
            settings: Settings::default(),
            created: 0,
            updated: 0,
        };
        let other = Scope::Tenant(TenantId::parse("other").unwrap());
        assert!(connection.uses(&tenant, &name));
        assert!(!connection.uses(&other, &name));
        assert!(!connection.uses(&tenant, &SecretName::parse("a").unwrap()));
        connection.auth = Auth::None;
        assert!(!connection.uses(&tenant, &name));
    }
}
