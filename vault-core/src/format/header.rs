//! The header: the only part of a vault that is read without a key (`FORMAT.md §4`). It is checked by
//! its hash first, so that a flipped bit is told apart from a wrong key before any source is asked.

use std::fmt;
use std::io::{self, ErrorKind};

use sha2::{Digest, Sha256};

use crate::crypto::kdf::{self, KdfParams, KdfParamsError, MAX_FILE_COST};
use crate::crypto::seal::{OVERHEAD, PREFIX_LEN, TAG_LEN};
use crate::format::reader::{ByteReader, Snapshot};
use crate::format::{
    FormatError, MAX_FILE, MAX_HEADER, MAX_PASSPHRASE_SLOTS, MAX_SEALED_INDEX, MAX_SLOTS, SlotId, VaultId,
    WRAPPED_ROOT_LEN,
};

/// The first eight bytes of every keyward file.
pub const MAGIC: [u8; 8] = *b"KEYWARD\x1a";
/// The version of the layout.
pub const VERSION: u16 = 1;
/// The cryptographic suite: AES-256-GCM, HKDF-SHA-256, Argon2id as in `FORMAT.md §3`.
pub const SUITE: u16 = 1;
/// The size of the fixed part of the header, before the slots.
pub const FIXED_LEN: usize = 64;
/// The size of one slot record.
pub const SLOT_LEN: usize = 160;
/// The size of the hash that ends the header.
pub const HASH_LEN: usize = 32;

const PARAMETERS_LEN: usize = 28;

/// What a sealed file is for. The caller says what it expects, so that one kind of file can't stand in
/// for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Secrets on their way from one vault to another.
    Bundle,
    /// Secrets: the vault.
    Secrets,
    /// Sessions and API keys.
    Sessions,
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Secrets => 1,
            Self::Sessions => 2,
            Self::Bundle => 3,
        }
    }

    fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            0 => Err(FormatError::Damaged("the purpose is zero")),
            1 => Ok(Self::Secrets),
            2 => Ok(Self::Sessions),
            3 => Ok(Self::Bundle),
            _ => Err(FormatError::Newer { what: "purpose", found: code.into() }),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "a bundle",
            Self::Secrets => "a vault",
            Self::Sessions => "a file of sessions",
        })
    }
}

/// Where the key of a slot comes from, with what its derivation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// A random key in `KEYWARD_VAULT_KEY` or a key file.
    Env,
    /// A random key in the OS keyring.
    Keyring,
    /// A key derived from a seed file of this machine and its host name.
    Machine,
    /// A key derived from a passphrase.
    Passphrase {
        /// The costs of Argon2id.
        params: KdfParams,
        /// The salt of Argon2id.
        salt: [u8; kdf::SALT_LEN],
    },
    /// A key derived from a recovery code on paper.
    Recovery,
}

impl SlotKind {
    /// Returns the word for the kind, as it stands in every message.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Keyring => "keyring",
            Self::Machine => "machine",
            Self::Passphrase { .. } => "passphrase",
            Self::Recovery => "recovery",
        }
    }

    const fn code(&self) -> u16 {
        match self {
            Self::Keyring => 1,
            Self::Env => 2,
            Self::Passphrase { .. } => 3,
            Self::Machine => 4,
            Self::Recovery => 5,
        }
    }

    fn encode_parameters(&self) -> [u8; PARAMETERS_LEN] {
        let mut bytes = [0; PARAMETERS_LEN];
        if let Self::Passphrase { params, salt } = self {
            bytes[..4].copy_from_slice(&params.memory_kib().to_le_bytes());
            bytes[4..8].copy_from_slice(&params.passes().to_le_bytes());
            bytes[8..12].copy_from_slice(&params.lanes().to_le_bytes());
            bytes[12..].copy_from_slice(salt);
        }
        bytes
    }

    fn read(code: u16, parameters: &[u8; PARAMETERS_LEN]) -> Result<Self, FormatError> {
        let mut reader = ByteReader::new(parameters, "a slot's parameters are cut off");
        if code == 3 {
            let params = KdfParams::new(reader.u32()?, reader.u32()?, reader.u32()?);
            let params = params.map_err(|error| match error {
                KdfParamsError::TooCheap => FormatError::Damaged("the cost of a passphrase slot is too low"),
                KdfParamsError::TooDear => FormatError::TooLarge("the cost of a passphrase slot"),
            })?;
            return Ok(Self::Passphrase { params, salt: reader.array()? });
        }
        reader.zeros::<PARAMETERS_LEN>()?;
        match code {
            1 => Ok(Self::Keyring),
            2 => Ok(Self::Env),
            4 => Ok(Self::Machine),
            5 => Ok(Self::Recovery),
            _ => Err(FormatError::Damaged("a key slot of an unknown kind")),
        }
    }
}

/// One key slot as the file holds it: the root key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRecord {
    /// Where the slot's key comes from.
    pub kind: SlotKind,
    /// The slot's name.
    pub id: SlotId,
    /// The root key, sealed under the slot key.
    pub wrapped: [u8; WRAPPED_ROOT_LEN],
}

