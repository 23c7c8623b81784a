//! Who a provider has given an access token to: the userinfo endpoint of OpenID Connect Core 1.0 §5.3.

use serde::Deserialize;

use crate::address::Address;
use crate::grant::GrantError;
use crate::http::HttpClient;
use crate::protected::{self, Presented};
use crate::server_json;
use crate::server_text::ServerText;
use crate::whoami::Whoami;

/// Asks a provider at its userinfo endpoint. `subject` is who signed in, where that is known: an answer about
/// somebody else is none (§5.3.2).
///
/// # Errors
///
/// [`GrantError::Rejected`] where the provider does not accept the token, else as that type says.
pub fn ask(
    http: &HttpClient,
    endpoint: &Address,
    credential: Presented<'_>,
    subject: Option<&str>,
) -> Result<Whoami, GrantError> {
    let answer = protected::get(http, endpoint, credential)?;
    let said = if answer.is_success() { answer.json::<Said>() } else { None };
    let said = said.ok_or_else(|| answer.unexpected())?;
    if subject.is_some_and(|subject| subject != said.sub) {
        let found = ServerText::new("an answer about somebody else");
        return Err(GrantError::Unusable { host: endpoint.authority(), found });
    }
    Ok(Whoami {
        principal: Some(ServerText::new(&said.sub)),
        email: said.email.as_deref().map(ServerText::new),
        user_id: Some(ServerText::new(&said.sub)),
        roles: said.roles.unwrap_or_default().iter().map(|role| ServerText::new(role)).collect(),
        ..Whoami::default()
    })
}

#[derive(Deserialize)]
struct Said {
    sub: String,
    #[serde(default, deserialize_with = "server_json::text")]
    email: Option<String>,
    #[serde(default, deserialize_with = "server_json::texts")]
    roles: Option<Vec<String>>,
}
