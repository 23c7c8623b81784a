//! The tenants that a backend knows: `GET {base}/v1/tenants`, which not everybody may ask.

use serde::Deserialize;

use crate::address::Address;
use crate::grant::GrantError;
use crate::http::HttpClient;
use crate::protected::{self, Presented};
use crate::server_json;
use crate::server_text::ServerText;

/// A tenant as a backend knows it; all of it to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The id.
    pub id: ServerText,
    /// What people call it.
    pub name: Option<ServerText>,
}

/// Asks a backend for its tenants. `None` where whoever asks may not list them, or the backend has no such list.
///
/// # Errors
///
/// [`GrantError::Rejected`] where the backend does not accept the credential, else as that type says.
pub fn list(
    http: &HttpClient,
    base: &Address,
    credential: Presented<'_>,
) -> Result<Option<Vec<Tenant>>, GrantError> {
    let answer = match protected::get_below(http, base, PATH, credential) {
        Err(GrantError::Forbidden { .. }) => return Ok(None),
        answer => answer?,
    };
    if answer.status == 404 {
        return Ok(None);
    }
    let said = if answer.is_success() { answer.json::<Said>() } else { None };
    let (Said::Bare(tenants) | Said::Named { tenants }) = said.ok_or_else(|| answer.unexpected())?;
    Ok(Some(tenants.into_iter().filter_map(SaidTenant::shown).collect()))
}

/// Where backends answer.
const PATH: &str = "/v1/tenants";

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Bare(Vec<SaidTenant>),
    Named { tenants: Vec<SaidTenant> },
}

#[derive(Deserialize)]
struct SaidTenant {
    #[serde(default, deserialize_with = "server_json::label")]
    id: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    name: Option<String>,
}

impl SaidTenant {
    /// One without an id can't be used, and does not hide the others.
    fn shown(self) -> Option<Tenant> {
        let id = self.id.filter(|id| !id.is_empty())?;
        Some(Tenant { id: ServerText::new(&id), name: self.name.as_deref().map(ServerText::new) })
    }
}
