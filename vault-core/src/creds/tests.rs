//! Tests of the check as a whole, with a vault that is a list of names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::*;

/// What one check is given. The vault is a list of names, or locked.
#[derive(Default)]
struct Given<'a> {
    /// The providers, all of which are required; none at all are those in use.
    select: &'a [&'a str],
    keys: &'a [&'a str],
    air_gap: bool,
    strict: bool,
    env: &'a [(&'a str, &'a str)],
    files: &'a [&'a str],
    vault: &'a [&'a str],
    connected: &'a [&'a str],
    locked: bool,
}

impl Given<'_> {
    /// Checks, and returns the report and the names that the vault was asked for, if it was.
    fn check(&self) -> (Report, Option<Vec<String>>) {
        let registry = Registry::built_in();
        let keys: Vec<_> = self.keys.iter().map(|name| SecretName::parse(name).unwrap()).collect();
        let named: Vec<_> = self.select.iter().map(|id| registry.find(id).unwrap()).collect();
        let (providers, choice) = match named.len() + keys.len() {
            0 => (registry.iter().collect(), Choice::InUse),
            _ => (named, Choice::All),
        };
        let wanted = Wanted::new(&providers, &keys);
        let env = Occurrences::in_environment(self.environment(), &wanted);
        let texts = self.files.iter().enumerate();
        let files: Vec<_> = texts.map(|(number, text)| file(number, text, &wanted)).collect();
        let Self { air_gap, strict, .. } = *self;
        let (keys, registry) = (&keys[..], &registry);
        let request = Request {
            providers: &providers,
            choice,
            keys,
            registry,
            air_gap,
            strict,
            env: &env,
            files: &files,
        };
        let mut asked = None;
        let report = check(&request, |names| {
            asked = Some(names.iter().map(|name| (*name).to_owned()).collect());
            self.answer(names)
        });
        assert!(!format!("{request:?} {report:?}").contains("canary"));
        (report, asked)
    }

    fn environment(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.env.iter().map(|(name, value)| (name.into(), value.into()))
    }

    fn answer(&self, names: &[&str]) -> VaultAnswer {
        if self.locked {
            return VaultAnswer::Unavailable;
        }
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found: Vec<&str> = names.iter().copied().filter(|name| self.vault.contains(name)).collect();
        VaultAnswer::Answered { found: owned(&found), connected: owned(self.connected) }
    }

    fn report(&self) -> Report {
        self.check().0
    }
}

fn file(number: usize, text: &str, wanted: &Wanted<'_>) -> FileNames {
    let names = Occurrences::in_file(Path::new("test"), text.as_bytes(), wanted).unwrap();
    FileNames { label: format!("file{number}"), names }
}

fn ids(report: &Report) -> Vec<&str> {
    report.providers.iter().map(|provider| provider.id).collect()
}

/// The states of the first provider's names.
fn states(report: &Report) -> Vec<(&str, State)> {
    report.providers[0].keys.iter().map(|key| (key.name.as_str(), key.state)).collect()
}

#[test]
fn a_key_in_the_environment_satisfies_and_the_vault_is_not_asked() {
    let (report, asked) =
        Given { select: &["openai"], env: &[("OPENAI_API_KEY", "x")], ..Given::default() }.check();
    assert!(report.ok() && asked.is_none());
    assert_eq!(report.vault, VaultUse::NotAsked);
    assert_eq!(report.providers[0].keys[0].source, Some(Source::Env));
    assert_eq!(report.providers[0].outcome, Outcome::Satisfied);
}

#[test]
fn a_locked_vault_does_not_matter_where_all_is_found() {
    let given = Given { env: &[("OPENAI_API_KEY", "x")], locked: true, ..Given::default() };
    let (report, _) = given.check();
    assert!(report.ok());
    assert_eq!(ids(&report), ["openai"]);
}

#[test]
fn the_vault_is_asked_only_for_what_has_no_value_elsewhere() {
    let given = Given {
        select: &["twilio", "openai", "github"],
        env: &[("TWILIO_ACCOUNT_SID", "x"), ("GH_TOKEN", "x")],
        files: &["OPENAI_API_KEY="],
        ..Given::default()
    };
    let asked = given.check().1.unwrap();
    for name in ["TWILIO_ACCOUNT_SID", "GITHUB_TOKEN", "GH_TOKEN", "GITHUB_PAT"] {
        assert!(!asked.iter().any(|asked| asked == name), "{name}");
    }
    for name in ["TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SECRET", "OPENAI_API_KEY", "OPENAI_BASE_URL"] {
        assert!(asked.iter().any(|asked| asked == name), "{name}");
    }
    assert!(asked.is_sorted_by(|one, next| one < next));
}

