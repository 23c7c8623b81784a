//! Sealing many values at once. Most of an import's work is done here, so it is shared among the processors.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{self, Builder};

use crate::crypto::generate_many;
use crate::crypto::seal::SALT_LEN;
use crate::format::values::seal_value_with_salt;
use crate::format::{ValueId, VaultId};
use crate::secret::{RootKey, SecretBytes};
use crate::vault::draft::describe;

/// A value that was sealed under a new id.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) id: ValueId,
    pub(super) message: Vec<u8>,
    /// The size and the hash of the message.
    pub(super) described: (u32, [u8; 32]),
}

/// Seals values, in their order. Few of them are sealed before a thread would have started.
pub(super) fn seal_all(root: &RootKey, vault_id: VaultId, values: &[&SecretBytes]) -> Vec<Sealed> {
    if values.len() < MANY {
        return seal_run(root, vault_id, values);
    }
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    seal_in_runs(root, vault_id, values, values.len().div_ceil(processors))
}

/// Seals runs of `len` values, the first one here and each other one in a thread of its own.
fn seal_in_runs(root: &RootKey, vault_id: VaultId, values: &[&SecretBytes], len: usize) -> Vec<Sealed> {
    let (here, elsewhere) = values.split_at(len.min(values.len()));
    thread::scope(|scope| {
        let start = |run| (run, Builder::new().spawn_scoped(scope, move || seal_run(root, vault_id, run)));
        let started: Vec<_> = elsewhere.chunks(len).map(start).collect();
        let mut sealed = seal_run(root, vault_id, here);
        for (run, thread) in started {
            sealed.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system gives this process no more threads.
                Err(_) => seal_run(root, vault_id, run),
            });
        }
        sealed
    })
}

fn seal_run(root: &RootKey, vault_id: VaultId, values: &[&SecretBytes]) -> Vec<Sealed> {
    let ids = generate_many(values.len());
    let salts = generate_many::<SALT_LEN>(values.len());
    let fresh = ids.iter().map(|id| ValueId::new(*id)).zip(salts.iter());
    let seal = |(value, (id, salt)): (&&SecretBytes, (ValueId, _))| {
        let message = seal_value_with_salt(root, vault_id, id, salt, value);
        Sealed { id, described: describe(&message), message }
    };
    values.iter().zip(fresh).map(seal).collect()
}

/// From how many values on threads are worth their start.
const MANY: usize = 1000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zeroize::Zeroizing;

    use super::*;
    use crate::format::values::{hash_sealed, open_value};

    const VAULT: VaultId = VaultId::new([2; 16]);

    fn root() -> RootKey {
        RootKey::new(Zeroizing::new([1; 32]))
    }

    fn values(count: usize) -> Vec<SecretBytes> {
        (0..count).map(|nth| SecretBytes::new(nth.to_string().into())).collect()
    }

    #[test]
    fn values_come_back_in_their_order_from_every_number_of_runs() {
        let values = values(10);
        let each: Vec<&SecretBytes> = values.iter().collect();
        for len in [1, 3, 5, 9, 10, 11] {
            let sealed = seal_in_runs(&root(), VAULT, &each, len);
            assert_eq!(sealed.len(), values.len(), "runs of {len}");
            for (Sealed { id, mut message, described: (_, sha256) }, value) in sealed.into_iter().zip(&values)
            {
                assert_eq!(hash_sealed(&message), sha256);
                let opened = open_value(&root(), VAULT, id, &mut message).unwrap();
                assert_eq!(opened.expose_secret(), value.expose_secret(), "runs of {len}");
            }
        }
    }

    #[test]
    fn no_two_values_share_an_id_or_a_salt() {
        let values = values(2 * MANY + 1);
        let sealed = seal_all(&root(), VAULT, &values.iter().collect::<Vec<_>>());
        let ids: BTreeSet<_> = sealed.iter().map(|sealed| sealed.id).collect();
        let salts: BTreeSet<_> = sealed.iter().map(|sealed| &sealed.message[..SALT_LEN]).collect();
        assert_eq!([sealed.len(), ids.len(), salts.len()], [2 * MANY + 1; 3]);
    }

    #[test]
    fn no_value_is_none_sealed() {
        assert!(seal_all(&root(), VAULT, &[]).is_empty());
    }
}
