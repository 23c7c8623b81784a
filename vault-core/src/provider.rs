//! What each provider needs: the names of its credentials, in groups of which one must be complete. The
//! data are `providers.toml`, made into a static at build time, and the user's own files over it; how to
//! look the names up is in `creds`. No code branches on a provider's id.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::overlay::parse as parse_own;
pub use self::overlay::{RegistryError, RegistryProblem};
pub use self::registry::Registry;
pub use self::rules::Mistake;

mod overlay;
mod registry;
mod rules;
mod schema;
pub(crate) mod shape;

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
    pub fn spellings(&self, name: &'static str) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let aliases = self.key(name).map_or(&[][..], |key| key.aliases);
        std::iter::once(name).chain(aliases.iter().copied())
    }

    /// Returns every required name of every group; a name in two groups comes twice.
    pub fn required(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.require.iter().flat_map(|group| group.iter().copied())
    }

    /// Returns every required and optional name; a name in two groups comes twice.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.required().chain(self.optional.iter().copied())
    }

    /// Returns every name under which anything of the provider may be stored; a name may come twice.
    pub fn all_spellings(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.names().flat_map(|name| self.spellings(name))
    }

    fn is_called(&self, text: &str) -> bool {
        self.id.eq_ignore_ascii_case(text)
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(text))
    }
}

static PROVIDERS: &[Provider] = include!(concat!(env!("OUT_DIR"), "/providers.rs"));

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use toml::{Table, Value};

    use super::*;

    fn find(id: &str) -> Option<&'static Provider> {
        Registry::built_in().find(id)
    }

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
        assert_eq!(PROVIDERS.len(), 53);
    }

    #[test]
    fn static_equals_the_parsed_file() {
        let file = registry_file();
        assert_eq!(file.len(), PROVIDERS.len());
        for (table, provider) in file.iter().zip(PROVIDERS) {
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
        for (table, provider) in registry_file().iter().zip(PROVIDERS) {
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
        for provider in PROVIDERS {
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
        for provider in PROVIDERS {
            for name in provider.required() {
                assert!(provider.key(name).is_some(), "{}: {name}", provider.id);
            }
        }
    }

    #[test]
    fn every_kind_has_a_provider_and_is_its_own_word() {
        for kind in Kind::ALL {
            assert!(PROVIDERS.iter().any(|provider| provider.kind == kind), "{kind}");
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

    /// A value of each shape, made of pieces so that no scanner takes this file for a leak: what it starts
    /// with, and a letter with how many times it follows.
    const SAMPLES: [(&str, &str, &str, usize); 44] = [
        ("ANTHROPIC_API_KEY", "sk-ant-api03-", "A", 93),
        ("AWS_ACCESS_KEY_ID", "AKIA", "Q", 16),
        ("AWS_ACCESS_KEY_ID", "ASIA", "7", 16),
        ("AWS_BEARER_TOKEN_BEDROCK", "ABSK", "A", 128),
        ("AWS_SECRET_ACCESS_KEY", "", "a", 40),
        ("AWS_SECRET_ACCESS_KEY", "/+", "b", 38),
        ("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com", "/", 1),
        ("COHERE_API_KEY", "", "c", 40),
        ("DATABASE_URL", "postgres://user@host/", "d", 4),
        ("DEEPGRAM_API_KEY", "", "d", 40),
        ("DEEPSEEK_API_KEY", "sk-", "d", 32),
        ("DISCORD_BOT_TOKEN", "MTAwMDAwMDAwMDAwMDAwMDAw.Gabcde.", "x", 38),
        ("DISCORD_WEBHOOK_URL", "https://discord.com/api/webhooks/1/", "x", 68),
        ("ELEVENLABS_API_KEY", "sk_", "e", 48),
        ("GEMINI_API_KEY", "AIza", "g", 35),
        ("GITHUB_TOKEN", "ghp_", "g", 36),
        ("GROQ_API_KEY", "gsk_", "g", 52),
        ("HF_TOKEN", "hf_", "h", 34),
        ("LINEAR_API_KEY", "lin_api_", "l", 40),
        ("MAILGUN_API_KEY", "key-", "m", 32),
        ("NVIDIA_API_KEY", "nvapi-", "n", 64),
        ("OPENAI_API_KEY", "sk-proj-", "o", 156),
        ("OPENROUTER_API_KEY", "sk-or-v1-", "0", 64),
        ("PAGERDUTY_API_KEY", "u+", "p", 18),
        ("PAGERDUTY_ROUTING_KEY", "R0", "P", 30),
        ("PERPLEXITY_API_KEY", "pplx-", "p", 48),
        ("POSTMARK_SERVER_TOKEN", "12345678-1234-1234-1234-", "a", 12),
        ("R2_ACCOUNT_ID", "", "0", 32),
        ("REPLICATE_API_TOKEN", "r8_", "r", 37),
        ("RESEND_API_KEY", "re_", "r", 32),
        ("SENDGRID_API_KEY", "SG.1234567890123456789012.", "s", 43),
        ("SENTRY_AUTH_TOKEN", "sntryu_", "a", 64),
        ("SLACK_APP_TOKEN", "xapp-1-A1-1-", "a", 64),
        ("SLACK_BOT_TOKEN", "xoxb-1234567890-", "s", 24),
        ("SLACK_SIGNING_SECRET", "", "a", 32),
        ("SLACK_USER_TOKEN", "xoxp-", "1", 40),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/", "T", 44),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_", "s", 24),
        ("STRIPE_SECRET_KEY", "sk_live_", "s", 24),
        ("STRIPE_WEBHOOK_SECRET", "whsec_", "s", 32),
        ("TWILIO_ACCOUNT_SID", "AC", "0", 32),
        ("TWILIO_API_KEY", "SK", "0", 32),
        ("TWILIO_AUTH_TOKEN", "", "0", 32),
        ("XAI_API_KEY", "xai-", "x", 80),
    ];

    fn shaped_keys() -> impl Iterator<Item = &'static ProviderKey> {
        PROVIDERS.iter().flat_map(|provider| provider.keys).filter(|key| key.pattern.is_some())
    }

    #[test]
    fn every_pattern_compiles_and_takes_its_sample() {
        assert_eq!(shaped_keys().count(), 44);
        for key in shaped_keys() {
            let samples: Vec<_> = SAMPLES.iter().filter(|(name, ..)| *name == key.env).collect();
            assert!(!samples.is_empty() && key.shape().is_some(), "{}", key.env);
            for (name, start, letter, times) in samples {
                assert!(key.matches(&format!("{start}{}", letter.repeat(*times))) == Some(true), "{name}");
            }
        }
    }

    #[test]
    fn no_pattern_takes_an_empty_or_a_foreign_value() {
        for key in shaped_keys() {
            for foreign in ["", " ", "changeme", "your-key-here", "<secret>"] {
                assert!(key.matches(foreign) == Some(false), "{}: {foreign:?}", key.env);
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
