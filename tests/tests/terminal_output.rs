//! What keyward shows on a terminal, when it prompts at all, and where its prompts appear.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use keyward_tests::Home;
use keyward_tests::terminal::Terminal;

const ESCAPE: &str = "\u{1b}[";

fn with_vault() -> Home {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    home
}

#[test]
fn get_refuses_to_print_on_a_terminal() {
    let session = Terminal::start(&with_vault().command(["get", "API_KEY"])).finish();
    session.ends(2).hides("s3cret").shows("hint: ").shows("`keyward get API_KEY --reveal`");
}

#[test]
fn get_with_reveal_prints_the_value_and_a_line_end() {
    let session = Terminal::start(&with_vault().command(["get", "API_KEY", "--reveal"])).finish();
    session.ends(0);
    assert_eq!(session.shown, "s3cret\r\n");
    let session = Terminal::start(&with_vault().command(["get", "API_KEY", "--reveal", "-n"])).finish();
    assert_eq!(session.shown, "s3cret");
}

#[test]
fn list_on_a_terminal_has_columns_with_a_header() {
    let session = Terminal::start(&with_vault().command(["list"])).finish();
    let lines: Vec<&str> = session.ends(0).shown.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let at = |word: &str| lines[0].find(word).unwrap_or_else(|| panic!("no {word} in {}", lines[0]));
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with("API_KEY"), "{lines:?}");
    assert!(lines[1][at("SCOPE")..].starts_with("workspace default"), "{lines:?}");
    assert!(lines[1][at("VERSION")..].starts_with('1'), "{lines:?}");
    assert!(lines[1][at("SOURCE")..].starts_with("machine"), "{lines:?}");
}

#[test]
fn list_of_an_empty_vault_shows_nothing_on_a_terminal() {
    let session = Terminal::start(&Home::new().command(["list"])).finish();
    assert_eq!(session.ends(0).shown, "");
}

#[test]
fn nothing_prompts_with_no_input_or_under_ci() {
    let home = with_vault();
    for flag in ["--no-input", "--non-interactive"] {
        let session = Terminal::start(&home.command([flag, "put", "TOKEN"])).finish();
        session.ends(2).hides("Value of").shows("nobody to ask").shows("hint: ");
    }
    for ci in ["1", "true"] {
        let session = Terminal::start(home.command(["put", "TOKEN"]).env("CI", ci)).finish();
        session.ends(2).hides("Value of").shows("nobody to ask");
    }
    let mut terminal = Terminal::start(home.command(["put", "TOKEN"]).env("CI", "false"));
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys("v\n");
    terminal.finish().ends(0);
}

#[test]
fn a_vault_is_made_without_a_question_under_ci() {
    let home = Home::new();
    let session = Terminal::start(home.command(["init"]).env("CI", "1")).finish();
    session.ends(0).hides("recovery code").shows("created the vault");
}

#[test]
fn nothing_prompts_when_stdin_is_no_terminal_although_there_is_one() {
    let home = Home::new();
    let controlling = "test -c /dev/tty && : >/dev/tty && echo has-terminal; exec \"$@\" </dev/null";
    let session = Terminal::script(controlling, &home.command(["put", "TOKEN"])).finish();
    session.ends(2).shows("has-terminal").hides("Value of").shows("the value of TOKEN is empty");
    let session = Terminal::script("printf v | \"$@\"", &home.command(["put", "TOKEN"])).finish();
    session.ends(0).hides("recovery code too").shows("stored TOKEN");
    let init = ["--vault", "other", "init", "--source", "passphrase"];
    let session = Terminal::script(controlling, &home.command(init)).finish();
    session.ends(2).hides("New passphrase").shows("nobody to ask");
}

#[test]
fn prompts_appear_on_the_terminal_and_not_in_redirected_streams() {
    let home = with_vault();
    let redirected = "exec \"$@\" >out 2>err";
    let mut terminal = Terminal::script(redirected, &home.command(["put", "TOKEN", "--json"]));
    terminal.wait_for_hidden("Value of TOKEN: ").type_keys("v\n");
    terminal.finish().ends(0);
    let read = |name| fs::read_to_string(home.path().join(name)).expect("a redirected stream");
    assert!(read("out").starts_with("{\"schema_version\":1,\"command\":\"put\""), "{}", read("out"));
    assert!(!read("out").contains("Value of") && !read("err").contains("Value of"), "{}", read("err"));
    assert!(read("err").contains("stored TOKEN"), "{}", read("err"));
}

