//! Which login a session is: tenant, client and environment.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What tells sessions apart: the same person may be signed in to several tenants, by several clients, in
/// several environments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionKey {
    /// The tenant.
    pub tenant: String,
    /// The OAuth client.
    pub client_id: String,
    /// The environment: the issuer, whole but for a slash at its end, and the canonical origin of the backend.
    pub environment: String,
}

impl SessionKey {
    /// Returns the session's name in files: 32 hexadecimal digits of the SHA-256 of the three parts, each
    /// with its length before it, so that no two keys share a name because their parts meet elsewhere.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Sha256::new_with_prefix(b"keyward session");
        for part in [&self.tenant, &self.client_id, &self.environment] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, client_id: &str, environment: &str) -> SessionKey {
        SessionKey { tenant: tenant.into(), client_id: client_id.into(), environment: environment.into() }
    }

    #[test]
    fn keys_whose_parts_meet_elsewhere_have_other_ids() {
        let ids = [key("a", "bc", "d"), key("ab", "c", "d"), key("a", "b", "cd"), key("abc", "", "d")];
        for (nth, first) in ids.iter().enumerate() {
            for second in &ids[nth + 1..] {
                assert_ne!(first.id(), second.id());
            }
        }
        assert_eq!(key("a", "b", "c").id().len(), 32);
    }
}
