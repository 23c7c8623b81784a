//! Names: of secrets, tenants, workspaces, connections, and the scope that a secret lives in. Text is
//! parsed once, at the border; a value of these types is valid for ever.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name of a secret, in bytes (`FORMAT.md §7`).
pub const MAX_SECRET_NAME: usize = 256;
/// The longest id of a tenant or a workspace, in bytes (`FORMAT.md §7`).
pub const MAX_ID: usize = 64;
/// The longest id of a connection, in bytes (`FORMAT.md §7`).
pub const MAX_CONNECTION_ID: usize = 63;

/// Why a text is no valid name. The text itself is not repeated: it may be a value in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is no id of a connection.
    #[error(
        "the id of a connection is 1 to 63 of the characters a-z 0-9 - and starts with a letter or digit"
    )]
    ConnectionId,
    /// The text has a control, format or line-separator character, which would deceive on a screen.
    #[error("a name has no control or invisible characters")]
    Control,
    /// The text is empty.
    #[error("a name can't be empty")]
    Empty,
    /// The text has a `=`, which no environment variable's name can have.
    #[error("a name has no `=`")]
    EqualsSign,
    /// The text is no tenant or workspace id.
    #[error("an id is 1 to 64 of the characters a-z A-Z 0-9 . _ - and starts with a letter or digit")]
    Id,
    /// The bytes are not UTF-8.
    #[error("a name is UTF-8 text")]
    NotText,
    /// The text starts or ends with white space.
    #[error("a name does not start or end with white space")]
    Padded,
    /// The text is longer than a name may be.
    #[error("a name has at most 256 bytes")]
    TooLong,
}

/// The name of a secret: 1 to 256 bytes of UTF-8 without `=`, control or invisible characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// Checks `text` and returns it as a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check_secret_name(text).map(|()| Self(text.to_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether an environment variable can have this name (POSIX.1-2017 §8.1:
    /// `[A-Za-z_][A-Za-z0-9_]*`).
    #[must_use]
    pub fn fits_environment(&self) -> bool {
        let mut bytes = self.0.bytes();
        bytes.next().is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
            && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// Checks what [`SecretName::parse`] checks, without a copy.
pub(crate) fn check_secret_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_SECRET_NAME {
        return Err(NameError::TooLong);
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=') {
        // What most names are: nothing below can refuse them.
        return Ok(());
    }
    if text.contains('=') {
        return Err(NameError::EqualsSign);
    }
    if has_deceptive(text) {
        return Err(NameError::Control);
    }
    if text.trim() != text {
        return Err(NameError::Padded);
    }
    Ok(())
}

/// Tells whether a text has characters that would deceive on a screen.
pub(crate) fn has_deceptive(text: &str) -> bool {
    text.chars().any(deceives)
}

/// Writes the characters of a text that would deceive on a screen as escapes, such as `\u{1b}`: what is left is one
/// line, and steers neither a terminal nor a program that reads lines.
#[must_use]
pub fn escape_deceptive(text: &str) -> Cow<'_, str> {
    if !has_deceptive(text) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(2 * text.len());
    for c in text.chars() {
        if deceives(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

/// Control characters, line separators, and the format characters that reorder or hide text
/// (Unicode Standard Annex #9; Trojan Source, CVE-2021-42574).
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Makes the id types, which differ in meaning and in the check that their text has to pass. Many secrets share
/// a scope, so that a clone of an id copies no text.
macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and returns it as an id.
            ///
            /// # Errors
            ///
            /// [`NameError`] when the text is no such id.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                $check(text).map(|()| Self(text.into()))
            }

            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
    };
}

id_type! {
    /// The id of a tenant: a customer, an organisation, an account.
    TenantId, check_id
}
id_type! {
    /// The id of a workspace: usually one repository.
    WorkspaceId, check_id
}
id_type! {
    /// The id of a connection, of which a scope has at most one.
    ConnectionId, check_connection_id
}

impl Default for TenantId {
    fn default() -> Self {
        Self("default".into())
    }
}

impl Default for WorkspaceId {
    fn default() -> Self {
        Self("default".into())
    }
}

