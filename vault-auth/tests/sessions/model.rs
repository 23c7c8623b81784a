//! States of a session against a model: whatever is done in whatever order, only the changes that a model of a
//! few lines allows come about, and every token is sent at most as often as it may be.

use proptest::prelude::*;
use vault_auth::clock::Clock;
use vault_auth::login::sign_out;
use vault_auth::refresh::RefreshError;
use vault_auth::stored_session::State;
use vault_auth::token_store::TokenStore;

use crate::sample::{Home, WAIT, key};
use crate::server::{Fault, LIFE, Mode, Server};

/// What is done to a session.
#[derive(Debug, Clone)]
enum Act {
    /// Time goes by, and a command needs a token, with a server that does this.
    Access(i64, Vec<Fault>),
    /// A process dies after its note and before it sends.
    DieBeforeSending,
    SignIn,
    SignOut,
    /// Somebody else uses the newest token: a strict server ends the session.
    Steal,
}

/// The states of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Reauth,
    Refreshing,
    Tombstone,
    Valid,
}

fn known(state: &State) -> Known {
    match state {
        State::ReauthRequired(_) => Known::Reauth,
        State::Refreshing(_) => Known::Refreshing,
        State::SignedOut => Known::Tombstone,
        State::Valid => Known::Valid,
    }
}

/// Tells whether a session may go from one state to another by an act.
fn is_legal(act: &Act, before: Known, after: Known) -> bool {
    use Known::{Reauth, Refreshing, Tombstone, Valid};
    match act {
        Act::SignIn => after == Valid,
        Act::SignOut => after == Tombstone,
        Act::Steal => after == before,
        Act::DieBeforeSending => after == if before == Valid { Refreshing } else { before },
        Act::Access(..) => match before {
            Tombstone | Reauth => after == before,
            Valid | Refreshing => matches!(after, Valid | Refreshing | Reauth),
        },
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::AnswerLost),
        Just(Fault::RequestLost),
        Just(Fault::NotReached),
        Just(Fault::Nonsense),
        Just(Fault::Status(429, Some(1))),
        Just(Fault::Status(503, None)),
        Just(Fault::Refused),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let passed = prop_oneof![Just(0), Just(LIFE / 2), Just(LIFE - 30), Just(LIFE), Just(-LIFE)];
    prop_oneof![
        8 => (passed, prop::collection::vec(fault(), 0..3)).prop_map(|(passed, faults)| Act::Access(passed, faults)),
        1 => Just(Act::DieBeforeSending),
        1 => Just(Act::SignIn),
        1 => Just(Act::SignOut),
        1 => Just(Act::Steal),
    ]
}

fn perform(home: &Home, act: &Act) -> Option<Result<(), RefreshError>> {
    match act {
        Act::SignIn => drop(home.sign_in()),
        Act::SignOut => drop(sign_out(&home.open(), &key(), WAIT).unwrap()),
        Act::Steal => drop(home.server.steal(home.clock.now())),
        Act::DieBeforeSending => {
            let store = home.open();
            if let Ok(begun) = home.stored().begin(home.clock.now()) {
                let turn = store.lock(&key(), WAIT).unwrap();
                store.save(&turn, begun.session()).unwrap();
            }
        }
        Act::Access(passed, faults) => {
            home.clock.advance(*passed);
            home.server.set_faults(faults);
            return Some(home.access().map(drop));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ct_14_only_legal_changes_of_state_come_about(acts in prop::collection::vec(act(), 1..16), grace: bool) {
        let home = Home::signed_in(Server::new(if grace { Mode::Grace } else { Mode::Strict }));
        for act in acts {
            let (before, requests) = (home.stored(), home.server.seen().requests);
            let answer = perform(&home, &act);
            let after = home.stored();
            let (from, to) = (known(before.state()), known(after.state()));
            prop_assert!(is_legal(&act, from, to), "{act:?}: {from:?} -> {to:?}");
            prop_assert!(after.generation() >= before.generation(), "{act:?}");
            let sent = home.server.seen().requests - requests;
            prop_assert!(sent <= 2, "{act:?}: {sent} requests");
            if matches!(from, Known::Reauth | Known::Tombstone) {
                prop_assert_eq!(sent, 0, "{:?} in {:?}", act, from);
            }
            match (&answer, to) {
                (Some(Ok(())), Known::Tombstone) => prop_assert!(false, "a token of nobody"),
                (Some(Err(RefreshError::NotSignedIn)), _) => prop_assert_eq!(to, Known::Tombstone),
                (Some(Err(RefreshError::ReauthRequired(_))), _) => prop_assert_eq!(to, Known::Reauth),
                _ => {}
            }
            prop_assert_eq!(after.tokens().is_none(), to == Known::Tombstone, "{:?}", act);
        }
    }
}
