//! The keyring source: slot keys in the keyring of the operating system, one write-once entry a slot. Here
//! is what is done with an entry, and the deadline; the keyring itself stands in `keyring/system.rs`.

#[cfg_attr(not(feature = "keyring"), path = "keyring/not_built.rs")]
mod system;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::{generate_slot_key, key_text};
use crate::secret::{SecretString, SlotKey};
use crate::slot::{SlotId, VaultId};

/// Why the keyring gives or takes no key. No variant carries an entry's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no keyring service at all.
    #[error("this system has no keyring service")]
    Absent,
    /// More than one entry has the slot's name.
    #[error("the keyring has more than one entry for the slot")]
    Ambiguous,
    /// The keyring failed in another way; the text is its own.
    #[error("the keyring failed: {0}")]
    Failed(String),
    /// The keyring is locked, and was not unlocked: a prompt was refused, or none can be shown.
    #[error("the keyring is locked")]
    Locked,
    /// The entry is not the text of a slot key.
    #[error("the keyring's entry for the slot is no key")]
    Malformed,
    /// What the keyring gives back is not what was to be written.
    #[error("the keyring gives back another key than was written")]
    Mismatch,
    /// The service has no default collection, as before the first login to a desktop.
    #[error("the keyring service has no default keyring yet")]
    NoCollection,
    /// The service works and has no such entry.
    #[error("the keyring has no entry for the slot")]
    NoEntry,
    /// This build has no code for keyrings.
    #[error("this build of keyward does without keyrings")]
    NotBuilt,
    /// The bus's address is not that of a local socket.
    #[error("the session bus is no local socket, and no key goes over a network (DBUS_SESSION_BUS_ADDRESS)")]
    NotLocal,
    /// The keyring did not answer before the deadline.
    #[error("the keyring did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

/// Writes the key of a slot and reads it back. An entry that is there already is never overwritten. After
/// an error an entry may be there all the same, and [`remove`] takes it away.
///
/// # Errors
///
/// [`KeyringError`]; [`KeyringError::Mismatch`] also when the slot has another key already.
pub fn write(key: &SlotKey, vault: VaultId, slot: SlotId, deadline: Duration) -> Result<(), KeyringError> {
    let text = key_text::encode(key);
    with_entry(vault, slot, deadline, move |entry| write_once(entry, &text))
}

/// Reads the key of a slot. A locked keyring may ask its user to unlock it, within the deadline.
///
/// # Errors
///
/// [`KeyringError`]; only [`KeyringError::NoEntry`] says that the keyring has no key for the slot.
pub fn read(vault: VaultId, slot: SlotId, deadline: Duration) -> Result<SlotKey, KeyringError> {
    with_entry(vault, slot, deadline, read_key)
}

/// Removes the key of a slot. An entry that is not there is removed already.
///
/// # Errors
///
/// [`KeyringError`] when the entry may still be there.
pub fn remove(vault: VaultId, slot: SlotId, deadline: Duration) -> Result<(), KeyringError> {
    with_entry(vault, slot, deadline, delete)
}

/// Shows that the keyring works: writes a throw-away key under random ids, reads it back and deletes it.
///
/// # Errors
///
/// [`KeyringError`]; only [`KeyringError::Absent`] and [`KeyringError::NotBuilt`] say that there is
/// definitely no keyring.
pub fn probe(deadline: Duration) -> Result<(), KeyringError> {
    let (vault, slot) = (VaultId::generate(), SlotId::generate());
    let text = key_text::encode(&generate_slot_key());
    with_entry(vault, slot, deadline, move |entry| try_out(entry, &text))
}

/// One entry of a keyring, by its name.
trait Entry {
    fn write(&self, text: &str) -> Result<(), KeyringError>;
    fn read(&self) -> Result<SecretString, KeyringError>;
    fn delete(&self) -> Result<(), KeyringError>;
}

fn write_once(entry: &impl Entry, text: &SecretString) -> Result<(), KeyringError> {
    match entry.read() {
        Err(KeyringError::NoEntry) => entry.write(text.expose_secret())?,
        other => drop(other?),
    }
    let stored = entry.read()?;
    let same = stored.expose_secret().as_bytes().ct_eq(text.expose_secret().as_bytes());
    if bool::from(same) { Ok(()) } else { Err(KeyringError::Mismatch) }
}

/// Writes and deletes; also what a failed write may have left.
fn try_out(entry: &impl Entry, text: &SecretString) -> Result<(), KeyringError> {
    let written = write_once(entry, text);
    let deleted = delete(entry);
    written.and(deleted)
}

fn read_key(entry: &impl Entry) -> Result<SlotKey, KeyringError> {
    key_text::parse(entry.read()?.expose_secret()).map_err(|_| KeyringError::Malformed)
}

fn delete(entry: &impl Entry) -> Result<(), KeyringError> {
    match entry.delete() {
        Err(KeyringError::NoEntry) => Ok(()),
        other => other,
    }
}

/// Opens the entry of a slot and does `act` with it, all on a thread of its own.
fn with_entry<T: Send + 'static>(
    vault: VaultId,
    slot: SlotId,
    deadline: Duration,
    act: impl FnOnce(&system::SystemEntry) -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    within(deadline, move || act(&system::open(&format!("{vault}:{slot}"))?))
}

