//! Calls a backend with a session whose tokens are kept in a sealed file. Start it as often as you like, many times at
//! once: the refresh token is used once by one of them.
//!
//! ```sh
//! KEYWARD_VAULT_KEY=kwk1_… ACCESS_TOKEN=… REFRESH_TOKEN=… \
//!     cargo run -p vault-auth --example refreshing_client FILE TOKEN_ENDPOINT BASE_URL
//! ```

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program, which reads its environment")]

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use vault_auth::address::Address;
use vault_auth::clock::{Clock, SystemClock};
use vault_auth::grant::TokenEndpoint;
use vault_auth::http::{HttpClient, HttpSettings};
use vault_auth::sdk::{Client, RefreshableBearerAuth};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_core::format::Purpose;
use vault_core::secret::SecretString;
use vault_core::slot::{SlotId, SlotKind};
use vault_core::source::env::{EnvFound, EnvOrigin, EnvSecret};
use vault_core::source::key_text;
use vault_core::source::supply::EnvSupply;
use vault_core::store::FileStore;
use vault_core::vault::UnlockedVault;

fn main() -> Result<(), Box<dyn Error>> {
    let [file, token_endpoint, base_url] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: refreshing_client FILE TOKEN_ENDPOINT BASE_URL")?;
    let variable =
        |name: &str| std::env::var(name).map(SecretString::new).map_err(|_| format!("{name} is not set"));
    let start = Start {
        vault_key: variable("KEYWARD_VAULT_KEY")?,
        access_token: variable("ACCESS_TOKEN")?,
        refresh_token: variable("REFRESH_TOKEN")?,
    };
    run(Path::new(&file), &token_endpoint, base_url, start, &mut io::stdout())
}

/// What the program is given. The tokens count at its first start alone: later ones are in the file.
pub(crate) struct Start {
    pub(crate) vault_key: SecretString,
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: SecretString,
}

/// Asks the backend, and writes the answer.
pub(crate) fn run(
    file: &Path,
    token_endpoint: &str,
    base_url: String,
    start: Start,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let store = open(file, &start.vault_key)?;
    let http = Arc::new(HttpClient::new(HttpSettings::default())?);
    let oauth = OauthClient {
        client_id: "example".to_owned(),
        client_secret: None,
        scopes: vec!["openid".to_owned()],
        audience: None,
    };
    let (endpoint, oauth, by) = (Address::parse(token_endpoint)?, Arc::new(oauth), Arc::clone(&http));
    let key = SessionKey {
        tenant: "default".to_owned(),
        client_id: oauth.client_id.clone(),
        environment: base_url.clone(),
    };
    let auth = RefreshableBearerAuth::with_tokens(key, first_tokens(start))
        .store(Arc::new(store))
        .token_endpoint(move |_| {
            let endpoint = HttpTokenEndpoint::new(Arc::clone(&by), endpoint.clone(), Arc::clone(&oauth));
            Ok(Box::new(endpoint) as Box<dyn TokenEndpoint>)
        })
        .build()?;
    let client = Client::builder().base_url(base_url).auth(auth).transport(http).build()?;
    let response = client.get("/v1/whoami")?;
    writeln!(out, "{}", response.status())?;
    out.write_all(response.body().expose_secret())?;
    Ok(())
}

/// Opens the sealed file, or makes it.
fn open(file: &Path, vault_key: &SecretString) -> Result<SessionFile, Box<dyn Error>> {
    let slot_key = || key_text::parse(vault_key.expose_secret());
    let found = EnvFound { origin: EnvOrigin::Key, outcome: Ok(EnvSecret::Key(slot_key()?)) };
    let store = FileStore::new(file);
    if let Some(opened) = SessionFile::open(store.clone(), &mut [&mut EnvSupply::new(found)])? {
        return Ok(opened);
    }
    let (vault, slot_key) = (UnlockedVault::create(Purpose::Sessions)?, slot_key()?);
    let add_slot = |draft: &mut vault_core::vault::draft::Draft<'_>| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key)
    };
    Ok(SessionFile::create(store, &vault, add_slot)?)
}

/// Nobody knows how old the first access token is: it is refreshed before it is used.
fn first_tokens(start: Start) -> TokenSet {
    let now = SystemClock::new().now();
    TokenSet {
        access_token: start.access_token,
        token_type: TokenType::Bearer,
        refresh_token: Some(start.refresh_token),
        id_token: None,
        received_at: now,
        expires_at: Some(now),
        scopes: Vec::new(),
    }
}
