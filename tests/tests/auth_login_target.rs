//! Which login `auth login` is for: provider, client, scopes, tenant and backend of the command line, and what the
//! profile keeps of them for the next time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::fs;

use keyward_tests::Home;
use keyward_tests::authority::Authority;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DEVICE, DISCOVERY, IdentityProvider, REVOKE, TOKEN};
use keyward_tests::logins::{begin, complete, sign_in};
use serde_json::json;

/// Returns one field of what `auth status` says of the login.
fn status(home: &Home, field: &str) -> serde_json::Value {
    home.run(["auth", "status", "--json"]).json()["logins"][0][field].clone()
}

#[test]
fn without_a_provider_the_login_says_how_to_name_one() {
    let home = Home::new();
    let said = home.run(["auth", "login", "--begin"]);
    said.fails(2, &["no provider to sign in at", "`--issuer URL` or `--env HOST`"]);
    assert!(!home.path().join(".local").exists());
}

#[test]
fn an_address_or_scope_that_is_none_is_refused_and_not_repeated() {
    let home = Home::new();
    for (option, value) in [
        ("--issuer", "http://canary.example"),
        ("--issuer", "https://user:canary@id.example"),
        ("--issuer", "canary"),
        ("--scope", "canary two"),
        ("--scope", ""),
        ("--web-url", "ftp://canary"),
    ] {
        let said = home.run(["auth", "login", "--begin", option, value]);
        assert!(said.code == 2 && !said.stderr.contains("canary"), "{said}");
    }
}

#[test]
fn ae_01_the_services_of_an_environment_are_derived_from_its_host() {
    // Nobody answers there; the request shows where it would have gone.
    let said = Home::new().run(["auth", "login", "--begin", "--env", "keyward.invalid", "--timeout", "5s"]);
    said.fails(9, &["cannot reach auth.keyward.invalid"]);
}

#[test]
fn ae_03_a_login_makes_the_profile_of_its_environment_and_then_updates_it() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    for tenant in ["one", "two"] {
        let said = sign_in(&home, &provider, &["--profile", "work", "--tenant", tenant]);
        assert_eq!(said.succeeds().json()["profile"], "work");
        assert_eq!((status(&home, "profile"), status(&home, "tenant")), (json!("work"), json!(tenant)));
    }
    let all = home.run(["auth", "status", "--all", "--json"]).succeeds().json();
    assert_eq!(all["logins"].as_array().unwrap().len(), 2, "both sessions are there: {all}");
}

#[test]
fn ae_07_the_profile_of_the_newest_login_is_the_active_one() {
    let (home, one, two) = (Home::new(), IdentityProvider::start(), IdentityProvider::start());
    sign_in(&home, &one, &[]).succeeds();
    sign_in(&home, &two, &[]).succeeds();
    assert_eq!(status(&home, "environment"), two.issuer());
    // The profile that is active is the one that a login without words is for.
    let (id, code) = begin_again(&home);
    two.approve(&code);
    complete(&home, &id).succeeds();
    assert_eq!((one.requests(DEVICE).len(), two.requests(DEVICE).len()), (1, 2));
}

fn begin_again(home: &Home) -> (String, String) {
    let said = home.run(["auth", "login", "--begin", "--json"]).succeeds().json();
    (said["id"].as_str().unwrap().to_owned(), said["user_code"].as_str().unwrap().to_owned())
}

#[test]
fn ec_16_two_backends_are_two_sessions() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    for (profile, base) in [("dev", "https://dev.example"), ("prod", "https://prod.example")] {
        sign_in(&home, &provider, &["--profile", profile, "--base-url", base]).succeeds();
    }
    let tokens =
        ["dev", "prod"].map(|profile| home.run(["auth", "token", "--profile", profile]).succeeds().text());
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn ec_15_the_login_of_one_tenant_survives_the_logout_of_another() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    for tenant in ["acme", "other"] {
        sign_in(&home, &provider, &["--tenant", tenant]).succeeds();
    }
    home.run(["auth", "logout", "--tenant", "other"]).succeeds();
    home.run(["auth", "token", "--tenant", "acme"]).succeeds();
    home.run(["auth", "token", "--tenant", "other"]).fails(3, &["not signed in"]);
}

