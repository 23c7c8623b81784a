//! `auth doctor`: each thing that can be wrong is found, named and hinted at, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyward_tests::authority::Authority;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DISCOVERY, IdentityProvider, TOKEN, WHOAMI};
use keyward_tests::signed_in::{API_KEY, add_profile, file, home, path, profiles, session, signed_in};
use keyward_tests::sockets::{beyond, traced};
use keyward_tests::{Finished, Home};
use serde_json::json;

/// Returns the state and the text of a check.
#[track_caller]
fn check(said: &Finished, name: &str) -> (String, String) {
    let json = said.json();
    let found = json["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no check {name}: {json}"));
    (found["state"].as_str().unwrap().to_owned(), format!("{} {}", found["found"], found["hint"]))
}

fn doctor(home: &Home) -> Finished {
    home.run(["auth", "doctor", "--json"])
}

/// Checks one check, and that the exit code is right for it.
#[track_caller]
fn finds(home: &Home, name: &str, state: &str, part: &str) {
    let said = doctor(home);
    let (found, text) = check(&said, name);
    assert_eq!((found.as_str(), text.contains(part)), (state, true), "{text}");
    assert_eq!(said.code, i32::from(state == "failed"), "{said}");
}

#[test]
fn a_login_with_nothing_wrong_passes_every_check() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["auth", "doctor"]);
    assert!(said.succeeds().stderr.ends_with("nothing is wrong\n"), "{said}");
    let names = [
        "credentials",
        "sessions",
        "lock",
        "writable",
        "keyring",
        "proxy",
        "authorities",
        "provider",
        "backend",
    ];
    for name in names {
        assert_eq!(check(&doctor(&home), name).0, "ok", "{name}");
    }
    assert!(
        said.text().contains("device login: yes, revocation: yes, userinfo: yes, bound tokens: yes"),
        "{said}"
    );
}

#[test]
fn no_credential_is_sent_and_no_login_is_changed() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider).with("KEYWARD_API_KEY", API_KEY);
    let state = || {
        let session = session(&home, "work").unwrap();
        (session.generation(), session.tokens().unwrap().expires_at, profiles(&home))
    };
    let before = state();
    doctor(&home).succeeds();
    assert_eq!(state(), before);
    assert!(provider.requests(WHOAMI).is_empty() && provider.requests(TOKEN).is_empty());
    for request in [DISCOVERY, "/"].into_iter().flat_map(|path| provider.requests(path)) {
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn where_nobody_ever_signed_in_nothing_is_wrong_and_nothing_is_made() {
    let home = Home::new();
    finds(&home, "sessions", "ok", "nobody has signed in");
    finds(&home, "writable", "ok", "can be made");
    finds(&home, "provider", "skipped", "--env HOST");
    finds(&home, "backend", "skipped", "--base-url URL");
    assert!(!home.path().join(".local").exists());
}

#[test]
fn a_variable_that_goes_before_the_logins_is_a_warning() {
    let home = Home::new().with("KEYWARD_API_KEY", API_KEY);
    finds(&home, "credentials", "warning", "KEYWARD_API_KEY is set");
    assert!(!doctor(&home).text().contains("A1b2C3"));
}

#[test]
fn a_file_that_does_not_open_fails_and_the_rest_is_looked_at() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let mut bytes = fs::read(path(&home)).unwrap();
    bytes[40] ^= 1;
    fs::write(path(&home), bytes).unwrap();
    finds(&home, "sessions", "failed", "the file is damaged");
    assert_eq!(check(&doctor(&home), "keyring").0, "ok");
    assert_eq!(check(&doctor(&home), "proxy").0, "ok");
}

#[test]
fn a_lock_that_somebody_keeps_is_a_warning_that_names_who() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let _turn = file(&home).lock_named("profiles", std::time::Duration::ZERO).unwrap();
    finds(&home, "lock", "warning", &format!("process {}", std::process::id()));
}