/// Calls `call` on a thread of its own and waits no longer than `deadline`: a keyring can hang for ever. The
/// thread is not joined. A late answer is dropped and so wiped, and a late write leaves an unused entry.
fn within<T: Send + 'static>(
    deadline: Duration,
    call: impl FnOnce() -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("keyring".into());
    let started = thread.spawn(move || drop(sender.send(call())));
    drop(started.map_err(|error| KeyringError::Failed(error.to_string()))?);
    receiver.recv_timeout(deadline).unwrap_or_else(|error| match error {
        RecvTimeoutError::Disconnected => Err(KeyringError::Failed("the call was broken off".into())),
        RecvTimeoutError::Timeout => Err(KeyringError::TimedOut(deadline)),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Instant;

    use zeroize::Zeroizing;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    /// A keyring's entry with the faults that a test asks for.
    #[derive(Default)]
    struct Fake {
        text: RefCell<Option<String>>,
        /// What is stored in place of the text that is written.
        garbles: Option<&'static str>,
        write_error: Option<KeyringError>,
        /// What reading says once something is stored.
        read_error: Option<KeyringError>,
    }

    impl Fake {
        fn with(text: &str) -> Self {
            Self { text: RefCell::new(Some(text.into())), ..Self::default() }
        }
    }

    impl Entry for Fake {
        fn write(&self, text: &str) -> Result<(), KeyringError> {
            self.write_error.clone().map_or(Ok(()), Err)?;
            *self.text.borrow_mut() = Some(self.garbles.unwrap_or(text).into());
            Ok(())
        }

        fn read(&self) -> Result<SecretString, KeyringError> {
            let text = self.text.borrow().clone().ok_or(KeyringError::NoEntry)?;
            self.read_error.clone().map_or(Ok(SecretString::new(text)), Err)
        }

        fn delete(&self) -> Result<(), KeyringError> {
            self.text.take().map(drop).ok_or(KeyringError::NoEntry)
        }
    }

    fn text(byte: u8) -> SecretString {
        key_text::encode(&SlotKey::new(Zeroizing::new([byte; 32])))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let entry = Fake::default();
        write_once(&entry, &text(7)).unwrap();
        assert_eq!(read_key(&entry).unwrap().expose_secret(), &[7; 32]);
    }

    #[test]
    fn a_keyring_that_changes_the_text_is_refused() {
        for garbled in ["", "kwk1_", "KWK1_AAAA"] {
            let entry = Fake { garbles: Some(garbled), ..Fake::default() };
            assert_eq!(write_once(&entry, &text(7)), Err(KeyringError::Mismatch));
        }
    }

    #[test]
    fn a_keyring_that_does_not_read_back_is_refused() {
        let entry = Fake { read_error: Some(KeyringError::Locked), ..Fake::default() };
        assert_eq!(write_once(&entry, &text(7)), Err(KeyringError::Locked));
    }

    #[test]
    fn a_keyring_that_does_not_write_is_refused() {
        let entry = Fake { write_error: Some(KeyringError::NoCollection), ..Fake::default() };
        assert_eq!(write_once(&entry, &text(7)), Err(KeyringError::NoCollection));
    }

    #[test]
    fn an_entry_is_never_overwritten() {
        let entry = Fake::with("somebody's");
        assert_eq!(write_once(&entry, &text(7)), Err(KeyringError::Mismatch));
        assert_eq!(entry.text.borrow().as_deref(), Some("somebody's"));
    }

    #[test]
    fn a_write_that_was_done_already_is_done() {
        let entry = Fake::with(text(7).expose_secret());
        assert_eq!(write_once(&entry, &text(7)), Ok(()));
    }

    #[test]
    fn an_entry_that_is_no_key_is_malformed() {
        let cut = &text(7).expose_secret()[..40].to_owned();
        for content in ["", "hunter2", "kwk1_", cut] {
            assert_eq!(read_key(&Fake::with(content)).err(), Some(KeyringError::Malformed), "{content}");
        }
    }

    #[test]
    fn an_entry_that_is_not_there_is_deleted_already() {
        assert_eq!(delete(&Fake::default()), Ok(()));
    }

    #[test]
    fn a_trial_leaves_nothing_whether_it_works_or_not() {
        for garbles in [None, Some("other")] {
            let entry = Fake { garbles, ..Fake::default() };
            assert_eq!(try_out(&entry, &text(7)).is_ok(), garbles.is_none());
            assert_eq!(entry.text.take(), None);
        }
    }

    #[test]
    fn a_call_that_hangs_is_given_up_at_the_deadline() {
        let start = Instant::now();
        let outcome = within(SHORT, || {
            thread::sleep(LONG);
            Ok(())
        });
        assert_eq!(outcome, Err(KeyringError::TimedOut(SHORT)));
        assert!(start.elapsed() < LONG / 10);
    }

    #[test]
    fn a_call_that_panics_is_an_error() {
        let outcome: Result<(), _> = within(LONG, || panic!("on purpose"));
        assert!(matches!(outcome, Err(KeyringError::Failed(_))));
    }

    #[test]
    fn a_call_in_time_gives_its_outcome() {
        assert_eq!(within(LONG, || Ok(7)), Ok(7));
        assert_eq!(within::<()>(LONG, || Err(KeyringError::NoEntry)), Err(KeyringError::NoEntry));
    }

    #[test]
    fn a_timeout_names_its_deadline() {
        let error = KeyringError::TimedOut(Duration::from_millis(2500));
        assert_eq!(error.to_string(), "the keyring did not answer within 2.5 s");
    }

    #[cfg(not(feature = "keyring"))]
    #[test]
    fn a_build_without_keyrings_says_so() {
        let (vault, slot) = (VaultId::new([1; 16]), SlotId::new([2; 16]));
        let key = SlotKey::new(Zeroizing::new([7; 32]));
        assert_eq!(write(&key, vault, slot, LONG), Err(KeyringError::NotBuilt));
        assert_eq!(read(vault, slot, LONG).err(), Some(KeyringError::NotBuilt));
        assert_eq!(remove(vault, slot, LONG), Err(KeyringError::NotBuilt));
        assert_eq!(probe(LONG), Err(KeyringError::NotBuilt));
    }
}
