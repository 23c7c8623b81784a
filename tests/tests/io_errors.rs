//! Every command that writes, with each of its system calls failing in turn as calls fail on a broken or full disk, or
//! when a signal comes: it ends, names what failed, and has done what it says, all or nothing. The table of figures is
//! `cargo test -p keyward-tests --test io_errors -- --nocapture | grep '^failed'`.

use keyward_tests::Finished;
use keyward_tests::injection::{Call, few_are_left_out, judge_text, until_injected};
use keyward_tests::writes::{self, CANARY, State, Write, tell};

/// Lets each call of the commands fail in turn.
fn sweep(writes: &[Write]) {
    let wrong: Vec<_> = writes.iter().flat_map(wrong_ends).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_ends(write: &Write) -> Vec<String> {
    let (before, run, after) = write.undisturbed();
    let mut sweep = Sweep { write, before, after, wrong: Vec::new() };
    for error in ["EIO", "ENOSPC", "EINTR"] {
        let calls = run.calls_failing_with(error);
        let outcomes: Vec<bool> = calls.iter().filter_map(|call| sweep.refuses(call, error)).collect();
        few_are_left_out(calls.len() - outcomes.len(), &calls);
        let refused = outcomes.iter().filter(|refused| **refused).count();
        assert!(calls.len() > 10 && refused > 0, "{} {error}: {calls:?}", write.name());
        let done = outcomes.len() - refused;
        tell(&format!("failed  {error:6} {:62} {refused:3} refused {done:3} done", write.name()));
    }
    sweep.wrong
}

/// One command, what it may leave, and how it ended wrongly.
struct Sweep<'w> {
    write: &'w Write,
    before: State,
    after: State,
    wrong: Vec<String>,
}

impl Sweep<'_> {
    /// Lets one call fail, and tells whether the command was refused; `None` where the call did not come.
    fn refuses(&mut self, call: &Call, error: &str) -> Option<bool> {
        let run = until_injected(|| self.write.run(&[call.failing(error)]))?;
        let said = &run.finished;
        let is_done = said.code == 0 || is_told_to_be_done(said);
        let judged = if is_done { self.judge_done() } else { self.judge_refused(said) };
        let text = || if said.text().contains(CANARY) { Err("a value".to_owned()) } else { judge_text(said) };
        if let Err(problem) = judged.and_then(|()| text()) {
            self.wrong.push(format!("{} with {error} at {call}: {problem}\n{said}", self.write.name()));
        }
        Some(!is_done)
    }

    fn judge_done(&self) -> Result<(), String> {
        let state = self.write.state();
        if state != self.after {
            return Err(format!("it says that it was done, and there is {state:?}"));
        }
        if self.write.has_left_overs() {
            self.write.heals_done();
        }
        Ok(())
    }

    fn judge_refused(&self, said: &Finished) -> Result<(), String> {
        if ![1, 5, 8].contains(&said.code) {
            return Err("this is not the code of a failure of the system".to_owned());
        }
        if self.write.left_all_files() {
            return Ok(());
        }
        let state = self.write.state();
        if !self.write.left_vault() || state != self.before {
            return Err(format!("it says that nothing was done, and there is {state:?}"));
        }
        self.write.heals_undone();
        Ok(())
    }
}

/// Of two failures the command says that its change is there all the same.
fn is_told_to_be_done(said: &Finished) -> bool {
    let told = ["hint: the change is stored", "the command was done, only its output is lost"];
    said.code == 1 && told.iter().any(|told| said.stderr.contains(told))
}

#[test]
fn first_writes_with_a_failing_call_make_a_whole_vault_or_none() {
    sweep(&writes::firsts());
}

#[test]
fn changes_of_secrets_with_a_failing_call_are_done_or_not() {
    sweep(&writes::of_secrets());
}

#[test]
fn changes_of_slots_with_a_failing_call_are_done_or_not() {
    sweep(&writes::of_slots());
}

#[test]
fn restores_with_a_failing_call_are_done_or_not() {
    sweep(&writes::restores());
}

#[test]
fn anchors_and_their_vaults_with_a_failing_call_are_changed_or_not() {
    sweep(&writes::of_anchors());
}

#[test]
fn other_files_with_a_failing_call_are_whole_or_not_there() {
    sweep(&writes::of_other_files());
}
