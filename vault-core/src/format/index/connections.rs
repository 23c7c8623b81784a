//! The connections at the end of an index (`FORMAT.md §5`). They stay encoded until somebody asks for them:
//! what reads or writes secrets copies them as they are.

use std::borrow::Cow;

use bincode::de::{BorrowDecode, BorrowDecoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

use super::check::{check_that, is_strictly_sorted};
use super::{Index, ScopeRecord, encode, encoding, read_records};
use crate::connection::{
    Auth, Connection, Label, MAX_CONNECTIONS, MAX_LABEL, MAX_SETTING_KEY, MAX_SETTING_VALUE, MAX_SETTINGS,
    Setting, Settings,
};
use crate::format::FormatError;
use crate::name::{ConnectionId, MAX_CONNECTION_ID, MAX_SECRET_NAME, Scope, SecretName};
use crate::provider::Kind;

/// The smallest connection: its numbers, the lengths of its texts, and of its settings.
const CONNECTION_LEN: usize = (1 + 8 + 8) + 8 + 1 + 8 + 1 + 8 + 8 + 8 + 8;

/// The kinds by their numbers, from 1. A new kind goes to the end and raises the schema.
const KINDS: [Kind; 16] = [
    Kind::Cdc,
    Kind::Cron,
    Kind::Discord,
    Kind::Email,
    Kind::File,
    Kind::Github,
    Kind::Linear,
    Kind::Llm,
    Kind::Mcp,
    Kind::Pagerduty,
    Kind::S3,
    Kind::Sentry,
    Kind::Slack,
    Kind::Stripe,
    Kind::Twilio,
    Kind::Webhook,
];

/// A connection as it is encoded. Ordered by scope, then id.
#[derive(Debug, PartialEq)]
struct ConnectionRecord<'a> {
    scope: ScopeRecord<'a>,
    id: Cow<'a, str>,
    kind: u8,
    label: Cow<'a, str>,
    auth: u8,
    secret: Cow<'a, str>,
    settings: SettingRecords<'a>,
    created: u64,
    updated: u64,
}

/// The settings of a connection. They take room as they are read: bincode's own vectors take it by their count,
/// which nobody has compared with anything yet.
#[derive(Debug, PartialEq)]
struct SettingRecords<'a>(Vec<SettingRecord<'a>>);

/// A setting as it is encoded.
#[derive(Debug, PartialEq)]
struct SettingRecord<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
}

encoding!(ConnectionRecord<'a> { scope, id, kind, label, auth, secret, settings, created, updated });
encoding!(SettingRecord<'a> { key, value });

impl<'a, 'de: 'a, C> BorrowDecode<'de, C> for SettingRecords<'a> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        let count = u64::borrow_decode(d)?;
        let mut settings = Vec::new();
        for _ in 0..count {
            settings.push(SettingRecord::borrow_decode(d)?);
        }
        Ok(Self(settings))
    }
}

impl Encode for SettingRecords<'_> {
    fn encode<E: Encoder>(&self, e: &mut E) -> Result<(), EncodeError> {
        self.0.encode(e)
    }
}

impl<'a> Index<'a> {
    /// Decodes the connections and checks that they are valid and in their one encoding. They come in order:
    /// scope, then id.
    ///
    /// # Errors
    ///
    /// [`FormatError::Damaged`] or [`FormatError::TooLarge`]; as for the rest of the index, only a faulty
    /// program makes what is refused here.
    pub fn connections(&self) -> Result<Vec<Connection>, FormatError> {
        let mut rest = &*self.connection_bytes;
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        let count = rest.first_chunk().map_or(0, |count| u64::from_le_bytes(*count));
        if count > MAX_CONNECTIONS as u64 {
            return Err(FormatError::TooLarge("the number of connections"));
        }
        let records: Vec<ConnectionRecord<'_>> = read_records(&mut rest, CONNECTION_LEN)?;
        check_that(rest.is_empty(), "the index has bytes to spare")?;
        check_that(!records.is_empty(), "the index is not in its one encoding")?;
        let keys: Vec<_> = records.iter().map(|record| (&record.scope, record.id.as_bytes())).collect();
        check_that(is_strictly_sorted(&keys), "the connections are not in order")?;
        records.iter().map(ConnectionRecord::read).collect()
    }

    /// Replaces the connections by these, in any order, of which no two have one scope and id.
    ///
    /// # Errors
    ///
    /// [`FormatError::TooLarge`] for more connections than a file can have.
    pub fn set_connections(&mut self, connections: &[Connection]) -> Result<(), FormatError> {
        if connections.len() > MAX_CONNECTIONS {
            return Err(FormatError::TooLarge("the number of connections"));
        }
        let mut records: Vec<_> = connections.iter().map(ConnectionRecord::new).collect();
        records.sort_by(|a, b| (&a.scope, a.id.as_bytes()).cmp(&(&b.scope, b.id.as_bytes())));
        let bytes = if records.is_empty() { Vec::new() } else { encode(&records)? };
        self.connection_bytes = bytes.into();
        Ok(())
    }
}

