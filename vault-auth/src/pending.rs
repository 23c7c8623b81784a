//! Logins that one process began and another completes: the device code, and all that its completion needs, sealed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vault_core::name::SecretName;
use vault_core::secret::SecretString;

use crate::clock::UnixTime;
use crate::device::PendingLogin;
use crate::profile::{Profile, ProfileName};
use crate::session::SessionKey;
use crate::session_file::{SessionFile, SessionFileError, new_id, record_name};
use crate::stored_session::{Held, Login, RecordError, decode_json, encode_json};

/// A login that was begun.
#[derive(Debug)]
pub struct BegunLogin {
    /// Which session it will be.
    pub key: SessionKey,
    /// What is known of it so far.
    pub login: Login,
    /// The profile that will point to it.
    pub profile: ProfileName,
    /// What the profile will say.
    pub settings: Profile,
    /// The client's secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// What was asked for.
    pub scopes: Vec<String>,
    /// What the tokens are for, where the provider was told.
    pub audience: Option<String>,
    /// The request itself.
    pub pending: PendingLogin,
}

impl BegunLogin {
    /// Stores the login, removes those whose time is over, and returns the id by which it is completed.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    ///
    /// # Panics
    ///
    /// Never: a request is JSON text.
    pub fn save(&self, file: &SessionFile, now: UnixTime) -> Result<String, SessionFileError> {
        let id = new_id();
        let pending = String::from_utf8(self.pending.to_bytes().expose_secret().to_vec());
        let pending = SecretString::new(pending.expect("a request is JSON text"));
        let record = encode_json(&Record {
            schema: SCHEMA,
            key: Cow::Borrowed(&self.key),
            login: Cow::Borrowed(&self.login),
            profile: Cow::Borrowed(&self.profile),
            settings: Cow::Borrowed(&self.settings),
            client_secret: self.client_secret.as_ref().map(Held::Lent),
            scopes: Cow::Borrowed(&self.scopes),
            audience: self.audience.as_deref().map(Cow::Borrowed),
            pending: Held::Lent(&pending),
        });
        let mut records: Vec<_> = over(file, now)?.into_iter().map(|name| (name, None)).collect();
        records.push((record_name(PREFIX, &id), Some(record)));
        file.write(&records)?;
        Ok(id)
    }

    /// Reads a login; `None` if none of that id was begun.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn load(file: &SessionFile, id: &str) -> Result<Option<Self>, SessionFileError> {
        let Some(name) = name_of(id) else { return Ok(None) };
        read(file, &name)
    }

    /// Removes a login, which is completed or given up.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn remove(file: &SessionFile, id: &str) -> Result<(), SessionFileError> {
        name_of(id).map_or(Ok(()), |name| file.write(&[(name, None)]))
    }
}

/// An id comes from the command line.
fn name_of(id: &str) -> Option<SecretName> {
    let is_id = !id.is_empty() && id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| record_name(PREFIX, id))
}

/// Returns the logins whose code has ended, or that nobody can read.
fn over(file: &SessionFile, now: UnixTime) -> Result<Vec<SecretName>, SessionFileError> {
    let mut over = Vec::new();
    for name in file.names(PREFIX)? {
        match read(file, &name) {
            Ok(Some(begun)) if begun.pending.expires_at > now => {}
            Ok(_) | Err(SessionFileError::Record { .. }) => over.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(over)
}

fn read(file: &SessionFile, name: &SecretName) -> Result<Option<BegunLogin>, SessionFileError> {
    let damaged = |source| SessionFileError::Record { record: name.to_string(), source };
    let Some(bytes) = file.read(name)? else { return Ok(None) };
    let record: Record<'_> = decode_json(&bytes, SCHEMA).map_err(damaged)?;
    record.into_begun().ok_or_else(|| damaged(RecordError::Damaged)).map(Some)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'r> {
    schema: u32,
    key: Cow<'r, SessionKey>,
    login: Cow<'r, Login>,
    profile: Cow<'r, ProfileName>,
    settings: Cow<'r, Profile>,
    client_secret: Option<Held<'r>>,
    scopes: Cow<'r, [String]>,
    audience: Option<Cow<'r, str>>,
    pending: Held<'r>,
}

impl Record<'_> {
    fn into_begun(self) -> Option<BegunLogin> {
        let pending = self.pending.into_owned()?.into_bytes();
        Some(BegunLogin {
            key: self.key.into_owned(),
            login: self.login.into_owned(),
            profile: self.profile.into_owned(),
            settings: self.settings.into_owned(),
            client_secret: self.client_secret.and_then(Held::into_owned),
            scopes: self.scopes.into_owned(),
            audience: self.audience.map(Cow::into_owned),
            pending: PendingLogin::from_bytes(&pending).ok()?,
        })
    }
}

const SCHEMA: u32 = 1;
const PREFIX: &str = "pending/";