impl SlotRecord {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.kind.code().to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&self.kind.encode_parameters());
        bytes.extend_from_slice(&self.wrapped);
    }

    fn read(reader: &mut ByteReader<'_>) -> Result<Self, FormatError> {
        let code = reader.u16()?;
        reader.zeros::<2>()?;
        let id = SlotId::new(reader.array()?);
        let kind = SlotKind::read(code, &reader.array()?)?;
        Ok(Self { kind, id, wrapped: reader.array()? })
    }
}

/// The header of a vault, read and checked. All of it is authenticated only when the index opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the file is for.
    pub purpose: Purpose,
    /// The vault's name.
    pub vault_id: VaultId,
    /// How often the root key was replaced.
    pub epoch: u64,
    /// How often the file was written.
    pub generation: u64,
    /// The size of the sealed index.
    pub sealed_index_len: u64,
    /// The key slots, in their order.
    pub slots: Vec<SlotRecord>,
}

impl Header {
    /// Returns the header's size in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        FIXED_LEN + self.slots.len() * SLOT_LEN + HASH_LEN
    }

    /// Encodes the header with its hash.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&SUITE.to_le_bytes());
        bytes.extend_from_slice(&[self.purpose.code(), 0, 0, 0]);
        bytes.extend_from_slice(&narrow(self.encoded_len()).to_le_bytes());
        bytes.extend_from_slice(self.vault_id.as_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.sealed_index_len.to_le_bytes());
        bytes.extend_from_slice(&narrow(self.slots.len()).to_le_bytes());
        self.slots.iter().for_each(|slot| slot.encode(&mut bytes));
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }

    /// Reads and checks the header of `snapshot`; returns its bytes too, which are the context of the
    /// index.
    ///
    /// # Errors
    ///
    /// [`FormatError`]: each way in which the bytes are no header of version 1, or not `purpose`.
    pub fn read(snapshot: &dyn Snapshot, purpose: Purpose) -> Result<(Self, Vec<u8>), FormatError> {
        let bytes = read_checked_bytes(snapshot)?;
        let header = Self::parse(&bytes)?;
        let sealed = bytes.len() as u64 + header.sealed_index_len;
        if sealed > snapshot.len() {
            return Err(FormatError::Truncated { expected: sealed, found: snapshot.len() });
        }
        if header.purpose != purpose {
            return Err(FormatError::Purpose { expected: purpose, found: header.purpose });
        }
        Ok((header, bytes))
    }

    /// Parses header bytes whose hash is right. The order of the checks is that of `FORMAT.md §7.1`.
    fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = ByteReader::new(bytes, "the header is cut off");
        reader.array::<{ MAGIC.len() }>()?;
        known("format version", reader.u16()?, VERSION)?;
        known("suite", reader.u16()?, SUITE)?;
        let purpose = Purpose::from_code(reader.u8()?)?;
        reader.zeros::<3>()?;
        reader.u32()?;
        let vault_id = VaultId::new(reader.array()?);
        let (epoch, generation, sealed_index_len) = (reader.u64()?, reader.u64()?, reader.u64()?);
        if epoch == 0 || generation == 0 {
            return Err(FormatError::Damaged("epoch and generation count from one"));
        }
        check_index_len(sealed_index_len)?;
        let slots = read_slots(&mut reader, bytes.len())?;
        Ok(Self { purpose, vault_id, epoch, generation, sealed_index_len, slots })
    }
}

/// Names one written state of a file: the hash of its header and of the salt, commitment and tag of its
/// index (`FORMAT.md §4.3`). The salt is fresh for every write, so no two writes have one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision([u8; 32]);