#[test]
fn a_directory_that_others_may_change_fails() {
    let home = Home::new();
    let directory = home.path().join(".local/share/keyward");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    let said = doctor(&home);
    assert_eq!((said.code, check(&said, "sessions").0.as_str()), (1, "failed"), "{said}");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_the_providers_date() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let metadata = json!({ "issuer": provider.issuer(), "token_endpoint": provider.at(TOKEN),
        "device_authorization_endpoint": provider.at("/device") });
    let dated = Reply::json(200, &metadata).with("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    provider.answer_once(DISCOVERY, dated);
    finds(&home, "clock", "failed", "ahead of that of the provider");
}

#[test]
fn a_provider_without_a_device_login_is_a_warning() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let metadata = json!({ "issuer": provider.issuer(), "token_endpoint": provider.at(TOKEN) });
    provider.answer_always(DISCOVERY, Reply::json(200, &metadata));
    finds(&home, "provider", "warning", "--with-api-key");
}

#[test]
fn a_provider_whose_endpoints_were_given_by_hand_is_not_asked_what_it_is() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let endpoints = [("token-endpoint", provider.at(TOKEN)), ("device-endpoint", provider.at("/device"))];
    add_profile(&home, "work", &endpoints.each_ref().map(|(name, at)| (*name, at.as_str())));
    finds(&home, "provider", "ok", "answers (status ");
    assert!(provider.requests(DISCOVERY).is_empty());
}

#[test]
fn a_provider_that_says_it_is_another_one_fails() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let metadata = json!({ "issuer": "https://evil.example", "token_endpoint": provider.at(TOKEN) });
    provider.answer_always(DISCOVERY, Reply::json(200, &metadata));
    finds(&home, "provider", "failed", "it is another issuer");
}

#[test]
fn a_server_that_is_down_fails_where_it_is_reached() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    drop(provider);
    let said = doctor(&home);
    assert_eq!(check(&said, "provider dns").0, "ok");
    for name in ["provider tcp", "provider", "backend"] {
        assert_eq!(check(&said, name).0, "failed", "{name}");
    }
    assert_eq!(said.code, 1);
    assert!(!said.text().contains("auth doctor` says"), "a hint leads on, not back: {said}");
}

#[test]
fn a_name_that_nobody_knows_fails_at_dns() {
    let home = home();
    add_profile(&home, "a", &[("issuer", "https://nobody.invalid")]);
    finds(&home, "provider dns", "failed", "nobody.invalid");
}

#[test]
fn a_private_authority_is_wanted_until_it_is_named() {
    let authority = Authority::new();
    let provider = IdentityProvider::start_tls(&authority, "devinc.localhost");
    let home = signed_in(&provider);
    finds(&home, "provider", "failed", "--ca-file FILE");
    finds(&home, "backend", "failed", "--ca-file FILE");
    let home = home.with("KEYWARD_CA_FILE", authority.file().to_str().unwrap());
    finds(&home, "backend", "ok", "answers");
    finds(&home, "authorities", "ok", "those of the file that is named");
    let home = home.with("KEYWARD_CA_FILE", "/nonexistent/ca.pem");
    finds(&home, "authorities", "failed", "cannot read /nonexistent/ca.pem");
}

#[test]
fn a_proxy_is_named_without_its_address() {
    let home = Home::new().with("HTTPS_PROXY", "http://ana:canary@proxy.example:3128");
    finds(&home, "proxy", "ok", "for every server but this machine");
    let home = home.with("NO_PROXY", "internal.example");
    finds(&home, "proxy", "ok", "internal.example");
    let home = home.with("HTTPS_PROXY", "gopher://canary");
    finds(&home, "client", "failed", "HTTPS_PROXY");
    assert!(!doctor(&home).text().contains("canary"));
}

#[test]
fn in_the_air_gap_the_network_is_skipped_and_no_socket_is_opened() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider).with("KEYWARD_AIR_GAP", "1");
    finds(&home, "network", "skipped", "KEYWARD_AIR_GAP forbids it");
    let bus = "unix:path=/nonexistent/bus";
    let home = home.with("DBUS_SESSION_BUS_ADDRESS", bus);
    let calls = traced(&home.command(["auth", "doctor"]), b"").calls;
    assert_eq!(beyond(&calls, bus), [""; 0]);
}
