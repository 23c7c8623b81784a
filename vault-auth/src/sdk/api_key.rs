//! Requests with an API key.

use vault_core::secret::SecretString;

use super::{Auth, AuthError, AuthKind, Request, Response, Retry};
use crate::api_key::ApiKey;
use crate::credential::{Credential, CredentialError, GivenCredentials, choose};

/// Authorizes requests with an API key: `Authorization: Bearer` and the key.
#[derive(Debug)]
pub struct ApiKeyAuth {
    key: SecretString,
}

impl ApiKeyAuth {
    /// Takes a key.
    ///
    /// # Errors
    ///
    /// [`AuthError::InvalidKey`] for one that is mistyped: no server is asked about it.
    pub fn new(key: SecretString) -> Result<Self, AuthError> {
        ApiKey::parse(key).map(Self::of).map_err(AuthError::from)
    }

    /// Takes the key or token that is given, by the precedence of the command line. The program reads the
    /// environment, and hands in what it finds.
    ///
    /// # Errors
    ///
    /// [`AuthError::NotAuthenticated`] if nothing is given, [`AuthError::InvalidKey`] for a mistyped key.
    pub fn from_given(given: GivenCredentials) -> Result<Self, AuthError> {
        let nothing_stored = || Ok::<_, AuthError>(None::<std::convert::Infallible>);
        match choose(given, nothing_stored).map(|choice| choice.credential) {
            Ok(Credential::ApiKey(key)) => Ok(Self::of(key)),
            Ok(Credential::Token(key)) => Ok(Self { key }),
            Ok(Credential::Stored(never)) => match never {},
            Err(CredentialError::ApiKey { source, .. }) => Err(source.into()),
            Err(CredentialError::Stored(error)) => Err(error),
            Err(CredentialError::NotAuthenticated) => Err(AuthError::not_authenticated()),
        }
    }

    fn of(key: ApiKey) -> Self {
        Self { key: key.into_secret() }
    }
}

impl Auth for ApiKeyAuth {
    fn authorize(&self, request: &mut Request) -> Result<(), AuthError> {
        request.set_header("authorization", authorization("Bearer ", &self.key));
        Ok(())
    }

    /// A key that is refused is refused again.
    fn on_unauthorized(&self, _request: &Request, _response: &Response) -> Retry {
        Retry::No
    }

    fn kind(&self) -> AuthKind {
        AuthKind::ApiKey
    }
}

/// Makes the value of the header, in one allocation.
pub(super) fn authorization(scheme: &str, credential: &SecretString) -> SecretString {
    let mut value = String::with_capacity(scheme.len() + credential.expose_secret().len());
    value.push_str(scheme);
    value.push_str(credential.expose_secret());
    SecretString::new(value)
}