#[test]
fn a_name_by_itself_keeps_a_check_of_what_is_in_use_from_all_providers() {
    let (registry, keys) = (Registry::built_in(), [SecretName::parse("CUSTOM_SLACK").unwrap()]);
    let providers: Vec<_> = registry.iter().collect();
    let (env, files) = (Occurrences::default(), &[][..]);
    let (keys, registry, providers) = (&keys[..], &registry, &providers[..]);
    let (choice, air_gap, strict) = (Choice::InUse, false, false);
    let env = &env;
    let request = Request { providers, choice, keys, registry, air_gap, strict, env, files };
    let report = check(&request, |_| VaultAnswer::NotAsked);
    assert!(!report.ok() && !report.assumed_all && report.providers.is_empty());
    assert_eq!(report.missing, ["CUSTOM_SLACK"]);
}

#[test]
fn the_vault_is_not_asked_for_optional_names_alone() {
    let given = Given { select: &["ollama", "webhook", "mcp", "cron"], locked: true, ..Given::default() };
    let (report, asked) = given.check();
    assert!(report.ok() && asked.is_none());
}

#[test]
fn a_name_in_the_vault_is_present() {
    let given = Given { select: &["gemini"], vault: &["GOOGLE_API_KEY"], ..Given::default() };
    let report = given.report();
    assert!(report.ok());
    let key = &report.providers[0].keys[0];
    assert_eq!((key.name.as_str(), key.alias.as_deref()), ("GEMINI_API_KEY", Some("GOOGLE_API_KEY")));
    assert_eq!(key.source, Some(Source::Vault));
}

#[test]
fn names_that_occur_nowhere_are_missing() {
    let report = Given { select: &["openai", "smtp"], ..Given::default() }.report();
    assert!(!report.ok() && report.unknown.is_empty() && !report.assumed_all);
    assert_eq!(report.missing, ["OPENAI_API_KEY", "SMTP_HOST", "SMTP_USERNAME", "SMTP_PASSWORD"]);
    assert_eq!(states(&report), [("OPENAI_API_KEY", State::Missing)]);
    assert_eq!(report.providers[0].keys[0].source, None);
}

#[test]
fn names_that_a_locked_vault_may_have_are_unknown() {
    let given =
        Given { select: &["azure"], env: &[("AZURE_API_KEY", "x")], locked: true, ..Given::default() };
    let report = given.report();
    assert!(!report.ok() && report.missing.is_empty());
    assert_eq!(report.unknown, ["AZURE_OPENAI_ENDPOINT"]);
    assert_eq!(report.providers[0].outcome, Outcome::Unknown);
    assert_eq!(report.vault, VaultUse::Unavailable);
}

#[test]
fn blank_values_are_empty_where_the_vault_has_none() {
    for text in
        ["OPENAI_API_KEY=", "OPENAI_API_KEY=\" \t\"", "OPENAI_API_KEY='\n'", "OPENAI_API_KEY=# put it here"]
    {
        let report = Given { select: &["openai"], files: &[text], ..Given::default() }.report();
        assert_eq!(report.missing, ["OPENAI_API_KEY"], "{text}");
        assert_eq!(states(&report), [("OPENAI_API_KEY", State::Empty)], "{text}");
    }
}

#[test]
fn a_secret_in_the_vault_makes_up_for_a_blank_in_a_file() {
    let given = Given {
        select: &["openai"],
        files: &["OPENAI_API_KEY="],
        vault: &["OPENAI_API_KEY"],
        ..Given::default()
    };
    let report = given.report();
    assert!(report.ok());
    assert_eq!(report.providers[0].keys[0].source, Some(Source::Vault));
}

