//! The check whether the credentials of the providers are there: presence only, no value and no network.
//! The check is pure. What occurs in the environment and in the files comes in as [`Occurrences`], which
//! keep of a value whether it is blank; the vault is a closure.
//!
//! **Where a name is looked for.** In the environment, then in the files, the last one first, then in the
//! vault; in each under the canonical name, then under its aliases. The first value that is not blank
//! makes the name *present*. A blank value (nothing, or white space alone) makes it *empty*: the name
//! occurs, but nothing can be done with it.
//!
//! **When the vault is asked.** Opening it may cost a prompt, a keyring call or a second of key
//! derivation. So it is asked at most once, which the type of the closure ensures, and only for names
//! that have a value neither in the environment nor in a file, under no spelling: a line `KEY=` in a
//! template does not hide the secret in the vault. It is asked where a provider
//! that is not complete requires such a name; optional names come along, but are no reason to ask. If it
//! can't be opened, the names that it was to tell about are *unknown*, not missing.
//!
//! **Which providers are checked.** Those that the caller selects. Without a selection, each provider of
//! which a required name occurs, even empty, in any source, the vault included: so the question to the
//! vault then has the names of all providers. If no required name occurs at all, every known provider is
//! checked, and [`Report::assumed_all`] says so. In an air gap, cloud providers are left out; selected
//! ones are reported as skipped.
//!
//! **When a provider is satisfied.** When all names of one of its groups are present, or when it has no
//! group. Otherwise the group closest to complete is reported: the fewest names missing or empty, then
//! the fewest unknown, then the most present, then the first of the registry.

use std::cmp::Reverse;
use std::collections::HashSet;

use self::sources::{Sources, Vault};
use crate::provider::{self, Provider};

pub use self::report::{KeyReport, Outcome, ProviderReport, Report, Source, State, VaultUse};
pub use self::sources::{FileNames, Occurrences, VaultAnswer};

mod report;
mod sources;

/// What to check.
#[derive(Debug)]
pub struct Request<'a> {
    /// The providers to check; none at all leaves the choice to what occurs.
    pub providers: &'a [&'static Provider],
    /// Whether to leave out cloud providers.
    pub air_gap: bool,
    /// What occurs in the environment.
    pub env: &'a Occurrences,
    /// What occurs in the files; a later file goes before an earlier one.
    pub files: &'a [FileNames],
}

/// Checks whether the credentials of the providers are there. `vault` gets the names to look up, sorted
/// and each once.
pub fn check(request: &Request<'_>, vault: impl FnOnce(&[&str]) -> VaultAnswer) -> Report {
    let candidates = candidates(request);
    let mut sources = Sources { env: request.env, files: request.files, vault: Vault::NotAsked };
    let names = names_to_ask(&sources, &candidates);
    if !names.is_empty() {
        sources.vault = vault(&names).into();
    }
    let (chosen, assumed_all) = choose(request, candidates, &sources);
    let providers = chosen.into_iter().map(|provider| {
        if leaves_out(request, provider) { skip(provider) } else { examine(provider, &sources) }
    });
    Report::new(assumed_all, sources.vault.used(), providers.collect())
}

/// Returns the providers that can be checked, each once.
fn candidates(request: &Request<'_>) -> Vec<&'static Provider> {
    let mut candidates = selection(request);
    candidates.retain(|provider| !leaves_out(request, provider));
    candidates
}

const fn leaves_out(request: &Request<'_>, provider: &Provider) -> bool {
    request.air_gap && provider.cloud
}

/// Returns the selected providers, each once, or all if none is selected.
fn selection(request: &Request<'_>) -> Vec<&'static Provider> {
    if request.providers.is_empty() {
        return provider::all().iter().collect();
    }
    let mut seen = HashSet::new();
    request.providers.iter().copied().filter(|provider| seen.insert(provider.id)).collect()
}

/// Returns the names that only the vault can tell about: those that an incomplete provider requires, and
/// if there are any, the optional ones too, which cost nothing more.
fn names_to_ask(sources: &Sources<'_>, candidates: &[&'static Provider]) -> Vec<&'static str> {
    let open = candidates.iter().filter(|provider| examine(provider, sources).outcome != Outcome::Satisfied);
    let required = open.flat_map(|provider| provider.required().map(move |name| (*provider, name)));
    let mut names = sources.spellings_of_absent(required);
    if !names.is_empty() {
        let optional =
            candidates.iter().flat_map(|provider| provider.optional.iter().map(|name| (*provider, *name)));
        names.append(&mut sources.spellings_of_absent(optional));
    }
    names.into_iter().collect()
}

