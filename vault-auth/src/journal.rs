//! The note that is made before a refresh token is sent. Who finds one without its answer knows that the
//! process before died, or lost the connection, while the server may have taken the token.

use std::path::Path;
use std::process;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vault_core::input;
use vault_core::secret::SecretString;

use crate::clock::UnixTime;

/// Servers that forgive a second use of a token do so for seconds to a minute: within this time the token is
/// sent again at once.
const YOUNG: i64 = 120;

/// Names a token and gives nothing of it away: half of a SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenHash(String);

impl TokenHash {
    /// Hashes a token.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        let hash = Sha256::new_with_prefix(b"keyward token").chain_update(token.expose_secret());
        Self(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A refresh token that was sent, or was just about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Which token.
    pub token: TokenHash,
    /// The generation of the session that it belongs to.
    pub generation: u64,
    /// When.
    pub at: UnixTime,
    /// By which process.
    pub pid: u32,
    /// In which run of the system, which gives process ids their meaning; empty where it does not say.
    pub boot_id: String,
}

impl Attempt {
    /// Describes what this process is about to do.
    #[must_use]
    pub fn new(token: &SecretString, generation: u64, now: UnixTime) -> Self {
        Self { token: TokenHash::of(token), generation, at: now, pid: process::id(), boot_id: boot_id() }
    }

    /// Tells whether a server that forgives a second use may still do so. A clock that was set back, or forward,
    /// makes an attempt old: then the access token is used while it lives.
    #[must_use]
    pub const fn is_young(&self, now: UnixTime) -> bool {
        now.saturating_sub(self.at).unsigned_abs() <= YOUNG.unsigned_abs()
    }
}

fn boot_id() -> String {
    let read = input::read(Path::new("/proc/sys/kernel/random/boot_id"), MAX_BOOT_ID, Duration::ZERO);
    let text = read.ok().and_then(|bytes| String::from_utf8(bytes.expose_secret().to_vec()).ok());
    text.map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// A UUID and a line end have 37 bytes.
const MAX_BOOT_ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_names_its_token_and_does_not_have_it() {
        let token = SecretString::new("canary-of-a-token".into());
        let attempt = Attempt::new(&token, 7, 1000);
        assert_eq!(attempt.token, TokenHash::of(&token));
        assert_ne!(attempt.token, TokenHash::of(&SecretString::new("another".into())));
        assert!(!serde_json::to_string(&attempt).unwrap().contains("canary"));
        assert_eq!((attempt.pid, attempt.boot_id.len()), (process::id(), 36));
    }

    #[test]
    fn an_attempt_is_young_for_two_minutes_by_whichever_way_the_clock_went() {
        let attempt = Attempt::new(&SecretString::new("token".into()), 1, 10_000);
        for (now, young) in [(10_000, true), (10_120, true), (10_121, false), (9_880, true), (9_879, false)] {
            assert_eq!(attempt.is_young(now), young, "{now}");
        }
        assert!(!attempt.is_young(i64::MIN) && !attempt.is_young(i64::MAX));
    }
}
