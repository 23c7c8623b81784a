//! Who a backend takes a credential for: `GET {base}/v1/whoami`.

use serde::Deserialize;
use vault_core::secret::SecretString;

use crate::address::Address;
use crate::clock::UnixTime;
use crate::dpop::{DeviceKey, Proof};
use crate::grant::GrantError;
use crate::http::{Answer, HttpClient, Request};
use crate::server_json;
use crate::server_text::ServerText;

/// A credential as it is presented to a backend.
#[derive(Debug, Clone, Copy)]
pub enum Presented<'a> {
    /// An access token or an API key that whoever has it may use.
    Bearer(&'a SecretString),
    /// An access token that is bound to the device key.
    Dpop {
        /// The access token.
        token: &'a SecretString,
        /// The key.
        key: &'a DeviceKey,
    },
}

/// What a backend knows of a credential; all of it to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whoami {
    /// The principal.
    pub principal: Option<ServerText>,
    /// The address.
    pub email: Option<ServerText>,
    /// The person's id.
    pub user_id: Option<ServerText>,
    /// The tenant.
    pub tenant: Option<ServerText>,
    /// The organisation.
    pub organization: Option<ServerText>,
    /// The workspace.
    pub workspace: Option<ServerText>,
    /// The roles.
    pub roles: Vec<ServerText>,
}

impl Whoami {
    /// Asks a backend. A server that was never asked for a nonce before may want one; it is asked again with it.
    ///
    /// # Errors
    ///
    /// [`GrantError::Rejected`] where the backend does not accept the credential, else as that type says.
    pub fn ask(http: &HttpClient, base: &Address, credential: Presented<'_>) -> Result<Self, GrantError> {
        let unsent = |reason: String| GrantError::NotReached { host: base.host(), reason };
        let address = base.below(PATH).map_err(|error| unsent(error.to_string()))?;
        let mut answer = send(http, &address, credential, None)?;
        if answer.status == 401 && answer.dpop_nonce.is_some() && matches!(credential, Presented::Dpop { .. })
        {
            let nonce = answer.dpop_nonce.take();
            answer = send(http, &address, credential, nonce.as_deref())?;
        }
        Self::read(&answer)
    }

    fn read(answer: &Answer) -> Result<Self, GrantError> {
        // A proxy answers 401 too, with a page of its own; a backend answers JSON, or nothing.
        if answer.status == 401 && (answer.body().is_empty() || answer.json::<serde_json::Value>().is_some())
        {
            return Err(GrantError::Rejected { host: answer.host.clone(), description: None });
        }
        let said = if answer.is_success() { answer.json::<Said>() } else { None };
        let said = said.ok_or_else(|| answer.unexpected())?;
        let shown = |text: Option<String>| text.as_deref().map(ServerText::new);
        Ok(Self {
            principal: shown(said.principal),
            email: shown(said.email),
            user_id: shown(said.user_id),
            tenant: shown(said.tenant),
            organization: shown(said.organization),
            workspace: shown(said.workspace),
            roles: said.roles.unwrap_or_default().iter().map(|role| ServerText::new(role)).collect(),
        })
    }
}

fn send(
    http: &HttpClient,
    address: &Address,
    credential: Presented<'_>,
    nonce: Option<&str>,
) -> Result<Answer, GrantError> {
    let unsent = |reason: &str| GrantError::NotReached { host: address.host(), reason: reason.to_owned() };
    let no_header = || unsent("no header can carry the credential");
    let request = Request::get(address);
    let request = match credential {
        Presented::Bearer(token) => request.secret_header("authorization", "Bearer ", token),
        Presented::Dpop { token, key } => {
            let issued_at = server_time(http, address);
            let proof = Proof { method: "GET", address, access_token: Some(token), nonce, issued_at };
            let proof = key.prove(&proof).map_err(|error| unsent(&error.to_string()))?;
            let request = request.secret_header("authorization", "DPoP ", token);
            request.and_then(|request| request.secret_header("dpop", "", &proof))
        }
    };
    http.send(&request.ok_or_else(no_header)?)
}

fn server_time(http: &HttpClient, address: &Address) -> UnixTime {
    http.clock().now().saturating_add(http.clock_skew(&address.host()).unwrap_or(0))
}

/// Where backends answer.
const PATH: &str = "/v1/whoami";

#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "server_json::label")]
    principal: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    email: Option<String>,
    #[serde(default, deserialize_with = "server_json::label")]
    user_id: Option<String>,
    #[serde(default, deserialize_with = "server_json::label")]
    tenant: Option<String>,
    #[serde(default, deserialize_with = "server_json::label")]
    organization: Option<String>,
    #[serde(default, deserialize_with = "server_json::label")]
    workspace: Option<String>,
    #[serde(default, deserialize_with = "server_json::texts")]
    roles: Option<Vec<String>>,
}
