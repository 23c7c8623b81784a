//! The index: which values there are, where they stand, and what authenticates them (`FORMAT.md §5`).
//!
//! bincode is used here and nowhere else, on bytes that are already authenticated, with a limit. Its own
//! traits take half the time of serde's for the same encoding. What is decoded borrows from the plaintext.

mod check;
mod connections;
mod records;
#[cfg(test)]
mod second_decoder;

use std::borrow::Cow;
use std::ops::Range;

use bincode::config::{Config, legacy};
use bincode::de::{BorrowDecode, BorrowDecoder};
use bincode::enc::write::Writer;
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};
use bincode::{borrow_decode_from_slice, encode_into_writer};

use self::check::check_that;
pub(crate) use self::check::is_absolute;
pub use self::records::Values;
use crate::crypto::seal::{Label, OVERHEAD, PREFIX_LEN, open_in_place, seal_in_place};
use crate::format::reader::ByteReader;
use crate::format::{FormatError, MAX_SEALED_INDEX, ValueId};
use crate::harden::Buffer;
use crate::name::{Scope, SecretName, TenantId, WorkspaceId};
use crate::secret::RootKey;

/// The version of an index body without connections.
const SCHEMA: u32 = 1;
/// The version of an index body with connections at its end.
const SCHEMA_WITH_CONNECTIONS: u32 = 2;
/// Index plaintexts are padded to a multiple of this.
pub const INDEX_BLOCK: usize = 4096;

const PREAMBLE_LEN: usize = 12;
const DECODE_LIMIT: usize = 128 << 20;
/// The smallest scope: kind, and the lengths of two ids.
const SCOPE_LEN: usize = 1 + 8 + 8;
/// The smallest value: all but the bytes of its name.
const VALUE_LEN: usize = 4 + 8 + 4 + 8 + 16 + 4 + 32;
/// The smallest binding: three lengths.
const BINDING_LEN: usize = 8 + 8 + 8;

/// The body of an index, borrowed from its plaintext where it was decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index<'a> {
    /// Every scope that has a value, in order.
    pub scopes: Vec<ScopeRecord<'a>>,
    /// Every value, in order: scope, name bytewise, newest version first.
    pub values: Values<'a>,
    /// Which directories may use which workspace, in order.
    pub bindings: Vec<BindingRecord<'a>>,
    /// The encoded vector of connections; nothing where there are none.
    pub(crate) connection_bytes: Cow<'a, [u8]>,
}

/// A scope: 0 workspace, 1 tenant. A tenant's `workspace` is empty. Ordered as the fields stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeRecord<'a> {
    kind: u8,
    tenant: Cow<'a, str>,
    workspace: Cow<'a, str>,
}

impl ScopeRecord<'_> {
    const WORKSPACE: u8 = 0;
    const TENANT: u8 = 1;

    /// Makes the record of `scope`.
    #[must_use]
    pub fn new(scope: &Scope) -> ScopeRecord<'static> {
        let kind = if scope.workspace().is_some() { Self::WORKSPACE } else { Self::TENANT };
        let workspace = scope.workspace().map_or_else(String::new, ToString::to_string);
        ScopeRecord { kind, tenant: scope.tenant().to_string().into(), workspace: workspace.into() }
    }

    /// Returns the scope.
    ///
    /// # Errors
    ///
    /// [`FormatError::Damaged`] when the ids are none.
    pub fn scope(&self) -> Result<Scope, FormatError> {
        let bad = |_| FormatError::Damaged("the index has an invalid scope");
        let tenant = TenantId::parse(&self.tenant).map_err(bad)?;
        match self.kind {
            Self::TENANT => Ok(Scope::Tenant(tenant)),
            _ => Ok(Scope::Workspace(tenant, WorkspaceId::parse(&self.workspace).map_err(bad)?)),
        }
    }
}

/// One stored value: a version of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueRecord<'a> {
    /// The position of the scope in [`Index::scopes`].
    pub scope: u32,
    /// The name of the secret.
    pub name: &'a str,
    /// Counts from 1 for each secret.
    pub version: u32,
    /// When the version was stored, in seconds since 1970-01-01T00:00:00Z.
    pub created: u64,
    /// Names the sealed message.
    pub id: ValueId,
    /// The size of the sealed message.
    pub sealed_len: u32,
    /// The hash of the sealed message.
    pub sha256: [u8; 32],
}

impl<'a> ValueRecord<'a> {
    /// Returns what the order of values goes by, before the version.
    pub(crate) const fn key(&self) -> (u32, &'a [u8]) {
        (self.scope, self.name.as_bytes())
    }
}

