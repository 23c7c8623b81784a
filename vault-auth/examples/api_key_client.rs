//! Asks a backend who an API key belongs to. The key comes from the environment, never from the code:
//!
//! ```sh
//! KEYWARD_API_KEY=kw_live_… cargo run -p vault-auth --example api_key_client https://{tenant}.api.example.com acme
//! ```

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program, which reads its environment")]

use std::error::Error;
use std::io::{self, Write};

use vault_auth::credential::GivenCredentials;
use vault_auth::sdk::{ApiKeyAuth, Client};
use vault_core::secret::SecretString;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let base_url = arguments.next().ok_or("usage: api_key_client BASE_URL [TENANT]")?;
    let tenant = arguments.next().unwrap_or_else(|| "default".to_owned());
    let variable = |name| std::env::var(name).ok().map(SecretString::new);
    let given = GivenCredentials {
        api_key_variable: variable("KEYWARD_API_KEY"),
        token_variable: variable("KEYWARD_TOKEN"),
        ..GivenCredentials::default()
    };
    run(base_url, tenant, given, &mut io::stdout())
}

/// Asks, and writes the answer.
pub(crate) fn run(
    base_url: String,
    tenant: String,
    given: GivenCredentials,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let auth = ApiKeyAuth::from_given(given)?;
    let client = Client::builder().base_url(base_url).tenant(tenant).auth(auth).build()?;
    let response = client.get("/v1/whoami")?;
    writeln!(out, "{}", response.status())?;
    out.write_all(response.body().expose_secret())?;
    Ok(())
}
