//! The rollback anchor: which state of a vault was the newest that this account wrote on this machine
//! (`FORMAT.md §4.5`). An older copy of the whole file can't be told from the current one by the file alone; by a
//! note outside it can.
//!
//! Here is what an anchor says and how a vault stands to it. Where it is kept is in `anchor/file.rs`.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::checked_text::{self, TextError, check_line, field};
use crate::crypto::seal::PREFIX_LEN;
use crate::format::{FormatError, Header, MAX_HEADER, Purpose, Revision, Snapshot, VaultId, revision};

mod file;

pub(super) use file::AnchorFile;

/// One written state of a vault, as its header and its revision name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The vault's name.
    pub vault_id: VaultId,
    /// How often the root key was replaced.
    pub epoch: u64,
    /// How often the file was written.
    pub generation: u64,
    /// What tells this state from every other one.
    pub revision: Revision,
}

impl State {
    /// Reads the state of a vault; `None` where its header is damaged or its index cut off.
    ///
    /// # Errors
    ///
    /// The system's error: a disk that fails says nothing about the file.
    pub fn of(snapshot: &dyn Snapshot) -> io::Result<Option<Self>> {
        let Some(revision) = revision(snapshot)? else { return Ok(None) };
        match Header::read(snapshot, Purpose::Secrets) {
            Ok((Header { vault_id, epoch, generation, .. }, _)) => {
                Ok(Some(Self { vault_id, epoch, generation, revision }))
            }
            Err(FormatError::Read(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// Says the numbers, and in the alternate form the vault too.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vault_id, epoch, generation, revision } = self;
        write!(f, "generation {generation} (root key {epoch}, revision {revision:.8})")?;
        if f.alternate() { write!(f, " of vault {vault_id}") } else { Ok(()) }
    }
}

/// What a vault is and what its anchor says, where the two do not go together.
#[derive(Debug)]
pub struct Mismatch {
    /// What the vault is.
    pub found: Box<State>,
    /// What the anchor has.
    pub anchored: Box<State>,
}

impl Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, anchored } = self;
        if found.vault_id == anchored.vault_id {
            write!(f, "it has {found}, its rollback anchor {anchored}")
        } else {
            write!(f, "it has {found:#}, its rollback anchor {anchored:#}")
        }
    }
}

/// How a state of a vault stands to its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Newer: a write that ended before its anchor was written, or one of another machine.
    Ahead,
    /// As old, and not the same.
    Forked,
    /// Older.
    RolledBack,
    /// The very state.
    Same,
    /// One of another vault.
    Substituted,
}

/// What an anchor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The canonical path of the vault.
    vault: PathBuf,
    state: State,
}

impl Anchor {
    /// Reads an anchor file. Only what [`Anchor::encode`] writes is accepted.
    pub(crate) fn read(file: &[u8]) -> Result<Self, TextError> {
        let lines = checked_text::lines(file, START, VERSION, MAX_LEN)?;
        let read = Self::read_lines(lines).filter(|read| read.encode() == file);
        read.ok_or(TextError::Damaged)
    }

    /// Reads the lines, also of spellings that are not the one that counts.
    fn read_lines(lines: &[u8]) -> Option<Self> {
        let (vault_id, lines) = field(lines, VAULT)?;
        let (epoch, lines) = field(lines, EPOCH)?;
        let (generation, lines) = field(lines, GENERATION)?;
        let (revision, lines) = field(lines, REVISION)?;
        let path = lines.strip_prefix(PATH.as_bytes())?.strip_suffix(b"\n")?;
        let state = State {
            vault_id: VaultId::new(hex_bytes(vault_id)?),
            epoch: counted(epoch)?,
            generation: counted(generation)?,
            revision: revision_of(revision)?,
        };
        let is_a_path = path.starts_with(b"/") && !path.contains(&0);
        is_a_path.then(|| Self { vault: PathBuf::from(OsStr::from_bytes(path)), state })
    }

