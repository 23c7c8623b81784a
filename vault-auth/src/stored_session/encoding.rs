//! The text of a stored session: one JSON object. Its secrets go from their types into the text that is going to
//! be sealed, and from the opened text into their types, and nowhere else.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use vault_core::secret::{SecretBytes, SecretString};

use super::{Login, State, StoredSession};
use crate::clock::UnixTime;
use crate::session::SessionKey;
use crate::token::{TokenSet, TokenType};

/// Why a stored session can't be read. It was sealed, so that only a faulty or a newer program wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record is not as it was written.
    #[error("the stored record is damaged")]
    Damaged,
    /// A newer keyward wrote it.
    #[error("the record was written by a newer keyward (schema {0})")]
    Newer(u32),
}

impl StoredSession {
    /// Writes the record. During a refresh it has room for what the answer may be longer by, so that a disk
    /// which is too full for that is noticed before the token is sent.
    ///
    /// # Panics
    ///
    /// Never: every part of a session has a JSON form.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let room = if matches!(self.state, State::Refreshing(_)) { ROOM } else { 0 };
        encode_with_room(&self.record(), room)
    }

    /// Reads the record of the session `key`.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub fn decode(bytes: &SecretBytes, key: &SessionKey) -> Result<Self, RecordError> {
        let session = Self::decode_any(bytes)?;
        if session.key == *key { Ok(session) } else { Err(RecordError::Damaged) }
    }

    /// Reads a record, of whichever session it is.
    pub(crate) fn decode_any(bytes: &SecretBytes) -> Result<Self, RecordError> {
        let record: Record<'_> = decode_json(bytes, SCHEMA)?;
        let is_whole = record.tokens.is_none() == (*record.state == State::SignedOut);
        if is_whole { Ok(record.into_session()) } else { Err(RecordError::Damaged) }
    }

    fn record(&self) -> Record<'_> {
        Record {
            schema: SCHEMA,
            key: Cow::Borrowed(&self.key),
            generation: self.generation,
            login: Cow::Borrowed(&self.login),
            client_secret: self.client_secret.as_ref().map(Held::Lent),
            tokens: self.tokens.as_ref().map(TokenRecord::of),
            state: Cow::Borrowed(&self.state),
            retry_at: self.retry_at,
        }
    }
}

/// Encodes what is going to be sealed, in one allocation of the right size: one that grows would leave
/// copies behind.
pub(crate) fn encode_json(record: &impl Serialize) -> SecretBytes {
    encode_with_room(record, 0)
}

/// Encodes with spaces behind the text, which mean nothing in JSON.
fn encode_with_room(record: &impl Serialize, room: usize) -> SecretBytes {
    let mut size = Size(room);
    serde_json::to_writer(&mut size, record).expect("a record has a JSON form");
    let mut bytes = Vec::with_capacity(size.0);
    serde_json::to_writer(&mut bytes, record).expect("a record has a JSON form");
    bytes.resize(size.0, b' ');
    SecretBytes::new(bytes)
}

/// Decodes a record of this schema, and tells one of a newer schema from a damaged one.
pub(crate) fn decode_json<'de, T: Deserialize<'de>>(
    bytes: &'de SecretBytes,
    schema: u32,
) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let found: Schema = serde_json::from_slice(bytes.expose_secret()).map_err(|_| RecordError::Damaged)?;
    if found.schema > schema {
        return Err(RecordError::Newer(found.schema));
    }
    // The crate's own error may repeat a part of the text.
    serde_json::from_slice(bytes.expose_secret()).map_err(|_| RecordError::Damaged)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'s> {
    schema: u32,
    key: Cow<'s, SessionKey>,
    generation: u64,
    login: Cow<'s, Login>,
    client_secret: Option<Held<'s>>,
    tokens: Option<TokenRecord<'s>>,
    state: Cow<'s, State>,
    retry_at: Option<UnixTime>,
}

impl Record<'_> {
    fn into_session(self) -> StoredSession {
        StoredSession {
            key: self.key.into_owned(),
            generation: self.generation,
            login: self.login.into_owned(),
            client_secret: self.client_secret.and_then(Held::into_owned),
            tokens: self.tokens.and_then(TokenRecord::into_tokens),
            state: self.state.into_owned(),
            retry_at: self.retry_at,
        }
    }
}

/// Tokens without the ID token, which nobody asks for again: it tells a thief about a person.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRecord<'s> {
    access_token: Held<'s>,
    token_type: TokenType,
    refresh_token: Option<Held<'s>>,
    received_at: UnixTime,
    expires_at: Option<UnixTime>,
    scopes: Cow<'s, [String]>,
}

impl<'s> TokenRecord<'s> {
    fn of(tokens: &'s TokenSet) -> Self {
        Self {
            access_token: Held::Lent(&tokens.access_token),
            token_type: tokens.token_type,
            refresh_token: tokens.refresh_token.as_ref().map(Held::Lent),
            received_at: tokens.received_at,
            expires_at: tokens.expires_at,
            scopes: Cow::Borrowed(&tokens.scopes),
        }
    }

    fn into_tokens(self) -> Option<TokenSet> {
        Some(TokenSet {
            access_token: self.access_token.into_owned()?,
            token_type: self.token_type,
            refresh_token: self.refresh_token.and_then(Held::into_owned),
            id_token: None,
            received_at: self.received_at,
            expires_at: self.expires_at,
            scopes: self.scopes.into_owned(),
        })
    }
}

/// A secret on its way into a record or out of one. The secret types themselves have no JSON form, so that
/// nobody writes one by accident.
pub(crate) enum Held<'s> {
    Lent(&'s SecretString),
    Owned(SecretString),
}

impl Held<'_> {
    /// Returns a secret that was read.
    pub(crate) fn into_owned(self) -> Option<SecretString> {
        match self {
            Self::Owned(secret) => Some(secret),
            Self::Lent(_) => None,
        }
    }
}

impl Serialize for Held<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Lent(secret) => serializer.serialize_str(secret.expose_secret()),
            Self::Owned(secret) => serializer.serialize_str(secret.expose_secret()),
        }
    }
}

impl<'de> Deserialize<'de> for Held<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text).map(Self::Owned)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = SecretString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretString, E> {
        if text.is_empty() { Err(E::custom("an empty secret")) } else { Ok(SecretString::new(text.into())) }
    }
}

/// Counts what is written.
struct Size(usize);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SCHEMA: u32 = 1;
/// How much longer new tokens may be than the old ones without the disk being asked for more.
const ROOM: usize = 4096;
