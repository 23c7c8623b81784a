//! API keys: the form of keyward's own, by which a mistyped one is told without asking anybody, and keys of other
//! issuers, which have no form. A key that somebody signed in with is kept in the sealed file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vault_core::name::SecretName;
use vault_core::secret::SecretString;

use crate::clock::UnixTime;
use crate::session::SessionKey;
use crate::session_file::{SessionFile, SessionFileError, record_name};
use crate::stored_session::{Held, RecordError, decode_json, encode_json};

/// The most bytes of a key: more is no header.
const MAX_LEN: usize = 4096;
const PREFIX: &str = "kw_";
const ID_LEN: usize = 12;
const SECRET_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a text is no API key. The text is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The check digits do not fit: a character is wrong, or missing.
    #[error("the API key is mistyped or cut off")]
    Mistyped,
    /// The text is empty, too long, or has characters that no header carries.
    #[error("an API key is 1 to 4096 visible characters without spaces")]
    NotAKey,
    /// The same of a token of another issuer, which may be longer.
    #[error("a token is 1 to 16384 visible characters without spaces")]
    NotAToken,
}

/// What a key of keyward's own form may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyClass {
    /// Real work.
    Live,
    /// Tests.
    Test,
}

/// An API key, checked for its form.
#[derive(Debug)]
pub struct ApiKey {
    text: SecretString,
    /// The class and the part that is no secret; `None` for a key of another issuer.
    own: Option<(KeyClass, String)>,
}

impl ApiKey {
    /// Checks the form of a key. One that does not begin as keyward's own is of another issuer, and taken as it
    /// is.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError`].
    pub fn parse(text: SecretString) -> Result<Self, ApiKeyError> {
        let exposed = text.expose_secret();
        if exposed.is_empty()
            || exposed.len() > MAX_LEN
            || !exposed.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ApiKeyError::NotAKey);
        }
        let own = match exposed.strip_prefix(PREFIX) {
            Some(rest) => Some(read_own(exposed, rest).ok_or(ApiKeyError::Mistyped)?),
            None => None,
        };
        Ok(Self { text, own })
    }

    /// Returns the key.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.text
    }

    /// Returns the key alone.
    #[must_use]
    pub fn into_secret(self) -> SecretString {
        self.text
    }

    /// Returns the class of a key of keyward's own form.
    #[must_use]
    pub fn class(&self) -> Option<KeyClass> {
        self.own.as_ref().map(|(class, _)| *class)
    }

    /// Returns what may be shown of the key: its public part. Of other keys nothing is known to be public.
    #[must_use]
    pub fn masked(&self) -> String {
        match &self.own {
            Some((class, id)) => format!("{PREFIX}{}_{id}_…", word(*class)),
            None => "a key of another issuer".to_owned(),
        }
    }
}

/// Reads `kw_<live|test>_<id><secret><check>`, of which `rest` is what follows the first `_`.
fn read_own(whole: &str, rest: &str) -> Option<(KeyClass, String)> {
    let (class, rest) = rest.split_once('_')?;
    let class = [KeyClass::Live, KeyClass::Test].into_iter().find(|known| word(*known) == class)?;
    let (id, secret) = rest.split_once('_')?;
    let is_base62 = |text: &str| text.bytes().all(|byte| DIGITS.contains(&byte));
    let fits =
        id.len() == ID_LEN && secret.len() == SECRET_LEN + CHECK_LEN && is_base62(id) && is_base62(secret);
    let (checked, check) = whole.split_at_checked(whole.len().checked_sub(CHECK_LEN)?)?;
    (fits && check.as_bytes() == check_digits(checked)).then(|| (class, id.to_owned()))
}

const fn word(class: KeyClass) -> &'static str {
    match class {
        KeyClass::Live => "live",
        KeyClass::Test => "test",
    }
}

/// Computes the check digits: CRC-32 (IEEE 802.3) in base 62, the highest digit first.
fn check_digits(text: &str) -> [u8; CHECK_LEN] {
    let mut rest = crc32(text.as_bytes());
    let mut digits = [b'0'; CHECK_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

fn crc32(bytes: &[u8]) -> u32 {
    let shifted = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shifted(crc)))
}

/// An API key that somebody signed in with, and what the backend said of it. Nothing but the key is secret.
#[derive(Debug)]
pub struct StoredApiKey {
    /// The key.
    pub key: ApiKey,
    /// What is known of it.
    pub facts: KeyFacts,
}

/// What is known of a stored API key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFacts {
    /// When it was stored.
    pub stored_at: UnixTime,
    /// When the backend accepted it; `None` for a key that no backend was asked about.
    pub verified_at: Option<UnixTime>,
    /// The fingerprint of the device that it was stored on.
    pub device: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The person's id.
    pub user_id: Option<String>,
    /// The organisation's id.
    pub organization: Option<String>,
    /// The workspace's id.
    pub workspace: Option<String>,
}

