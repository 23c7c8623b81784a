//! Disks that fail. For each write, each call in turn is refused by the system, in each way that it can be: an error
//! leaves the old vault byte for byte, and no error leaves the new one.

use std::error::Error;

use rustix::io::Errno;

use super::writes::{FIRST, KILLED_TEMP, PUT, RESTORE, WRITES, Write};
use super::{DAMAGED, Home, PREVIOUS, Told, VAULT};
use crate::disk::model::Tree;
use crate::disk::watch::{Call, Fate, Seen, recorded, watched};
use crate::store::{Previous, StoreError};
use crate::vault::commit::CommitError;

/// A write that is going to fail.
struct Attempt {
    write: &'static Write,
    before: Tree,
    /// The calls of the write when nothing fails.
    calls: Vec<Call>,
    new: Option<Told>,
}

/// What came of an attempt.
struct Attempted {
    home: Home,
    old: Option<Vec<u8>>,
    result: Result<(), CommitError>,
    seen: Seen,
}

impl Attempt {
    fn at(write: &'static Write) -> Self {
        let home = Home::before(write);
        let before = Tree::read(home.root());
        let (result, seen) = recorded(|| (write.run)(&home.store()));
        result.unwrap();
        Self { write, before, calls: seen.calls, new: home.told() }
    }

    fn with(&self, fate: impl FnMut(usize, Call) -> Fate + 'static) -> Attempted {
        let home = Home::like(&self.before);
        let old = home.read(VAULT);
        let (result, seen) = watched(fate, || (self.write.run)(&home.store()));
        Attempted { home, old, result, seen }
    }

    /// Returns the number of the call that makes the temporary file. Before it nothing is written but the lock.
    fn temp_made(&self) -> usize {
        self.calls.iter().rposition(|call| *call == Call::Create).unwrap()
    }

    /// Returns the number of the call that writes the new generation.
    fn temp_written(&self) -> usize {
        self.calls.iter().rposition(|call| *call == Call::Write).unwrap()
    }

    /// Checks an attempt, and that the write succeeds when nothing fails any more.
    fn check(&self, attempted: &Attempted, what: &str) {
        let Attempted { home, old, result, seen } = attempted;
        let is_new = match result {
            Ok(()) | Err(CommitError::Store(StoreError::NotDurable { .. })) => true,
            Err(_) => false,
        };
        if is_new {
            assert_eq!(home.told(), self.new, "{what}");
        } else {
            assert_eq!(&home.read(VAULT), old, "{what}");
            self.check_previous(home, what);
        }
        for (at, (flushed, done)) in seen.syncs.iter().enumerate() {
            let again = seen.syncs[at + 1..].iter().any(|(later, _)| later == flushed);
            assert!(*done || !again, "{what}: flushed again after a failure");
        }
        if !is_new {
            home.write(self.write);
        }
        assert_eq!(home.told(), self.new, "{what}");
        home.write_again();
    }

    /// A write that failed may have given up the previous generation, but not one that is made from it.
    fn check_previous(&self, home: &Home, what: &str) {
        let before = Home::like(&self.before);
        let (found, previous) = (home.read(PREVIOUS), before.read(PREVIOUS));
        let given_up = found.is_none() || found == before.read(VAULT);
        let may_give_up = self.write.previous != Previous::Exchange;
        assert!(found == previous || given_up && may_give_up, "{what}");
    }
}

impl Attempted {
    /// Tells whether no temporary file is left, but that of the one who was killed before.
    fn leaves_no_temp(&self) -> bool {
        self.home.temps().iter().all(|temp| temp.as_os_str() == KILLED_TEMP)
    }
}

/// Returns the errors with which the system can refuse a call.
fn errors(call: Call) -> &'static [Errno] {
    match call {
        Call::Create | Call::Link | Call::MakeDirectory | Call::Rename => {
            &[Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::ROFS]
        }
        Call::ChangeMode | Call::Unlink => &[Errno::IO, Errno::ROFS],
        Call::Open => &[Errno::IO, Errno::INTR, Errno::MFILE],
        Call::Read => &[Errno::IO, Errno::INTR],
        Call::Sync => &[Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::INTR],
        Call::Write => &[Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::INTR],
    }
}

