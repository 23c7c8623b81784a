//! The golden files, taken apart into inputs: what is sealed in them is of no use to a fuzzer as it stands.

use super::file::PURPOSES;
use super::sealed::{Known, unlock, value_plaintext};
use super::sections::append;
use crate::format::index::{Index, open_index};
use crate::format::{Header, Purpose};
use crate::vault::LockedVault;

/// The schema and the length before the body of an index.
const FRAME_LEN: usize = 12;

/// Returns inputs, each with the name of its target, from a file that the slot key of the golden files may
/// open.
#[must_use]
pub fn seeds(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (choice, purpose) in (0..).zip(PURPOSES) {
        let Ok((header, bytes)) = Header::read(&file.to_vec(), purpose) else { continue };
        let Some(plaintext) = index_of(file, &header, &bytes, purpose) else { continue };
        let body = body_of(&plaintext);
        seeds.push(("index", body.unwrap_or(&plaintext).to_vec()));
        if let Ok(index) = Index::decode(&plaintext) {
            seeds.push(("connections", index.connection_bytes.to_vec()));
        }
        seeds.extend(sealed_input(file, purpose, choice, &plaintext).map(|input| ("sealed", input)));
    }
    let header_len = file.len().min(512);
    seeds.push(("header", file[..header_len].to_vec()));
    seeds
}

fn index_of(file: &[u8], header: &Header, header_bytes: &[u8], purpose: Purpose) -> Option<Vec<u8>> {
    let locked = LockedVault::open(Box::new(file.to_vec()), purpose).ok()?;
    let (root, _) = locked.ask(&mut Known).ok()?;
    let length = usize::try_from(header.sealed_index_len).ok()?;
    let mut message = file[header_bytes.len()..][..length].to_vec();
    open_index(&root, header_bytes, &mut message).map(<[u8]>::to_vec)
}

fn body_of(plaintext: &[u8]) -> Option<&[u8]> {
    let (frame, rest) = plaintext.split_at_checked(FRAME_LEN)?;
    let length = u64::from_le_bytes(*frame.last_chunk()?);
    rest.get(..usize::try_from(length).ok()?)
}

fn sealed_input(file: &[u8], purpose: Purpose, choice: u8, plaintext: &[u8]) -> Option<Vec<u8>> {
    let schema = plaintext.first()?.checked_sub(1).filter(|schema| *schema < 2)?;
    let mut input = vec![choice + 3 * schema];
    append(&mut input, body_of(plaintext)?)?;
    let vault = unlock(file.to_vec(), purpose)?;
    let index = vault.index().ok()?;
    for position in 0..index.values.len() {
        append(&mut input, &value_plaintext(&vault.value(&index, position).ok()?))?;
    }
    Some(input)
}
