//! Vaults that only somebody with the key can have made: sound in every seal, with any index.

use vault_core::crypto::seal::{Label, OVERHEAD, PREFIX_LEN, TAG_LEN, seal_in_place};
use vault_core::format::header::{Header, Purpose};
use vault_core::secret::SlotKey;
use vault_core::slot::{SlotId, SlotKind, SlotRecord, VaultId};
use zeroize::Zeroizing;

/// The key text of the slot key `11 11 … 11`, which the vectors of the format use too.
pub const KEY: &str = "kwk1_ERERERERERERERERERERERERERERERERERERERERERGpHAQ9";

const SLOT_KEY: [u8; 32] = [0x11; 32];
const ROOT_KEY: [u8; 32] = [7; 32];
const VAULT_ID: [u8; 16] = [1; 16];
const SLOT_ID: [u8; 16] = [2; 16];

/// Returns a vault with one env slot that opens with [`KEY`] and an index of this body (`FORMAT.md §5`,
/// schema 1), and no values.
pub fn vault_with_body(body: &[u8]) -> Vec<u8> {
    let start = [&1_u32.to_le_bytes()[..], &(body.len() as u64).to_le_bytes()].concat();
    let plaintext_len = (start.len() + body.len()).next_multiple_of(4096);
    let header = header(plaintext_len + OVERHEAD);
    let index = sealed(ROOT_KEY, Label::Index, &header, &[&start, body], plaintext_len);
    [header, index].concat()
}

fn header(sealed_index_len: usize) -> Vec<u8> {
    let context =
        [&[1, 0, 1, 0, 1][..], &VAULT_ID, &1_u64.to_le_bytes(), &SLOT_ID, &[2, 0], &[0; 28]].concat();
    let wrapped = sealed(SLOT_KEY, Label::Slot, &context, &[&ROOT_KEY], ROOT_KEY.len());
    let wrapped = wrapped.try_into().expect("32 bytes seal to 112 bytes");
    let header = Header {
        purpose: Purpose::Secrets,
        vault_id: VaultId::new(VAULT_ID),
        epoch: 1,
        generation: 1,
        sealed_index_len: sealed_index_len as u64,
        slots: vec![SlotRecord { kind: SlotKind::Env, id: SlotId::new(SLOT_ID), wrapped }],
    };
    header.encode()
}

/// Seals `parts`, with zeros behind them up to `len` bytes.
fn sealed(key: [u8; 32], label: Label, context: &[u8], parts: &[&[u8]], len: usize) -> Vec<u8> {
    let mut message = vec![0; PREFIX_LEN];
    parts.iter().for_each(|part| message.extend_from_slice(part));
    message.resize(PREFIX_LEN + len + TAG_LEN, 0);
    // The type of a slot key, because outside of the vault nobody makes a root key.
    seal_in_place(&SlotKey::new(Zeroizing::new(key)), label, context, &mut message);
    message
}

/// Returns an index's vector of scopes: the workspace `default` of the tenant `default`.
pub fn one_scope() -> Vec<u8> {
    [&1_u64.to_le_bytes()[..], &[0], &text(b"default"), &text(b"default")].concat()
}

/// Returns a value of the first scope, of one version.
pub fn value(name: &[u8]) -> Vec<u8> {
    let numbers = [&1_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &[3; 16], &144_u32.to_le_bytes()].concat();
    [&0_u32.to_le_bytes()[..], &text(name), &numbers, &[4; 32]].concat()
}

/// Returns a text with its length.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat()
}
