//! What is left in keyward's memory at its last system call: no value, no key text, no passphrase, no slot key,
//! no root key, no key derived from it; after a success and after every kind of failure.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keyward_tests::core_dump::{CoreDump, END, Stop};
use keyward_tests::vault_file::VaultFile;
use keyward_tests::{Finished, Home};

const CANARY: &str = "canary-5Tq9xZ-needle-8c1f";
const PASSPHRASE: &str = "five words that nobody guessed";

/// What may not be in memory: its name and its bytes.
type Needle = (String, Vec<u8>);

/// A home whose vault opens by the key in a file; the canary is the value of `A`, twice.
fn home() -> (Home, String) {
    let key = made_key();
    let home = Home::new();
    let file = home.write("key", &key);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let home = home.with("KEYWARD_VAULT_KEY_FILE", file.to_str().unwrap());
    home.put("A", CANARY);
    home.put("A", format!("{CANARY} again"));
    (home, key)
}

/// Returns the text of a key that keyward made.
fn made_key() -> String {
    let home = Home::new();
    home.put("A", "value");
    home.run(["slot", "add", "env"]).succeeds().text().trim().to_owned()
}

/// Returns what opens the vault as it is now, from the text of its key: by the reader in Python, because the
/// binary gives out no key.
fn keys(vault: &Path, text: &str) -> Vec<Needle> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/python-reader/bin/python");
    assert!(python.exists(), "{} is missing: run `tests/run`, which installs it", python.display());
    let mut command = Command::new(python);
    let output = command.args(["-c", KEYS]).arg(tests.join("reader")).arg(vault).arg(text).output().unwrap();
    let told = Finished::from(output);
    told.succeeds().text().lines().map(|line| needle(line.split_once(": ").unwrap())).collect()
}

/// Prints one line for each key: its name, and its bytes in hexadecimal.
const KEYS: &str = "
import sys
reader, vault, text = sys.argv[1:]
sys.path.insert(0, reader)
from keyward_keys import from_key_text, message_key
from keyward_reader import Vault
source = from_key_text(text)
vault = Vault(open(vault, 'rb'))
root = vault.unlock(source)
vault.open_index(root)
def derived(label, context, at):
    return message_key(root, label, context, vault._read(at, 32))[:32].hex()
print('slot key:', source[1](None).hex())
print('root key:', root.hex())
print('key of the index:', derived(b'keyward index', vault.header, len(vault.header)))
for value in vault.values:
    context = vault.header[8:12] + vault.vault_id + value.value_id
    print('key of a value:', derived(b'keyward value', context, value.offset))
";

fn needle((name, digits): (&str, &str)) -> Needle {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (name.into(), (0..digits.len()).step_by(2).map(byte).collect())
}

fn needles(home: &Home, key: &str) -> Vec<Needle> {
    let mut needles = vec![("value".into(), CANARY.into()), ("key text".into(), key.into())];
    needles.extend(keys(&home.vault(), key));
    needles
}

#[track_caller]
fn has_none(dump: &CoreDump, needles: &[Needle]) {
    for (what, needle) in needles {
        assert_eq!(dump.count(needle), 0, "{what}\n{}", dump.shown);
    }
}

#[test]
fn no_command_leaves_a_secret_in_memory() {
    let (home, key) = home();
    home.write("good.env", format!("B={CANARY}\nC='{CANARY}\nmore'\n"));
    home.write("bad.env", format!("B={CANARY}\n{CANARY} and no name\n"));
    home.write("bad.json", format!("{{\"B\": \"{CANARY}\", \"C\": [\"{CANARY}\"]}}"));
    let mut known = needles(&home, &key);
    for (line, input, code) in [
        ("get A", "", 0),
        ("get A --version 1", "", 0),
        ("get MISSING", "", 4),
        ("put B", CANARY, 0),
        ("put B -", CANARY, 0),
        ("put bad=name", CANARY, 2),
        ("import good.env --on-conflict overwrite", "", 0),
        ("import bad.env", "", 1),
        ("import bad.json --format json", "", 1),
        ("import - --on-conflict fail", "A=other canary-5Tq9xZ-needle-8c1f", 1),
        ("export", "", 0),
        ("export --file exported --format json", "", 0),
        ("creds check --secrets-file good.env --provider ollama", "", 0),
        ("env lint good.env", "", 0),
        ("history A", "", 0),
        ("rollback A --to 1", "", 0),
        ("verify", "", 0),
        ("list", "", 0),
        ("run -- /bin/true", "", 0),
        ("run --only A -- /nonexistent", "", 127),
        ("bundle create b --code", "", 0),
        ("slot add machine", "", 0),
        ("rekey --keep-secret env", "", 0),
    ] {
        let dump = CoreDump::of(&home.command(line.split(' ')), input, END);
        assert_eq!(dump.code, code, "{line}\n{}", dump.shown);
        known.extend(needles(&home, &key));
        has_none(&dump, &known);
    }
}