#[test]
fn an_empty_name_is_missing_even_if_the_vault_is_locked() {
    let given =
        Given { select: &["azure"], env: &[("AZURE_OPENAI_API_KEY", "")], locked: true, ..Given::default() };
    let report = given.report();
    assert_eq!(report.missing, ["AZURE_OPENAI_API_KEY"]);
    assert_eq!(report.unknown, ["AZURE_OPENAI_ENDPOINT"]);
    assert_eq!(report.providers[0].outcome, Outcome::Missing);
}

#[test]
fn a_value_in_a_file_makes_up_for_a_blank_in_the_environment() {
    let given = Given {
        select: &["openai"],
        env: &[("OPENAI_API_KEY", " ")],
        files: &["OPENAI_API_KEY=x"],
        ..Given::default()
    };
    let report = given.report();
    assert!(report.ok());
    assert_eq!(report.providers[0].keys[0].source, Some(Source::File { label: "file0".to_owned() }));
}

#[test]
fn a_later_file_goes_before_an_earlier_one() {
    let given =
        Given { select: &["openai"], files: &["OPENAI_API_KEY=x", "OPENAI_API_KEY=y"], ..Given::default() };
    let report = given.report();
    assert_eq!(report.providers[0].keys[0].source, Some(Source::File { label: "file1".to_owned() }));
}

#[test]
fn the_group_closest_to_complete_is_reported() {
    let given = Given { select: &["bedrock"], env: &[("AWS_SECRET_ACCESS_KEY", "x")], ..Given::default() };
    let report = given.report();
    assert_eq!(report.missing, ["AWS_ACCESS_KEY_ID"]);
    assert_eq!(states(&report)[1], ("AWS_SECRET_ACCESS_KEY", State::Malformed));
    assert_eq!(
        Given { select: &["bedrock"], ..Given::default() }.report().missing,
        ["AWS_BEARER_TOKEN_BEDROCK"]
    );
}

#[test]
fn one_complete_group_is_enough() {
    let given =
        Given { select: &["pagerduty"], env: &[("PAGERDUTY_INTEGRATION_KEY", "x")], ..Given::default() };
    let (report, asked) = given.check();
    assert!(report.ok() && asked.is_none());
    assert_eq!(states(&report), [("PAGERDUTY_ROUTING_KEY", State::Malformed)]);
}

#[test]
fn optional_names_are_reported_where_they_occur_and_never_missing() {
    let given = Given {
        select: &["openai"],
        env: &[("OPENAI_API_KEY", "x"), ("OPENAI_ORG_ID", "x"), ("OPENAI_PROJECT_ID", "")],
        ..Given::default()
    };
    let report = given.report();
    assert!(report.ok());
    let optional = &report.providers[0].keys[1..];
    assert_eq!(optional.iter().map(|key| key.state).collect::<Vec<_>>(), [State::Present, State::Empty]);
    assert!(optional.iter().all(|key| !key.required));
}

#[test]
fn a_provider_is_detected_by_an_alias_an_empty_value_or_the_vault() {
    let given = Given {
        env: &[("GH_TOKEN", "")],
        files: &["PPLX_API_KEY=x"],
        vault: &["GROQ_API_KEY"],
        ..Given::default()
    };
    let report = given.report();
    assert_eq!(ids(&report), ["groq", "perplexity", "github"]);
    assert!(!report.assumed_all);
    assert_eq!(report.missing, ["GITHUB_TOKEN"]);
}

#[test]
fn an_optional_name_does_not_detect_its_provider() {
    let report = Given { env: &[("OPENAI_BASE_URL", "x")], ..Given::default() }.report();
    assert!(report.assumed_all);
}

#[test]
fn all_providers_are_assumed_where_nothing_occurs() {
    let report = Given { env: &[("PATH", "/bin")], ..Given::default() }.report();
    assert!(report.assumed_all && !report.ok());
    assert_eq!(report.providers.len(), Registry::built_in().iter().len());
    assert!(report.missing.contains(&"OPENAI_API_KEY".to_owned()));
}

#[test]
fn cloud_providers_in_use_are_skipped_in_an_air_gap() {
    let given = Given { air_gap: true, env: &[("OPENAI_API_KEY", "x"), ("PGHOST", "x")], ..Given::default() };
    let (report, asked) = given.check();
    assert!(!report.skipped_all());
    assert_eq!(ids(&report), ["openai", "postgres-cdc"]);
    assert_eq!(report.providers[0].outcome, Outcome::Skipped);
    assert!(!asked.unwrap().iter().any(|name| name == "ANTHROPIC_API_KEY"));
}

