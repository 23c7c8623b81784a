//! Where the key of a slot comes from: one file a source. A source supplies slot keys and says what went
//! wrong; which source is asked first, and what a key then wraps, is not decided here.

pub mod env;
pub mod key_text;
pub mod keyring;
pub mod machine;
pub mod recovery;
pub mod supply;

use std::path::Path;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::{generate, with_wiped_stack};
use crate::secret::{KEY_LEN, SlotKey};

/// Generates the key of a slot whose source stores the key itself: `keyring` and `env`.
#[must_use]
pub fn generate_slot_key() -> SlotKey {
    SlotKey::new(Zeroizing::new(generate()))
}

/// Derives a slot key from a secret that is random already: HKDF-SHA-256 (RFC 5869) without salt, the
/// parts of `info` one behind the other.
fn derive_slot_key(secret: &[u8], info: &[&[u8]]) -> SlotKey {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    with_wiped_stack(|| Hkdf::<Sha256>::new(None, secret).expand_multi_info(info, key.as_mut_slice()))
        .expect("32 bytes are within the 8160 that HKDF-SHA-256 gives");
    SlotKey::new(key)
}

/// Returns a shell command on `path` for a person to copy, with the path quoted where the shell needs it.
fn command_for(command: &str, path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if path.chars().all(plain) && !path.starts_with('-') {
        format!("{command} {path}")
    } else {
        format!("{command} -- '{}'", path.replace('\'', r"'\''"))
    }
}

/// The rights of group and others, which no key may give.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_quotes_what_the_shell_would_split_or_expand() {
        for (path, command) in [
            ("/home/ana/key", "chmod 600 /home/ana/key"),
            ("/home/ana b/$(x)", "chmod 600 -- '/home/ana b/$(x)'"),
            ("it's", r"chmod 600 -- 'it'\''s'"),
            ("-R", "chmod 600 -- '-R'"),
        ] {
            assert_eq!(command_for("chmod 600", Path::new(path)), command);
        }
    }

    #[test]
    fn two_generated_keys_differ() {
        let [one, two] = [(); 2].map(|()| generate_slot_key());
        assert_ne!(one.expose_secret(), two.expose_secret());
    }
}
