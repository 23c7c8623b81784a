//! The client against servers on this machine that answer rightly, wrongly, late, half or not at all.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyward_tests::identity_provider::{IdentityProvider, TOKEN};
use vault_auth::address::Address;
use vault_auth::http::{Exchange, ExchangeLog, HttpClient, HttpSettings};
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_core::secret::SecretString;

mod device;
mod dpop;
mod log;
mod metadata;
mod reach;
mod revocation;
mod tenants;
mod token;
mod userinfo;
mod whoami;

/// Keeps what a log is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Exchange>>);

impl ExchangeLog for Told {
    fn record(&self, exchange: &Exchange) {
        self.0.lock().unwrap().push(Exchange {
            method: exchange.method,
            address: exchange.address.clone(),
            status: exchange.status,
            duration: exchange.duration,
            sent: exchange.sent,
            received: exchange.received,
            failure: exchange.failure.clone(),
        });
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A client with little patience.
fn client() -> Arc<HttpClient> {
    client_of(HttpSettings::default())
}

fn client_of(settings: HttpSettings) -> Arc<HttpClient> {
    let patience = Duration::from_millis(1_500);
    let settings = HttpSettings { connect_timeout: patience, total_timeout: patience * 2, ..settings };
    Arc::new(HttpClient::new(settings).unwrap())
}

fn who() -> Arc<OauthClient> {
    let scopes = vec!["openid".to_owned(), "offline_access".to_owned()];
    Arc::new(OauthClient { client_id: "keyward".into(), client_secret: None, scopes, audience: None })
}

/// The token endpoint of a provider.
fn endpoint(provider: &IdentityProvider) -> HttpTokenEndpoint {
    HttpTokenEndpoint::new(client(), address(&provider.at(TOKEN)), who())
}