/// A canonical directory that may use a workspace id. Ordered as the fields stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingRecord<'a> {
    /// The tenant of the workspace.
    pub tenant: Cow<'a, str>,
    /// The workspace.
    pub workspace: Cow<'a, str>,
    /// The absolute path of the directory, as bytes.
    pub directory: Cow<'a, [u8]>,
}

impl<'a> Index<'a> {
    /// Decodes an index plaintext and checks that it is the one encoding of a valid index. Connections are
    /// left for [`Self::connections`].
    ///
    /// # Errors
    ///
    /// [`FormatError::Damaged`] or [`FormatError::Newer`]. The plaintext is authenticated, so only a
    /// faulty or newer program makes one that is refused here.
    pub fn decode(plaintext: &'a [u8]) -> Result<Self, FormatError> {
        let (schema, mut rest) = body(plaintext)?;
        let scopes = read_records(&mut rest, SCOPE_LEN)?;
        let (values, values_check) = Values::read(&mut rest)?;
        let bindings = read_records(&mut rest, BINDING_LEN)?;
        let index = Self { scopes, values, bindings, connection_bytes: rest.into() };
        check_that(schema == index.schema(), "the bytes after the bindings do not fit the schema")?;
        index.check(values_check)?;
        Ok(index)
    }

    /// Returns the version of the body's encoding. The lowest one that has room for the content, so that
    /// programs which know no connections open a vault without any.
    fn schema(&self) -> u32 {
        if self.connection_bytes.is_empty() { SCHEMA } else { SCHEMA_WITH_CONNECTIONS }
    }

    /// Returns the position of a scope in [`Self::scopes`].
    #[must_use]
    pub fn scope_position(&self, scope: &Scope) -> Option<u32> {
        let position = self.scopes.binary_search(&ScopeRecord::new(scope)).ok()?;
        u32::try_from(position).ok()
    }

    /// Returns where the versions of a secret stand in [`Self::values`], newest first; an empty range
    /// where there is no such secret.
    #[must_use]
    pub fn versions(&self, scope: &Scope, name: &SecretName) -> Range<usize> {
        let Some(scope) = self.scope_position(scope) else { return 0..0 };
        self.versions_at(scope, name)
    }

    /// [`Self::versions`] for a scope whose position is known.
    #[must_use]
    pub fn versions_at(&self, scope: u32, name: &SecretName) -> Range<usize> {
        let key = (scope, name.as_str().as_bytes());
        let start = self.values.partition_point(|value| value.key() < key);
        let is_version = |position: &usize| self.values.at(*position).key() == key;
        let count = (start..self.values.len()).take_while(is_version).count();
        start..start + count
    }

    /// Tells whether there is such a secret.
    #[must_use]
    pub fn has_secret(&self, scope: &Scope, name: &SecretName) -> bool {
        !self.versions(scope, name).is_empty()
    }

    /// Returns the current version of every secret with its position, in order.
    pub fn current(&self) -> impl Iterator<Item = (usize, ValueRecord<'_>)> {
        let mut before = None;
        self.values
            .iter()
            .enumerate()
            .filter(move |(_, value)| before.replace(value.key()) != Some(value.key()))
    }
}

/// Encodes an index with its padding, and with room for prefix and tag around it for [`seal_index`].
///
/// # Errors
///
/// [`FormatError::TooLarge`] when the sealed index would be above its limit.
pub(crate) fn encode_index(index: &Index<'_>) -> Result<Buffer, FormatError> {
    let (scopes, bindings) = (encode(&index.scopes)?, encode(&index.bindings)?);
    let connections = &index.connection_bytes;
    let body_len = scopes.len() + index.values.encoded_len() + bindings.len() + connections.len();
    let sealed_len = (PREAMBLE_LEN + body_len).next_multiple_of(INDEX_BLOCK) + OVERHEAD;
    if sealed_len as u64 > MAX_SEALED_INDEX {
        return Err(too_large());
    }
    let mut message = Buffer::zeroed(sealed_len);
    let (preamble, rest) = message[PREFIX_LEN..].split_at_mut(PREAMBLE_LEN);
    preamble[..4].copy_from_slice(&index.schema().to_le_bytes());
    preamble[4..].copy_from_slice(&(body_len as u64).to_le_bytes());
    let (before, rest) = rest.split_at_mut(scopes.len());
    let (values, rest) = rest.split_at_mut(index.values.encoded_len());
    before.copy_from_slice(&scopes);
    index.values.encode_into(values);
    let (after, rest) = rest.split_at_mut(bindings.len());
    after.copy_from_slice(&bindings);
    rest[..connections.len()].copy_from_slice(connections);
    Ok(message)
}

