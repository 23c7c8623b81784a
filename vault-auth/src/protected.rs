//! Requests to servers that want a credential: an access token or an API key as a bearer, or an access token with
//! a proof of the device key (RFC 9449 §7).

use vault_core::secret::SecretString;

use crate::address::Address;
use crate::clock::UnixTime;
use crate::dpop::{DeviceKey, Proof};
use crate::grant::GrantError;
use crate::http::{Answer, HttpClient, Request};

/// A credential as it is presented to a server.
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

/// Asks for what is at `address`. A server that was never asked for a nonce before may want one; it is asked again
/// with it.
///
/// # Errors
///
/// [`GrantError::Rejected`] where the server does not accept the credential, else as that type says.
pub(crate) fn get(
    http: &HttpClient,
    address: &Address,
    credential: Presented<'_>,
) -> Result<Answer, GrantError> {
    let mut answer = send(http, address, credential, None)?;
    if answer.status == 401 && answer.dpop_nonce.is_some() && matches!(credential, Presented::Dpop { .. }) {
        let nonce = answer.dpop_nonce.take();
        answer = send(http, address, credential, nonce.as_deref())?;
    }
    // A proxy answers 401 too, with a page of its own; a backend answers JSON, or nothing.
    if answer.status == 401 && (answer.body().is_empty() || answer.json::<serde_json::Value>().is_some()) {
        return Err(GrantError::Rejected { host: answer.host, description: None });
    }
    if answer.status == 403 {
        return Err(GrantError::Forbidden { host: answer.host });
    }
    Ok(answer)
}

/// Asks for what is at `path` below a backend's address.
///
/// # Errors
///
/// As of [`get`].
pub(crate) fn get_below(
    http: &HttpClient,
    base: &Address,
    path: &str,
    credential: Presented<'_>,
) -> Result<Answer, GrantError> {
    let unsent = |reason: String| GrantError::NotReached { host: base.authority(), reason };
    get(http, &base.below(path).map_err(|error| unsent(error.to_string()))?, credential)
}

fn send(
    http: &HttpClient,
    address: &Address,
    credential: Presented<'_>,
    nonce: Option<&str>,
) -> Result<Answer, GrantError> {
    let unsent =
        |reason: &str| GrantError::NotReached { host: address.authority(), reason: reason.to_owned() };
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
    http.clock().now().saturating_add(http.clock_skew(address).unwrap_or(0))
}
