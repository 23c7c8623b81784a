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
mod tests {
    use super::*;
    use crate::crypto::seal::TAG_LEN;

    fn value(scope: u32, name: &str, version: u32) -> ValueRecord<'_> {
        let id = ValueId::new([7; 16]);
        ValueRecord { scope, name, version, created: 1, id, sealed_len: 144, sha256: [9; 32] }
    }

    fn scopes(count: usize) -> Vec<ScopeRecord<'static>> {
        let ids = ["a", "b", "c"];
        let scope = |id: &&str| Scope::Workspace(TenantId::default(), WorkspaceId::parse(id).unwrap());
        ids[..count].iter().map(|id| ScopeRecord::new(&scope(id))).collect()
    }

    fn index<'a>(scope_count: usize, values: Vec<ValueRecord<'a>>) -> Index<'a> {
        Index { scopes: scopes(scope_count), values: values.into_iter().collect(), ..Index::default() }
    }

    fn plaintext(index: &Index<'_>) -> Vec<u8> {
        let message = encode_index(index).unwrap();
        message[PREFIX_LEN..message.len() - TAG_LEN].to_vec()
    }

    #[test]
    fn a_valid_index_decodes_to_itself() {
        let mut index =
            index(2, vec![value(0, "A", 2), value(0, "A", 1), value(0, "B", 1), value(1, "A", 1)]);
        index.bindings.push(BindingRecord {
            tenant: "default".into(),
            workspace: "a".into(),
            directory: b"/src/\xff".as_slice().into(),
        });
        assert_eq!(Index::decode(&plaintext(&index)).unwrap(), index);
    }

    #[test]
    fn an_index_of_unordered_or_repeated_records_is_refused() {
        let cases = [
            index(1, vec![value(0, "B", 1), value(0, "A", 1)]),
            index(1, vec![value(0, "A", 1), value(0, "A", 1)]),
            index(1, vec![value(0, "A", 1), value(0, "A", 2)]),
            index(2, vec![value(1, "A", 1), value(0, "A", 1)]),
        ];
        for index in cases {
            let bytes = plaintext(&index);
            let refused = Index::decode(&bytes);
            assert!(
                matches!(refused, Err(FormatError::Damaged("the values are not in order"))),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn an_index_of_impossible_values_is_refused() {
        let altered = |change: fn(&mut ValueRecord<'_>)| {
            let mut record = value(0, "A", 1);
            change(&mut record);
            record
        };
        let cases = [
            altered(|record| record.name = ""),
            altered(|record| record.name = "A=B"),
            altered(|record| record.name = "A\0"),
            altered(|record| record.version = 0),
            altered(|record| record.sealed_len = 0),
            altered(|record| record.sealed_len = 80),
            altered(|record| record.sealed_len = 145),
        ];
        for record in cases {
            let refused = Index::decode(&plaintext(&index(1, vec![record]))).map(|_| ());
            assert!(matches!(refused, Err(FormatError::Damaged(_))), "{record:?}");
        }
    }

    #[test]
    fn scopes_without_values_or_values_without_scopes_are_refused() {
        for case in [index(1, vec![]), index(1, vec![value(1, "A", 1)]), index(2, vec![value(1, "A", 1)])] {
            assert!(matches!(Index::decode(&plaintext(&case)), Err(FormatError::Damaged(_))), "{case:?}");
        }
        let gap = index(3, vec![value(0, "A", 1), value(2, "A", 1)]);
        assert!(Index::decode(&plaintext(&gap)).is_err());
    }

    #[test]
    fn a_twelfth_version_is_refused() {
        let versions =
            |count: u32| index(1, (1..=count).rev().map(|version| value(0, "A", version)).collect());
        assert!(Index::decode(&plaintext(&versions(11))).is_ok());
        assert!(matches!(Index::decode(&plaintext(&versions(12))), Err(FormatError::TooLarge(_))));
    }

    #[test]
    fn what_is_above_a_limit_is_too_large_and_not_damaged() {
        let long = "n".repeat(257);
        let mut large = value(0, "A", 1);
        large.sealed_len = 1_048_720 + 64;
        let mut wide = index(1, vec![value(0, "A", 1)]);
        wide.scopes[0].workspace = "i".repeat(65).into();
        for index in [index(1, vec![value(0, &long, 1)]), index(1, vec![large]), wide] {
            let bytes = plaintext(&index);
            assert!(matches!(Index::decode(&bytes), Err(FormatError::TooLarge(_))), "{index:?}");
        }
    }

    #[test]
    fn a_newer_schema_is_no_damage() {
        let mut bytes = plaintext(&Index::default());
        bytes[0] = 3;
        assert!(matches!(Index::decode(&bytes), Err(FormatError::Newer { what: "schema", found: 3 })));
        bytes[0] = 0;
        assert!(matches!(Index::decode(&bytes), Err(FormatError::Damaged(_))));
    }

    #[test]
    fn hostile_lengths_are_refused_without_allocation() {
        let full = plaintext(&index(1, vec![value(0, "A", 1)]));
        for position in [4, 12, 20] {
            for hostile in [u64::MAX, 1 << 63, 1 << 40, 0] {
                let mut bytes = full.clone();
                bytes[position..position + 8].copy_from_slice(&hostile.to_le_bytes());
                assert!(Index::decode(&bytes).is_err(), "{hostile:#x} at {position}");
            }
        }
    }

    #[test]
    fn the_smallest_records_have_the_sizes_by_which_counts_are_judged() {
        let scope = ScopeRecord { kind: 0, tenant: "".into(), workspace: "".into() };
        let binding =
            BindingRecord { tenant: "".into(), workspace: "".into(), directory: b"".as_slice().into() };
        assert_eq!(encode(&scope).unwrap().len(), SCOPE_LEN);
        assert_eq!(encode(&value(0, "", 1)).unwrap().len(), VALUE_LEN);
        assert_eq!(encode(&binding).unwrap().len(), BINDING_LEN);
        assert_eq!(DECODE_LIMIT as u64, MAX_SEALED_INDEX - OVERHEAD as u64 + INDEX_BLOCK as u64);
    }

    #[test]
    fn a_count_above_what_the_bytes_can_hold_is_refused_before_a_record_is_read() {
        for (count, spare, is_read) in
            [(2, 2 * VALUE_LEN, true), (2, 2 * VALUE_LEN - 1, false), (1, 0, false)]
        {
            let bytes = [&u64::to_le_bytes(count)[..], &vec![0; spare]].concat();
            assert_eq!(read_count(&mut &*bytes, VALUE_LEN).is_ok(), is_read, "{count} in {spare} bytes");
        }
    }

    #[test]
    fn an_index_is_encoded_up_to_the_limit_and_not_above() {
        let of_size = |body_len: usize| {
            // Three counts of zero stand before the connections.
            let connection_bytes = vec![1; body_len - 24].into();
            encode_index(&Index { connection_bytes, ..Index::default() }).map(|message| message.len() as u64)
        };
        let most = 32_767 * 4096 - PREAMBLE_LEN;
        assert_eq!(of_size(most).unwrap(), MAX_SEALED_INDEX);
        assert!(matches!(of_size(most + 1), Err(FormatError::TooLarge("the size of the index"))));
    }

    #[test]
    fn a_secret_is_there_by_its_scope_and_name_alone() {
        let index = index(2, vec![value(0, "A", 2), value(0, "A", 1), value(1, "B", 1)]);
        let has = |workspace: &str, name: &str| {
            let scope = Scope::Workspace(TenantId::default(), WorkspaceId::parse(workspace).unwrap());
            index.has_secret(&scope, &SecretName::parse(name).unwrap())
        };
        assert!(has("a", "A") && has("b", "B"));
        assert!(!has("a", "B") && !has("b", "A") && !has("c", "A"));
    }

    #[test]
    fn padding_and_spare_bytes_are_refused() {
        let full = plaintext(&Index::default());
        let mut dirty = full.clone();
        *dirty.last_mut().unwrap() = 1;
        assert!(Index::decode(&dirty).is_err());
        assert!(Index::decode(&[full.clone(), vec![0; INDEX_BLOCK]].concat()).is_err());
        assert!(Index::decode(&full[..full.len() - 1]).is_err());
        let mut spare = full;
        spare[4] += 1;
        assert!(Index::decode(&spare).is_err());
    }

    #[test]
    fn invalid_utf8_in_a_name_is_refused() {
        let mut bytes = plaintext(&index(1, vec![value(0, "AZ", 1)]));
        let at = bytes.windows(2).position(|window| window == b"AZ").unwrap();
        bytes[at] = 0xff;
        assert!(Index::decode(&bytes).is_err());
    }
}
