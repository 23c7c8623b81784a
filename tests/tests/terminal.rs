//! Hidden prompts on a terminal: what is typed is never shown, and Ctrl-C leaves everything as it was.

use std::fs;
use std::process::Command;

use keyward_tests::terminal::{CTRL_C, CTRL_D, Session, Terminal};
use keyward_tests::{Finished, Home, feed};

const CANARY: &str = "canary-8d1f-value";
const PASSPHRASE: &str = "five random words stay here";
const QUESTION: &str = "Make a recovery code too";

/// A home with a vault that its machine opens.
fn with_vault() -> Home {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    home
}

/// A home with a vault that only [`PASSPHRASE`] opens.
fn with_passphrase_vault() -> Home {
    let home = Home::new();
    let mut init = home.command(["init", "--source", "passphrase", "--light"]);
    let made = init.env("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE).output().expect("keyward starts");
    Finished::from(made).succeeds();
    home
}

/// Starts a command on a terminal.
fn on_terminal(home: &Home, arguments: &[&str]) -> Terminal {
    Terminal::start(&home.command(arguments))
}

/// Returns the files that keyward made in a home.
fn files(home: &Home) -> Vec<String> {
    let found = Command::new("find").arg(home.path().join(".local")).args(["-type", "f"]).output();
    let text = String::from_utf8_lossy(&found.expect("find starts").stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// Presses `key` at the prompt and checks that keyward ends as interrupted.
#[track_caller]
fn interrupted_at(mut terminal: Terminal, prompt: &str, key: &str) -> Session {
    terminal.wait_for_hidden(prompt).type_keys(key);
    let session = terminal.finish();
    session.ends(130);
    session
}

#[test]
fn put_hides_the_value_that_is_typed() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["put", "TOKEN"]);
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys(&format!("{CANARY}\n"));
    let session = terminal.finish();
    session.ends(0).hides(CANARY).shows("stored TOKEN in workspace default (version 1)");
    assert_eq!(home.get("TOKEN"), CANARY.as_bytes());
}

#[test]
fn a_prompt_is_never_in_what_is_redirected() {
    let home = with_vault();
    let mut terminal = Terminal::script("exec \"$@\" > out", &home.command(["put", "TOKEN"]));
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys("v\n");
    terminal.finish().ends(0);
    let out = fs::read_to_string(home.path().join("out")).unwrap();
    assert!(!out.contains("Value of"), "{out}");
    assert_eq!(home.get("TOKEN"), b"v");
}

#[test]
fn a_dumb_terminal_is_asked_in_plain_text() {
    let home = with_vault();
    let mut command = home.command(["put", "TOKEN"]);
    let mut terminal = Terminal::start(command.env("TERM", "dumb"));
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys(&format!("{CANARY}\n"));
    terminal.finish().ends(0).hides(CANARY).hides("\u{1b}");
    assert_eq!(home.get("TOKEN"), CANARY.as_bytes());
}

#[test]
fn stdin_with_a_value_is_never_read_for_a_passphrase() {
    let home = with_passphrase_vault();
    home.run_with_input(["put", "TOKEN"], format!("{PASSPHRASE}\nvalue"))
        .fails(5, &["cannot unlock ", "hint: "]);
    let mut command = home.command(["put", "TOKEN"]);
    feed(command.env("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE), b"value").succeeds();
    let mut command = home.command(["get", "TOKEN"]);
    let got = command.env("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE).output().unwrap();
    assert_eq!(got.stdout, b"value");
}

#[test]
fn spaces_around_a_typed_value_are_kept_and_backspace_edits() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["put", "TOKEN"]);
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys(" ab\u{7f}ü c \n");
    terminal.finish().ends(0);
    assert_eq!(home.get("TOKEN"), " aü c ".as_bytes());
}

#[test]
fn an_empty_line_at_the_prompt_stores_nothing() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["put", "TOKEN"]);
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys("\n");
    terminal.finish().ends(2).shows("the value of TOKEN is empty");
    home.run(["get", "TOKEN"]).fails(4, &["no secret TOKEN"]);
}

#[test]
fn ctrl_c_at_the_value_prompt_puts_the_terminal_back_and_makes_no_vault() {
    let home = Home::new();
    interrupted_at(on_terminal(&home, &["put", "TOKEN"]), "Value of TOKEN: ", CTRL_C);
    assert_eq!(files(&home), [""; 0]);
}

#[test]
fn ctrl_c_in_the_middle_of_a_value_stores_nothing() {
    let home = with_vault();
    let before = fs::read(home.vault()).expect("a vault");
    let keys = format!("{CANARY}{CTRL_C}");
    interrupted_at(on_terminal(&home, &["put", "API_KEY"]), "Value of API_KEY: ", &keys).hides(CANARY);
    assert_eq!(fs::read(home.vault()).expect("a vault"), before);
}

#[test]
fn ctrl_d_at_the_value_prompt_stores_nothing() {
    let home = with_vault();
    interrupted_at(on_terminal(&home, &["put", "TOKEN"]), "Value of TOKEN: ", CTRL_D);
    home.run(["get", "TOKEN"]).fails(4, &["no secret TOKEN"]);
}

#[test]
fn a_new_passphrase_is_asked_for_twice_and_then_opens_the_vault() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["slot", "add", "passphrase", "--light"]);
    terminal.wait_for_hidden("New passphrase: ").type_keys(&format!("{PASSPHRASE}\n"));
    terminal.wait_for_hidden("The same again: ").type_keys(&format!("{PASSPHRASE}\n"));
    terminal.finish().ends(0).hides(PASSPHRASE).shows("(passphrase)");
    let mut terminal = on_terminal(&home, &["--key-source", "passphrase", "get", "API_KEY", "--reveal"]);
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys(&format!("{PASSPHRASE}\n"));
    terminal.finish().ends(0).hides(PASSPHRASE).shows("s3cret");
}

