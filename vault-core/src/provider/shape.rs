//! The shapes of keys: whether a value looks like one of a provider's. Advice only.

use regex_lite::Regex;

use super::ProviderKey;

impl ProviderKey {
    /// Tells whether a value has the shape of this key; `None` where no shape is known.
    #[must_use]
    pub fn matches(&self, value: &str) -> Option<bool> {
        self.shape().map(|shape| shape.is_match(value))
    }

    /// Returns the pattern of the key, ready to be used on many values.
    pub(crate) fn shape(&self) -> Option<Regex> {
        Regex::new(self.pattern?).ok()
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

    use crate::provider::{all, find};

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
        for key in all().iter().flat_map(|provider| provider.keys) {
            let Some(pattern) = key.pattern else { continue };
            let full = FullRegex::new(pattern).unwrap();
            for sample in samples {
                assert_eq!(key.matches(sample), Some(full.is_match(sample)), "{}: {sample}", key.env);
            }
        }
    }

    #[test]
    fn a_value_has_the_shape_of_a_key_or_not() {
        let slack = find("slack").and_then(|slack| slack.key("SLACK_BOT_TOKEN")).unwrap();
        assert_eq!(slack.matches("xoxb-123456789012-abcdefghij"), Some(true));
        for other in ["", "xoxb", " xoxb-123456789012-abcdefghij", "xoxb-123456789012-abcdefghij\n"] {
            assert_eq!(slack.matches(other), Some(false), "{other:?}");
        }
    }

    #[test]
    fn a_key_without_a_pattern_has_no_shape() {
        let key = all().iter().flat_map(|provider| provider.keys).find(|key| key.pattern.is_none()).unwrap();
        assert_eq!(key.matches("anything"), None);
    }
}
