//! What each provider needs: the names of its credentials, in groups of which one must be complete. The
//! data are `providers.toml`, made into a static at build time; how to look the names up is in `creds`.
//! No code branches on a provider's id.

pub mod shape;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The kind of service that a provider or a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Change data capture from a database or a log.
    Cdc,
    /// A schedule.
    Cron,
    /// Discord.
    Discord,
    /// A service that sends mail.
    Email,
    /// A watched file.
    File,
    /// GitHub.
    Github,
    /// Linear.
    Linear,
    /// A language or speech model, in the cloud or on this machine.
    Llm,
    /// A server of the Model Context Protocol.
    Mcp,
    /// PagerDuty.
    Pagerduty,
    /// An object store with the S3 protocol.
    S3,
    /// Sentry.
    Sentry,
    /// Slack.
    Slack,
    /// Stripe.
    Stripe,
    /// Twilio.
    Twilio,
    /// A signed webhook, inbound or outbound.
    Webhook,
}

impl Kind {
    /// Every kind, in alphabetical order.
    pub const ALL: [Self; 16] = [
        Self::Cdc,
        Self::Cron,
        Self::Discord,
        Self::Email,
        Self::File,
        Self::Github,
        Self::Linear,
        Self::Llm,
        Self::Mcp,
        Self::Pagerduty,
        Self::S3,
        Self::Sentry,
        Self::Slack,
        Self::Stripe,
        Self::Twilio,
        Self::Webhook,
    ];

    /// Returns the kind's word, as it stands in files and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cdc => "cdc",
            Self::Cron => "cron",
            Self::Discord => "discord",
            Self::Email => "email",
            Self::File => "file",
            Self::Github => "github",
            Self::Linear => "linear",
            Self::Llm => "llm",
            Self::Mcp => "mcp",
            Self::Pagerduty => "pagerduty",
            Self::S3 => "s3",
            Self::Sentry => "sentry",
            Self::Slack => "slack",
            Self::Stripe => "stripe",
            Self::Twilio => "twilio",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of the words of [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kind is one of {}", Kind::ALL.map(Kind::as_str).join(", "))]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// A service and the credentials that it needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The stable id.
    pub id: &'static str,
    /// The name to show.
    pub name: &'static str,
    /// The kind of service.
    pub kind: Kind,
    /// Whether the service is somebody else's, on the network: an air-gapped check leaves it out.
    pub cloud: bool,
    /// Other spellings of the id.
    pub aliases: &'static [&'static str],
    /// Groups of names: the provider is satisfied when one group is complete, or when there is none.
    pub require: &'static [&'static [&'static str]],
    /// Names that the provider can do without.
    pub optional: &'static [&'static str],
    /// Where to read about the credentials, if known.
    pub docs: Option<&'static str>,
    /// Where to create a key, if known.
    pub keys_url: Option<&'static str>,
    /// More about the names. Every required name is here; an optional one may be absent.
    pub keys: &'static [ProviderKey],
}

/// One credential or setting of a provider.
#[derive(Debug, PartialEq, Eq)]
pub struct ProviderKey {
    /// The canonical name: of the environment variable and of the secret in the vault.
    pub env: &'static str,
    /// Other names that serve in its place.
    pub aliases: &'static [&'static str],
    /// Whether the value must not be shown.
    pub secret: bool,
    /// The shape of a value, as an anchored regular expression. Advice only: services change their
    /// shapes, so that a value of another shape is no error.
    pub pattern: Option<&'static str>,
}

impl Provider {
    /// Returns what is known about the canonical name `name`.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static ProviderKey> {
        self.keys.iter().find(|key| key.env == name)
    }

    /// Returns the spellings under which `name` may be stored: itself first, then its aliases.
    pub fn spellings(&self, name: &'static str) -> impl Iterator<Item = &'static str> + use<> {
        let aliases = self.key(name).map_or(&[][..], |key| key.aliases);
        std::iter::once(name).chain(aliases.iter().copied())
    }

    /// Returns every required name of every group; a name in two groups comes twice.
    pub fn required(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.require.iter().flat_map(|group| group.iter().copied())
    }

    fn is_called(&self, text: &str) -> bool {
        self.id.eq_ignore_ascii_case(text)
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(text))
    }
}

/// Returns every known provider, in the order of the registry.
#[must_use]
pub const fn all() -> &'static [Provider] {
    PROVIDERS
}

/// Returns the provider with this id or alias, in upper or lower case.
#[must_use]
pub fn find(id_or_alias: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.is_called(id_or_alias))
}

