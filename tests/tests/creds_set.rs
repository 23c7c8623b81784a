//! `creds set`: the guided flow on a terminal, and what it says where there is none.

use std::fs;

use keyward_tests::terminal::{CTRL_C, CTRL_D, Terminal};
use keyward_tests::{Finished, Home};

const CANARY: &str = "canary-e52a-value";
const PASSPHRASE: &str = "five random words stay here";
const SHAPED: &str = "xoxb-1234567890-canarycanarycanary";

/// A home with a vault, so that nobody is asked for a recovery code.
fn with_vault() -> Home {
    let home = Home::new();
    home.put("UNRELATED", "x");
    home
}

fn on_terminal(home: &Home, arguments: &[&str]) -> Terminal {
    Terminal::start(&home.command([&["creds", "set"], arguments].concat()))
}

fn prompt(name: &str) -> String {
    format!("Value of {name} (Enter skips): ")
}

fn generation(home: &Home) -> u64 {
    home.run(["status", "--json"]).json()["generation"].as_u64().expect("a number")
}

#[test]
fn ak_14_creds_set_stores_what_is_typed_as_put_does() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["slack"]);
    terminal.wait_for("get a key of Slack at https://api.slack.com/apps");
    terminal.wait_for_hidden(&prompt("SLACK_BOT_TOKEN")).type_keys(&format!("{SHAPED}\n"));
    let session = terminal.finish();
    session.ends(0).hides("canary").shows("stored SLACK_BOT_TOKEN in workspace default (version 1)");
    session.shows("`keyward creds check --provider slack` checks what is there");
    assert_eq!(home.get("SLACK_BOT_TOKEN"), SHAPED.as_bytes());
    home.run(["creds", "check", "--provider", "slack"]).succeeds();
}

#[test]
fn ak_14_creds_set_asks_for_each_missing_key_and_stores_them_in_one_write() {
    let home = with_vault();
    home.put("SMTP_HOST", "mail.example");
    let before = generation(&home);
    let mut terminal = on_terminal(&home, &["smtp", "--scope", "tenant"]);
    // The workspace's host is no secret of the tenant's scope, to which `--scope` confines the question.
    terminal.wait_for_hidden(&prompt("SMTP_HOST")).type_keys("\n");
    terminal.wait_for_hidden(&prompt("SMTP_USERNAME")).type_keys("ana\n");
    terminal.wait_for_hidden(&prompt("SMTP_PASSWORD")).type_keys(&format!("{CANARY}\n"));
    let session = terminal.finish();
    session.ends(0).hides(CANARY).shows("not stored: SMTP_HOST");
    assert_eq!(generation(&home), before + 1);
    home.run(["creds", "check", "--provider", "smtp"]).succeeds();
    assert_eq!(home.get("SMTP_PASSWORD"), CANARY.as_bytes());
}

#[test]
fn a_provider_is_picked_by_number_or_by_id_with_the_incomplete_ones_first() {
    let home = with_vault();
    home.put("OPENAI_API_KEY", "x");
    home.write(".keyward.toml", "[creds]\nproviders = [\"openai\", \"slack\"]\n");
    for answer in ["1", "slack"] {
        let mut terminal = on_terminal(&home, &[]);
        terminal.wait_for("1  slack: lacks SLACK_BOT_TOKEN").wait_for("2  openai: complete");
        terminal.wait_for("Provider (number or id): ").type_keys(&format!("{answer}\n"));
        terminal.wait_for_hidden(&prompt("SLACK_BOT_TOKEN")).type_keys("\n");
        terminal.finish().ends(0).shows("not stored: SLACK_BOT_TOKEN");
    }
}

#[test]
fn an_answer_that_is_no_provider_is_asked_for_again() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &[]);
    terminal.wait_for("known providers: openai, anthropic");
    for (answer, said) in
        [("0", "unknown provider: 0"), ("slak", "did you mean slack"), (SHAPED, "it may be a key")]
    {
        terminal.wait_for("Provider (number or id): ").type_keys(&format!("{answer}\n")).wait_for(said);
    }
    // Nothing of a long answer is left for the next prompt.
    let long = "x".repeat(1000);
    terminal
        .wait_for("Provider (number or id): ")
        .type_keys(&format!("{long}\n"))
        .wait_for("it may be a key");
    terminal.wait_for("Provider (number or id): ").type_keys("mistral\n");
    terminal.wait_for_hidden(&prompt("MISTRAL_API_KEY")).type_keys("v\n");
    let session = terminal.finish();
    session.ends(0).shows("stored MISTRAL_API_KEY");
    assert_eq!(session.shown.matches("Provider (number").count(), 5, "{}", session.shown);
}

