//! `anchor accept` on a terminal: what is shown before it is asked, and what a refusal leaves.

use std::fs;

use keyward_tests::Home;
use keyward_tests::terminal::Terminal;
use keyward_tests::vault_file::VaultFile;

const ASKED: &str = "Take the vault as it is for the newest? [y/N] ";

/// A home whose vault was rolled back from generation 2 to 1.
fn home() -> Home {
    let home = Home::new();
    home.put("A", "old");
    home.run(["anchor", "on"]).succeeds();
    let old = VaultFile::read(&home.vault());
    home.put("A", "new");
    old.write(&home.vault());
    home
}

fn accepting(home: &Home) -> Terminal {
    Terminal::start(&home.command(["anchor", "accept"]))
}

#[test]
fn both_generations_are_shown_and_yes_takes_the_older_one() {
    let home = home();
    let mut terminal = accepting(&home);
    terminal.wait_for("the anchor has generation 2 ").wait_for("the vault has  generation 1 ");
    terminal.wait_for(ASKED).type_keys("y\n");
    terminal.finish().ends(0).shows(" has generation 1 ");
    assert_eq!(home.get("A"), b"old");
}

#[test]
fn whoever_does_not_say_yes_accepts_nothing() {
    for answer in ["\n", "n\n", "\u{4}"] {
        let home = home();
        let before = fs::read(home.vault()).unwrap();
        let mut terminal = accepting(&home);
        terminal.wait_for(ASKED).type_keys(answer);
        terminal.finish().ends(130).shows("not accepted; nothing was changed");
        assert_eq!(fs::read(home.vault()).unwrap(), before);
        home.run(["get", "A"]).fails(6, &["the vault was rolled back"]);
    }
}

#[test]
fn nothing_is_asked_with_yes() {
    let home = home();
    Terminal::start(&home.command(["anchor", "accept", "-y"])).finish().ends(0).hides(ASKED);
    assert_eq!(home.get("A"), b"old");
}