/// Returns the providers to report, and whether they are all because nothing pointed to any.
fn choose(
    request: &Request<'_>,
    candidates: Vec<&'static Provider>,
    sources: &Sources<'_>,
) -> (Vec<&'static Provider>, bool) {
    if !request.providers.is_empty() {
        return (selection(request), false);
    }
    let occurs =
        |provider: &Provider| provider.required().any(|name| sources.look_up(provider, name).occurs());
    let detected: Vec<_> = candidates.iter().copied().filter(|provider| occurs(provider)).collect();
    if detected.is_empty() { (candidates, true) } else { (detected, false) }
}

fn skip(provider: &Provider) -> ProviderReport {
    let Provider { id, name, kind, .. } = *provider;
    ProviderReport { id, name, kind, outcome: Outcome::Skipped, keys: Vec::new() }
}

fn examine(provider: &Provider, sources: &Sources<'_>) -> ProviderReport {
    let Provider { id, name, kind, .. } = *provider;
    let report = |name: &&'static str, required| KeyReport { required, ..sources.look_up(provider, name) };
    let groups = provider.require.iter().map(|group| group.iter().map(|name| report(name, true)).collect());
    let mut keys: Vec<KeyReport> =
        groups.min_by_key(|group: &Vec<KeyReport>| distance(group)).unwrap_or_default();
    let outcome = match distance(&keys) {
        (0, 0, _) => Outcome::Satisfied,
        (0, ..) => Outcome::Unknown,
        _ => Outcome::Missing,
    };
    keys.extend(provider.optional.iter().map(|name| report(name, false)).filter(KeyReport::occurs));
    ProviderReport { id, name, kind, outcome, keys }
}

