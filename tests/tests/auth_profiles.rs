//! `auth profiles` and `auth switch`: names for logins, and which one is active.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::Home;
use keyward_tests::identity_provider::{IdentityProvider, WHOAMI};
use keyward_tests::signed_in::{
    add_profile, home, path, profiles, session, sign_in, signed_in, store_api_key, switch,
};
use keyward_tests::terminal::Terminal;
use serde_json::json;

/// A home with these profiles, in which nobody is signed in.
fn with_profiles(names: &[&str]) -> Home {
    let home = home();
    names.iter().for_each(|name| add_profile(&home, name, &[("env", &format!("{name}.example"))]));
    home
}

fn active(home: &Home) -> Option<String> {
    profiles(home).active().map(ToString::to_string)
}

#[test]
fn profiles_are_listed_with_what_they_mean_and_who_is_signed_in() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    add_profile(&home, "ci", &[("env", "example.com"), ("tenant", "globex")]);
    store_api_key(&home, "ci", true);
    add_profile(&home, "other", &[("env", "example.org")]);
    let text = home.run(["auth", "profiles", "list"]).succeeds().text();
    let server = provider.issuer();
    assert_eq!(
        text,
        format!(
            "\tci\tglobex\thttps://api.example.com\tAPI key\tci@example.com\n\
             \tother\tdefault\thttps://api.example.org\t-\t-\n\
             *\twork\tacme\t{server}\tsession\tana@example.com\n"
        )
    );
    let json = home.run(["auth", "profiles", "list", "--json"]).succeeds().json();
    assert_eq!(
        (&json["profiles"][2]["active"], &json["profiles"][2]["name"]),
        (&json!(true), &json!("work"))
    );
    assert_eq!(home.run(["auth", "list"]).succeeds().text(), text, "the name that other tools have");
}

#[test]
fn ae_01_a_profile_of_a_host_has_the_services_of_that_host() {
    let home = with_profiles(&["acme"]);
    let text = home.run(["auth", "profiles", "show", "acme"]).succeeds().text();
    assert!(text.contains("Issuer:       https://auth.acme.example\n"), "{text}");
    assert!(text.contains("Backend:      https://api.acme.example\n"), "{text}");
}

#[test]
fn ae_07_switching_changes_which_login_is_used_and_nothing_else() {
    let provider = IdentityProvider::start();
    let home = home();
    sign_in(&home, &provider, "one", "acme");
    sign_in(&home, &provider, "two", "globex");
    let tenant =
        |home: &Home| home.run(["auth", "status", "--json"]).succeeds().json()["logins"][0]["tenant"].clone();
    assert_eq!(tenant(&home), "globex");
    home.run(["auth", "switch", "one"]).fails(0, &["profile one is active: tenant 'acme'"]);
    assert_eq!((tenant(&home), active(&home)), (json!("acme"), Some("one".into())));
    assert!(session(&home, "two").is_some_and(|session| session.tokens().is_some()));
    assert!(provider.requests(WHOAMI).is_empty());
}

#[test]
fn ae_04_the_active_profile_is_the_default_which_flag_and_variable_override() {
    let home = with_profiles(&["a", "b", "c"]);
    switch(&home, "a");
    let profile = |home: &Home, flags: &[&str]| {
        let said = home.run(["auth", "status", "--json"].iter().chain(flags)).json();
        (said["settings"][0]["value"].clone(), said["settings"][0]["source"].clone())
    };
    assert_eq!(profile(&home, &[]), (json!("a"), json!("active profile")));
    let home = home.with("KEYWARD_PROFILE", "b");
    assert_eq!(profile(&home, &[]), (json!("b"), json!("variable")));
    assert_eq!(profile(&home, &["--profile", "c"]), (json!("c"), json!("flag")));
    home.run(["auth", "switch", "c"]).fails(0, &["KEYWARD_PROFILE is set: it says which profile is used"]);
}

#[test]
fn without_a_name_two_profiles_change_places() {
    let home = with_profiles(&["a", "b"]);
    switch(&home, "a");
    for expected in ["b", "a"] {
        home.run(["auth", "switch"]).succeeds();
        assert_eq!(active(&home).as_deref(), Some(expected));
    }
    let only = with_profiles(&["a"]);
    only.run(["auth", "switch"]).succeeds();
    assert_eq!(active(&only).as_deref(), Some("a"));
}

#[test]
fn of_more_profiles_a_terminal_is_asked_by_number_or_name() {
    for (answer, expected, code) in
        [("3\n", "c", 0), ("b\n", "b", 0), ("4\n", "a", 2), ("0\n", "a", 2), ("\n", "a", 2)]
    {
        let home = with_profiles(&["a", "b", "c"]);
        switch(&home, "a");
        let mut terminal = Terminal::start(&home.command(["auth", "switch"]));
        terminal.wait_for("1  a (active)").wait_for("3  c").wait_for("Which profile? ").type_keys(answer);
        terminal.finish().ends(code);
        assert_eq!(active(&home).as_deref(), Some(expected), "{answer:?}");
    }
}