static PROVIDERS: &[Provider] = include!(concat!(env!("OUT_DIR"), "/providers.rs"));

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use regex::Regex;
    use toml::{Table, Value};

    use super::*;

    fn registry_file() -> Vec<Value> {
        let file: Table = include_str!("../providers.toml").parse().unwrap();
        file["provider"].as_array().unwrap().clone()
    }

    fn text<'a>(table: &'a Value, field: &str) -> &'a str {
        table[field].as_str().unwrap()
    }

    fn texts(table: &Value, field: &str) -> Vec<String> {
        let list = table.get(field).map(|list| list.as_array().unwrap().clone()).unwrap_or_default();
        list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn registry_has_53_providers() {
        assert_eq!(all().len(), 53);
    }

    #[test]
    fn static_equals_the_parsed_file() {
        let file = registry_file();
        assert_eq!(file.len(), all().len());
        for (table, provider) in file.iter().zip(all()) {
            assert_eq!(text(table, "id"), provider.id);
            assert_eq!(text(table, "name"), provider.name);
            assert_eq!(text(table, "kind"), provider.kind.as_str());
            assert_eq!(table["cloud"].as_bool(), Some(provider.cloud));
            assert_eq!(texts(table, "aliases"), provider.aliases);
            assert_eq!(texts(table, "optional"), provider.optional);
            assert_eq!(text(table, "docs"), provider.docs.unwrap_or_default());
            assert_eq!(text(table, "keys_url"), provider.keys_url.unwrap_or_default());
            let groups: Vec<Value> =
                provider.require.iter().map(|group| Value::from(group.to_vec())).collect();
            assert_eq!(table["require"], Value::from(groups), "{}", provider.id);
        }
    }

    #[test]
    fn keys_of_the_static_equal_those_of_the_file() {
        for (table, provider) in registry_file().iter().zip(all()) {
            let keys = table.get("key").map(|keys| keys.as_array().unwrap().clone()).unwrap_or_default();
            assert_eq!(keys.len(), provider.keys.len(), "{}", provider.id);
            for (table, key) in keys.iter().zip(provider.keys) {
                assert_eq!(text(table, "env"), key.env);
                assert_eq!(texts(table, "aliases"), key.aliases, "{}", key.env);
                assert_eq!(table["secret"].as_bool(), Some(key.secret), "{}", key.env);
                assert_eq!(table.get("pattern").and_then(Value::as_str), key.pattern, "{}", key.env);
            }
        }
    }

    #[test]
    fn ids_and_aliases_name_one_provider_each() {
        let mut seen = HashSet::new();
        for provider in all() {
            for spelling in std::iter::once(&provider.id).chain(provider.aliases) {
                assert!(seen.insert(spelling.to_ascii_lowercase()), "{spelling} names two providers");
                assert_eq!(find(spelling), Some(provider));
            }
        }
    }

    #[test]
    fn unknown_ids_are_not_found() {
        for id in ["", "open", "openai ", "OpenAI/", "sk-proj-0123456789", "openai\0"] {
            assert_eq!(find(id), None, "{id:?}");
        }
    }

    #[test]
    fn an_id_is_found_in_any_case() {
        assert_eq!(find("OpenAI").map(|provider| provider.id), Some("openai"));
    }

    #[test]
    fn every_required_name_has_a_key_entry() {
        for provider in all() {
            for name in provider.required() {
                assert!(provider.key(name).is_some(), "{}: {name}", provider.id);
            }
        }
    }

    #[test]
    fn no_key_entry_is_neither_required_nor_optional() {
        for provider in all() {
            for key in provider.keys {
                let used =
                    provider.required().any(|name| name == key.env) || provider.optional.contains(&key.env);
                assert!(used, "{}: {}", provider.id, key.env);
            }
        }
    }

    #[test]
    fn no_group_is_empty_and_no_required_name_is_optional_too() {
        for provider in all() {
            assert!(provider.require.iter().all(|group| !group.is_empty()), "{}", provider.id);
            assert!(provider.required().all(|name| !provider.optional.contains(&name)), "{}", provider.id);
        }
    }

    #[test]
    fn no_spelling_stands_for_two_keys_of_one_provider() {
        for provider in all() {
            let spellings: Vec<_> =
                provider.keys.iter().flat_map(|key| provider.spellings(key.env)).collect();
            let distinct: HashSet<_> = spellings.iter().collect();
            assert_eq!(spellings.len(), distinct.len(), "{}", provider.id);
        }
    }

    #[test]
    fn every_kind_has_a_provider_and_is_its_own_word() {
        for kind in Kind::ALL {
            assert!(all().iter().any(|provider| provider.kind == kind), "{kind}");
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn other_words_are_no_kind() {
        for word in ["", "Slack", "slack ", "http"] {
            assert_eq!(word.parse::<Kind>(), Err(UnknownKind), "{word:?}");
        }
    }

    #[test]
    fn every_pattern_is_anchored_and_compiles() {
        let patterns: Vec<_> = all().iter().flat_map(|p| p.keys).filter_map(|key| key.pattern).collect();
        assert_eq!(patterns.len(), 44);
        for pattern in patterns {
            assert!(pattern.starts_with('^') && Regex::new(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn no_pattern_takes_an_empty_or_a_foreign_value() {
        for key in all().iter().flat_map(|provider| provider.keys) {
            let Some(pattern) = key.pattern.map(|pattern| Regex::new(pattern).unwrap()) else { continue };
            for foreign in ["", " ", "changeme", "your-key-here", "<secret>"] {
                assert!(!pattern.is_match(foreign), "{}: {foreign:?}", key.env);
            }
        }
    }

    #[test]
    fn spellings_start_with_the_canonical_name() {
        let gemini = find("gemini").unwrap();
        let spellings: Vec<_> = gemini.spellings("GEMINI_API_KEY").collect();
        assert_eq!(spellings[..2], ["GEMINI_API_KEY", "GOOGLE_API_KEY"]);
        assert_eq!(gemini.spellings("NO_SUCH_NAME").count(), 1);
    }
}
