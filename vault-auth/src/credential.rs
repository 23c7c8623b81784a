//! Which credential a command uses: the key of the flag, those of the environment, then what is stored. One
//! function, and its table is its test.

use vault_core::secret::SecretString;

use crate::api_key::{ApiKey, ApiKeyError};

/// The credentials that the command line and the environment give. Empty texts are none.
#[derive(Debug, Default)]
pub struct GivenCredentials {
    /// `--api-key`.
    pub flag: Option<SecretString>,
    /// `KEYWARD_API_KEY`.
    pub api_key_variable: Option<SecretString>,
    /// `KEYWARD_TOKEN`: a bearer token, or an API key.
    pub token_variable: Option<SecretString>,
}

/// Where a credential comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialOrigin {
    /// `KEYWARD_API_KEY`.
    ApiKeyVariable,
    /// `--api-key`.
    Flag,
    /// The sealed file.
    Stored,
    /// `KEYWARD_TOKEN`.
    TokenVariable,
}

impl CredentialOrigin {
    /// Returns the name that messages use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKeyVariable => "KEYWARD_API_KEY",
            Self::Flag => "--api-key",
            Self::Stored => "the stored login",
            Self::TokenVariable => "KEYWARD_TOKEN",
        }
    }
}

/// A credential.
#[derive(Debug)]
pub enum Credential<S> {
    /// An API key.
    ApiKey(ApiKey),
    /// What is stored.
    Stored(S),
    /// A token that is presented as it is, and that nobody refreshes.
    Token(SecretString),
}

/// The credential of a command.
#[derive(Debug)]
pub struct Choice<S> {
    /// What it is.
    pub credential: Credential<S>,
    /// Where it comes from.
    pub origin: CredentialOrigin,
    /// The variable that says something else and is passed over, for a warning.
    pub passed_over: Option<CredentialOrigin>,
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError<E> {
    /// What is given is no key, and no token.
    #[error("{} has no usable credential", origin.name())]
    ApiKey {
        /// Where it comes from.
        origin: CredentialOrigin,
        /// What is wrong with it.
        source: ApiKeyError,
    },
    /// Nobody is signed in, and nothing is given.
    #[error("not signed in")]
    NotAuthenticated,
    /// What is stored could not be read.
    #[error(transparent)]
    Stored(E),
}

impl<E> CredentialError<E> {
    /// Returns what helps: the next command.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotAuthenticated => {
                Some("`keyward auth login` signs in; for scripts, set `KEYWARD_API_KEY`")
            }
            _ => None,
        }
    }
}

/// Chooses the credential of a command. What is stored is read only if nothing is given.
///
/// # Errors
///
/// [`CredentialError`]; a key that is given and wrong is an error, and not passed over.
pub fn choose<S, E>(
    given: GivenCredentials,
    stored: impl FnOnce() -> Result<Option<S>, E>,
) -> Result<Choice<S>, CredentialError<E>> {
    use CredentialOrigin::{ApiKeyVariable, Flag, TokenVariable};
    let GivenCredentials { flag, api_key_variable, token_variable } = given;
    let all = [(Flag, flag), (ApiKeyVariable, api_key_variable), (TokenVariable, token_variable)];
    let mut given = all.into_iter().filter_map(|(origin, text)| {
        Some((origin, text.filter(|text| !text.expose_secret().trim().is_empty())?))
    });
    let Some((origin, text)) = given.next() else {
        let stored = stored().map_err(CredentialError::Stored)?.ok_or(CredentialError::NotAuthenticated)?;
        let credential = Credential::Stored(stored);
        return Ok(Choice { credential, origin: CredentialOrigin::Stored, passed_over: None });
    };
    let other = given.find(|(_, other)| other.expose_secret() != text.expose_secret());
    let passed_over = other.map(|(other, _)| other).filter(|_| origin == ApiKeyVariable);
    let is_token = origin == TokenVariable && !text.expose_secret().starts_with("kw_");
    let credential = if is_token {
        Credential::Token(checked_token(text).map_err(|source| CredentialError::ApiKey { origin, source })?)
    } else {
        let key = ApiKey::parse(text).map_err(|source| CredentialError::ApiKey { origin, source })?;
        Credential::ApiKey(key)
    };
    Ok(Choice { credential, origin, passed_over })
}

