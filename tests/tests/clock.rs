//! A clock that is wrong, and wrong in another way at the next command: the vault goes by versions and generations, and
//! times are only shown.

use std::time::{SystemTime, UNIX_EPOCH};

use keyward_tests::clock::run_at;
use keyward_tests::writes::KEY;
use keyward_tests::{Finished, Home};

const YEAR: i64 = 31_557_600;

/// Ten years back, fifty ahead, back again, before 1970, and where no calendar reaches.
fn wrong_times() -> [i64; 6] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    [now - 10 * YEAR, now + 50 * YEAR, now - YEAR, -5, 1 << 50, 0]
}

fn home() -> Home {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    home.put("A", "now");
    home
}

fn at(home: &Home, time: i64, line: &str) -> Finished {
    run_at(time, &home.command(line.split(' ')), format!("put at {time}").as_bytes())
}

#[test]
fn the_newest_value_is_the_one_that_was_put_last_whatever_the_clock_says() {
    let home = home();
    for (time, generation) in wrong_times().into_iter().zip(2..) {
        at(&home, time, "put A").succeeds();
        assert_eq!(home.get("A"), format!("put at {time}").as_bytes());
        assert_eq!(home.run(["status", "--json"]).json()["generation"], generation);
    }
    let history = home.run(["history", "A"]).succeeds().text();
    let versions: Vec<_> = history.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(versions, ["7", "6", "5", "4", "3", "2", "1"]);
    let dates: Vec<_> =
        history.lines().map(|line| line.split('\t').nth(1).unwrap().get(..5).unwrap()).collect();
    assert_eq!((dates[1], dates[2]), ("@1125", "1970-"), "the clock was wrong: {history}");
    home.run(["verify"]).succeeds();
}

#[test]
fn every_command_works_at_every_time() {
    let home = home();
    home.put("A", "later");
    for time in wrong_times() {
        assert_eq!(at(&home, time, "get A").succeeds().text(), "later");
        for line in ["list", "list --json", "history A", "status", "verify", "creds check --provider ollama"]
        {
            let right = home.run(line.split(' ')).succeeds().text();
            assert_eq!(at(&home, time, line).succeeds().text(), right, "{line} at {time}");
        }
    }
}

#[test]
fn an_earlier_value_comes_back_whatever_the_clock_says() {
    for time in wrong_times() {
        let home = home();
        home.put("A", "later");
        at(&home, time, "rollback A --to 1").succeeds();
        assert_eq!(home.get("A"), b"now");
        at(&home, time, "rm A").succeeds();
        home.run(["get", "A"]).fails(4, &["no secret A"]);
    }
}

#[test]
fn a_vault_can_be_made_at_any_time() {
    for time in wrong_times() {
        let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
        at(&home, time, "put A --key-source env").succeeds();
        assert_eq!(home.get("A"), format!("put at {time}").as_bytes());
        at(&home, time, "rekey --keep-secret env").succeeds();
        home.run(["verify"]).succeeds();
    }
}
