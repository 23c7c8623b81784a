//! The shapes of keys: whether a value looks like one of a provider's. Advice only.

use regex_lite::Regex;

use super::ProviderKey;

/// The longest value whose shape is looked at, in bytes: longer than any key.
const MAX_SHAPED: usize = 64 << 10;

/// The pattern of a key, ready to be asked about many values.
pub(crate) struct Shape(Regex);

impl Shape {
    /// Tells whether a value has this shape; `None` where it is too long to be looked at.
    pub(crate) fn matches(&self, value: &str) -> Option<bool> {
        (value.len() <= MAX_SHAPED).then(|| self.0.is_match(value))
    }
}

impl ProviderKey {
    /// Tells whether a value has the shape of this key; `None` where no shape is known or the value is longer
    /// than any key.
    #[must_use]
    pub fn matches(&self, value: &str) -> Option<bool> {
        self.shape()?.matches(value)
    }

    /// Returns the shape of the key. The rules of the registry leave no pattern that does not compile.
    pub(crate) fn shape(&self) -> Option<Shape> {
        Regex::new(self.pattern?).ok().map(Shape)
    }

    /// Tells whether the pattern names the letters that a key begins with, as `^sk-` does. A pattern without
    /// them, as `^[a-f0-9]{32}$`, fits the keys of many services and much else.
    pub(crate) fn has_known_beginning(&self) -> bool {
        self.pattern.is_some_and(|pattern| !pattern.starts_with("^["))
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex as FullRegex;

    use super::*;
    use crate::provider::{PROVIDERS, Registry};

    fn key(provider: &str, name: &str) -> &'static ProviderKey {
        Registry::built_in().find(provider).and_then(|provider| provider.key(name)).unwrap()
    }

    #[test]
    fn every_pattern_means_the_same_to_the_small_engine() {
        let samples = [
            "sk-proj-0123456789abcdefghij",
            "xoxb-123456789012-abcdefghij",
            "AKIAIOSFODNN7EXAMPLE",
            "0123456789abcdef0123456789abcdef",
            "https://hooks.slack.com/services/T0/B0/x",
            "postgres://db/app",
            "é\n",
        ];
        for key in PROVIDERS.iter().flat_map(|provider| provider.keys) {
            let Some(pattern) = key.pattern else { continue };
            let full = FullRegex::new(pattern).unwrap();
            for sample in samples {
                assert_eq!(key.matches(sample), Some(full.is_match(sample)), "{}: {sample}", key.env);
            }
        }
    }

    #[test]
    fn a_value_has_the_shape_of_a_key_or_not() {
        let slack = key("slack", "SLACK_BOT_TOKEN");
        assert_eq!(slack.matches("xoxb-123456789012-abcdefghij"), Some(true));
        for other in ["", "xoxb", " xoxb-123456789012-abcdefghij", "xoxb-123456789012-abcdefghij\n"] {
            assert_eq!(slack.matches(other), Some(false), "{other:?}");
        }
    }

    #[test]
    fn a_key_without_a_pattern_has_no_shape() {
        assert_eq!(key("mistral", "MISTRAL_API_KEY").matches("anything"), None);
    }

    #[test]
    fn a_value_longer_than_any_key_is_not_judged() {
        let groq = key("groq", "GROQ_API_KEY");
        assert_eq!(groq.matches(&"x".repeat(MAX_SHAPED)), Some(false));
        assert_eq!(groq.matches(&"x".repeat(MAX_SHAPED + 1)), None);
    }
}
