//! Many processes at one session of `oidc-provider` of npm, which ends the session when a refresh token is used
//! twice.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use keyward_tests::oidc_provider::OidcProvider;
use tempfile::tempdir;
use vault_auth::address::Address;
use vault_auth::clock::SystemClock;
use vault_auth::device::{PendingLogin, PollWatch, poll};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::http::{HttpClient, HttpSettings};
use vault_auth::login::{NewLogin, Person, sign_in};
use vault_auth::metadata::Metadata;
use vault_auth::refresh::{Need, Refresher};
use vault_auth::stored_session::{Login, StoredSession};
use vault_auth::token::TokenSet;
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_auth::token_store::TokenStore;
use vault_core::store::FileStore;

use crate::process::{Role, start};
use crate::sample::{create, key, open};

const PROCESSES: usize = 32;
/// How long access tokens live, in seconds, and how long the processes go on.
const LIFE: &str = "4";
const RUN: Duration = Duration::from_secs(16);

#[derive(Debug)]
struct Nobody;

impl PollWatch for Nobody {}

fn client() -> Arc<OauthClient> {
    let scopes = ["openid", "offline_access"].map(str::to_owned).into();
    Arc::new(OauthClient { client_id: "keyward".into(), client_secret: None, scopes, audience: None })
}

fn endpoint(http: &Arc<HttpClient>, address: &str) -> HttpTokenEndpoint {
    HttpTokenEndpoint::new(Arc::clone(http), Address::parse(address).unwrap(), client())
}

fn http() -> Arc<HttpClient> {
    Arc::new(HttpClient::new(HttpSettings::default()).unwrap())
}

/// Signs in at the provider, and returns the tokens and where they are refreshed.
fn tokens_of(provider: &OidcProvider) -> (TokenSet, String) {
    let http = http();
    let metadata = Metadata::discover(&http, &Address::parse(provider.issuer()).unwrap()).unwrap();
    let address = metadata.device_authorization_endpoint.unwrap();
    let mut login = PendingLogin::request(&http, &address, &client()).unwrap();
    login.interval = 1;
    provider.approve(login.user_code.as_str(), "ana");
    let address = metadata.token_endpoint.as_str().to_owned();
    let limit = Some(Duration::from_secs(60));
    (poll(&login, &endpoint(&http, &address), &SystemClock::new(), limit, &Nobody).unwrap(), address)
}

#[test]
fn ct_02_32_processes_at_a_real_provider_lose_no_session() {
    let provider = OidcProvider::start(&[("ACCESS_TTL", LIFE)]);
    let home = tempdir().unwrap();
    let file = create(FileStore::new(home.path().join("auth")));
    let (tokens, token_endpoint) = tokens_of(&provider);
    let login = Login { token_endpoint: token_endpoint.clone(), ..Login::default() };
    let new = NewLogin { key: key(), login, client_secret: None, tokens };
    sign_in(&file, new, Person::Same, Duration::from_secs(10)).unwrap();
    let callers: Vec<_> =
        (0..PROCESSES).map(|_| start(Role::Present, home.path(), &token_endpoint)).collect();
    for mut caller in callers {
        assert!(caller.wait().unwrap().success());
    }
    let session = file.load(&key()).unwrap().unwrap();
    assert!(session.generation() > 3, "tokens ended and were refreshed: {}", session.generation());
    let refused = Need { refused: Some(session.generation()), ..Need::default() };
    assert!(refresh(&file, &http(), &token_endpoint, refused), "the session lives");
}

/// Keeps a fresh token for a while; every failure fails the process.
pub(crate) fn present(token_endpoint: &str) {
    let (store, http, started) = (open(Path::new(".")), http(), Instant::now());
    while started.elapsed() < RUN {
        refresh(&store, &http, token_endpoint, Need::default());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Asks for a fresh token, and says whether it was refreshed for that.
fn refresh(store: &dyn TokenStore, http: &Arc<HttpClient>, token_endpoint: &str, need: Need) -> bool {
    let (http, address) = (Arc::clone(http), token_endpoint.to_owned());
    let connect = move |_: &StoredSession| -> Result<Box<dyn TokenEndpoint>, GrantError> {
        Ok(Box::new(endpoint(&http, &address)))
    };
    let clock = SystemClock::new();
    let access = Refresher::new(store, &clock, &connect).access(&key(), need).unwrap();
    assert!(access.postponed.is_none() && access.unsaved.is_none(), "{access:?}");
    access.refreshed
}