    /// Encodes the anchor. The path stands last and as it is, because a path may have any byte but zero.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let State { vault_id, epoch, generation, revision } = &self.state;
        let lines = format!(
            "{START}{VERSION}\n{VAULT}{vault_id}\n{EPOCH}{epoch}\n{GENERATION}{generation}\n{REVISION}{revision}\n{PATH}"
        );
        let mut text = [lines.as_bytes(), self.vault.as_os_str().as_bytes(), b"\n"].concat();
        let check = check_line(&text);
        text.extend_from_slice(check.as_bytes());
        text
    }

    /// Returns the state that was the newest when the anchor was written.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Compares what a vault has with the anchor.
    #[must_use]
    pub fn standing(&self, found: &State) -> Standing {
        let anchored = &self.state;
        match found {
            _ if found.vault_id != anchored.vault_id => Standing::Substituted,
            _ if found.epoch < anchored.epoch || found.generation < anchored.generation => {
                Standing::RolledBack
            }
            _ if found.generation > anchored.generation => Standing::Ahead,
            _ if found.revision == anchored.revision => Standing::Same,
            _ => Standing::Forked,
        }
    }

    /// Refuses a state that is not as new as the anchor; `shown` is what messages call the vault.
    ///
    /// # Errors
    ///
    /// [`StoreError::Forked`], [`StoreError::RolledBack`] or [`StoreError::Substituted`].
    pub fn check(&self, found: &State, shown: &Path) -> Result<(), StoreError> {
        let vault = shown.to_owned();
        let source = Mismatch { found: Box::new(found.clone()), anchored: Box::new(self.state.clone()) };
        match self.standing(found) {
            Standing::Ahead | Standing::Same => Ok(()),
            Standing::Forked => Err(StoreError::Forked { vault, source }),
            Standing::RolledBack => Err(StoreError::RolledBack { vault, source }),
            Standing::Substituted => Err(StoreError::Substituted { vault, source }),
        }
    }

    /// Refuses to bring back what another vault or a former root key wrote: what was revoked meanwhile would come
    /// back too. Its generation does not matter, because a restore makes a new one.
    ///
    /// # Errors
    ///
    /// [`StoreError::RolledBack`] or [`StoreError::Substituted`].
    pub(crate) fn check_restored(&self, former: &State, shown: &Path) -> Result<(), StoreError> {
        if former.vault_id == self.state.vault_id && former.epoch >= self.state.epoch {
            return Ok(());
        }
        self.check(former, shown)
    }
}

/// Reads an anchor file and writes it again, for fuzzing; `None` where it is refused.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn anchor_file_again(file: &[u8]) -> Option<Vec<u8>> {
    Anchor::read(file).ok().map(|anchor| anchor.encode())
}

/// Lets pass what an anchor does not object to; `shown` is what messages call the vault. A file whose header can't
/// be read passes too: whoever opens it says what is wrong with it.
pub(super) fn admit(
    anchor: Option<&Anchor>,
    current: Option<Box<dyn Snapshot>>,
    shown: &Path,
) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
    match (anchor, current) {
        (None, current) => Ok(current),
        (Some(_), None) => Err(StoreError::Gone { vault: shown.to_owned() }),
        (Some(anchor), Some(snapshot)) => {
            let pinned = Pinned::new(snapshot).map_err(StoreError::io("read", shown))?;
            if let Some(found) = State::of(&pinned).map_err(StoreError::io("read", shown))? {
                anchor.check(&found, shown)?;
            }
            Ok(Some(Box::new(pinned)))
        }
    }
}

/// A snapshot whose beginning is read once, so that what was compared with the anchor is what is opened, whatever
/// somebody does to the file meanwhile. Header, salt and commitment are enough: only what was sealed with them opens
/// with them.
#[derive(Debug)]
struct Pinned {
    beginning: Vec<u8>,
    snapshot: Box<dyn Snapshot>,
}

impl Pinned {
    fn new(snapshot: Box<dyn Snapshot>) -> io::Result<Self> {
        let len = usize::try_from(snapshot.len()).unwrap_or(usize::MAX);
        let mut beginning = vec![0; len.min(MAX_HEADER as usize + PREFIX_LEN)];
        snapshot.read_at(0, &mut beginning)?;
        Ok(Self { beginning, snapshot })
    }
}

impl Snapshot for Pinned {
    fn len(&self) -> u64 {
        self.snapshot.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let pinned = self.beginning.get(start..).unwrap_or_default();
        let pinned = &pinned[..pinned.len().min(buffer.len())];
        let (first, rest) = buffer.split_at_mut(pinned.len());
        first.copy_from_slice(pinned);
        if rest.is_empty() { Ok(()) } else { self.snapshot.read_at(offset + pinned.len() as u64, rest) }
    }
}

/// Reads a number that counts from one.
fn counted(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number > 0)
}

fn hex_bytes(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn revision_of(text: &str) -> Option<Revision> {
    let (first, second) = text.split_at_checked(32)?;
    let bytes = [hex_bytes(first)?, hex_bytes(second)?];
    bytes.as_flattened().try_into().ok().map(Revision::new)
}

/// The beginning of every anchor file, whatever its version.
const START: &str = "keyward anchor ";
const VERSION: &str = "1";
const VAULT: &str = "vault ";
const EPOCH: &str = "epoch ";
const GENERATION: &str = "generation ";
const REVISION: &str = "revision ";
const PATH: &str = "path ";
/// A path of the system has fewer than 4096 bytes; all else has fewer than 300.
const MAX_LEN: usize = 4096 + 512;

#[cfg(test)]
mod tests;