#[test]
fn ak_03_scopes_and_client_are_those_of_the_command_line_and_then_of_the_profile() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    begin(&home, provider.issuer(), &[]);
    begin(
        &home,
        provider.issuer(),
        &["--scope", "read", "--scope", "write", "--client-id", "mine", "--audience", "api"],
    );
    let asked = provider.requests(DEVICE);
    let field = |nth: usize, name: &str| asked[nth].field(name);
    assert_eq!(field(0, "scope").unwrap(), "openid offline_access email", "`cli` is not offered");
    assert_eq!((field(0, "client_id").unwrap(), field(0, "audience")), ("keyward".to_owned(), None));
    assert_eq!(field(1, "scope").unwrap(), "openid offline_access email read write");
    assert_eq!(
        (field(1, "client_id").unwrap(), field(1, "audience").unwrap()),
        ("mine".to_owned(), "api".to_owned())
    );
    sign_in(&home, &provider, &["--scope", "kept"]).succeeds();
    begin(&home, provider.issuer(), &[]);
    assert_eq!(provider.requests(DEVICE)[3].field("scope").unwrap(), "openid offline_access email kept");
}

#[test]
fn ak_03_the_scope_cli_is_asked_for_where_the_provider_offers_it() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let metadata = json!({
        "issuer": provider.issuer(), "token_endpoint": provider.at(TOKEN),
        "device_authorization_endpoint": provider.at(DEVICE), "scopes_supported": ["cli"],
    });
    provider.answer_always(DISCOVERY, Reply::json(200, &metadata));
    begin(&home, provider.issuer(), &[]);
    assert_eq!(provider.requests(DEVICE)[0].field("scope").unwrap(), "cli");
}

#[test]
fn a_client_secret_is_sent_and_kept_and_never_shown() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    home.write("secret", "canary-secret\n");
    let said = sign_in(&home, &provider, &["--client-secret", "@secret"]);
    assert!(!said.succeeds().to_string().contains("canary"), "{said}");
    sign_in(&home, &provider, &[]).succeeds();
    for request in provider.requests(DEVICE).iter().chain(&provider.requests(TOKEN)) {
        assert_eq!(request.field("client_secret").as_deref(), Some("canary-secret"));
    }
    let bytes = fs::read(home.sessions()).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"canary"));
}

#[test]
fn a_provider_without_discovery_takes_endpoints_by_hand_and_its_profile_keeps_them() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    provider.answer_always(DISCOVERY, Reply::empty(404));
    let (device, token, revoke) = (provider.at(DEVICE), provider.at(TOKEN), provider.at(REVOKE));
    let words = ["--device-endpoint", &device, "--token-endpoint", &token, "--revocation-endpoint", &revoke];
    let said = home.run([&["auth", "login", "--begin", "--json"][..], &words].concat()).succeeds().json();
    provider.approve("CODE-0000");
    let done = complete(&home, said["id"].as_str().unwrap()).succeeds().json();
    assert_eq!((&done["environment"], &done["user_id"]), (&json!(provider.issuer()), &json!(null)));
    assert_eq!(provider.requests(DEVICE)[0].field("scope"), None, "nothing is asked for that nobody offers");
    let (id, code) = begin_again(&home);
    provider.approve(&code);
    complete(&home, &id).succeeds();
    assert_eq!(provider.requests(DISCOVERY).len(), 0);
    home.run(["auth", "login", "--begin", "--token-endpoint", &token]).fails(2, &["--device-endpoint"]);
}

