//! What a session keeps, what it forgets, and what is no session.

use vault_core::secret::SecretBytes;

use super::*;
use crate::samples::{key, session_with, tokens};
use crate::token::TokenType;

fn begun(session: StoredSession) -> InFlight {
    session.begin(1500).unwrap()
}

fn decoded(session: &StoredSession) -> StoredSession {
    StoredSession::decode(&session.encode(), &key()).unwrap()
}

fn record(change: impl FnOnce(&mut serde_json::Value)) -> SecretBytes {
    let text = session_with(tokens(1, 1000, 900)).encode();
    let mut value = serde_json::from_slice(text.expose_secret()).unwrap();
    change(&mut value);
    SecretBytes::new(value.to_string().into_bytes())
}

fn refused(bytes: &SecretBytes) -> RecordError {
    StoredSession::decode(bytes, &key()).unwrap_err()
}

fn access(session: &StoredSession) -> &str {
    session.tokens().unwrap().access_token.expose_secret()
}

fn refresh(session: &StoredSession) -> &str {
    session.refresh_token().unwrap().expose_secret()
}

#[test]
fn a_session_is_read_as_it_was_written() {
    let mut all = tokens(1, 1000, 900);
    all.token_type = TokenType::Dpop;
    all.access_token = SecretString::new("access \"quoted\" \\ \u{fc}".into());
    let login = Login {
        user: User { subject: Some("u1".into()), email: Some("ana@example.org".into()), ..User::default() },
        signed_in_at: 1000,
        token_endpoint: "https://auth.example/token".into(),
        device: Some("0123456789abcdef".into()),
        ..Login::default()
    };
    let secret = Some(SecretString::new("client secret".into()));
    let session = StoredSession::sign_in(key(), login.clone(), secret, all, None);
    let read = decoded(&session);
    assert_eq!((read.key(), read.generation(), read.login()), (&key(), 1, &login));
    assert_eq!(
        (access(&read), refresh(&read), read.state()),
        ("access \"quoted\" \\ \u{fc}", "refresh-1", &State::Valid)
    );
    assert_eq!(read.client_secret().unwrap().expose_secret(), "client secret");
    let tokens = read.tokens().unwrap();
    assert_eq!(
        (tokens.token_type, tokens.received_at, tokens.expires_at),
        (TokenType::Dpop, 1000, Some(1900))
    );
    assert_eq!(tokens.scopes, ["openid"]);
}

#[test]
fn debug_shows_no_token() {
    let session = session_with(tokens(1, 1000, 900));
    let shown = format!("{session:?} {:?}", begun(session_with(tokens(1, 1000, 900))));
    assert!(!shown.contains("access-1") && !shown.contains("refresh-1"), "{shown}");
}

#[test]
fn what_is_no_record_is_damaged_and_a_later_schema_is_newer() {
    assert_eq!(refused(&SecretBytes::new(b"{".to_vec())), RecordError::Damaged);
    assert_eq!(refused(&SecretBytes::new(Vec::new())), RecordError::Damaged);
    assert_eq!(refused(&record(|value| value["unknown"] = 1.into())), RecordError::Damaged);
    assert_eq!(refused(&record(|value| value["tokens"] = serde_json::Value::Null)), RecordError::Damaged);
    assert_eq!(refused(&record(|value| value["state"] = "signed_out".into())), RecordError::Damaged);
    assert_eq!(refused(&record(|value| value["tokens"]["access_token"] = "".into())), RecordError::Damaged);
    assert_eq!(refused(&record(|value| value["key"]["tenant"] = "other".into())), RecordError::Damaged);
    assert_eq!(refused(&record(|value| value["schema"] = 2.into())), RecordError::Newer(2));
}

#[test]
fn a_record_in_flight_has_room_for_longer_tokens() {
    let session = session_with(tokens(1, 1000, 900));
    let before = session.encode().len();
    let in_flight = begun(session);
    assert!(in_flight.session().encode().len() >= before + 4096);
    assert!(matches!(decoded(in_flight.session()).state(), State::Refreshing(_)));
}

#[test]
fn new_tokens_take_the_place_of_the_old_ones() {
    let session = begun(session_with(tokens(1, 1000, 900))).complete(tokens(2, 1800, 900));
    assert_eq!((access(&session), refresh(&session), session.generation()), ("access-2", "refresh-2", 2));
    assert_eq!((session.state(), session.retry_at()), (&State::Valid, None));
}