#[test]
fn a_wrong_key_leaves_neither_itself_nor_another_in_memory() {
    let (home, key) = home();
    let known = needles(&home, &key);
    let other = made_key();
    home.write("key", &other);
    let dump = CoreDump::of(&home.command(["get", "A"]), "", END);
    assert_eq!(dump.code, 5, "{}", dump.shown);
    has_none(&dump, &known);
    has_none(&dump, &[("the wrong key".into(), other.into())]);
}

#[test]
fn a_damaged_value_and_a_damaged_index_leave_nothing_in_memory() {
    let (home, key) = home();
    let known = needles(&home, &key);
    let file = VaultFile::read(&home.vault());
    for (at, line) in [
        (file.values().end - 1, "get A"),
        (file.values().start, "run -- /bin/true"),
        (file.index().end - 1, "list"),
    ] {
        file.flipped(at).write(&home.vault());
        for line in [line, "verify", "get A --version 1"] {
            let dump = CoreDump::of(&home.command(line.split(' ')), "", END);
            assert!(matches!(dump.code, 0 | 6), "{line}\n{}", dump.shown);
            has_none(&dump, &known);
        }
    }
}

#[test]
fn a_typed_value_and_typed_passphrases_are_not_left_in_memory() {
    let home = Home::new();
    let made = home
        .command(["init", "--source", "passphrase", "--light"])
        .env("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE)
        .output();
    Finished::from(made.unwrap()).succeeds();
    let prompt = "Passphrase of the vault: ";
    let put = home.command(["put", "A"]);
    let dump = CoreDump::of_typed(&put, &[("Value of A: ", CANARY), (prompt, PASSPHRASE)], END);
    assert_eq!(dump.code, 0, "{}", dump.shown);
    has_none(&dump, &[("passphrase".into(), PASSPHRASE.into()), ("value".into(), CANARY.into())]);
    let wrong = "five words that somebody guessed";
    let dump = CoreDump::of_typed(&home.command(["list"]), &[(prompt, wrong)], END);
    assert_eq!(dump.code, 5, "{}", dump.shown);
    has_none(&dump, &[("wrong passphrase".into(), wrong.into())]);
}

#[test]
fn the_search_finds_each_secret_while_it_is_alive() {
    let (home, key) = home();
    let needles = needles(&home, &key);
    for (what, at, count) in [
        ("value", "catch syscall write", 1),
        // Of the files that are read, the key's is the second one.
        ("key text", "catch syscall read", 4),
        // The root key, which the slot key has just opened, gets memory that is locked.
        ("slot key", "catch syscall mlock", 1),
        ("root key", "catch syscall mlock", 1),
        // What a library leaves on the stack is there until it is wiped: after the slot, the index, the value.
        ("key of the index", "rbreak zeroize_stack", 2),
        ("key of a value", "rbreak zeroize_stack", 3),
    ] {
        let dump = CoreDump::of(&home.command(["get", "A"]), "", Stop { at, count });
        let of_that_name = needles.iter().filter(|(name, _)| name == what);
        assert!(
            of_that_name.map(|(_, bytes)| dump.count(bytes)).sum::<usize>() > 0,
            "{what}: {}",
            dump.shown
        );
    }
    let dump = CoreDump::of(&home.command(["put", "A", CANARY]), "", END);
    assert!(dump.count(CANARY.as_bytes()) > 0, "an argument stays where the system put it");
}