#[test]
fn cloud_providers_alone_are_no_failure_in_an_air_gap() {
    let report = Given { air_gap: true, env: &[("OPENAI_API_KEY", "")], ..Given::default() }.report();
    assert!(report.ok() && report.skipped_all() && !report.assumed_all);
}

#[test]
fn a_selected_cloud_provider_is_skipped_in_an_air_gap() {
    let given = Given { select: &["openai", "ollama"], air_gap: true, locked: true, ..Given::default() };
    let (report, asked) = given.check();
    assert!(report.ok() && asked.is_none());
    assert_eq!(report.providers[0].outcome, Outcome::Skipped);
    assert!(report.providers[0].keys.is_empty());
    assert_eq!(report.providers[1].outcome, Outcome::Satisfied);
}

#[test]
fn a_provider_selected_twice_is_reported_once() {
    assert_eq!(ids(&Given { select: &["openai", "chatgpt"], ..Given::default() }.report()), ["openai"]);
}

#[test]
fn a_name_that_two_providers_need_is_missing_once() {
    let given = Given { select: &["s3", "bedrock"], env: &[("AWS_ACCESS_KEY_ID", "x")], ..Given::default() };
    assert_eq!(given.report().missing, ["AWS_SECRET_ACCESS_KEY"]);
}

#[test]
fn of_a_variable_given_twice_the_first_counts_as_for_programs() {
    for (values, state) in [(["", "x"], State::Empty), (["x", ""], State::Present)] {
        let env = &values.map(|value| ("MISTRAL_API_KEY", value));
        let report = Given { select: &["mistral"], env, ..Given::default() }.report();
        assert_eq!(states(&report), [("MISTRAL_API_KEY", state)], "{values:?}");
    }
}

#[test]
fn names_differ_by_case_and_values_need_not_be_text() {
    let registry = &Registry::built_in();
    let value = OsStr::from_bytes(b"\xff").to_owned();
    // A value that is no text has no shape, where one is asked for.
    for (id, name, is_ok) in [("mistral", "MISTRAL_API_KEY", true), ("groq", "GROQ_API_KEY", false)] {
        let providers = &[registry.find(id).unwrap()][..];
        let wanted = Wanted::new(providers, &[]);
        let named = [(name.into(), value.clone()), (value.clone(), value.clone())];
        let env = &Occurrences::in_environment(named, &wanted);
        let (choice, keys, air_gap, strict, files) = (Choice::All, &[][..], false, true, &[][..]);
        let request = Request { providers, choice, keys, registry, air_gap, strict, env, files };
        let report = check(&request, |_| VaultAnswer::Unavailable);
        assert_eq!((report.ok(), report.malformed.is_empty()), (is_ok, is_ok), "{id}");
    }
    assert!(!Given { select: &["groq"], env: &[("groq_api_key", "x")], ..Given::default() }.report().ok());
}

#[test]
fn names_are_looked_up_once_each_and_in_order() {
    assert_eq!(Wanted::from_iter(["B", "A", "B"]).names(), ["A", "B"]);
}

#[test]
fn no_report_shows_a_value_and_values_that_nobody_asks_for_are_not_kept() {
    let given = Given {
        env: &[("OPENAI_API_KEY", "canary-1"), ("OTHER", "canary-2")],
        files: &["ANTHROPIC_API_KEY=canary-3\ncanary4==\nMORE=canary-5"],
        ..Given::default()
    };
    let report = given.report();
    assert_eq!(report.malformed, ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]);
    assert!(!serde_json::to_string(&report).unwrap().contains("canary"));
    let wanted = Wanted::from_iter(["ANTHROPIC_API_KEY"]);
    assert_eq!(format!("{:?}", file(0, given.files[0], &wanted).names), "Occurrences(1 names)");
}

