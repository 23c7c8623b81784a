//! Completion as a person gets it: real shells, the printed script, the Tab key.

use keyward_tests::terminal::{Session, Terminal};
use keyward_tests::{Finished, Home, behind, keyward, require};

const PASSPHRASE: &str = "five random words stay here";
const BASH: &str = "exec bash --norc --noprofile -i";
const BASH_SETUP: &str = "source <(keyward completions bash)";
const ZSH: &str = "exec zsh -f -i";
const ZSH_SETUP: &str = "autoload -U compinit; compinit -u -D; source <(keyward completions zsh)";

/// Makes a home whose shells find keyward.
fn home() -> Home {
    let home = Home::new();
    std::os::unix::fs::symlink(keyward(), home.path().join("keyward")).expect("a link");
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    home.with("PATH", &path)
}

/// A vault that opens without a question, with two secrets.
fn with_vault() -> Home {
    let home = home();
    home.put("API_KEY", "s3cret");
    home.put("OTHER_TOKEN", "t0ken");
    home
}

/// A vault that asks for its passphrase, with one secret.
fn with_locked_vault() -> Home {
    let home = home();
    for arguments in
        [&["init", "--source", "passphrase", "--light"][..], &["put", "API_KEY", "@/etc/hostname"]]
    {
        let mut command = home.command(arguments);
        let done = command.env("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE).output().expect("keyward starts");
        Finished::from(done).succeeds();
    }
    home
}

/// Starts a shell that a person types into, with the completion script read.
fn shell(home: &Home, shell: &str, setup: &str) -> Terminal {
    let mut terminal = Terminal::script(shell, &home.command(["list"]));
    // What is typed is echoed; the quotes keep the echo from looking like the answer.
    terminal.type_keys(&format!("PS1='> '; {setup}; echo rea''dy\n")).wait_for("ready\r\n").wait_for("> ");
    terminal
}

/// Takes what stands on the line away, ends the shell and returns all that was shown. A question by keyward
/// would have swallowed these keys.
#[track_caller]
fn leave(mut terminal: Terminal) -> Session {
    terminal.type_keys("\u{15}echo o''ver\n").wait_for("over\r\n").type_keys("exit 0\n");
    terminal.finish()
}

#[track_caller]
fn completes_commands(words: &str, setup: &str) {
    let home = with_vault();
    let mut terminal = shell(&home, words, setup);
    terminal.type_keys("keyward pu\t --help\n").wait_for("Store a secret");
    leave(terminal);
}

#[track_caller]
fn completes_names(words: &str, setup: &str) {
    let home = with_vault();
    let mut terminal = shell(&home, words, setup);
    terminal.type_keys("keyward get \t\t").wait_for("API_KEY").wait_for("OTHER_TOKEN");
    leave(terminal).hides("s3cret");
    let mut terminal = shell(&home, words, setup);
    terminal.type_keys("keyward get OTH\t --reveal\n").wait_for("t0ken");
    leave(terminal);
}

#[test]
fn ids_of_providers_are_completed() {
    let home = home();
    let mut terminal = shell(&home, BASH, BASH_SETUP);
    terminal.type_keys("keyward creds guide opena\t --json\n").wait_for("\"id\":\"openai\"");
    leave(terminal);
}

#[track_caller]
fn asks_nothing_of_a_locked_vault(words: &str, setup: &str) {
    let home = with_locked_vault();
    let mut terminal = shell(&home, words, setup);
    terminal.type_keys("keyward get \t\tOTH\t\t");
    leave(terminal).hides("OTHER_TOKEN").hides("assphrase").hides("error: ").hides("warning: ");
}

#[test]
fn bash_completes_commands() {
    require("bash", "bash");
    completes_commands(BASH, BASH_SETUP);
}

#[test]
fn bash_completes_names_of_secrets() {
    require("bash", "bash");
    completes_names(BASH, BASH_SETUP);
}

#[test]
fn bash_completes_ids_and_kinds_of_connections() {
    require("bash", "bash");
    let home = with_vault();
    let connect = "connections set --id alerts --kind slack --label Alerts --secret-id API_KEY";
    home.run(connect.split(' ')).succeeds();
    let mut terminal = shell(&home, BASH, BASH_SETUP);
    terminal.type_keys("keyward connections get al\t\n").wait_for("API_KEY in workspace default");
    terminal.type_keys("keyward connections list --kind sl\t\n").wait_for("alerts   slack").wait_for("> ");
    terminal.type_keys("keyward uses API\t\n").wait_for("keyward uses API_KEY");
    leave(terminal).hides("s3cret");
}

#[test]
fn bash_shows_and_asks_nothing_while_the_vault_is_locked() {
    require("bash", "bash");
    asks_nothing_of_a_locked_vault(BASH, BASH_SETUP);
}

#[test]
fn a_wrong_key_in_the_environment_does_not_disturb_the_line() {
    let home = with_vault();
    home.run(["slot", "add", "env"]).succeeds();
    let other = self::home();
    other.run(["init", "--source", "machine"]).succeeds();
    let wrong = other.run(["slot", "add", "env"]).succeeds().text();
    let setup = format!("export KEYWARD_VAULT_KEY={}; {BASH_SETUP}", wrong.trim());
    let mut terminal = shell(&home, BASH, &setup);
    terminal.type_keys("keyward get OTH\t --reveal\n").wait_for("keyward get OTHER_TOKEN").wait_for("t0ken");
    leave(terminal);
}

#[test]
fn zsh_completes_commands() {
    require("zsh", "zsh");
    completes_commands(ZSH, ZSH_SETUP);
}

#[test]
fn zsh_completes_names_of_secrets() {
    require("zsh", "zsh");
    completes_names(ZSH, ZSH_SETUP);
}

#[test]
fn zsh_shows_and_asks_nothing_while_the_vault_is_locked() {
    require("zsh", "zsh");
    asks_nothing_of_a_locked_vault(ZSH, ZSH_SETUP);
}

/// What fish would offer for a line; on a terminal, so that a question could be asked.
fn fish_offers(home: &Home, line: &str) -> String {
    require("fish", "fish");
    let ask = format!("keyward completions fish | source; complete -C '{line}'");
    let fish = ["fish", "--no-config", "-c", &ask];
    // fish takes the rest for arguments of its script, which has none.
    let session = Terminal::start(&behind(&fish, &home.command(["list"]))).finish();
    session.ends(0);
    session.shown
}

#[test]
fn fish_completes_commands_and_names_of_secrets() {
    let home = with_vault();
    assert!(fish_offers(&home, "keyward pu").starts_with("put\t"), "{}", fish_offers(&home, "keyward pu"));
    let names = fish_offers(&home, "keyward get ");
    assert!(names.contains("API_KEY") && names.contains("OTHER_TOKEN"), "{names}");
    assert!(!names.contains("s3cret"), "{names}");
}

#[test]
fn fish_shows_and_asks_nothing_while_the_vault_is_locked() {
    let names = fish_offers(&with_locked_vault(), "keyward get ");
    assert!(!names.contains("OTHER_TOKEN") && !names.contains("assphrase"), "{names}");
}

#[test]
fn manual_pages_render_without_a_warning() {
    require("groff", "groff");
    let home = Home::new();
    let pages = home.path().join("man1");
    std::fs::create_dir(&pages).expect("a directory");
    home.run(["man", "--dir", "man1"]).succeeds();
    let mut count = 0;
    for page in std::fs::read_dir(&pages).expect("pages").flatten() {
        let mut groff = std::process::Command::new("groff");
        let rendered = groff
            .args(["-k", "-man", "-ww", "-Tutf8", "-P-cbou"])
            .arg(page.path())
            .output()
            .expect("groff starts");
        let rendered = Finished::from(rendered);
        assert_eq!((rendered.code, rendered.stderr.as_str()), (0, ""), "{}", page.path().display());
        assert!(rendered.text().contains("SYNOPSIS"), "{}", page.path().display());
        count += 1;
    }
    assert!(count > 20, "{count} pages");
}
