//! The device keys in the sealed file, one for each machine that it was opened on, and the marks by which machines
//! are told apart: a copy of the file on another machine is another device, and so is each machine of a shared home.

use std::path::Path;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vault_core::input;
use vault_core::name::SecretName;
use vault_core::secret::{SecretBytes, SecretString};

use crate::dpop::{DeviceKey, DeviceKeyError};
use crate::session_file::{SessionFile, SessionFileError, record_name};
use crate::stored_session::{Held, RecordError, decode_json, encode_json};

/// Why there is no device key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceRecordError {
    /// The sealed file.
    #[error(transparent)]
    File(#[from] SessionFileError),
    /// The key could not be generated.
    #[error(transparent)]
    Key(#[from] DeviceKeyError),
}

/// Returns the device key of this machine, and makes one where the file has none. Those of other machines stay as
/// they are: their sessions are bound to them. `machine` is the mark of this one ([`machine_mark`]); machines
/// without a mark share one key, and a copy is not told between them.
///
/// # Errors
///
/// [`DeviceRecordError`]. A key that can't be read is not replaced: tokens may be bound to it.
pub fn device_key(file: &SessionFile, machine: Option<&str>) -> Result<DeviceKey, DeviceRecordError> {
    let name = name_of(machine);
    if let Some(key) = load(file, &name)? {
        return Ok(key);
    }
    let _lock = file.lock_named("device", LOCK_DEADLINE).map_err(SessionFileError::from)?;
    if let Some(key) = load(file, &name)? {
        return Ok(key);
    }
    let pkcs8 = DeviceKey::generate()?;
    let text = SecretString::new(Base64UrlUnpadded::encode_string(pkcs8.expose_secret()));
    let record = encode_json(&Record { schema: SCHEMA, key: Held::Lent(&text) });
    file.write(&[(name, Some(record))])?;
    Ok(DeviceKey::open(&pkcs8)?)
}

/// Returns a mark of this machine that says nothing else about it; `None` where the system gives machines no ids, as
/// in many containers.
#[must_use]
pub fn machine_mark() -> Option<String> {
    let id = input::read(Path::new("/etc/machine-id"), MAX_MACHINE_ID, Duration::ZERO).ok()?;
    let id = id.expose_secret().trim_ascii();
    (!id.is_empty()).then(|| mark_of(id))
}

fn mark_of(id: &[u8]) -> String {
    let hash = Sha256::new_with_prefix(b"keyward machine mark").chain_update(id);
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn load(file: &SessionFile, name: &SecretName) -> Result<Option<DeviceKey>, DeviceRecordError> {
    let damaged = |source| SessionFileError::Record { record: name.to_string(), source };
    let Some(bytes) = file.read(name)? else { return Ok(None) };
    let record: Record<'_> = decode_json(&bytes, SCHEMA).map_err(damaged)?;
    let pkcs8 = record.key.into_owned().and_then(|text| decode(&text));
    let pkcs8 = pkcs8.ok_or_else(|| damaged(RecordError::Damaged))?;
    Ok(Some(DeviceKey::open(&pkcs8)?))
}

fn decode(text: &SecretString) -> Option<SecretBytes> {
    Base64UrlUnpadded::decode_vec(text.expose_secret()).ok().map(SecretBytes::new)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'r> {
    schema: u32,
    key: Held<'r>,
}

fn name_of(machine: Option<&str>) -> SecretName {
    record_name("device/", machine.unwrap_or(NO_MARK))
}

const SCHEMA: u32 = 1;
/// What stands in the place of a mark. No mark is that short.
const NO_MARK: &str = "any";
const LOCK_DEADLINE: Duration = Duration::from_secs(10);
/// An id has 32 hexadecimal digits and a line end.
const MAX_MACHINE_ID: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_does_not_show_the_id() {
        let id = b"0123456789abcdef0123456789abcdef";
        assert_eq!(mark_of(id).len(), 32);
        assert!(!mark_of(id).contains("0123456789abcdef") && mark_of(id) != mark_of(b"other"));
    }
}