#[test]
fn one_of_several_groups_is_picked() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["google-vertex"]);
    terminal
        .wait_for("1  GOOGLE_VERTEX_API_KEY")
        .wait_for("2  GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_PROJECT");
    terminal.wait_for("Which one (number): ").type_keys("3\n").wait_for("none of the numbers");
    terminal.wait_for("Which one (number): ").type_keys("2\n");
    terminal.wait_for_hidden(&prompt("GOOGLE_APPLICATION_CREDENTIALS")).type_keys("/key.json\n");
    terminal.wait_for_hidden(&prompt("GOOGLE_CLOUD_PROJECT")).type_keys("mine\n");
    terminal.finish().ends(0);
    home.run(["creds", "check", "--provider", "google-vertex"]).succeeds();
}

#[test]
fn a_value_of_another_shape_is_stored_only_after_a_question() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["slack"]);
    let question = "Store it anyway? [y/N] ";
    terminal.wait_for_hidden(&prompt("SLACK_BOT_TOKEN")).type_keys(&format!("{SHAPED} \n"));
    terminal.wait_for("does not have the shape that SLACK_BOT_TOKEN is known to have");
    terminal.wait_for(question).type_keys("\n");
    terminal.wait_for_hidden(&prompt("SLACK_BOT_TOKEN")).type_keys(&format!("{CANARY}\n"));
    terminal.wait_for(question).type_keys("y\n");
    terminal.finish().ends(0).hides("canary");
    assert_eq!(home.get("SLACK_BOT_TOKEN"), CANARY.as_bytes());
}

#[test]
fn ctrl_c_and_ctrl_d_anywhere_store_nothing_and_put_the_terminal_back() {
    let home = with_vault();
    let before = fs::read(home.vault()).unwrap();
    for key in [CTRL_C, CTRL_D] {
        let mut terminal = on_terminal(&home, &["smtp"]);
        terminal.wait_for_hidden(&prompt("SMTP_HOST")).type_keys("mail.example\n");
        terminal.wait_for_hidden(&prompt("SMTP_USERNAME")).type_keys(key);
        terminal.finish().ends(130);
        let mut terminal = on_terminal(&home, &[]);
        terminal.wait_for("Provider (number or id): ").type_keys(key);
        terminal.finish().ends(130);
    }
    let mut terminal = on_terminal(&home, &["slack"]);
    terminal.wait_for_hidden(&prompt("SLACK_BOT_TOKEN")).type_keys(&format!("{CANARY}\n"));
    terminal.wait_for("Store it anyway?").type_keys(CTRL_C);
    terminal.finish().ends(130).hides(CANARY);
    assert_eq!(fs::read(home.vault()).unwrap(), before);
}

#[test]
fn nothing_chosen_or_nothing_typed_makes_no_vault() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &[]);
    terminal.wait_for("Provider (number or id): ").type_keys("\n");
    terminal.finish().ends(2).shows("nothing was chosen; nothing was stored");
    let mut terminal = on_terminal(&home, &["slack"]);
    terminal.wait_for_hidden(&prompt("SLACK_BOT_TOKEN")).type_keys("  \n");
    terminal.finish().ends(0).shows("not stored: SLACK_BOT_TOKEN");
    assert!(!home.path().join(".local").exists(), "nothing is created");
}

#[test]
fn the_first_key_makes_the_vault() {
    let home = Home::new();
    let mut terminal = on_terminal(&home, &["mistral"]);
    terminal.wait_for_hidden(&prompt("MISTRAL_API_KEY")).type_keys(&format!("{CANARY}\n"));
    terminal.wait_for("Make a recovery code too").type_keys("n\n");
    terminal.finish().ends(0).hides(CANARY).shows("created the vault");
    assert_eq!(home.get("MISTRAL_API_KEY"), CANARY.as_bytes());
}