#[test]
fn of_more_profiles_a_script_has_to_name_one() {
    let home = with_profiles(&["a", "b", "c"]);
    home.run(["auth", "switch"]).fails(2, &["there are 3 profiles", "a, b, c", "`keyward auth switch NAME`"]);
    assert_eq!(active(&home), None);
}

#[test]
fn what_is_no_profile_is_refused_and_nothing_is_changed() {
    let home = with_profiles(&["a", "b"]);
    let before = fs::read(path(&home)).unwrap();
    for line in
        ["switch x", "profiles show x", "profiles rename x y", "profiles rm x", "profiles set x tenant=t"]
    {
        let words = ["auth"].into_iter().chain(line.split(' ')).chain(["--json"]);
        home.run(words).fails_as(4, "no_such_profile");
    }
    home.run(["auth", "profiles", "rename", "a", "b", "--json"]).fails_as(1, "exists");
    home.run(["auth", "switch", "../x"]).fails(2, &["the name of a profile is"]);
    assert!(fs::read(path(&home)).unwrap() == before);
}

#[test]
fn where_nobody_ever_signed_in_there_are_no_profiles_and_none_are_made() {
    let home = Home::new();
    assert_eq!(home.run(["auth", "profiles", "list"]).succeeds().text(), "");
    home.run(["auth", "switch", "--json"]).fails_as(4, "no_such_profile");
    home.run(["auth", "profiles", "set", "a", "tenant=t", "--json"]).fails_as(4, "no_such_profile");
    assert!(!home.path().join(".local").exists());
}

#[test]
fn a_renamed_profile_stays_active_with_its_login() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["auth", "profiles", "rename", "work", "office"])
        .fails(0, &["profile work is called office now"]);
    let said = home.run(["auth", "status", "--json"]).succeeds().json();
    assert_eq!(said["logins"][0]["profile"], "office");
}

#[test]
fn a_removed_profile_leaves_its_login_and_says_how_to_end_that() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let key = keyward_tests::signed_in::selection(&home, "work").session_key();
    let said = home.run(["auth", "profiles", "rm", "work"]);
    said.fails(
        0,
        &["removed profile work", "its login stays: `keyward auth logout --all`", "no profile is active now"],
    );
    use vault_auth::token_store::TokenStore;
    assert!(keyward_tests::signed_in::file(&home).load(&key).unwrap().is_some());
    add_profile(&home, "ci", &[("env", "example.com"), ("tenant", "globex")]);
    store_api_key(&home, "ci", true);
    let said = home.run(["auth", "profiles", "rm", "ci"]);
    said.fails(0, &["its login stays: `keyward auth logout --env example.com --tenant globex` ends it"]);
    home.run(["auth", "logout", "--env", "example.com", "--tenant", "globex"])
        .fails(0, &["removed the API key"]);
}

#[test]
fn settings_are_changed_all_of_them_or_none() {
    let home = with_profiles(&["a"]);
    let set = |settings: &[&str]| home.run(["auth", "profiles", "set", "a"].iter().chain(settings));
    set(&["tenant=acme", "base-url=https://api.example.com/v2", "scopes=openid,email"]).fails(
        0,
        &["profile a is for tenant 'acme' at https://api.example.com/v2", "nobody is signed in there"],
    );
    let shown = home.run(["auth", "profiles", "show", "a", "--json"]).succeeds().json();
    assert_eq!(
        (&shown["tenant"], &shown["settings"]["scopes"]),
        (&json!("acme"), &json!(["openid", "email"]))
    );
    let before = fs::read(path(&home)).unwrap();
    for (wrong, part) in [
        ("issuer=http://example.com", "it is not https"),
        ("base-url=https://ana:canary@example.com", "it carries a user name"),
        ("env=not a host", "the environment can't be used"),
        ("tenant=../x", "the tenant can't be used"),
        ("colour=red", "a profile has no setting colour"),
        ("tenant", "it is KEY=VALUE"),
    ] {
        let refused = set(&["client-id=other", wrong]);
        refused.fails(2, &[part]);
        assert!(!refused.stderr.contains("canary"), "{refused}");
        assert!(fs::read(path(&home)).unwrap() == before, "{wrong}");
    }
    set(&["tenant="]).succeeds();
    assert_eq!(home.run(["auth", "profiles", "show", "a", "--json"]).json()["tenant"], "default");
}

#[test]
fn a_person_gets_columns() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let session = Terminal::start(&home.command(["auth", "profiles", "list"])).finish();
    session.ends(0).shows("PROFILE   TENANT   SERVER").shows("*    work      acme ");
}
