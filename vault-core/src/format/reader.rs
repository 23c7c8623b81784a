//! Reading with bounds: a published file as a [`Snapshot`], and a slice field by field.

use std::fmt;
use std::io;

use crate::format::FormatError;

/// Bytes that never change, read in ranges: one published generation of a file.
#[allow(clippy::len_without_is_empty, reason = "an empty file is damaged, so nobody asks")]
pub trait Snapshot: fmt::Debug + Send + Sync {
    /// Returns the total length in bytes.
    fn len(&self) -> u64;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    ///
    /// The system's error; `UnexpectedEof` for a range that ends after the last byte.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A snapshot in memory, for files that are being written and for tests.
impl Snapshot for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buffer)
    }
}

/// The same of bytes that somebody else has.
impl Snapshot for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let source = self.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Reads fixed-width little-endian fields from a slice, front to back.
#[derive(Debug)]
pub(crate) struct ByteReader<'b> {
    rest: &'b [u8],
    what: &'static str,
}

impl<'b> ByteReader<'b> {
    /// Reads `bytes`; errors call them `what`.
    pub(crate) const fn new(bytes: &'b [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(FormatError::Damaged(self.what))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads bytes that have to be zero.
    pub(crate) fn zeros<const N: usize>(&mut self) -> Result<(), FormatError> {
        if self.array::<N>()? == [0; N] {
            Ok(())
        } else {
            Err(FormatError::Damaged("reserved bytes are not zero"))
        }
    }

    /// Takes what is left.
    pub(crate) const fn rest(self) -> &'b [u8] {
        self.rest
    }
}