/// Takes a token that somebody hands over. It has the characters of a key, and may be longer.
///
/// # Errors
///
/// [`ApiKeyError::NotAToken`] for one that no request can carry.
pub fn checked_token(text: SecretString) -> Result<SecretString, ApiKeyError> {
    let bytes = text.expose_secret().as_bytes();
    let fits = (1..=MAX_TOKEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if fits { Ok(text) } else { Err(ApiKeyError::NotAToken) }
}

/// The most bytes of a token: servers take no longer header.
const MAX_TOKEN: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const KEY: &str = "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs";

    fn secret(text: &str) -> Option<SecretString> {
        Some(SecretString::new(text.to_owned()))
    }

    /// Chooses among these, with or without something stored; returns the origin, what was chosen, and
    /// whether the store was looked at.
    fn chosen(flag: &str, key: &str, token: &str, stored: bool) -> (Option<CredentialOrigin>, String, bool) {
        let given = GivenCredentials {
            flag: secret(flag),
            api_key_variable: secret(key),
            token_variable: secret(token),
        };
        let looked = Cell::new(false);
        let choice = choose(given, || {
            looked.set(true);
            Ok::<_, ApiKeyError>(stored.then_some("session"))
        });
        match choice {
            Ok(Choice { credential, origin, .. }) => {
                let shown = match credential {
                    Credential::ApiKey(key) => key.secret().expose_secret().to_owned(),
                    Credential::Stored(stored) => stored.to_owned(),
                    Credential::Token(token) => token.expose_secret().to_owned(),
                };
                (Some(origin), shown, looked.get())
            }
            Err(error) => (None, error.to_string(), looked.get()),
        }
    }

    #[test]
    fn ec_13_ec_14_ae_08_the_flag_then_the_variables_then_what_is_stored_which_is_not_looked_at_before() {
        use CredentialOrigin::{ApiKeyVariable, Flag, Stored, TokenVariable};
        for (flag, key, token, stored, origin, value) in [
            ("f", "k", "t", true, Some(Flag), "f"),
            ("f", "k", "t", false, Some(Flag), "f"),
            ("f", "k", "", true, Some(Flag), "f"),
            ("f", "k", "", false, Some(Flag), "f"),
            ("f", "", "t", true, Some(Flag), "f"),
            ("f", "", "t", false, Some(Flag), "f"),
            ("f", "", "", true, Some(Flag), "f"),
            ("f", "", "", false, Some(Flag), "f"),
            ("", "k", "t", true, Some(ApiKeyVariable), "k"),
            ("", "k", "t", false, Some(ApiKeyVariable), "k"),
            ("", "k", "", true, Some(ApiKeyVariable), "k"),
            ("", "k", "", false, Some(ApiKeyVariable), "k"),
            ("", "", "t", true, Some(TokenVariable), "t"),
            ("", "", "t", false, Some(TokenVariable), "t"),
            ("", "", "", true, Some(Stored), "session"),
            ("", "", "", false, None, "not signed in"),
        ] {
            let looks = flag.is_empty() && key.is_empty() && token.is_empty();
            let expected = (origin, value.to_owned(), looks);
            assert_eq!(chosen(flag, key, token, stored), expected, "{flag} {key} {token} {stored}");
        }
    }

    #[test]
    fn ec_13_who_is_not_signed_in_is_told_the_command() {
        let error = choose(GivenCredentials::default(), || Ok::<Option<()>, ApiKeyError>(None)).unwrap_err();
        assert!(matches!(error, CredentialError::NotAuthenticated));
        assert!(error.hint().unwrap().contains("keyward auth login"));
    }

    #[test]
    fn a_token_variable_with_a_key_of_ours_is_a_key_and_any_other_text_a_token() {
        let choice = |token| {
            let given = GivenCredentials { token_variable: secret(token), ..GivenCredentials::default() };
            choose(given, || Ok::<Option<()>, ApiKeyError>(None))
        };
        assert!(matches!(choice(KEY).unwrap().credential, Credential::ApiKey(_)));
        assert!(matches!(choice("eyJhbGciOi.x.y").unwrap().credential, Credential::Token(_)));
        assert!(matches!(choice(&KEY[..60]), Err(CredentialError::ApiKey { .. })));
        assert!(matches!(choice("two words"), Err(CredentialError::ApiKey { .. })));
    }

    #[test]
    fn a_token_is_what_a_header_carries_and_no_longer_than_a_server_takes() {
        let checked = |text: &str| checked_token(SecretString::new(text.to_owned())).map(drop);
        for token in ["x", "eyJhbGciOi.x.y", &"x".repeat(16_384)] {
            assert_eq!(checked(token), Ok(()), "{} bytes", token.len());
        }
        for text in ["", " ", "two words", "x\n", "caf\u{e9}", "\0", &"x".repeat(16_385)] {
            assert_eq!(checked(text), Err(ApiKeyError::NotAToken), "{text:?}");
        }
        assert!(ApiKeyError::NotAToken.to_string().contains(&MAX_TOKEN.to_string()));
    }

    #[test]
    fn two_variables_that_differ_are_told_by_their_names() {
        let passed_over = |flag, key, token| {
            let (api_key_variable, token_variable) = (secret(key), secret(token));
            let given = GivenCredentials { flag: secret(flag), api_key_variable, token_variable };
            choose(given, || Ok::<Option<()>, ApiKeyError>(None)).unwrap().passed_over
        };
        assert_eq!(passed_over("", "one", "two"), Some(CredentialOrigin::TokenVariable));
        assert_eq!(passed_over("", "one", "one"), None);
        assert_eq!(passed_over("", "one", ""), None);
        assert_eq!(passed_over("flag", "one", "two"), None, "a flag is meant to win");
    }

    #[test]
    fn a_wrong_key_is_an_error_and_the_next_source_is_not_tried() {
        let given = GivenCredentials {
            flag: secret("kw_live_canary"),
            api_key_variable: secret(KEY),
            ..GivenCredentials::default()
        };
        let error = choose(given, || Ok::<_, ApiKeyError>(Some(()))).unwrap_err();
        assert_eq!(error.to_string(), "--api-key has no usable credential");
        assert!(matches!(error, CredentialError::ApiKey { source: ApiKeyError::Mistyped, .. }));
    }
}