#[test]
fn the_recovery_question_appears_on_the_terminal_and_not_in_redirected_streams() {
    let home = Home::new();
    let mut terminal = Terminal::script("exec \"$@\" >out 2>err", &home.command(["init"]));
    terminal.wait_for("[Y/n] ").type_keys("n\n");
    terminal.finish().ends(0);
    let read = |name| fs::read_to_string(home.path().join(name)).expect("a redirected stream");
    assert_eq!(read("out"), "");
    assert!(!read("err").contains("[Y/n]"), "{}", read("err"));
}

#[test]
fn errors_are_coloured_on_a_terminal_unless_no_color_is_set() {
    let home = with_vault();
    let get = || home.command(["get", "MISSING", "--reveal"]);
    Terminal::start(&get()).finish().ends(4).shows(ESCAPE);
    Terminal::start(get().env("NO_COLOR", "1")).finish().ends(4).hides(ESCAPE);
    Terminal::start(&home.command(["--color", "never", "get", "MISSING", "--reveal"])).finish().hides(ESCAPE);
    assert!(!home.run(["get", "MISSING"]).stderr.contains(ESCAPE));
    assert!(home.run(["--color", "always", "get", "MISSING"]).stderr.contains(ESCAPE));
}

#[test]
fn data_is_never_coloured() {
    let home = with_vault();
    assert!(!home.run(["--color", "always", "list"]).text().contains(ESCAPE));
    Terminal::start(&home.command(["list"])).finish().hides(ESCAPE);
}

/// What a repository could hold to steer a terminal, and to begin a line that GitHub takes for a command.
const STEERING: &str = "x\u{1b}]0;pwned\u{7}\n::error::pwned";

/// Checks that a text has neither: every line of it begins with a word of keyward's own.
#[track_caller]
fn steers_nothing(said: &str) {
    assert!(said.contains("pwned"), "it is told: {said:?}");
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
    assert!(!said.lines().any(|line| line.trim_start().starts_with("::error::")), "{said:?}");
}

#[test]
fn a_provider_of_a_workspace_file_steers_no_terminal() {
    let home = Home::new();
    home.write(".keyward.toml", "[creds]\nproviders = [\"\\u001b]0;pwned\\u0007\\n::x\"]\n");
    for line in ["creds check", "creds check --format github", "creds list", "creds guide"] {
        let session = Terminal::start(&home.command(line.split(' '))).finish();
        session.shows(r"\u{1b}]0;pwned\u{7}\n::x").hides("\u{1b}]").hides("\u{7}");
    }
}

#[test]
fn a_field_of_a_workspace_file_steers_neither_terminal_nor_github() {
    let home = Home::new();
    let field = "\"\\u001b]0;pwned\\u0007\\n::error::pwned\"";
    for text in [format!("[creds]\n{field} = 1\n"), format!("workspace = {field}\n")] {
        home.write(".keyward.toml", text);
        for line in ["creds check", "creds check --format github", "creds require openai", "put A"] {
            let said = home.run_with_input(line.split(' '), "v").to_string();
            assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
            assert!(!said.lines().any(|line| line.starts_with("::error::pwned")), "{said:?}");
        }
    }
}

#[test]
fn names_of_files_steer_neither_terminal_nor_github() {
    let home = Home::new();
    let file = home.write(STEERING, "OPENAI_API_KEY=x\n");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    home.write(&format!("{STEERING}.d/.keyward.toml"), "x");
    let absent = format!("{STEERING}.absent");
    for line in [
        &["creds", "check", "--provider", "openai", "--secrets-file", STEERING][..],
        &["creds", "check", "--require-file", STEERING],
        &["creds", "check", "--secrets-file", &absent],
        &["creds", "check", "--format", "github", "--secrets-file", &absent],
        &["import", STEERING, "--vault", &absent],
        &["import", STEERING, "--vault", STEERING],
        &["export", "--file", &format!("{STEERING}.new"), "--vault", &absent],
        &["env", "lint", STEERING],
        &["get", "A", "--vault", STEERING],
        &["verify", "--vault", &absent],
        &["init", "--vault", &absent],
    ] {
        steers_nothing(&home.run(line).to_string());
    }
    let mut below = home.command(["list"]);
    let session = Terminal::start(below.current_dir(home.path().join(format!("{STEERING}.d")))).finish();
    session.shows(r"x\u{1b}]0;pwned\u{7}\n::error::pwned.d/.keyward.toml").hides("\u{1b}]").hides("\u{7}");
}