impl Revision {
    /// Takes 32 bytes as a revision.
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In hexadecimal digits; a precision says how many of them.
impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

/// Computes the revision of a file; `None` where its header is damaged or its index cut off.
///
/// # Errors
///
/// The system's error: a disk that fails says nothing about the file.
pub fn revision(snapshot: &dyn Snapshot) -> io::Result<Option<Revision>> {
    match read_revision(snapshot) {
        Ok(revision) => Ok(Some(revision)),
        Err(FormatError::Read(error)) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        Err(_) => Ok(None),
    }
}

fn read_revision(snapshot: &dyn Snapshot) -> Result<Revision, FormatError> {
    let bytes = read_checked_bytes(snapshot)?;
    let header = Header::parse(&bytes)?;
    let start = bytes.len() as u64;
    let mut ends = [0; PREFIX_LEN + TAG_LEN];
    snapshot.read_at(start, &mut ends[..PREFIX_LEN])?;
    let tag = (start + header.sealed_index_len).saturating_sub(TAG_LEN as u64);
    snapshot.read_at(tag, &mut ends[PREFIX_LEN..])?;
    Ok(Revision(Sha256::new().chain_update(&bytes).chain_update(ends).finalize().into()))
}

/// Reads as many bytes as the header says it has and checks magic, size and hash, which every version
/// of the format has in the same place (`FORMAT.md §4.1`).
fn read_checked_bytes(snapshot: &dyn Snapshot) -> Result<Vec<u8>, FormatError> {
    let found = snapshot.len();
    if found > MAX_FILE {
        return Err(FormatError::TooLarge("the size of the file"));
    }
    let mut bytes = vec![0; FIXED_LEN.min(usize::try_from(found).unwrap_or(FIXED_LEN))];
    snapshot.read_at(0, &mut bytes)?;
    if !MAGIC.starts_with(&bytes[..MAGIC.len().min(bytes.len())]) {
        return Err(FormatError::Foreign);
    }
    if bytes.len() < FIXED_LEN {
        return Err(FormatError::Truncated { expected: (FIXED_LEN + HASH_LEN) as u64, found });
    }
    let len = header_len(&bytes)?;
    if len as u64 > found {
        return Err(FormatError::Truncated { expected: len as u64, found });
    }
    bytes.resize(len, 0);
    snapshot.read_at(FIXED_LEN as u64, &mut bytes[FIXED_LEN..])?;
    let (content, hash) = bytes.split_at(len - HASH_LEN);
    if Sha256::digest(content)[..] != *hash {
        return Err(FormatError::Damaged("the header does not match its hash"));
    }
    Ok(bytes)
}

fn header_len(fixed: &[u8]) -> Result<usize, FormatError> {
    let mut reader = ByteReader::new(fixed.get(16..).unwrap_or_default(), "the header is cut off");
    match reader.u32()? {
        len if len > MAX_HEADER => Err(FormatError::TooLarge("the length of the header")),
        len if (len as usize) < FIXED_LEN + HASH_LEN => {
            Err(FormatError::Damaged("the length of the header is impossible"))
        }
        len => Ok(len as usize),
    }
}

fn known(what: &'static str, found: u16, known: u16) -> Result<(), FormatError> {
    match found {
        0 => Err(FormatError::Damaged("a version number is zero")),
        _ if found == known => Ok(()),
        _ => Err(FormatError::Newer { what, found: found.into() }),
    }
}

fn check_index_len(len: u64) -> Result<(), FormatError> {
    if len > MAX_SEALED_INDEX {
        return Err(FormatError::TooLarge("the size of the index"));
    }
    let padded = len.checked_sub(OVERHEAD as u64).filter(|padded| *padded > 0 && padded % 4096 == 0);
    padded.map(|_| ()).ok_or(FormatError::Damaged("the length of the index is impossible"))
}

fn read_slots(reader: &mut ByteReader<'_>, header_len: usize) -> Result<Vec<SlotRecord>, FormatError> {
    let count = reader.u32()? as usize;
    if count > MAX_SLOTS {
        return Err(FormatError::TooLarge("the number of key slots"));
    }
    if count == 0 || header_len != FIXED_LEN + count * SLOT_LEN + HASH_LEN {
        return Err(FormatError::Damaged("the length of the header is not that of its slots"));
    }
    let slots = (0..count).map(|_| SlotRecord::read(reader)).collect::<Result<Vec<_>, _>>()?;
    check_slots(&slots)?;
    Ok(slots)
}

/// Checks what holds for the slots together: ids differ, and passphrases cost no more than allowed.
pub(crate) fn check_slots(slots: &[SlotRecord]) -> Result<(), FormatError> {
    if slots.iter().enumerate().any(|(i, slot)| slots[..i].iter().any(|other| other.id == slot.id)) {
        return Err(FormatError::Damaged("two key slots have one id"));
    }
    let costs = slots.iter().filter_map(|slot| match slot.kind {
        SlotKind::Passphrase { params, .. } => Some(params.cost()),
        _ => None,
    });
    if costs.clone().count() > MAX_PASSPHRASE_SLOTS {
        return Err(FormatError::TooLarge("the number of passphrase slots"));
    }
    if costs.sum::<u64>() > MAX_FILE_COST {
        return Err(FormatError::TooLarge("the cost of all passphrase slots"));
    }
    Ok(())
}

/// The context under which a slot wraps the root key (`FORMAT.md §4.2`): all of the slot's record but
/// the wrapped key, and what must not change around it. Not its position, nor the generation.
pub(crate) fn slot_context(
    purpose: Purpose,
    vault_id: VaultId,
    epoch: u64,
    kind: &SlotKind,
    id: SlotId,
) -> Vec<u8> {
    let mut context = Vec::with_capacity(75);
    context.extend_from_slice(&VERSION.to_le_bytes());
    context.extend_from_slice(&SUITE.to_le_bytes());
    context.push(purpose.code());
    context.extend_from_slice(vault_id.as_bytes());
    context.extend_from_slice(&epoch.to_le_bytes());
    context.extend_from_slice(id.as_bytes());
    context.extend_from_slice(&kind.code().to_le_bytes());
    context.extend_from_slice(&kind.encode_parameters());
    context
}

/// Header and slot sizes are far below 4 GiB.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).expect("a header has at most 16 slots")
}

#[cfg(test)]
mod tests;