#[test]
fn what_is_there_is_not_asked_for() {
    let home = with_vault().with("OPENAI_API_KEY", CANARY);
    on_terminal(&home, &["openai"]).finish().ends(0).hides(CANARY).shows("needs nothing that is not there");
    home.put("AZURE_API_KEY", "x");
    let mut terminal = on_terminal(&home, &["azure"]);
    terminal.wait_for_hidden(&prompt("AZURE_OPENAI_ENDPOINT")).type_keys("\n");
    terminal.finish().ends(0).hides("Value of AZURE_OPENAI_API_KEY");
}

#[test]
fn a_name_of_two_groups_is_asked_for_once() {
    let home = with_vault().with("TWILIO_API_KEY", "x").with("TWILIO_API_SECRET", "x");
    let mut terminal = on_terminal(&home, &["twilio"]);
    terminal.wait_for_hidden(&prompt("TWILIO_ACCOUNT_SID")).type_keys("\n");
    let session = terminal.finish();
    session.ends(0).hides("Value of TWILIO_AUTH_TOKEN");
    assert_eq!(session.shown.matches("Value of").count(), 1, "{}", session.shown);
}

#[test]
fn a_provider_that_needs_nothing_is_asked_for_what_it_can_take() {
    let home = with_vault();
    let mut terminal = on_terminal(&home, &["ollama"]);
    terminal.wait_for_hidden(&prompt("OLLAMA_HOST")).type_keys("http://gpu:11434\n");
    terminal.finish().ends(0).shows("stored OLLAMA_HOST");
}

#[test]
fn a_vault_with_a_passphrase_asks_for_it_once_and_before_anything_else() {
    let home = Home::new();
    let mut init = home.command(["init", "--source", "passphrase", "--light"]);
    let made = init.env("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE).output().expect("keyward starts");
    Finished::from(made).succeeds();
    let mut terminal = on_terminal(&home, &["mistral"]);
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys(&format!("{PASSPHRASE}\n"));
    terminal.wait_for_hidden(&prompt("MISTRAL_API_KEY")).type_keys("v\n");
    let session = terminal.finish();
    session.ends(0).shows("stored MISTRAL_API_KEY");
    assert_eq!(session.shown.matches("Passphrase").count(), 1, "{}", session.shown);
}

#[test]
fn a_stolen_workspace_id_is_refused_before_a_key_is_typed() {
    let home = Home::new();
    home.run_with_input(["put", "X", "--workspace", "web"], "v").succeeds();
    home.write(".keyward.toml", "workspace = \"web\"\n");
    on_terminal(&home, &["slack"]).finish().ends(10).hides("Value of").shows("workspace web is not bound to");
}

#[test]
fn without_anybody_to_ask_it_says_which_commands_to_run_instead() {
    let home = with_vault();
    home.write(".keyward.toml", "[creds]\nproviders = [\"openai\", \"smtp\"]\nkeys = [\"MY_TOKEN\"]\n");
    home.put("OPENAI_API_KEY", "x");
    let nobody = "error: `creds set` asks on a terminal, and there is nobody to ask";
    home.run(["creds", "set"]).fails(
        2,
        &[nobody, "`keyward put SMTP_HOST`, `keyward put SMTP_USERNAME`, `keyward put SMTP_PASSWORD`, `keyward put MY_TOKEN`"],
    );
    home.run(["creds", "set", "slack"]).fails(2, &[nobody, "from stdin: `keyward put SLACK_BOT_TOKEN`\n"]);
    home.run(["creds", "set", "openai"]).fails(2, &[nobody, "no key is known to be missing"]);
    home.run_with_input(["creds", "set", "slack", "--json"], CANARY).fails_as(2, "usage");
    home.run(["creds", "set", "slcak"]).fails(2, &["unknown provider: slcak", "did you mean slack"]);
}

#[test]
fn on_a_terminal_no_input_and_ci_ask_nobody_either() {
    let home = with_vault();
    on_terminal(&home, &["slack", "--no-input"]).finish().ends(2).shows("`keyward put SLACK_BOT_TOKEN`");
    let home = home.with("CI", "true");
    on_terminal(&home, &["slack"]).finish().ends(2).shows("`keyward put SLACK_BOT_TOKEN`");
}
