//! Who a backend takes a credential for: `GET {base}/v1/whoami`.

use serde::Deserialize;

use crate::address::Address;
use crate::grant::GrantError;
use crate::http::{Answer, HttpClient};
use crate::protected;
use crate::server_json;
use crate::server_text::ServerText;

pub use crate::protected::Presented;

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
    /// Asks a backend.
    ///
    /// # Errors
    ///
    /// [`GrantError::Rejected`] where the backend does not accept the credential, else as that type says.
    pub fn ask(http: &HttpClient, base: &Address, credential: Presented<'_>) -> Result<Self, GrantError> {
        Self::read(&protected::get_below(http, base, PATH, credential)?)
    }

    fn read(answer: &Answer) -> Result<Self, GrantError> {
        let said = if answer.is_success() { answer.json::<Said>() } else { None };
        let says_who =
            |said: &Said| [&said.principal, &said.email, &said.user_id].iter().any(|text| text.is_some());
        let said = said.filter(says_who).ok_or_else(|| answer.unexpected())?;
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
