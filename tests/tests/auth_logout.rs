//! `auth logout`: the tokens are gone at once, the server is told, and nobody else is signed out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use keyward_tests::Home;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, REVOKE, TOKEN};
use keyward_tests::signed_in::{API_KEY, file, home, path, session, sign_in, signed_in, store_api_key};
use vault_auth::revocation_queue::RevocationQueue;
use vault_auth::stored_session::State;

fn queued(home: &Home) -> usize {
    RevocationQueue::load(&file(home), keyward_tests::signed_in::now()).unwrap().due.len()
}

#[test]
fn ae_06_se_04_a_logout_removes_the_tokens_names_the_file_and_revokes_the_grant() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["auth", "logout"]);
    let line = format!(
        "signed out of tenant 'acme': removed the session from {}, and the server revoked it\n",
        path(&home).display()
    );
    assert_eq!((said.code, said.stderr.as_str(), said.text().as_str()), (0, line.as_str(), ""));
    let left = session(&home, "work").unwrap();
    assert!(*left.state() == State::SignedOut && left.tokens().is_none());
    let [request] = &provider.requests(REVOKE)[..] else { panic!("one request") };
    assert_eq!(
        (request.field("token").as_deref(), request.field("token_type_hint").as_deref()),
        (Some("refresh-0-0"), Some("refresh_token"))
    );
    assert!(!provider.with_grants(|grants| grants.accepts("access-0-0")));
    home.run(["auth", "token", "--json"]).fails_as(3, "not_signed_in");
}

#[test]
fn ak_08_a_second_logout_and_one_without_any_login_succeed() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["auth", "logout"]).succeeds();
    for home in [&home, &Home::new()] {
        let said = home.run(["auth", "logout"]);
        assert_eq!((said.code, said.stderr.as_str()), (0, "not signed in: there is nothing to remove\n"));
    }
    assert_eq!(provider.requests(REVOKE).len(), 1);
}

#[test]
fn ec_15_a_logout_of_one_tenant_leaves_the_others_signed_in() {
    let provider = IdentityProvider::start();
    let home = home();
    sign_in(&home, &provider, "one", "acme");
    sign_in(&home, &provider, "two", "globex");
    home.run(["auth", "logout", "--tenant", "acme"]).succeeds();
    assert_eq!(*session(&home, "one").unwrap().state(), State::SignedOut);
    assert_eq!(*session(&home, "two").unwrap().state(), State::Valid);
    assert_eq!(home.run(["auth", "token", "--profile", "two"]).succeeds().text(), "access-1-0\n");
}

#[test]
fn all_signs_out_everywhere() {
    let provider = IdentityProvider::start();
    let home = home();
    sign_in(&home, &provider, "one", "acme");
    sign_in(&home, &provider, "two", "globex");
    store_api_key(&home, "two", true);
    let removed = home.run(["auth", "logout", "--all", "--json"]).succeeds().json();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 3, "{removed}");
    assert_eq!(provider.requests(REVOKE).len(), 2, "a key is not the provider's to revoke");
    for profile in ["one", "two"] {
        home.run(["auth", "token", "--profile", profile, "--json"]).fails_as(3, "not_signed_in");
    }
}

#[test]
fn a_server_that_is_away_does_not_keep_anybody_signed_in_and_is_told_later() {
    for reply in [Reply::empty(503), Reply::reset(), Reply::text(502, "text/html", "<html>proxy</html>")] {
        let provider = IdentityProvider::start();
        let home = signed_in(&provider);
        sign_in(&home, &provider, "two", "globex");
        provider.answer_once(REVOKE, reply);
        let said = home.run(["auth", "logout", "--profile", "work"]);
        said.fails(0, &["it could not be revoked now (", "); a later command tries again"]);
        assert!(!said.stderr.contains("refresh-0-0"), "{said}");
        assert_eq!((queued(&home), session(&home, "work").unwrap().tokens().is_none()), (1, true));
        home.run(["auth", "logout", "--profile", "two"]).succeeds();
        assert_eq!((queued(&home), provider.requests(REVOKE).len()), (0, 3));
        assert!(!provider.with_grants(|grants| grants.accepts("access-0-0") || grants.accepts("access-1-0")));
    }
}

#[test]
fn what_is_queued_stands_in_the_status() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    provider.answer_always(REVOKE, Reply::empty(503));
    home.run(["auth", "logout"]).succeeds();
    let status = home.run(["auth", "status", "--json"]);
    assert_eq!((status.code, &status.json()["queued_revocations"]), (3, &1.into()));
    assert!(home.run(["auth", "status"]).text().contains("to be revoked: 1 token of an earlier logout"));
}

#[test]
fn local_only_asks_nobody_and_queues_nothing() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["auth", "logout", "--local-only"])
        .fails(0, &["the server still takes its tokens until they end"]);
    assert_eq!((queued(&home), provider.requests(REVOKE).len()), (0, 0));
    assert!(provider.with_grants(|grants| grants.accepts("access-0-0")));
}

#[test]
fn under_the_air_gap_the_tokens_are_removed_and_no_socket_is_opened() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["--air-gap", "auth", "logout"]).succeeds();
    assert_eq!((provider.requests(REVOKE).len(), queued(&home)), (0, 1));
    assert!(session(&home, "work").unwrap().tokens().is_none());
}

#[test]
fn a_stored_key_is_removed_and_a_variable_that_is_left_is_told() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["auth", "logout"]).succeeds();
    store_api_key(&home, "work", true);
    let home = home.with("KEYWARD_TOKEN", "a-token-from-elsewhere");
    let said = home.run(["auth", "logout"]);
    said.fails(0, &["removed the API key from ", "KEYWARD_TOKEN is still set, and is used as before\n"]);
    assert!(!said.stderr.contains(API_KEY) && !said.stderr.contains("from-elsewhere"), "{said}");
}

#[test]
fn a_refresh_that_comes_after_the_logout_brings_nothing_back() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["auth", "logout"]).succeeds();
    home.run(["auth", "refresh", "--json"]).fails_as(3, "not_signed_in");
    assert!(provider.requests(TOKEN).is_empty());
    assert_eq!(*session(&home, "work").unwrap().state(), State::SignedOut);
}

#[test]
fn a_logout_that_is_killed_while_the_server_hangs_forgets_no_token() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    provider.answer_once(REVOKE, Reply::silence());
    let mut child = home.command(["auth", "logout"]).spawn().unwrap();
    while provider.requests(REVOKE).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().and_then(|()| child.wait()).unwrap();
    assert_eq!((queued(&home), session(&home, "work").unwrap().tokens().is_none()), (1, true));
    home.run(["auth", "logout"]).succeeds();
    assert_eq!(queued(&home), 0);
    assert!(!provider.with_grants(|grants| grants.accepts("access-0-0")));
}
