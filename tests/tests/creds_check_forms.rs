//! `creds check`: every state of a key in every form of the output, and that no form has a value.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home};

/// A home in which a check meets every state: the vault has a key, and is locked where `locked` says so.
fn home(locked: bool) -> Home {
    let home = Home::new().with("OPENAI_API_KEY", "canary-1").with("GOOGLE_API_KEY", "");
    home.put("ANTHROPIC_API_KEY", "canary-2");
    let file =
        "# ours\nMISTRAL_API_KEY=canary-3\nSLACK_BOT_TOKEN=\nSLACK_APP_TOKEN=canary-4\nOWN='canary-5'\n";
    let path = home.write(".env", file);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    home.write(
        ".keyward.toml",
        "[creds]\nproviders = [\n  \"openai\", \"gemini\", \"anthropic\",\n  \"mistral\",\n  \"slack\", \
         \"ollama\", \"github\",\n]\nkeys = [\"OWN\", \"OTHER\"]\n",
    );
    if locked {
        fs::remove_dir_all(home.seeds()).unwrap();
    }
    home
}

#[test]
fn every_state_is_told_in_every_form() {
    let home = home(false);
    let mut said = Transcript::of(&home);
    for form in ["text", "json", "github"] {
        said.run(&format!("creds check --secrets-file .env --format {form}"));
    }
    said.run("creds check --secrets-file .env --format github --strict --provider openai");
    said.run("creds check --secrets-file .env --format text --strict --provider openai,ollama");
    said.run("creds check --air-gap --provider openai,ollama");
    insta::assert_snapshot!(said.text());
}

#[test]
fn a_locked_vault_makes_keys_unknown_in_every_form() {
    let home = home(true);
    for (form, told) in [
        ("text", "anthropic      ANTHROPIC_API_KEY  unknown  -\n"),
        ("json", r#""unknown":["ANTHROPIC_API_KEY"]"#),
        (
            "github",
            "::error title=keyward creds check::ANTHROPIC_API_KEY is unknown: the vault, which alone could have it, can't be opened\n",
        ),
    ] {
        let said = home.run(["creds", "check", "--provider", "anthropic", "--format", form]);
        said.fails(5, &["warning: cannot unlock ", "\nunknown: ANTHROPIC_API_KEY\n"]);
        let text = said.text();
        assert!(text.contains(told.trim_start_matches("anthropic      ")), "{form}: {said}");
    }
}

#[test]
fn ak_10_no_form_shows_a_value() {
    for locked in [false, true] {
        let home = home(locked);
        for form in ["text", "json", "github"] {
            for more in [&["-v"][..], &["--strict"], &["--air-gap"], &["--all"], &["--source", "vault"]] {
                let options =
                    [&["creds", "check", "--secrets-file", ".env", "--format", form], more].concat();
                let said = home.run(&options);
                assert!(!said.to_string().contains("canary"), "{options:?}: {said}");
                // Neither what a value encodes to, nor its length beside its name.
                assert!(!said.to_string().contains("Y2FuYXJ5"), "{options:?}: {said}");
            }
        }
    }
}

#[test]
fn errors_have_the_form_that_was_asked_for() {
    let home = Home::new();
    let run = |options: &[&str]| -> Finished { home.run([&["creds", "check"], options].concat()) };
    run(&["--format", "json", "--provider", "opnai"]).fails_as(2, "usage");
    run(&["--format", "json", "--secrets-file", "nosuch"]).fails_as(1, "unreadable_file");
    run(&["--format=json", "--nosuch"]).fails_as(2, "usage");
    run(&["--format", "github", "--json"]).fails(2, &["cannot be used with"]);
    run(&["--format", "xml"]).fails(2, &["github, json, text"]);
    let said = run(&["--format", "github", "--provider", "opnai"]);
    assert_eq!((said.code, said.stdout.len()), (2, 0), "{said}");
}

#[test]
fn an_annotation_can_not_be_broken_out_of() {
    let home = Home::new();
    home.write("a,b: 100%\n::x/template", "OWN=\n");
    let said =
        home.run(["creds", "check", "--require-file", "a,b: 100%\n::x/template", "--format", "github"]);
    assert_eq!(said.code, 7, "{said}");
    assert_eq!(
        said.text(),
        "::error file=a%2Cb%3A 100%25%0A%3A%3Ax/template,line=1,title=keyward creds check::\
         OWN is missing: a,b: 100%25%0A::x/template requires it\n"
    );
}

#[test]
fn an_annotation_names_its_file_from_the_top_of_the_repository() {
    let home = Home::new();
    home.write("top/.keyward.toml", "[creds]\nkeys = [\"OWN\"]\n");
    home.write("top/sub/.env", "OTHER=\n");
    let check =
        |more: &str| home.bash(&format!("cd top/sub; {more} $KEYWARD creds check --format github")).text();
    assert!(!check("").starts_with("::error file=.keyward.toml,"));
    assert!(check("GITHUB_WORKSPACE=$PWD/..").starts_with("::error file=.keyward.toml,line=2,"));
    home.write("top/.git/HEAD", "");
    assert!(check("").starts_with("::error file=.keyward.toml,line=2,"));
    assert!(check("GITHUB_WORKSPACE=/nonexistent").starts_with("::error file=.keyward.toml,line=2,"));
    let template = home.bash("cd top/sub; $KEYWARD creds check --format github --require-file .env").text();
    assert!(template.starts_with("::error file=sub/.env,line=1,"), "{template}");
}

#[test]
fn an_annotation_points_to_the_last_line_that_gives_the_alias_a_value() {
    let home = Home::new();
    home.write(".env", "GH_TOKEN=x\nA=\"1\n2\"\nGH_TOKEN=\n");
    let options = ["--provider", "github", "--secrets-file", ".env", "--format", "github"];
    let said = home.run([&["creds", "check"][..], &options].concat());
    assert!(said.text().starts_with("::error file=.env,line=4,"), "{said}");
    let said = home.bash(
        "$KEYWARD creds check --provider github --secrets-file <(echo; echo GH_TOKEN=) --format github",
    );
    assert!(said.text().contains(",line=2,"), "{said}");
}

#[test]
fn where_nothing_says_what_is_required_there_is_one_annotation() {
    let said = Home::new().run(["creds", "check", "--format", "github"]);
    assert_eq!((said.code, said.text().lines().count()), (7, 1), "{said}");
    assert!(said.text().starts_with("::error title=keyward creds check::no known provider's key occurs"));
}