#[test]
fn ec_17_a_backend_on_this_machine_with_an_authority_of_its_own_works() {
    let authority = Authority::new();
    let provider = IdentityProvider::start_tls(&authority, "devinc.localhost");
    assert!(provider.issuer().starts_with("https://devinc.localhost:"));
    let file = authority.file().display().to_string();
    let without = Home::new().run(["auth", "login", "--begin", "--issuer", provider.issuer()]);
    without.fails(9, &["cannot reach devinc.localhost"]);
    let home = Home::new().with("KEYWARD_CA_FILE", &file);
    let base = provider.issuer().to_owned();
    let said = sign_in(&home, &provider, &["--base-url", &base]).succeeds().json();
    assert_eq!((&said["base_url"], &said["email"]), (&json!(base), &json!("ana@example.com")));
    home.run(["auth", "token", "--ca-file", &file]).succeeds();
}

#[test]
fn ae_02_profile_and_roles_are_printed_where_it_is_known_where_roles_stand() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, _) = begin(&home, provider.issuer(), &["--profile", "work", "--roles-claim", "/realm/roles"]);
    let id_token = provider.sign(&json!({
        "iss": provider.issuer(), "aud": "keyward", "sub": "ana", "iat": now(), "exp": now() + 600,
        "realm": { "roles": ["viewer", "\u{1b}[2Jadmin"] },
    }));
    let tokens =
        json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 900, "id_token": id_token });
    provider.answer_once(TOKEN, Reply::json(200, &tokens));
    let said = home.run(["auth", "login", "--complete", &id]);
    assert!(
        said.succeeds().stderr.contains("Profile:      work\nRoles:        viewer, \\u{1b}[2Jadmin\n"),
        "{said}"
    );
    assert_eq!(status(&home, "roles"), json!(["viewer", "\\u{1b}[2Jadmin"]));
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_scope_of_secrets_is_no_scope_of_a_login_and_the_reverse() {
    let home = Home::new();
    home.run(["put", "A", "v", "--scope", "openid"])
        .fails(2, &["invalid value 'openid' for '--scope <SCOPE>'"]);
    home.run(["put", "A", "v", "--scope", "tenant"]).succeeds();
    home.run(["auth", "login", "--scope", "openid"]).fails(3, &["not signed in"]);
}

#[test]
fn se_10_ak_03_login_at_the_top_level_takes_the_same_options() {
    let provider = IdentityProvider::start();
    let home = Home::new();
    for words in [&["login"][..], &["auth", "login"]] {
        let options = ["--begin", "--issuer", provider.issuer(), "--scope", "one", "--scope", "two"];
        home.run([words, &options].concat()).succeeds();
        let asked = provider.requests(DEVICE).last().and_then(|request| request.field("scope")).unwrap();
        assert!(asked.ends_with(" one two"), "{asked}");
    }
    let help = |words: &[&str]| home.run([words, &["--help"]].concat()).succeeds().text();
    let options = |text: String| -> BTreeSet<String> {
        let words = text.split_whitespace().filter(|word| word.starts_with("--"));
        words
            .map(|word| {
                word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '-').to_owned()
            })
            .collect()
    };
    assert_eq!(options(help(&["login"])), options(help(&["auth", "login"])));
}

#[test]
fn a_second_tenant_at_a_provider_has_a_profile_of_its_own() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &["--tenant", "acme"]).succeeds();
    sign_in(&home, &provider, &["--tenant", "beta"]).succeeds();
    let profiles = home.run(["auth", "profiles", "list", "--json"]).succeeds().json();
    let named: Vec<_> = profiles["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["tenant"].as_str().unwrap()))
        .collect();
    let host = provider.issuer().trim_start_matches("http://");
    assert_eq!(named, [(host, "acme"), (format!("{host}-beta").as_str(), "beta")]);
    sign_in(&home, &provider, &["--tenant", "acme"]).succeeds();
    assert_eq!(
        home.run(["auth", "profiles", "list", "--json"]).json()["profiles"].as_array().unwrap().len(),
        2
    );
}
