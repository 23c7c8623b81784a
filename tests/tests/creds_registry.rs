//! The user's own providers, `providers.d/*.toml` in the configuration directory.

use keyward_tests::{Finished, Home};

const ACME: &str = "[[provider]]\nid = \"acme\"\nname = \"Acme\"\nkind = \"webhook\"\ncloud = true\n\
                    aliases = [\"acme-inc\"]\nrequire = [[\"ACME_TOKEN\"]]\n\
                    [[provider.key]]\nenv = \"ACME_TOKEN\"\naliases = [\"ACME_KEY\"]\npattern = '^ac_[a-z]+$'\n";

fn home(text: &str) -> Home {
    let home = Home::new();
    home.write(".config/keyward/providers.d/acme.toml", text);
    home
}

fn check(home: &Home, options: &[&str]) -> Finished {
    home.run([&["creds", "check"], options].concat())
}

#[test]
fn an_own_provider_is_checked_as_a_built_in_one() {
    let home = home(ACME).with("ACME_KEY", "wrong");
    let said = check(&home, &[]);
    assert!(
        said.succeeds().text().contains("acme      ACME_TOKEN  malformed  environment, as ACME_KEY\n"),
        "{said}"
    );
    check(&home, &["--strict", "--provider", "Acme-Inc"]).fails(7, &["malformed: ACME_TOKEN"]);
    check(&home, &["--air-gap", "--provider", "acme"]).fails(0, &["nothing was checked"]);
    let all = check(&home, &["--all", "--json"]);
    assert_eq!(all.json()["providers"].as_array().unwrap().len(), 54);
}

#[test]
fn an_own_provider_overrides_the_built_in_one_of_its_id() {
    let home = home(&ACME.replace("\"acme\"", "\"openai\"")).with("OPENAI_API_KEY", "x");
    check(&home, &["--provider", "openai"]).fails(7, &["missing: ACME_TOKEN"]);
}

#[test]
fn keyward_home_holds_the_directory_too() {
    let home = Home::new();
    let there = home.path().join("there");
    home.write("there/providers.d/acme.toml", ACME);
    let home = home.with("KEYWARD_HOME", &there.display().to_string());
    check(&home, &["--provider", "acme"]).fails(7, &["missing: ACME_TOKEN"]);
}

#[test]
fn a_file_that_can_not_be_used_is_1_with_its_line() {
    for (text, why) in [
        ("[[provider]]\nid = 1\n".to_owned(), "line 2: "),
        (format!("{ACME}\n[[provider]]\nid = \"b\"\n"), "line 13: missing field"),
        (ACME.replace("\"acme-inc\"", "\"claude\""), "line 1: `claude` names the provider anthropic already"),
        (ACME.replace("^ac_", "ac_"), "line 1: the pattern of ACME_TOKEN is no regular expression"),
        (ACME.replace("webhook", "web"), "line 1: `kind` is none of cdc, "),
        (ACME.replace("\"Acme\"", "\"\\u001b[31m\""), "line 1: `name` is 1 to 100 characters"),
    ] {
        let said = check(&home(&text), &["--provider", "openai"]);
        said.fails(1, &["/.config/keyward/providers.d/acme.toml\n", why, "hint: correct or remove the file"]);
        check(&home(&text), &["--provider", "openai", "--json"]).fails_as(1, "unreadable_file");
    }
}

#[test]
fn commands_that_need_no_registry_do_not_read_it() {
    let home = home("not understood");
    home.put("A", "x");
    home.run(["list"]).succeeds();
    home.run(["get", "A"]).succeeds();
    home.run(["status"]).succeeds();
}

#[test]
fn a_key_of_an_own_provider_is_not_taken_for_a_name() {
    let home = home(ACME);
    let connection = ["connections", "set", "--id", "a", "--kind", "cron"];
    for line in [
        &["creds", "require", "--key", "ac_canary"][..],
        &["creds", "require", "ac_canary"],
        &["creds", "check", "--provider", "ac_canary"],
        &[&connection[..], &["--label", "A", "--allow-missing", "--secret-id", "ac_canary"]].concat(),
        &[&connection[..], &["--label", "now ac_canary", "--no-auth"]].concat(),
        &[&connection[..], &["--label", "A", "--no-auth", "--set", "to=ac_canary"]].concat(),
    ] {
        let said = home.run(line);
        assert!(said.code == 2 && !said.to_string().contains("canary"), "{said}");
    }
    assert!(!home.vault().exists() && !home.path().join(".keyward.toml").exists());
    home.run([&connection[..], &["--label", "Acme", "--no-auth"]].concat()).succeeds();
    home.run(["creds", "require", "acme", "--key", "ACME_TOKEN"]).succeeds();
}
