//! Every command that writes, killed at every system call that it makes: a fresh process finds exactly what was before
//! or exactly what would have been after, and the next write cleans up. The table of figures is
//! `cargo test -p keyward-tests --test kill_sweep -- --nocapture | grep ^killed`.

use keyward_tests::injection::{few_are_left_out, until_injected};
use keyward_tests::writes::{self, Write, beyond, tell};

/// Kills the command at each of its calls in turn.
fn killed_at_every_call(write: &Write) {
    let (before, run, after) = write.undisturbed();
    let calls = run.calls();
    let (mut untouched, mut old, mut new, mut left_out) = (0, 0, 0, 0);
    for call in &calls {
        let Some(killed) = until_injected(|| write.run(&[call.killing()])) else {
            left_out += 1;
            continue;
        };
        let said = killed.finished;
        if write.left_all_files() {
            untouched += 1;
            write.claims_nothing(&(said.text() + &said.stderr));
            continue;
        }
        match write.state() {
            state if state == before => {
                old += 1;
                write.claims_nothing(&(said.text() + &said.stderr));
                write.heals_undone();
            }
            state => {
                new += 1;
                assert_eq!(state, after, "{} at {call}", write.name());
                write.heals_done();
            }
        }
    }
    few_are_left_out(left_out, &calls);
    // Nothing is left that the sweep did not come to.
    write.run(&beyond(&calls)).finished.succeeds();
    assert!(calls.len() > 70 && untouched > 30 && new > 0, "{} {untouched} {old} {new}", write.name());
    tell(&format!(
        "killed  {:62} {:3} calls {untouched:4} untouched {old:4} old {new:4} new",
        write.name(),
        calls.len()
    ));
}

#[test]
fn first_writes_make_a_whole_vault_or_none() {
    writes::firsts().iter().for_each(killed_at_every_call);
}

#[test]
fn changes_of_secrets_are_done_or_not() {
    writes::of_secrets().iter().for_each(killed_at_every_call);
}

#[test]
fn changes_of_slots_are_done_or_not() {
    writes::of_slots().iter().for_each(killed_at_every_call);
}

#[test]
fn restores_are_done_or_not() {
    writes::restores().iter().for_each(killed_at_every_call);
}

#[test]
fn anchors_and_their_vaults_are_changed_or_not() {
    writes::of_anchors().iter().for_each(killed_at_every_call);
}

#[test]
fn other_files_are_whole_or_not_there() {
    writes::of_other_files().iter().for_each(killed_at_every_call);
}