#[test]
fn the_json_of_a_report_is_pinned() {
    let given =
        Given { select: &["hf"], keys: &["MY_TOKEN"], files: &["HUGGINGFACE_API_KEY=x"], ..Given::default() };
    let expected = serde_json::json!({
        "assumed_all": false, "vault": "answered", "missing": ["MY_TOKEN"], "unknown": [], "malformed": ["HF_TOKEN"], "strict": false,
        "providers": [{
            "id": "huggingface", "name": "Hugging Face", "kind": "llm", "outcome": "satisfied",
            "keys": [{
                "name": "HF_TOKEN", "required": true, "state": "malformed",
                "source": { "kind": "file", "label": "file0" }, "alias": "HUGGINGFACE_API_KEY",
            }],
        }],
        "keys": [{
            "name": "MY_TOKEN", "required": true, "state": "missing", "source": null, "alias": null,
        }],
    });
    assert_eq!(serde_json::to_value(given.report()).unwrap(), expected);
}

#[test]
fn a_name_required_by_itself_is_looked_for_everywhere_and_has_no_aliases() {
    let given = Given {
        keys: &["A", "B", "C", "GEMINI_API_KEY"],
        env: &[("A", "x"), ("GOOGLE_API_KEY", "x")],
        files: &["B="],
        vault: &["C"],
        ..Given::default()
    };
    let (report, asked) = given.check();
    let states: Vec<_> = report.keys.iter().map(|key| key.state).collect();
    assert_eq!(states, [State::Present, State::Empty, State::Present, State::Missing]);
    assert_eq!(report.missing, ["B", "GEMINI_API_KEY"]);
    assert_eq!(asked.unwrap(), ["B", "C", "GEMINI_API_KEY"]);
    assert!(report.providers.is_empty() && !report.assumed_all);
}

#[test]
fn names_required_by_themselves_are_unknown_where_the_vault_is_locked() {
    let report = Given { keys: &["A"], locked: true, ..Given::default() }.report();
    assert_eq!((report.unknown.as_slice(), report.missing.len()), (&["A".to_owned()][..], 0));
}

#[test]
fn a_value_of_another_shape_fails_a_strict_check_alone() {
    for (strict, outcome) in [(false, Outcome::Satisfied), (true, Outcome::Malformed)] {
        let env = &[("OPENAI_API_KEY", "x")];
        let report = Given { select: &["openai"], env, strict, ..Given::default() }.report();
        assert_eq!((report.ok(), report.providers[0].outcome), (!strict, outcome));
        assert_eq!(states(&report), [("OPENAI_API_KEY", State::Malformed)]);
        assert!(report.missing.is_empty());
    }
}

#[test]
fn a_value_has_its_shape_under_an_alias_too() {
    let env = &[("GH_TOKEN", "x")];
    let report = Given { select: &["github"], env, strict: true, ..Given::default() }.report();
    assert_eq!(report.malformed, ["GITHUB_TOKEN"]);
    let report = Given { keys: &["GH_TOKEN"], env, strict: true, ..Given::default() }.report();
    assert_eq!(report.malformed, ["GH_TOKEN"], "required by itself");
    assert!(!report.ok());
}

#[test]
fn no_shape_is_asked_of_what_has_none_or_lies_in_the_vault() {
    let given = Given {
        select: &["openai", "mistral"],
        env: &[("MISTRAL_API_KEY", "x")],
        vault: &["OPENAI_API_KEY"],
        strict: true,
        ..Given::default()
    };
    let report = given.report();
    assert!(report.ok() && report.malformed.is_empty());
}

#[test]
fn a_complete_group_of_the_right_shape_goes_before_one_of_another() {
    let env = &[("PAGERDUTY_API_KEY", "x"), ("PAGERDUTY_ROUTING_KEY", "R0345678901234567890123456789012")];
    let report = Given { select: &["pagerduty"], env, strict: true, ..Given::default() }.report();
    assert_eq!(states(&report), [("PAGERDUTY_ROUTING_KEY", State::Present)]);
}

#[test]
fn a_provider_is_required_where_a_connection_refers_to_one_of_its_names() {
    for connected in ["SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL"] {
        let report = Given { connected: &[connected], env: &[("PGHOST", "x")], ..Given::default() }.report();
        assert_eq!(ids(&report), ["slack", "postgres-cdc"]);
        assert!(!report.ok() && !report.assumed_all);
    }
    let report = Given { connected: &["UNRELATED"], ..Given::default() }.report();
    assert!(report.assumed_all);
}

#[test]
fn connections_do_not_matter_where_providers_are_named() {
    let given = Given { select: &["openai"], connected: &["SLACK_BOT_TOKEN"], ..Given::default() };
    assert_eq!(ids(&given.report()), ["openai"]);
}