/// Returns how far a group is from complete. All complete groups are equal, so that the first is taken.
fn distance(group: &[KeyReport]) -> (usize, usize, Reverse<usize>) {
    let count = |states: &[State]| group.iter().filter(|key| states.contains(&key.state)).count();
    let (missing, unknown) = (count(&[State::Empty, State::Missing]), count(&[State::Unknown]));
    let present = if missing + unknown == 0 { 0 } else { count(&[State::Present]) };
    (missing, unknown, Reverse(present))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::*;
    use crate::dotenv;

    /// What one check is given. The vault is a list of names, or locked.
    #[derive(Default)]
    struct Given {
        select: &'static [&'static str],
        air_gap: bool,
        env: &'static [(&'static str, &'static str)],
        files: &'static [&'static str],
        vault: &'static [&'static str],
        locked: bool,
    }

    impl Given {
        /// Checks, and returns the report and the names that the vault was asked for, if it was.
        fn check(&self) -> (Report, Option<Vec<String>>) {
            let providers: Vec<_> = self.select.iter().map(|id| provider::find(id).unwrap()).collect();
            let env = self.env.iter().copied().collect();
            let files: Vec<_> =
                self.files.iter().enumerate().map(|(number, text)| file(number, text)).collect();
            let request = Request { providers: &providers, air_gap: self.air_gap, env: &env, files: &files };
            let mut asked = None;
            let report = check(&request, |names| {
                asked = Some(names.iter().map(|name| (*name).to_owned()).collect());
                self.answer(names)
            });
            (report, asked)
        }

        fn answer(&self, names: &[&str]) -> VaultAnswer {
            if self.locked {
                return VaultAnswer::Unavailable;
            }
            let found = names.iter().filter(|name| self.vault.contains(name));
            VaultAnswer::Found(found.map(|name| (*name).to_owned()).collect())
        }

        fn report(&self) -> Report {
            self.check().0
        }
    }

    fn file(number: usize, text: &str) -> FileNames {
        let names = dotenv::parse(Path::new("test"), text.as_bytes()).unwrap().into();
        FileNames { label: format!("file{number}"), names }
    }

    fn ids(report: &Report) -> Vec<&str> {
        report.providers.iter().map(|provider| provider.id).collect()
    }

    /// The states of the first provider's names.
    fn states(report: &Report) -> Vec<(&str, State)> {
        report.providers[0].keys.iter().map(|key| (key.name, key.state)).collect()
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
        assert_eq!((key.name, key.alias), ("GEMINI_API_KEY", Some("GOOGLE_API_KEY")));
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
        for text in [
            "OPENAI_API_KEY=",
            "OPENAI_API_KEY=\" \t\"",
            "OPENAI_API_KEY='\n'",
            "OPENAI_API_KEY=# put it here",
        ] {
            let names = file(0, text);
            let openai = [provider::find("openai").unwrap()];
            let env = Occurrences::default();
            let request = Request { providers: &openai, air_gap: false, env: &env, files: &[names] };
            let report = check(&request, |_| VaultAnswer::Found(Vec::new()));
            assert_eq!(report.missing, ["OPENAI_API_KEY"], "{text}");
            assert_eq!(states(&report), [("OPENAI_API_KEY", State::Empty)], "{text}");
        }
    }

    #[test]
    fn a_secret_in_the_vault_makes_up_for_a_blank_in_a_file() {
        let openai = [provider::find("openai").unwrap()];
        let (env, files) = (Occurrences::default(), [file(0, "OPENAI_API_KEY=")]);
        let request = Request { providers: &openai, air_gap: false, env: &env, files: &files };
        let report =
            check(&request, |names| VaultAnswer::Found(names.iter().map(ToString::to_string).collect()));
        assert!(report.ok());
        assert_eq!(report.providers[0].keys[0].source, Some(Source::Vault));
    }

    #[test]
    fn an_empty_name_is_missing_even_if_the_vault_is_locked() {
        let given = Given {
            select: &["azure"],
            env: &[("AZURE_OPENAI_API_KEY", "")],
            locked: true,
            ..Given::default()
        };
        let report = given.report();
        assert_eq!(
            (&report.missing[..], &report.unknown[..]),
            (&["AZURE_OPENAI_API_KEY"][..], &["AZURE_OPENAI_ENDPOINT"][..])
        );
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
        let given = Given {
            select: &["openai"],
            files: &["OPENAI_API_KEY=x", "OPENAI_API_KEY=y"],
            ..Given::default()
        };
        let report = given.report();
        assert_eq!(report.providers[0].keys[0].source, Some(Source::File { label: "file1".to_owned() }));
    }

    #[test]
    fn the_group_closest_to_complete_is_reported() {
        let given =
            Given { select: &["bedrock"], env: &[("AWS_SECRET_ACCESS_KEY", "x")], ..Given::default() };
        let report = given.report();
        assert_eq!(report.missing, ["AWS_ACCESS_KEY_ID"]);
        assert_eq!(states(&report)[1], ("AWS_SECRET_ACCESS_KEY", State::Present));
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
        assert_eq!(states(&report), [("PAGERDUTY_ROUTING_KEY", State::Present)]);
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
        assert_eq!(report.providers.len(), provider::all().len());
        assert!(report.missing.contains(&"OPENAI_API_KEY"));
    }

    #[test]
    fn an_air_gap_leaves_cloud_providers_out() {
        let given =
            Given { air_gap: true, env: &[("OPENAI_API_KEY", "x"), ("PGHOST", "x")], ..Given::default() };
        let (report, asked) = given.check();
        assert_eq!(ids(&report), ["postgres-cdc"]);
        assert!(!asked.unwrap().iter().any(|name| name == "ANTHROPIC_API_KEY"));
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
        let given =
            Given { select: &["s3", "bedrock"], env: &[("AWS_ACCESS_KEY_ID", "x")], ..Given::default() };
        assert_eq!(given.report().missing, ["AWS_SECRET_ACCESS_KEY"]);
    }

    #[test]
    fn names_differ_by_case_and_values_need_not_be_text() {
        let value = OsStr::from_bytes(b"\xff");
        let env = [(OsStr::new("GROQ_API_KEY"), value), (value, value)].into_iter().collect();
        let groq = [provider::find("groq").unwrap()];
        let request = Request { providers: &groq, air_gap: false, env: &env, files: &[] };
        assert!(check(&request, |_| VaultAnswer::Unavailable).ok());
        assert!(
            !Given { select: &["groq"], env: &[("groq_api_key", "x")], ..Given::default() }.report().ok()
        );
    }

    #[test]
    fn neither_report_nor_occurrences_show_a_value() {
        let env: Occurrences = [("OPENAI_API_KEY", "canary-1"), ("OTHER", "canary-2")].into_iter().collect();
        let files = [file(0, "ANTHROPIC_API_KEY=canary-3\ncanary4==")];
        let request = Request { providers: &[], air_gap: false, env: &env, files: &files };
        let shown = format!("{request:?}");
        let report = check(&request, |_| VaultAnswer::Found(Vec::new()));
        let json = serde_json::to_string(&report).unwrap();
        assert!(!format!("{shown} {report:?} {json}").contains("canary"));
    }

    #[test]
    fn the_json_of_a_report_is_pinned() {
        let given = Given { select: &["hf"], files: &["HUGGINGFACE_API_KEY=x"], ..Given::default() };
        let expected = serde_json::json!({
            "assumed_all": false, "vault": "not_asked", "missing": [], "unknown": [],
            "providers": [{
                "id": "huggingface", "name": "Hugging Face", "kind": "llm", "outcome": "satisfied",
                "keys": [{
                    "name": "HF_TOKEN", "required": true, "state": "present",
                    "source": { "kind": "file", "label": "file0" }, "alias": "HUGGINGFACE_API_KEY",
                }],
            }],
        });
        assert_eq!(serde_json::to_value(given.report()).unwrap(), expected);
    }
}