#[test]
fn two_different_passphrases_change_nothing() {
    let home = with_vault();
    let before = fs::read(home.vault()).expect("a vault");
    let mut terminal = on_terminal(&home, &["slot", "add", "passphrase", "--light"]);
    terminal.wait_for_hidden("New passphrase: ").type_keys(&format!("{PASSPHRASE}\n"));
    terminal.wait_for_hidden("The same again: ").type_keys(&format!("{PASSPHRASE}!\n"));
    terminal.finish().ends(2).hides(PASSPHRASE).shows("the two passphrases differ; nothing was changed");
    assert_eq!(fs::read(home.vault()).expect("a vault"), before);
}

#[test]
fn an_empty_passphrase_makes_no_vault() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &["init", "--source", "passphrase"]);
    terminal.wait_for(QUESTION).type_keys("n\n");
    terminal.wait_for_hidden("New passphrase: ").type_keys("\n");
    terminal.finish().ends(2).shows("a passphrase can't be empty");
    assert_eq!(files(&home), [""; 0]);
}

#[test]
fn ctrl_c_at_either_passphrase_prompt_changes_nothing() {
    let home = with_vault();
    let before = fs::read(home.vault()).expect("a vault");
    let arguments = ["slot", "add", "passphrase", "--light"];
    interrupted_at(on_terminal(&home, &arguments), "New passphrase: ", CTRL_C);
    let mut terminal = on_terminal(&home, &arguments);
    terminal.wait_for_hidden("New passphrase: ").type_keys(&format!("{PASSPHRASE}\n"));
    interrupted_at(terminal, "The same again: ", CTRL_C).hides(PASSPHRASE);
    assert_eq!(fs::read(home.vault()).expect("a vault"), before);
}

#[test]
fn a_vault_with_a_passphrase_alone_asks_for_it() {
    let home = with_passphrase_vault();
    let mut terminal = on_terminal(&home, &["put", "TOKEN", "@/dev/null", "--allow-empty"]);
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys(&format!("{PASSPHRASE}\n"));
    terminal.finish().ends(0).hides(PASSPHRASE).shows("stored TOKEN");
}

#[test]
fn ctrl_c_and_ctrl_d_at_the_unlock_prompt_interrupt() {
    let home = with_passphrase_vault();
    for key in [CTRL_C, CTRL_D] {
        interrupted_at(on_terminal(&home, &["list"]), "Passphrase of the vault: ", key);
    }
}

#[test]
fn ctrl_c_after_a_prompt_still_ends_keyward() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &["put", "TOKEN"]);
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys(&format!("{CANARY}\n"));
    terminal.wait_for(QUESTION).type_keys(CTRL_C);
    terminal.finish().ends(130).hides(CANARY);
    assert_eq!(files(&home), [""; 0]);
}

#[test]
fn a_wrong_passphrase_is_a_wrong_key() {
    let home = with_passphrase_vault();
    let mut terminal = on_terminal(&home, &["list"]);
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys("not this one\n");
    terminal.finish().ends(5).hides("not this one").shows("passphrase prompt: ");
}

#[test]
fn yes_to_the_recovery_question_shows_a_code_that_opens_the_vault() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &["put", "TOKEN"]);
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys(&format!("{CANARY}\n"));
    terminal.wait_for(QUESTION).type_keys("y\n");
    let session = terminal.finish();
    session.ends(0).shows("the recovery code is shown only now: ");
    let code = session.shown.split("is shown only now: ").nth(1).and_then(|rest| rest.lines().next());
    let code = code.expect("a code").trim().to_owned();
    assert_eq!(session.shown.matches(&code).count(), 1, "{}", session.shown);

    // Every other source is gone.
    fs::remove_dir_all(home.path().join(".local/state")).expect("a seed to remove");
    home.run(["get", "TOKEN"]).fails(5, &["--recovery"]);
    let mut terminal = on_terminal(&home, &["--recovery", "get", "TOKEN", "--reveal"]);
    terminal.wait_for_hidden("Recovery code: ").type_keys(&format!("{}\n", code.to_lowercase()));
    terminal.finish().ends(0).hides(&code.to_lowercase()).shows(CANARY);
}

#[test]
fn no_to_the_recovery_question_makes_no_code() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &["init"]);
    terminal.wait_for(QUESTION).type_keys("n\n");
    terminal.finish().ends(0).shows("created the vault").hides("shown only now");
    let slots = home.run(["slot", "list"]).text();
    assert!(slots.contains("machine") && !slots.contains("recovery"), "{slots}");
}

#[test]
fn ctrl_c_at_the_recovery_question_makes_nothing() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &["init"]);
    terminal.wait_for(QUESTION).type_keys(CTRL_C);
    terminal.finish().ends(130);
    assert_eq!(files(&home), [""; 0]);
}

#[test]
fn a_recovery_code_with_a_typo_is_named_and_ctrl_c_interrupts() {
    let home = with_vault();
    home.run(["slot", "add", "recovery"]).succeeds();
    let mut terminal = on_terminal(&home, &["--recovery", "list"]);
    terminal.wait_for_hidden("Recovery code: ").type_keys("AAAAA-AAAAA\n");
    terminal.finish().ends(5).hides("AAAAA");
    interrupted_at(on_terminal(&home, &["--recovery", "list"]), "Recovery code: ", CTRL_C);
}
