//! Every command that reads, with each of its system calls failing in turn: it gives the right answer or an error, never
//! another answer. A secret that could not be read is not one that is not there, and what `creds check` could not look
//! up is neither there nor missing. The table of figures is
//! `cargo test -p keyward-tests --test io_errors_reading -- --nocapture | grep '^failed'`.

use keyward_tests::anchored::rolled_back;
use keyward_tests::injection::{Call, Traced, few_are_left_out, judge_text, traced, until_injected};
use keyward_tests::writes::{furnished, tell};
use keyward_tests::{Finished, Home};

/// A home with what reading commands read.
fn home() -> Home {
    let home = furnished();
    home.put("OPENAI_API_KEY", "canary sk");
    home.write("other.env", "STRIPE_SECRET_KEY=canary\n");
    home.write(".config/keyward/config.toml", "air_gap = false\n");
    home.write(".config/keyward/providers.d/own.toml", OWN_PROVIDER);
    home.run(["bundle", "create", "--light", "in.bundle"]).succeeds();
    home
}

/// Lets each call of the command fail in turn; codes of errors that it may end with are `codes`.
fn sweep(home: &Home, line: &str, codes: &[i32]) {
    let command = home.command(line.split(' '));
    let right = traced(&command, b"", &[]);
    let mut wrong = Vec::new();
    for error in ["EIO", "EINTR"] {
        let calls = reads(&right, error);
        let (mut failed, mut left_out) = (0, 0);
        for call in &calls {
            let Some(run) = until_injected(|| traced(&command, b"", &[call.failing(error)])) else {
                left_out += 1;
                continue;
            };
            failed += usize::from(run.finished.code != right.finished.code);
            if let Err(problem) = judge(&run, &right, codes) {
                wrong.push(format!("{line} with {error} at {call}: {problem}\n{}", run.finished));
            }
        }
        few_are_left_out(left_out, &calls);
        assert!(calls.len() > 3 && (failed > 0 || error == "EINTR"), "{line} {error}: {calls:?}");
        let right = calls.len() - failed;
        tell(&format!("failed  {error:6} {line:62} {failed:3} errors {right:3} right"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the calls that can fail: not the closing of what was only read.
fn reads(right: &Traced, error: &str) -> Vec<Call> {
    right.calls_failing_with(error).into_iter().filter(|call| call.name != "close").collect()
}

/// Takes out of `status` who is signed in: a file of sessions that can't be read is a line of it, not its failure.
fn without_login(stdout: &[u8]) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut object)) = serde_json::from_slice(stdout) else {
        return stdout.to_vec();
    };
    object.remove("login");
    serde_json::Value::Object(object).to_string().into_bytes()
}

fn judge(run: &Traced, right: &Traced, codes: &[i32]) -> Result<(), String> {
    let (said, right) = (&run.finished, &right.finished);
    if said.code == right.code {
        let is_right = without_login(&said.stdout) == without_login(&right.stdout)
            || said.stderr.contains("only the vault could have are unknown");
        return if is_right { Ok(()) } else { Err("another answer".to_owned()) };
    }
    if !codes.contains(&said.code) {
        return Err("not the code of a failure of the system".to_owned());
    }
    let right = rows(right);
    let is_right =
        |row: &String| right.contains(row) || NOT_LOOKED_UP.iter().any(|state| row.contains(state));
    if !rows(said).iter().all(is_right) {
        return Err("another answer beside the error".to_owned());
    }
    judge_text(said)
}

/// Returns the lines of an answer; columns are as wide as what stands in them.
fn rows(said: &Finished) -> Vec<String> {
    said.text().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn get_gives_the_value_or_an_error() {
    let home = home();
    for line in ["get A", "get A --key-source machine", "get A --workspace shop", "get T --scope tenant"] {
        sweep(&home, line, &[1, 5]);
    }
}

#[test]
fn names_and_states_are_right_or_an_error() {
    let home = home();
    for line in [
        "list",
        "history A",
        "connections list",
        "uses A",
        "slot list",
        "verify",
        "env lint other.env",
        "bundle open in.bundle --dry-run",
        "export",
    ] {
        sweep(&home, line, &[1, 5]);
    }
}

#[test]
fn creds_check_never_takes_what_it_could_not_read_for_present_or_missing() {
    let home = home();
    for line in ["creds check", "creds check --secrets-file other.env", "creds list"] {
        sweep(&home, line, &[1, 5]);
    }
    for (required, code) in [("[\"openai\", \"own\"]", 0), ("[\"openai\", \"anthropic\"]", 7)] {
        home.write(".keyward.toml", format!("workspace = \"shop\"\n[creds]\nproviders = {required}\n"));
        assert_eq!(home.run(["creds", "check"]).code, code);
        sweep(&home, "creds check", &[1, 5]);
        sweep(&home, "creds check --source env,vault,file --secrets-file other.env", &[1, 5]);
    }
}

#[test]
fn a_rolled_back_vault_is_not_used_because_its_anchor_could_not_be_read() {
    let home = home();
    home.run(["anchor", "on"]).succeeds();
    rolled_back(&home);
    for line in ["get A", "list", "run -- printenv A", "rm A", "anchor status"] {
        home.run(line.split(' ')).fails(6, &[]);
        sweep(&home, line, &[1, 5]);
    }
}

#[test]
fn run_gives_the_program_its_secrets_or_does_not_start_it() {
    let home = home();
    for line in ["run --only A -- printenv A", "run -- printenv A"] {
        sweep(&home, line, &[1, 5, 125]);
    }
}

#[test]
fn status_tells_what_failed_or_that_the_vault_is_locked() {
    let home = home();
    for line in ["status --json", "status --json --key-source machine"] {
        sweep(&home, line, &[1, 5]);
    }
}

/// How answers say that something could not be looked up, or need not be.
const NOT_LOOKED_UP: [&str; 4] = ["unknown", "needs nothing", "\"unlocked\":false", "\"error\":"];

const OWN_PROVIDER: &str = "[[provider]]\nid = \"own\"\nname = \"Own\"\nkind = \"webhook\"\ncloud = true\n\
                            aliases = []\nrequire = [[\"A\"]]\n[[provider.key]]\nenv = \"A\"\n";