impl StoredApiKey {
    /// Reads the key of a tenant, client and environment; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn load(file: &SessionFile, key: &SessionKey) -> Result<Option<Self>, SessionFileError> {
        let stored = read(file, &name_of(key))?;
        Ok(stored.filter(|(session, _)| session == key).map(|(_, stored)| stored))
    }

    /// Reads all keys, each with the tenant, client and environment that it is for.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn all(file: &SessionFile) -> Result<Vec<(SessionKey, Self)>, SessionFileError> {
        let names = file.names(PREFIX_OF_RECORDS)?;
        names.iter().filter_map(|name| read(file, name).transpose()).collect()
    }

    /// Stores the key in the place of one that may be there.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn save(&self, file: &SessionFile, key: &SessionKey) -> Result<(), SessionFileError> {
        let (api_key, facts) = (Held::Lent(self.key.secret()), Cow::Borrowed(&self.facts));
        let record = encode_json(&Record { schema: SCHEMA, session: Cow::Borrowed(key), api_key, facts });
        file.write(&[(name_of(key), Some(record))])
    }

    /// Removes the key of a tenant, client and environment, if there is one.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn remove(file: &SessionFile, key: &SessionKey) -> Result<(), SessionFileError> {
        file.write(&[(name_of(key), None)])
    }
}

fn name_of(key: &SessionKey) -> SecretName {
    record_name(PREFIX_OF_RECORDS, &key.id())
}

fn read(
    file: &SessionFile,
    name: &SecretName,
) -> Result<Option<(SessionKey, StoredApiKey)>, SessionFileError> {
    let damaged = |source| SessionFileError::Record { record: name.to_string(), source };
    let Some(bytes) = file.read(name)? else { return Ok(None) };
    let record: Record<'_> = decode_json(&bytes, SCHEMA).map_err(damaged)?;
    let key = record.api_key.into_owned().and_then(|text| ApiKey::parse(text).ok());
    let key = key.ok_or_else(|| damaged(RecordError::Damaged))?;
    Ok(Some((record.session.into_owned(), StoredApiKey { key, facts: record.facts.into_owned() })))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'r> {
    schema: u32,
    session: Cow<'r, SessionKey>,
    api_key: Held<'r>,
    facts: Cow<'r, KeyFacts>,
}

const SCHEMA: u32 = 1;
const PREFIX_OF_RECORDS: &str = "api-key/";

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs";
    const TEST: &str = "kw_test_3f9KQ2mZx7Lc_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v13Rei5";

    fn parse(text: &str) -> Result<ApiKey, ApiKeyError> {
        ApiKey::parse(SecretString::new(text.to_owned()))
    }

    #[test]
    fn crc_is_that_of_ieee_802_3() {
        // The check value of the CRC catalogue (CRC-32/ISO-HDLC).
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn se_08_keys_have_a_live_and_a_test_prefix_and_check_digits() {
        assert_eq!(parse(LIVE).unwrap().class(), Some(KeyClass::Live));
        assert_eq!(parse(TEST).unwrap().class(), Some(KeyClass::Test));
    }

    #[test]
    fn se_05_a_masked_key_shows_its_public_part_alone() {
        assert_eq!(parse(TEST).unwrap().masked(), "kw_test_3f9KQ2mZx7Lc_…");
        assert_eq!(parse("sk-canary-0123456789").unwrap().masked(), "a key of another issuer");
        let shown = format!("{:?}", parse(TEST).unwrap());
        assert!(!shown.contains("A1b2C3") && !shown.contains("13Rei5"), "{shown}");
    }

    #[test]
    fn a_key_with_one_wrong_character_is_mistyped() {
        for at in 3..TEST.len() {
            let mut wrong = TEST.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(parse(&wrong).unwrap_err(), ApiKeyError::Mistyped, "{wrong}");
        }
    }

    #[test]
    fn a_key_that_is_cut_off_swapped_or_longer_is_mistyped() {
        for length in 3..TEST.len() {
            assert_eq!(parse(&TEST[..length]).unwrap_err(), ApiKeyError::Mistyped, "{length}");
        }
        for wrong in [format!("{TEST}0"), TEST.replace("A1b2", "1Ab2"), TEST.replace("test", "live")] {
            assert_eq!(parse(&wrong).unwrap_err(), ApiKeyError::Mistyped, "{wrong}");
        }
        assert_eq!(parse("kw_").unwrap_err(), ApiKeyError::Mistyped);
    }

    #[test]
    fn a_key_of_another_issuer_is_taken_as_it_is() {
        let key = parse("sk-proj-0123456789").unwrap();
        assert_eq!((key.class(), key.secret().expose_secret()), (None, "sk-proj-0123456789"));
    }

    #[test]
    fn what_no_header_carries_is_no_key() {
        for text in ["", " ", "two words", "line\nend", "nul\0", "ümlaut", &"x".repeat(4097)] {
            assert_eq!(parse(text).unwrap_err(), ApiKeyError::NotAKey, "{text:?}");
        }
    }
}