/// Returns the error of the system from which an error comes.
fn system_error(error: &CommitError) -> Option<Errno> {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref().and_then(Errno::from_io_error) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[test]
#[allow(clippy::print_stdout, reason = "the number of failures is a figure that is published")]
fn a_call_that_fails_leaves_the_old_vault_or_the_new_one_is_saved() {
    for write in WRITES {
        let attempt = Attempt::at(write);
        let failures: usize = attempt.calls.iter().map(|call| errors(*call).len()).sum();
        println!("{}: {failures} failures of {} calls", write.name, attempt.calls.len());
        for (nth, call) in attempt.calls.iter().copied().enumerate() {
            for error in errors(call) {
                let what = format!("{}: call {nth}, {call:?}: {error:?}", write.name);
                let attempted =
                    attempt.with(move |at, _| if at == nth { Fate::Fail(*error) } else { Fate::Pass });
                assert_eq!(attempted.seen.calls[nth], call, "{what}");
                if call != Call::Unlink {
                    assert!(attempted.leaves_no_temp(), "{what}");
                }
                match &attempted.result {
                    Err(refused) => assert_eq!(system_error(refused), Some(*error), "{what}: {refused}"),
                    // Files that are in nobody's way, the text in the lock, and what is tried again.
                    Ok(()) => assert!(
                        call == Call::Unlink
                            || *error == Errno::INTR
                            || nth < attempt.temp_made() && matches!(call, Call::Read | Call::Write),
                        "{what}"
                    ),
                }
                attempt.check(&attempted, &what);
            }
        }
    }
}

#[test]
fn names_that_can_not_be_flushed_are_not_confirmed_and_anything_before_them_is_an_error() {
    for write in WRITES {
        let attempt = Attempt::at(write);
        let syncs = attempt.calls.iter().enumerate().filter(|(_, call)| **call == Call::Sync);
        for (nth, _) in syncs {
            let attempted =
                attempt.with(move |at, _| if at == nth { Fate::Fail(Errno::IO) } else { Fate::Pass });
            let is_saved = matches!(attempted.result, Err(CommitError::Store(StoreError::NotDurable { .. })));
            let is_names = attempt.calls[..nth].iter().any(|call| matches!(call, Call::Link | Call::Rename));
            assert_eq!(is_saved, is_names, "{}: call {nth}", write.name);
        }
    }
}

#[test]
fn a_vault_that_can_not_be_read_is_not_set_aside_by_a_restore() {
    let attempt = Attempt::at(&RESTORE);
    for nth in (0..attempt.temp_made()).filter(|nth| attempt.calls[*nth] == Call::Read) {
        let attempted = attempt.with(move |at, _| if at == nth { Fate::Fail(Errno::IO) } else { Fate::Pass });
        let result = attempted.result.as_ref().map_err(system_error);
        assert!(matches!(result, Ok(()) | Err(Some(Errno::IO))), "call {nth}: {result:?}");
        assert_eq!(attempted.home.read(DAMAGED), None, "call {nth}");
    }
}

#[test]
fn without_hard_links_a_write_keeps_no_previous_generation_and_a_restore_does_not_lose_it() {
    for (write, keeps) in [(&FIRST, false), (&PUT, false), (&RESTORE, true)] {
        let attempt = Attempt::at(write);
        let attempted = attempt.with(|_, call| match call {
            Call::Link => Fate::Fail(Errno::PERM),
            _ => Fate::Pass,
        });
        let Attempted { home, result, .. } = attempted;
        assert!(result.is_ok(), "{}: {result:?}", write.name);
        assert_eq!(home.told(), attempt.new, "{}", write.name);
        let kept = Home::like(&attempt.before).read(PREVIOUS).filter(|_| keeps);
        assert_eq!(home.read(PREVIOUS), kept, "{}", write.name);
        assert!(home.temps().is_empty(), "{}", write.name);
    }
}

#[test]
fn parts_and_interruptions_of_every_read_and_write_change_nothing() {
    for write in WRITES {
        let attempt = Attempt::at(write);
        let attempted = attempt.with(|nth, call| match call {
            Call::Read | Call::Write if nth % 2 == 0 => Fate::Fail(Errno::INTR),
            Call::Read | Call::Write => Fate::Part(61),
            _ => Fate::Pass,
        });
        assert!(attempted.result.is_ok(), "{}: {:?}", write.name, attempted.result);
        assert!(attempted.seen.calls.len() > attempt.calls.len() + 100, "{}", write.name);
        attempt.check(&attempted, write.name);
    }
}

#[test]
fn a_disk_that_becomes_full_within_a_write_keeps_no_part_of_it() {
    for write in WRITES {
        let attempt = Attempt::at(write);
        let written = attempt.temp_written();
        for room in [1, 511, 512, 513, 4095, 4096, 4700] {
            for error in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
                let what = format!("{}: room for {room} bytes", write.name);
                let attempted = attempt.with(move |at, _| match at {
                    _ if at == written => Fate::Part(room),
                    _ if at == written + 1 => Fate::Fail(error),
                    _ => Fate::Pass,
                });
                let refused = attempted.result.as_ref().unwrap_err();
                assert_eq!(system_error(refused), Some(error), "{what}");
                assert!(attempted.leaves_no_temp(), "{what}");
                attempt.check(&attempted, &what);
            }
        }
    }
}

#[test]
fn a_disk_that_takes_no_byte_and_refuses_none_is_an_error() {
    let attempt = Attempt::at(&PUT);
    let written = attempt.temp_written();
    let attempted = attempt.with(move |at, _| if at == written { Fate::Part(0) } else { Fate::Pass });
    assert!(attempted.result.is_err());
    attempt.check(&attempted, "a write of nothing");
}

#[test]
fn a_bit_that_is_read_back_otherwise_than_it_was_written_is_refused() {
    for write in [&FIRST, &PUT] {
        let attempt = Attempt::at(write);
        let written = attempt.temp_written();
        let length = attempt.with(|_, _| Fate::Pass).home.read(VAULT).unwrap().len() as u64;
        for place in (0..length).step_by(61).chain([length - 1]) {
            let attempted = attempt.with(move |at, call| match call {
                Call::Read if at > written => Fate::Flip(place),
                _ => Fate::Pass,
            });
            let refused = attempted.result.as_ref().unwrap_err();
            let is_refused = matches!(refused, CommitError::Store(StoreError::ReadBack { .. }));
            assert!(is_refused, "{}: byte {place}: {refused}", write.name);
            assert_eq!(attempted.home.read(VAULT), attempted.old);
            assert!(attempted.leaves_no_temp());
        }
    }
}