#[test]
fn what_an_answer_leaves_out_stays() {
    let mut answer = tokens(2, 1800, 900);
    answer.refresh_token = None;
    answer.scopes.clear();
    let session = begun(session_with(tokens(1, 1000, 900))).complete(answer);
    assert_eq!((access(&session), refresh(&session)), ("access-2", "refresh-1"));
    assert_eq!(session.tokens().unwrap().scopes, ["openid"]);
}

#[test]
fn an_id_token_is_not_kept() {
    let with_id_token = |serial| {
        let id_token = Some(SecretString::new("canary-of-an-id-token".into()));
        TokenSet { id_token, ..tokens(serial, 1000, 900) }
    };
    let first = session_with(with_id_token(1));
    assert!(first.tokens().unwrap().id_token.is_none());
    let second = begun(first).complete(with_id_token(2));
    assert!(second.tokens().unwrap().id_token.is_none());
    let text = String::from_utf8(second.encode().expose_secret().to_vec()).unwrap();
    assert!(text.contains("access-2") && !text.contains("id_token") && !text.contains("canary"), "{text}");
}

#[test]
fn a_refusal_deletes_nothing_and_the_token_is_not_sent_again() {
    let session = begun(session_with(tokens(1, 1000, 900))).reject(Some("expired".into()), 1501, false);
    assert_eq!((access(&session), refresh(&session), session.generation()), ("access-1", "refresh-1", 1));
    let State::ReauthRequired(reauth) = session.state() else { panic!("{:?}", session.state()) };
    assert_eq!(reauth.token, TokenHash::of(session.refresh_token().unwrap()));
    assert_eq!((reauth.at, reauth.interrupted.as_ref()), (1501, None));
    assert!(decoded(&session).begin(1502).is_err());
}

#[test]
fn an_attempt_whose_answer_is_lost_stays_until_the_server_speaks() {
    let lost = begun(session_with(tokens(1, 1000, 900))).postpone(true, 1600);
    assert!(matches!(lost.state(), State::Refreshing(attempt) if attempt.at == 1500));
    let again = decoded(&lost).begin(1700).unwrap();
    assert_eq!(again.interrupted.as_ref().map(|attempt| attempt.at), Some(1500));
    let unreachable = again.postpone(false, 1800);
    assert!(matches!(unreachable.state(), State::Refreshing(attempt) if attempt.at == 1500));
    let refused = unreachable.begin(1900).unwrap().reject(None, 1900, false);
    assert!(matches!(refused.state(), State::ReauthRequired(reauth)
        if reauth.interrupted.as_ref().is_some_and(|attempt| attempt.at == 1500)));
}

#[test]
fn an_attempt_that_surely_did_not_arrive_leaves_nothing_behind() {
    let session = begun(session_with(tokens(1, 1000, 900))).postpone(false, 1600);
    assert_eq!((session.state(), session.retry_at()), (&State::Valid, Some(1600)));
}

#[test]
fn a_tombstone_has_no_tokens_and_is_refreshed_by_nobody() {
    let login = Login { base_url: Some("https://api.example".into()), ..Login::default() };
    let secret = Some(SecretString::new("secret".into()));
    let session = StoredSession::sign_in(key(), login, secret, tokens(1, 1000, 900), None);
    let gone = decoded(&session.sign_out());
    assert!(gone.tokens().is_none() && gone.client_secret().is_none());
    assert_eq!((gone.generation(), gone.state()), (2, &State::SignedOut));
    assert!(gone.begin(2000).is_err());
}

#[test]
fn a_new_login_may_follow_a_tombstone() {
    let gone = session_with(tokens(1, 1000, 900)).sign_out();
    let session = StoredSession::sign_in(key(), Login::default(), None, tokens(9, 3000, 900), Some(&gone));
    assert_eq!((session.generation(), session.state(), access(&session)), (3, &State::Valid, "access-9"));
}

#[test]
fn a_session_without_a_refresh_token_is_not_refreshed() {
    let mut only_access = tokens(1, 1000, 900);
    only_access.refresh_token = None;
    assert!(session_with(only_access).begin(1500).is_err());
}
