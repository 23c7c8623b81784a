//! `tenant list`, `use` and `show`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyward_tests::Home;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, TENANTS, TOKEN};
use keyward_tests::signed_in::{API_KEY, add_profile, home, sign_in, signed_in};
use serde_json::json;

fn active_file(home: &Home) -> std::path::PathBuf {
    home.path().join(".local/state/keyward/active-tenant")
}

/// Returns the tenants, the active one with a `*`.
fn listed(home: &Home) -> Vec<String> {
    let said = home.run(["tenant", "list", "--json"]).succeeds().json();
    let shown = |row: &serde_json::Value| {
        format!("{}{}", row["id"].as_str().unwrap(), if row["active"] == true { "*" } else { "" })
    };
    said["tenants"].as_array().unwrap().iter().map(shown).collect()
}

#[test]
fn ak_06_tenant_list_shows_those_of_the_backend() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    assert_eq!(listed(&home), ["acme*", "globex"]);
    let text = home.run(["tenant", "list"]).succeeds().text();
    assert_eq!(text, "*\tacme\tAcme Corporation\n\tglobex\tGlobex\n");
    let home = home.with("KEYWARD_API_KEY", API_KEY);
    assert_eq!(listed(&home), ["acme*", "globex"]);
}

#[test]
fn ak_06_who_may_not_list_tenants_gets_the_current_one_and_exit_0() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    for status in [403, 404] {
        provider.answer_always(TENANTS, Reply::error(status, "forbidden"));
        assert_eq!(listed(&home), ["acme*"]);
        home.run(["tenant", "list"]).fails(0, &["does not list its tenants for this login"]);
    }
}

#[test]
fn ak_06_without_a_backend_the_tenants_are_those_of_logins_and_profiles() {
    assert_eq!(listed(&Home::new()), ["default*"]);
    let provider = IdentityProvider::start();
    let home = home();
    sign_in(&home, &provider, "work", "acme");
    add_profile(&home, "planned", &[("tenant", "globex"), ("env", "example.com")]);
    let said = home.run(["tenant", "list", "--profile", "planned", "--json"]).succeeds().json();
    let ids: Vec<_> = said["tenants"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!((ids, &said["server"]), (vec![json!("acme"), json!("globex")], &json!(null)));
    assert!(provider.requests(TENANTS).is_empty());
}

#[test]
fn a_backend_that_refuses_the_login_is_told_from_one_that_can_not_be_reached() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    provider.answer_once(TENANTS, Reply::error(401, "invalid_token"));
    assert_eq!(listed(&home), ["acme*", "globex"]);
    assert_eq!(provider.requests(TOKEN).len(), 1, "refreshed once");
    provider.answer_always(TENANTS, Reply::error(401, "invalid_token"));
    home.run(["tenant", "list", "--json"]).fails_as(3, "rejected");
    provider.answer_always(TENANTS, Reply::empty(503));
    home.run(["tenant", "list", "--json"]).fails_as(9, "network");
    home.run(["tenant", "list", "--json", "--air-gap"]).fails_as(10, "refused");
}

#[test]
fn ak_07_tenant_use_is_kept_and_later_commands_act_for_it() {
    let home = Home::new();
    home.run(["tenant", "use", "globex"]).fails(0, &["tenant 'globex' is active"]);
    assert_eq!(fs::read_to_string(active_file(&home)).unwrap(), "globex\n");
    assert_eq!(fs::metadata(active_file(&home)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.run(["status", "--json"]).succeeds().json()["tenant"], "globex");
    home.put("A", "of globex");
    home.run(["tenant", "switch", "acme"]).succeeds();
    home.run(["get", "A"]).fails(4, &["tenant acme"]);
    assert_eq!(home.run(["get", "A", "--tenant", "globex"]).stdout, b"of globex");
}

#[test]
fn ec_10_and_ak_07_flag_and_variable_go_before_the_active_tenant_and_the_profile() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let shown = |home: &Home, flags: &[&str]| {
        let said = home.run(["tenant", "show", "--json"].iter().chain(flags)).succeeds().json();
        (said["tenant"].clone(), said["source"].clone())
    };
    assert_eq!(shown(&Home::new(), &[]), (json!("default"), json!("default")));
    assert_eq!(shown(&home, &[]), (json!("acme"), json!("profile")));
    home.run(["tenant", "use", "globex"]).succeeds();
    assert_eq!(shown(&home, &[]), (json!("globex"), json!("tenant use")));
    let home = home.with("KEYWARD_TENANT", "initech");
    assert_eq!(shown(&home, &[]), (json!("initech"), json!("variable")));
    assert_eq!(shown(&home, &["--tenant", "hooli"]), (json!("hooli"), json!("flag")));
    home.run(["tenant", "use", "globex"]).fails(0, &["KEYWARD_TENANT is set: it says which tenant is meant"]);
}

#[test]
fn the_tenant_of_a_profile_is_not_that_of_the_secrets_and_show_says_so() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["tenant", "show"]);
    assert_eq!(said.succeeds().text(), "acme\n");
    assert!(said.stderr.contains("the secrets are those of tenant 'default'"), "{said}");
    home.run(["tenant", "use", "acme"]).succeeds();
    assert!(!home.run(["tenant", "show"]).stderr.contains("secrets"));
}

#[test]
fn ae_04_logins_are_those_of_the_active_tenant() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["tenant", "use", "globex"]).succeeds();
    home.run(["auth", "whoami", "--json"]).fails_as(3, "not_signed_in");
    home.run(["tenant", "use", "acme"]).succeeds();
    home.run(["auth", "whoami"]).succeeds();
}

#[test]
fn what_is_no_id_is_not_written_and_a_file_that_is_spoilt_is_written_anew() {
    let home = Home::new();
    for wrong in ["../x", "a b", "", "a\nb"] {
        assert_eq!(home.run(["tenant", "use", wrong]).code, 2, "{wrong:?}");
    }
    assert!(!active_file(&home).exists());
    home.run(["tenant", "use", "acme"]).succeeds();
    fs::write(active_file(&home), "not an id\n").unwrap();
    home.run(["tenant", "show", "--json"]).fails_as(2, "usage");
    home.run(["tenant", "use", "acme"]).succeeds();
    home.run(["tenant", "show"]).succeeds();
}

#[test]
fn a_state_directory_that_others_may_change_is_not_written_in() {
    let home = Home::new();
    home.run(["tenant", "use", "acme"]).succeeds();
    let directory = active_file(&home).parent().unwrap().to_path_buf();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    home.run(["tenant", "use", "globex", "--json"]).fails_as(1, "untrusted_file");
    assert_eq!(fs::read_to_string(active_file(&home)).unwrap(), "acme\n");
}