/// Seals an encoded index in place; the context is exactly the header.
pub(crate) fn seal_index(root: &RootKey, header: &[u8], message: &mut [u8]) {
    seal_in_place(root, Label::Index, header, message);
}

/// Opens a sealed index in place and returns its plaintext; `None` if header, index or key do not fit.
pub(crate) fn open_index<'m>(root: &RootKey, header: &[u8], message: &'m mut [u8]) -> Option<&'m [u8]> {
    open_in_place(root, Label::Index, header, message).ok().map(|plaintext| &*plaintext)
}

/// Takes schema, length and padding off an index plaintext.
fn body(plaintext: &[u8]) -> Result<(u32, &[u8]), FormatError> {
    let mut reader = ByteReader::new(plaintext, "the index is cut off");
    let schema = reader.u32()?;
    match schema {
        SCHEMA | SCHEMA_WITH_CONNECTIONS => {}
        0 => return Err(FormatError::Damaged("a version number is zero")),
        found => return Err(FormatError::Newer { what: "schema", found }),
    }
    let len = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    let (body, padding) =
        reader.rest().split_at_checked(len).ok_or(FormatError::Damaged("the index is cut off"))?;
    let padded = PREAMBLE_LEN.checked_add(len).map(|used| used.next_multiple_of(INDEX_BLOCK));
    check_that(padded == Some(plaintext.len()), "the padding of the index has another length")?;
    check_that(padding.iter().all(|byte| *byte == 0), "the padding of the index is not zero")?;
    Ok((schema, body))
}

/// Encodes and decodes a record field by field, in the order of `FORMAT.md §5`.
macro_rules! encoding {
    ($record:ident<$life:lifetime> { $($field:ident),+ }) => {
        impl<$life, 'de: $life, C> BorrowDecode<'de, C> for $record<$life> {
            fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
                Ok(Self { $($field: BorrowDecode::borrow_decode(d)?),+ })
            }
        }

        impl Encode for $record<'_> {
            fn encode<E: Encoder>(&self, e: &mut E) -> Result<(), EncodeError> {
                $(self.$field.encode(e)?;)+
                Ok(())
            }
        }
    };
}

use encoding;

encoding!(ScopeRecord<'a> { kind, tenant, workspace });
encoding!(ValueRecord<'a> { scope, name, version, created, id, sealed_len, sha256 });
encoding!(BindingRecord<'a> { tenant, workspace, directory });

impl<'de, C> BorrowDecode<'de, C> for ValueId {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        BorrowDecode::borrow_decode(d).map(Self::new)
    }
}

impl Encode for ValueId {
    fn encode<E: Encoder>(&self, e: &mut E) -> Result<(), EncodeError> {
        self.as_bytes().encode(e)
    }
}

/// Reads a count and as many records.
fn read_records<'b, R: BorrowDecode<'b, ()>>(
    rest: &mut &'b [u8],
    least: usize,
) -> Result<Vec<R>, FormatError> {
    let count = read_count(rest, least)?;
    (0..count).map(|_| decode_next(rest)).collect()
}

/// Reads the number of records that follow. `least` is the size of the smallest of them, so that no count
/// takes more room than the bytes can fill.
fn read_count(rest: &mut &[u8], least: usize) -> Result<usize, FormatError> {
    let count: u64 = decode_next(rest)?;
    usize::try_from(count).ok().filter(|count| *count <= rest.len() / least).ok_or(UNDECODABLE)
}

/// Decodes the next record. It has one encoding only: all its fields have a fixed width or a length, none
/// can be left out, and text is kept as it is. So what is decoded need not be encoded again to compare.
fn decode_next<'b, R: BorrowDecode<'b, ()>>(rest: &mut &'b [u8]) -> Result<R, FormatError> {
    let (record, used) = borrow_decode_from_slice(rest, config()).map_err(|_| UNDECODABLE)?;
    *rest = &rest[used..];
    Ok(record)
}

const UNDECODABLE: FormatError = FormatError::Damaged("the index does not decode");

fn encode(part: &impl Encode) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    encode_onto(&mut bytes, part).map(|()| bytes)
}

/// Puts an encoding at the end of `bytes`.
fn encode_onto(bytes: &mut Vec<u8>, part: &impl Encode) -> Result<(), FormatError> {
    encode_into_writer(part, Appender(bytes), config()).map_err(|_| too_large())
}

const fn too_large() -> FormatError {
    FormatError::TooLarge("the size of the index")
}

/// bincode's fixed-width little-endian integers and 64-bit lengths.
fn config() -> impl Config {
    legacy().with_limit::<DECODE_LIMIT>()
}

/// A writer at the end of a vector.
struct Appender<'v>(&'v mut Vec<u8>);

impl Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
