//! `auth status`: what is stored, at once and without the network.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::Home;
use keyward_tests::identity_provider::{IdentityProvider, TOKEN, WHOAMI};
use keyward_tests::signed_in::{
    API_KEY, Tokens, home, path, sign_in, sign_in_for, signed_in, store_api_key, store_session,
};

#[test]
fn ae_05_status_shows_profile_environment_roles_expiry_and_the_number_of_scopes() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["auth", "status"]).succeeds().text();
    for line in [
        "Profile:      work\n",
        &format!("Environment:  {}\n", provider.issuer()),
        "Tenant:       acme\n",
        "Account:      ana@example.com\n",
        "Roles:        viewer\n",
        "State:        valid\n",
        "Scopes:       2\n",
    ] {
        assert!(said.contains(line), "{line:?} in\n{said}");
    }
    let expires = said.lines().find_map(|line| line.strip_prefix("Expires:      ")).unwrap();
    assert!(expires.ends_with('Z') && expires.contains('T'), "{expires}");
    let json = home.run(["auth", "status", "--output", "json"]).succeeds().json();
    let login = &json["logins"][0];
    assert_eq!(
        (&json["signed_in"], &login["roles"][0], &login["scopes"][1]),
        (&true.into(), &"viewer".into(), &"offline_access".into())
    );
}

#[test]
fn se_05_signed_out_it_says_so_and_which_command_to_run() {
    for home in [Home::new(), home()] {
        let said = home.run(["auth", "status"]);
        assert_eq!(said.code, 3, "{said}");
        assert_eq!(
            said.text(),
            "Not logged in\n`keyward auth login` signs in; for scripts, set `KEYWARD_API_KEY`\n"
        );
        assert_eq!(home.run(["auth", "status", "--json"]).json()["signed_in"], false);
    }
}

#[test]
fn se_05_a_key_is_masked_and_an_unverified_one_says_so() {
    let home = home();
    keyward_tests::signed_in::add_profile(&home, "work", &[("issuer", "https://auth.example.com")]);
    for (is_verified, state) in [(false, "unverified (no backend was asked)"), (true, "valid")] {
        store_api_key(&home, "work", is_verified);
        let said = home.run(["auth", "status"]);
        let text = said.succeeds().text();
        assert!(text.contains("Method:       API key\nKey:          kw_test_3f9KQ2mZx7Lc_…\n"), "{text}");
        assert!(text.contains(&format!("State:        {state}\n")), "{text}");
        assert!(!text.contains(&API_KEY[22..]) && !text.contains("A1b2"), "{text}");
    }
}

#[test]
fn status_asks_nobody() {
    let provider = IdentityProvider::start();
    let home = home();
    sign_in_for(&home, &provider, "work", "acme", -1);
    let text = home.run(["auth", "status", "--air-gap"]).succeeds().text();
    assert!(text.contains("State:        valid (its token is refreshed at the next use)\n"), "{text}");
    assert!(provider.requests(TOKEN).is_empty() && provider.requests(WHOAMI).is_empty());
}

#[test]
fn every_login_is_listed_and_one_that_is_stale_does_not_make_another_fail() {
    let provider = IdentityProvider::start();
    let home = home();
    sign_in(&home, &provider, "good", "acme");
    sign_in(&home, &provider, "stale", "globex");
    store_session(&home, "stale", &Tokens { access: "a", refresh: None, life: -1, device: None });
    assert_eq!(home.run(["auth", "status", "--profile", "good"]).code, 0);
    assert_eq!(home.run(["auth", "status", "--profile", "stale"]).code, 3);
    let all = home.run(["auth", "status", "--all", "--json"]).succeeds().json();
    let states: Vec<_> = all["logins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|login| (login["profile"].as_str().unwrap(), login["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("good", "valid"), ("stale", "ended")]);
}

#[test]
fn status_says_where_each_setting_comes_from() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider).with("KEYWARD_TENANT", "globex");
    let json = home.run(["auth", "status", "--json", "--base-url", "https://api.example.com"]).json();
    let source = |name: &str| {
        let rows = json["settings"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["source"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        ["profile", "tenant", "issuer", "base_url", "client_id"].map(source),
        ["active profile", "variable", "profile", "flag", "default"]
    );
}

#[test]
fn a_credential_of_the_environment_is_told() {
    let home = signed_in(&IdentityProvider::start()).with("KEYWARD_API_KEY", API_KEY);
    let said = home.run(["auth", "status"]).succeeds().text();
    assert!(
        said.starts_with("KEYWARD_API_KEY is set: it is used instead of every stored login below\n"),
        "{said}"
    );
    assert!(!said.contains(API_KEY));
    let alone = Home::new().with("KEYWARD_TOKEN", "a").run(["auth", "status"]);
    assert_eq!(alone.succeeds().text(), "KEYWARD_TOKEN is set: it is used instead of every stored login\n");
}

#[test]
fn a_file_that_does_not_open_is_not_reported_as_signed_out() {
    let home = signed_in(&IdentityProvider::start());
    fs::write(path(&home), "damaged").unwrap();
    home.run(["auth", "status", "--json"]).fails_as(6, "not_a_vault");
}

#[test]
fn ae_04_there_is_a_default_environment_and_flag_and_variable_go_before_it() {
    let home = Home::new();
    home.write(".config/keyward/config.toml", "environment = \"configured.example\"\n");
    let issuer = |home: &Home, more: &[&str]| {
        let json = home.run([&["auth", "status", "--json"], more].concat()).json();
        let rows = json["settings"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == "issuer").unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(issuer(&home, &[]), "https://auth.configured.example");
    let home = home.with("KEYWARD_ENV", "variable.example");
    assert_eq!(issuer(&home, &[]), "https://auth.variable.example");
    assert_eq!(issuer(&home, &["--env", "flag.example"]), "https://auth.flag.example");
}