impl<'a> ConnectionRecord<'a> {
    const NO_SECRET: u8 = 0;
    const SECRET_OF_WORKSPACE: u8 = 1;
    const SECRET_OF_TENANT: u8 = 2;

    fn new(connection: &'a Connection) -> Self {
        let (auth, secret) = match &connection.auth {
            Auth::None => (Self::NO_SECRET, ""),
            Auth::Secret { scope: Scope::Workspace(..), name } => (Self::SECRET_OF_WORKSPACE, name.as_str()),
            Auth::Secret { scope: Scope::Tenant(_), name } => (Self::SECRET_OF_TENANT, name.as_str()),
        };
        let setting =
            |setting: &'a Setting| SettingRecord { key: setting.key().into(), value: setting.value().into() };
        Self {
            scope: ScopeRecord::new(&connection.scope),
            id: connection.id.as_str().into(),
            kind: number_of(connection.kind),
            label: connection.label.as_str().into(),
            auth,
            secret: secret.into(),
            settings: SettingRecords(connection.settings.iter().map(setting).collect()),
            created: connection.created,
            updated: connection.updated,
        }
    }

    /// Checks the record, in the order of its fields.
    fn read(&self) -> Result<Connection, FormatError> {
        self.scope.check()?;
        let scope = self.scope.scope()?;
        let id = at_most(&self.id, MAX_CONNECTION_ID, "the length of an id")?;
        let id = ConnectionId::parse(id).map_err(|_| FormatError::Damaged("the index has an invalid id"))?;
        let kind = usize::from(self.kind).checked_sub(1).and_then(|at| KINDS.get(at));
        let label = Label::parse(at_most(&self.label, MAX_LABEL, "the length of a label")?);
        Ok(Connection {
            kind: *kind.ok_or(FormatError::Damaged("the index has an invalid kind of connection"))?,
            label: label.map_err(|_| FormatError::Damaged("the index has an invalid label"))?,
            auth: self.auth(&scope)?,
            settings: self.settings()?,
            scope,
            id,
            created: self.created,
            updated: self.updated,
        })
    }

    fn auth(&self, scope: &Scope) -> Result<Auth, FormatError> {
        let of = match (self.auth, scope) {
            (Self::NO_SECRET, _) if self.secret.is_empty() => return Ok(Auth::None),
            (Self::SECRET_OF_WORKSPACE, Scope::Workspace(..)) => scope.clone(),
            (Self::SECRET_OF_TENANT, _) => Scope::Tenant(scope.tenant().clone()),
            _ => return Err(FormatError::Damaged("the index has an invalid reference")),
        };
        let name = SecretName::parse(at_most(&self.secret, MAX_SECRET_NAME, "the length of a name")?);
        let name = name.map_err(|_| FormatError::Damaged("the index has an invalid name"))?;
        Ok(Auth::Secret { scope: of, name })
    }

    fn settings(&self) -> Result<Settings, FormatError> {
        let SettingRecords(settings) = &self.settings;
        if settings.len() > MAX_SETTINGS {
            return Err(FormatError::TooLarge("the number of settings"));
        }
        let keys: Vec<&[u8]> = settings.iter().map(|setting| setting.key.as_bytes()).collect();
        check_that(is_strictly_sorted(&keys), "the settings are not in order")?;
        let settings = settings.iter().map(SettingRecord::read).collect::<Result<_, _>>()?;
        Settings::new(settings).map_err(|_| FormatError::Damaged("the settings are not in order"))
    }
}

impl SettingRecord<'_> {
    fn read(&self) -> Result<Setting, FormatError> {
        let key = at_most(&self.key, MAX_SETTING_KEY, "the length of a setting's key")?;
        let value = at_most(&self.value, MAX_SETTING_VALUE, "the length of a setting's value")?;
        Setting::new(key, value).map_err(|_| FormatError::Damaged("the index has an invalid setting"))
    }
}

/// Returns the number that stands for a kind in the file.
fn number_of(kind: Kind) -> u8 {
    let at = KINDS.iter().position(|known| *known == kind);
    at.and_then(|at| u8::try_from(at + 1).ok()).expect("KINDS has every kind, which a test shows")
}

/// Tells a text that is too long from one that is wrong.
fn at_most<'t>(text: &'t str, limit: usize, what: &'static str) -> Result<&'t str, FormatError> {
    if text.len() > limit { Err(FormatError::TooLarge(what)) } else { Ok(text) }
}

#[cfg(test)]
mod tests;