/// Checks what [`TenantId::parse`] and [`WorkspaceId::parse`] check, without a copy.
pub(crate) fn check_id(text: &str) -> Result<(), NameError> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let starts_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts_well && text.len() <= MAX_ID && text.bytes().all(inner) { Ok(()) } else { Err(NameError::Id) }
}

/// Checks what [`ConnectionId::parse`] checks, without a copy.
pub(crate) fn check_connection_id(text: &str) -> Result<(), NameError> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let starts_well = text.bytes().next().is_some_and(is_word);
    let is_id = starts_well
        && text.len() <= MAX_CONNECTION_ID
        && text.bytes().all(|byte| is_word(byte) || byte == b'-');
    if is_id { Ok(()) } else { Err(NameError::ConnectionId) }
}

/// Where a secret lives. A workspace belongs to a tenant: the same workspace id under two tenants is
/// two scopes. The parts stay apart in every encoding, so that no two scopes are ever the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Seen in one workspace of a tenant.
    Workspace(TenantId, WorkspaceId),
    /// Seen in every workspace of a tenant.
    Tenant(TenantId),
}

impl Scope {
    /// Returns the word for the kind of scope: `workspace` or `tenant`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Workspace(..) => "workspace",
            Self::Tenant(_) => "tenant",
        }
    }

    /// Returns the tenant that the scope belongs to.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        match self {
            Self::Workspace(tenant, _) | Self::Tenant(tenant) => tenant,
        }
    }

    /// Returns the workspace, if the scope is one.
    #[must_use]
    pub const fn workspace(&self) -> Option<&WorkspaceId> {
        match self {
            Self::Workspace(_, workspace) => Some(workspace),
            Self::Tenant(_) => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(tenant, workspace) if *tenant == TenantId::default() => {
                write!(f, "workspace {workspace}")
            }
            Self::Workspace(tenant, workspace) => write!(f, "workspace {workspace} of tenant {tenant}"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn a_scope_tells_its_kind_and_parts() {
        let (tenant, workspace) = (TenantId::parse("acme").unwrap(), WorkspaceId::parse("web").unwrap());
        let scope = Scope::Workspace(tenant.clone(), workspace.clone());
        assert_eq!(
            (scope.kind(), scope.tenant(), scope.workspace()),
            ("workspace", &tenant, Some(&workspace))
        );
        let scope = Scope::Tenant(tenant.clone());
        assert_eq!((scope.kind(), scope.tenant(), scope.workspace()), ("tenant", &tenant, None));
    }

    /// `FORMAT.md §5`, written as a pattern.
    fn name_pattern() -> Regex {
        let bad = r"=\p{Cc}\u{ad}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e0fff}";
        let end = format!(r"[^{bad}\p{{White_Space}}]");
        Regex::new(&format!("^{end}(?:[^{bad}]*{end})?$")).unwrap()
    }

    #[test]
    fn every_character_is_allowed_or_not_as_the_document_says() {
        let pattern = name_pattern();
        for c in '\0'..=char::MAX {
            for text in [format!("A{c}B"), format!("{c}A"), format!("A{c}")] {
                assert_eq!(SecretName::parse(&text).is_ok(), pattern.is_match(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn what_deceives_is_shown_as_an_escape_and_nothing_else_changes() {
        for (text, escaped) in [
            ("", ""),
            ("~/Zahlungen für Müller/\\u{1b} 50%.env", "~/Zahlungen für Müller/\\u{1b} 50%.env"),
            ("a\u{1b}]0;x\u{7}b", "a\\u{1b}]0;x\\u{7}b"),
            ("x\r\n::error::y\tz", "x\\r\\n::error::y\\tz"),
            ("\u{202e}txt.\u{9b}31m\u{7f}\u{2028}", "\\u{202e}txt.\\u{9b}31m\\u{7f}\\u{2028}"),
        ] {
            assert_eq!(escape_deceptive(text), escaped);
        }
        let everything: String = ('\0'..=char::MAX).collect();
        assert!(!has_deceptive(&escape_deceptive(&everything)));
    }

    proptest! {
        #[test]
        fn a_name_is_what_the_document_says(text in "[A-C=\\-_. \u{a0}\u{ad}\u{200b}\u{3000}é🔑]{0,130}") {
            let expected = text.len() <= MAX_SECRET_NAME && name_pattern().is_match(&text);
            prop_assert_eq!(SecretName::parse(&text).is_ok(), expected);
        }

        #[test]
        fn a_name_is_kept_byte_for_byte(text in any::<String>()) {
            if let Ok(name) = SecretName::parse(&text) {
                prop_assert_eq!(name.as_str(), text);
            }
        }

        #[test]
        fn an_id_is_what_the_document_says(text in "[-A-Za-z0-9._/ é\n]{0,70}") {
            let pattern = Regex::new(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z").unwrap();
            prop_assert_eq!(WorkspaceId::parse(&text).is_ok(), pattern.is_match(&text));
        }

        #[test]
        fn a_connection_id_is_what_the_document_says(text in "[-a-zA0-9_. é\n]{0,66}") {
            let pattern = Regex::new(r"\A[a-z0-9][a-z0-9-]{0,62}\z").unwrap();
            prop_assert_eq!(ConnectionId::parse(&text).is_ok(), pattern.is_match(&text));
        }
    }

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["OPENAI_API_KEY", "a", "db/password", "Schlüssel", "with space", &"n".repeat(256)] {
            assert_eq!(SecretName::parse(name).map(|n| n.to_string()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn bad_names_are_refused_each_for_its_reason() {
        let long = "n".repeat(257);
        let cases = [
            ("", NameError::Empty),
            (long.as_str(), NameError::TooLong),
            ("A=B", NameError::EqualsSign),
            ("=", NameError::EqualsSign),
            ("A\0B", NameError::Control),
            ("A\nB", NameError::Control),
            ("A\u{202e}B", NameError::Control),
            ("A\u{200b}B", NameError::Control),
            (" A", NameError::Padded),
            ("A\u{a0}", NameError::Padded),
        ];
        for (name, reason) in cases {
            assert_eq!(SecretName::parse(name), Err(reason), "{name:?}");
        }
    }

    #[test]
    fn a_length_is_counted_in_bytes() {
        assert_eq!(SecretName::parse(&"é".repeat(129)), Err(NameError::TooLong));
    }

    #[test]
    fn only_posix_names_fit_an_environment() {
        for (name, fits) in
            [("_A1", true), ("a", true), ("1A", false), ("A-B", false), ("Ä", false), ("A.B", false)]
        {
            assert_eq!(SecretName::parse(name).unwrap().fits_environment(), fits, "{name}");
        }
    }

    #[test]
    fn ids_are_short_plain_words() {
        let long = "i".repeat(65);
        for id in ["", ".a", "-a", "a/b", "a b", "ä", "a\n", long.as_str()] {
            assert_eq!(WorkspaceId::parse(id), Err(NameError::Id), "{id:?}");
        }
        assert!(TenantId::parse("Acme-2.eu_1").is_ok());
    }

    #[test]
    fn the_id_of_a_connection_is_a_short_word_in_small_letters() {
        let long = "i".repeat(64);
        for id in ["", "-a", "A", "slack_alerts", "a.b", "a b", "ä", "a\n", "x/y", long.as_str()] {
            assert_eq!(ConnectionId::parse(id), Err(NameError::ConnectionId), "{id:?}");
        }
        for id in ["a", "0", "slack-alerts", "a-", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", &long[1..]] {
            assert_eq!(ConnectionId::parse(id).map(|id| id.to_string()).as_deref(), Ok(id));
        }
    }

    #[test]
    fn a_scope_names_its_tenant_unless_it_is_the_default_one() {
        let acme = TenantId::parse("acme").unwrap();
        let scope = Scope::Workspace(TenantId::default(), WorkspaceId::default());
        assert_eq!(scope.to_string(), "workspace default");
        assert_eq!(
            Scope::Workspace(acme.clone(), WorkspaceId::default()).to_string(),
            "workspace default of tenant acme"
        );
        assert_eq!(Scope::Tenant(acme).to_string(), "tenant acme");
    }
}
