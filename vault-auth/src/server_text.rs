//! Text that a server sent, made safe to show: bounded, without control, bidi and invisible characters.

use std::fmt;

/// The most characters of a server's text that are shown.
const MAX_SHOWN: usize = 300;

/// The fewest bytes of what is taken out of a text: less would take its words apart.
const SHORTEST_SECRET: usize = 4;

/// A server's text as it may be shown to a person. It never was a secret: codes, descriptions, addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerText(String);

impl ServerText {
    /// Takes a server's text; characters that could deceive are written as escapes, and what is too long
    /// is cut off.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let shown: String = text.chars().take(MAX_SHOWN).collect();
        Self(vault_core::name::escape_deceptive(&shown).into_owned())
    }

    /// Returns the text without `secrets`: a server may repeat what it was sent, or gave before.
    #[must_use]
    pub fn without<'s>(&self, secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let long_enough = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
        Self(long_enough.fold(self.0.clone(), |text, secret| text.replace(secret, "[…]")))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped_and_what_is_too_long_cut_off() {
        let shown = ServerText::new("WDJB\u{1b}[2J\u{202e}-MJHT\n");
        assert!(!shown.as_str().contains(['\u{1b}', '\u{202e}', '\n']), "{shown}");
        assert_eq!(ServerText::new(&"x".repeat(10_000)).as_str().len(), MAX_SHOWN);
        assert_eq!(ServerText::new("WDJB-MJHT").as_str(), "WDJB-MJHT");
    }

    #[test]
    fn what_is_secret_is_taken_out_wherever_it_stands() {
        let text = ServerText::new("token=canary-1&x=canary-1, canary-2 is over");
        let shown = text.without(["canary-1", "canary-2", "is"]);
        assert_eq!(shown.as_str(), "token=[…]&x=[…], […] is over");
    }
}
