//! No secret shows where it was not asked for: a value that is put in by every way is in no output but
//! that of `get` and `export`, in no file, and in no process's arguments.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::Path;
use std::process::Command;

use keyward_tests::commands::each_has_a_line;
use keyward_tests::terminal::Terminal;
use keyward_tests::trace::traced;
use keyward_tests::{Finished, Home, feed};

/// A value that looks different in every way to write it: with `/`, `+` and `=` it is one that URLs escape.
const CANARY: &str = "canary/5Tq9+xZ=";
/// The key of the vault's env slot.
const KEY: &str = "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k";

/// What is typed, what stdin has, and the exit code; `@` in what stdin has stands for the canary. Every command
/// has a line; it is known by its first words.
const CASES: [(&str, &str, i32); 132] = [
    ("anchor accept", "", 1),
    ("anchor off", "", 0),
    ("anchor on", "", 0),
    ("anchor status", "", 0),
    ("auth doctor", "", 0),
    ("auth doctor --api-key @key", "", 0),
    ("auth list", "", 0),
    ("auth login", "", 3),
    ("auth login --begin --issuer http://127.0.0.1:9", "", 9),
    ("auth login --with-api-key", "@", 0),
    ("auth login --with-api-key", "@ @", 3),
    ("auth login --with-api-key --base-url http://127.0.0.1:9", "@", 9),
    ("auth login --with-token", "@", 0),
    ("auth logout", "", 0),
    ("auth profiles list", "", 0),
    ("auth profiles rename a b", "", 4),
    ("auth profiles rm a", "", 4),
    ("auth profiles set a tenant=acme", "", 4),
    ("auth profiles show a", "", 4),
    ("auth refresh", "", 3),
    ("auth status --verify", "", 3),
    ("auth status --verify --api-key @key", "", 0),
    ("auth switch a", "", 4),
    ("auth token", "", 3),
    ("auth whoami", "", 3),
    ("auth whoami --api-key @key", "", 1),
    ("auth whoami --api-key - --base-url http://127.0.0.1:1", "@", 9),
    ("bundle create new --code", "", 0),
    ("bundle create new", "", 2),
    ("bundle open b", "", 0),
    ("bundle open b --dry-run", "", 0),
    ("bundle open b --on-conflict overwrite --workspace other", "", 0),
    ("bundle open bad.env", "", 6),
    ("completions bash", "", 0),
    ("connections get alerts", "", 0),
    ("connections kinds", "", 0),
    ("connections list --all", "", 0),
    ("connections rm alerts", "", 0),
    ("connections set --id new --kind slack --label New --secret-id STDIN", "", 0),
    ("connections set --id new --kind slack --label New --secret-id MISSING", "", 4),
    ("creds check --secrets-file good.env --provider anthropic", "", 0),
    ("creds check --secrets-file good.env --provider anthropic --strict", "", 7),
    ("creds check --secrets-file bad.env --provider anthropic", "", 1),
    ("creds check --require-file good.env", "", 7),
    ("creds check --source vault --provider openai", "", 0),
    ("creds check --provider openai --strict --format github", "", 0),
    ("creds guide", "", 0),
    ("creds list --all", "", 0),
    ("creds require openai", "", 0),
    ("creds set openai", "", 2),
    ("env lint bad.env", "", 1),
    ("env lint good.env", "", 0),
    ("export", "", 0),
    ("export --format shell --only STDIN", "", 0),
    ("export --only NONE", "", 4),
    ("export --file exported", "", 0),
    ("export --file bad.env/x", "", 1),
    ("get STDIN", "", 0),
    ("get STDIN --version 1", "", 0),
    ("get STDIN --version 99", "", 4),
    ("get NONE", "", 4),
    ("history STDIN", "", 0),
    ("import good.env", "", 0),
    ("import good.env --dry-run", "", 0),
    ("import bad.env", "", 1),
    ("import nosuch.env", "", 1),
    ("import -", "STDIN=other@\n", 1),
    ("import -", "STDIN=other@\n'@", 1),
    ("import - --on-conflict overwrite", "STDIN=other@\n", 0),
    ("import - --format json", "{\"NEW\": \"@\"}", 0),
    ("import - --format json", "{\"NEW\": \"@\"", 1),
    ("import - --format json", "{\"NEW\": [\"@\"]}", 1),
    ("init", "", 0),
    ("init --vault new/vault", "", 0),
    ("init --vault new/vault --source keyring", "", 5),
    ("list", "", 0),
    ("list --all", "", 0),
    ("list --key-source keyring", "", 5),
    ("list --vault /", "", 6),
    ("list --vault broken", "", 6),
    ("login --with-api-key", "@", 0),
    ("logout", "", 0),
    ("man get", "", 0),
    ("put STDIN", "@", 0),
    ("put STDIN -", "@", 0),
    ("put FILE @key", "", 0),
    ("put FILE @/nosuch", "", 1),
    ("put bad/name=", "@", 2),
    ("put STDIN two values", "", 2),
    ("put STDIN --value-fd 77", "@", 1),
    ("put STDIN --scope tenant", "@", 0),
    ("put STDIN --vault new/vault", "@", 0),
    ("put STDIN --vault broken", "@", 6),
    ("put STDIN --unknown", "@", 2),
    ("rekey", "", 0),
    ("rekey --keep-secret env", "", 0),
    ("restore", "", 0),
    ("rm DASH", "", 0),
    ("rm DASH --purge", "", 0),
    ("rm USED", "", 10),
    ("rollback STDIN --to 1", "", 0),
    ("rollback STDIN --to 99", "", 4),
    ("run -- true", "", 0),
    ("run --only STDIN -- sh -c exit", "", 0),
    ("run --only NONE -- true", "", 4),
    ("run -- nosuch", "", 127),
    ("run -- /", "", 126),
    ("run -- false", "", 1),
    ("slot add env", "", 0),
    ("slot add keyring", "", 5),
    ("slot add machine", "", 0),
    ("slot add recovery", "", 0),
    ("slot add passphrase", "", 2),
    ("slot list", "", 0),
    ("slot rm zz", "", 4),
    ("status", "", 0),
    ("status --key-source keyring", "", 5),
    ("status --vault broken", "", 6),
    ("tenant list", "", 0),
    ("tenant list --api-key @key", "", 0),
    ("tenant show", "", 0),
    ("tenant use acme", "", 0),
    ("uses USED", "", 0),
    ("uses NONE", "", 4),
    ("vault list", "", 0),
    ("vault put STDIN", "@", 0),
    ("verify", "", 0),
    ("verify --vault broken", "", 6),
    ("whoami", "", 3),
    ("--help", "", 0),
    ("--version", "", 0),
    ("no such command", "", 2),
];

/// The ways to ask for more or less of what is said.
const MODES: [&[&str]; 6] =
    [&[], &["-q"], &["-v"], &["--json"], &["--json", "-v"], &["--color", "always", "-v"]];

/// A home in which every way of putting a value in was used for the canary.
fn home() -> (Home, Vec<Finished>) {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    let home = home.with("RUST_BACKTRACE", "full").with("RUST_LOG", "trace");
    home.write("key", CANARY);
    let said = vec![
        home.run_with_input(["put", "STDIN"], CANARY),
        home.run_with_input(["put", "DASH", "-"], CANARY),
        home.run(["put", "FILE", "@key"]),
        home.run(["put", "ARGUMENT", CANARY]),
        home.bash("$KEYWARD put DESCRIPTOR --value-fd 3 3< key"),
        home.run_with_input(["put", "STDIN", "--json", "-v"], format!("second {CANARY}")),
        home.run_with_input(["put", "TENANT", "--scope", "tenant"], CANARY),
        home.run_with_input(["put", "bad/name"], CANARY),
        home.run(["put", "STDIN", CANARY, CANARY]),
        home.run(["put", &format!("STDIN={CANARY}")]),
        home.run(["put", "--value", CANARY]),
        home.run(["get", "--bogus", CANARY]),
    ];
    (home, said)
}

/// Adds what the cases act on: files good and bad, a bundle, a connection, a broken vault.
fn with_files(home: Home) -> Home {
    home.put("USED", CANARY);
    home.put("OPENAI_API_KEY", CANARY);
    home.run(["rm", "bad/name"]).succeeds();
    home.run("connections set --id alerts --kind slack --label Alerts --secret-id USED".split(' '))
        .succeeds();
    home.write("good.env", format!("ANTHROPIC_API_KEY={CANARY}\nQUOTED='{CANARY} $x'\n"));
    home.write("bad.env", format!("A={CANARY}\n{CANARY} and no name\nB=\"{CANARY}\n"));
    home.bash("cp $HOME/.local/share/keyward/vault broken; chmod 600 broken; printf x | dd of=broken bs=1 seek=100 conv=notrunc")
        .succeeds();
    let code = home.run(["bundle", "create", "b", "--code"]).succeeds().text();
    home.with("KEYWARD_BUNDLE_CODE", code.trim())
}

/// Returns the forms of the canary and of the key that no text may have.
fn forms() -> Vec<Vec<u8>> {
    [CANARY, KEY].iter().flat_map(|secret| forms_of(secret.as_bytes())).collect()
}

/// A secret as it is, backwards, in UTF-16, in hexadecimal digits, in base64 wherever it begins, as bytes in
/// `Debug`, and as in a URL.
fn forms_of(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide = secret.iter().flat_map(|byte| [*byte, 0]).collect();
    let listed = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let escaped: String = secret
        .iter()
        .map(|byte| match byte {
            b'/' | b'+' | b'=' => format!("%{byte:02X}"),
            _ => char::from(*byte).to_string(),
        })
        .collect();
    let mut forms = vec![secret.to_vec(), secret.iter().rev().copied().collect(), wide];
    forms.extend([hex.to_uppercase(), hex, listed, escaped].map(String::into_bytes));
    for shift in 0..3 {
        let encoded = base64(&[&vec![b' '; shift], secret].concat());
        // The first and the last letters depend on the bytes around the secret.
        let inner = &encoded[4..encoded.len() - 4];
        forms.extend([inner.to_owned(), inner.replace('+', "-").replace('/', "_")].map(String::into_bytes));
    }
    forms
}

/// Encodes by the system's own program.
fn base64(bytes: &[u8]) -> String {
    let mut command = Command::new("base64");
    feed(command.args(["-w", "0"]), bytes).succeeds().text()
}

#[track_caller]
fn holds_none(bytes: &[u8], forms: &[Vec<u8>], shown: impl std::fmt::Display) {
    for form in forms {
        let found = bytes.windows(form.len()).any(|window| window == form);
        assert!(!found, "{} in: {shown}", String::from_utf8_lossy(form));
    }
}

#[test]
fn every_command_has_a_case() {
    each_has_a_line(CASES.map(|(line, ..)| line));
}

#[test]
fn no_command_that_puts_a_value_in_shows_it() {
    let forms = forms();
    home().1.iter().for_each(|said| holds_none(said.to_string().as_bytes(), &forms, said));
}

/// Whether the line asks for values on stdout.
fn asks_for_values(line: &str) -> bool {
    (line.starts_with("get") || line.starts_with("export")) && !line.contains("--file")
}

/// Makes a home as another one is.
fn take_over(home: &Home, other: &Home) {
    let copy = format!("find $HOME -mindepth 1 -delete && cp -a {}/. $HOME", other.path().display());
    home.bash(&copy).succeeds();
}

#[test]
fn no_command_but_get_and_export_shows_a_value_in_any_mode() {
    let home = with_files(home().0);
    let kept = Home::new();
    take_over(&kept, &home);
    let forms = forms();
    for (line, input, code) in CASES {
        for mode in MODES {
            take_over(&home, &kept);
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.splice(0..0, mode.iter().copied());
            let said = home.run_with_input(&words, input.replace('@', CANARY));
            assert_eq!(said.code, code, "{words:?}: {said}");
            holds_none(said.stderr.as_bytes(), &forms, format!("{words:?} {said}"));
            if !asks_for_values(line) || mode.contains(&"--json") {
                holds_none(&said.stdout, &forms, format!("{words:?} {said}"));
            }
        }
    }
}

#[test]
fn no_damaged_vault_shows_a_value() {
    use keyward_tests::vault_file::VaultFile;
    let (home, _) = home();
    let (forms, file) = (forms(), VaultFile::read(&home.vault()));
    for offset in (0..file.0.len()).step_by(397) {
        file.flipped(offset).write(&home.vault());
        for line in ["list -v", "verify --json", "run -- true", "put X y", "status -v"] {
            let said = home.run(line.split(' '));
            holds_none(said.to_string().as_bytes(), &forms, said);
        }
    }
}

#[test]
fn no_settings_that_are_not_understood_are_repeated() {
    let (home, _) = home();
    let forms = forms();
    for file in [".keyward.toml", ".config/keyward/config.toml", ".config/keyward/providers.d/x.toml"] {
        for text in [
            "{C}",
            "key = {C}",
            "{C} = 1",
            "air_gap = \"{C}\"",
            "workspace = \"{C} \"",
            "[[provider]]\nid = \"{C}\"",
            "x = \"{C}",
        ] {
            let path = home.write(file, text.replace("{C}", CANARY));
            for line in
                ["list -v", "put X y --json", "creds check --provider openai -v", "status", "init --json"]
            {
                let said = home.run(line.split(' '));
                holds_none(said.to_string().as_bytes(), &forms, format!("{file} {text} {line} {said}"));
            }
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn no_file_holds_a_value_in_plain_text() {
    let (home, _) = home();
    fs::remove_file(home.path().join("key")).unwrap();
    home.run(["rekey", "--keep-secret", "env"]).succeeds();
    home.run(["rm", "DASH"]).succeeds();
    holds_no_canary(home.path());
}

fn holds_no_canary(directory: &Path) {
    let forms = forms();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_no_canary(&path);
        } else {
            holds_none(&fs::read(&path).unwrap(), &forms, path.display());
        }
    }
}

/// Returns the arguments of every program that a command starts, itself included.
fn arguments(command: &Command, input: &str) -> String {
    let calls = ["-e", "trace=execve,prctl", "-e", "signal=none"];
    let strace = [&["strace", "-f", "-qq", "-s", "4096"][..], &calls].concat();
    traced(&strace, command, input.as_bytes()).calls
}

#[test]
fn a_value_that_is_given_otherwise_is_in_no_arguments() {
    let (home, _) = home();
    let home = with_files(home);
    for (line, input) in [
        ("put A", CANARY),
        ("put A -", CANARY),
        ("put A @key", ""),
        ("put A --value-fd 0", CANARY),
        ("import good.env", ""),
        ("import -", &format!("B={CANARY}\n")),
        ("auth login --with-api-key", CANARY),
        ("bundle open b --on-conflict overwrite", ""),
        ("rollback STDIN --to 1", ""),
        ("run -- sh -c true", ""),
        ("get STDIN", ""),
        ("export", ""),
    ] {
        let seen = arguments(&home.command(line.split(' ')), input);
        assert!(seen.contains(&format!("\"{}\"", line.split(' ').next().unwrap())), "{seen}");
        holds_none(seen.as_bytes(), &forms(), &seen);
    }
    // Where it is an argument, it is seen.
    for words in [["put", "A", CANARY], ["run", "--", CANARY]] {
        assert!(arguments(&home.command(words), "").contains(CANARY));
    }
}

/// Returns the bytes that a command and its children write anywhere, and the memory files that they make.
fn written(command: &Command, input: &str) -> String {
    let calls = "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendfile,splice,memfd_create";
    let strace = ["strace", "-f", "-qq", "-s", "65536", "-e", calls, "-e", "signal=none"];
    traced(&strace, command, input.as_bytes()).calls
}

#[test]
fn no_value_is_written_to_any_file_not_even_for_a_moment() {
    let home = with_files(home().0);
    for (line, input) in [
        ("put A", CANARY),
        ("put A @key", ""),
        ("import good.env", ""),
        ("auth login --with-api-key", CANARY),
        ("auth login --with-token", CANARY),
        ("rollback STDIN --to 1", ""),
        ("run -- sh -c true", ""),
        ("run --only STDIN -- nosuch", ""),
        ("bundle create new --code", ""),
        ("bundle open b --on-conflict overwrite", ""),
        ("creds check --secrets-file good.env --provider anthropic", ""),
        ("anchor on", ""),
        ("verify", ""),
        ("rekey --keep-secret env", ""),
        ("restore", ""),
    ] {
        let seen = written(&home.command(line.split(' ')), input);
        holds_none(seen.as_bytes(), &forms(), format!("{line}\n{seen}"));
    }
    // What is asked for is written, and seen: once, to stdout or to the file.
    for line in ["get A", "export --only A", "export --only A --file exported"] {
        let seen = written(&home.command(line.split(' ')), "");
        assert_eq!(seen.matches(CANARY).count(), 1, "{line}\n{seen}");
    }
}

#[test]
fn a_value_that_is_typed_is_in_no_arguments() {
    let home = Home::new();
    home.put("A", "old");
    let mut terminal = Terminal::start(&home.command(["put", "A"]));
    terminal.wait_for_hidden("Value of A: ").type_keys(CANARY);
    for process in fs::read_dir("/proc").unwrap() {
        // A process may end meanwhile.
        let arguments = fs::read(process.unwrap().path().join("cmdline")).unwrap_or_default();
        holds_none(&arguments, &forms(), String::from_utf8_lossy(&arguments));
    }
    terminal.type_keys("\n");
    terminal.finish().ends(0).hides(CANARY);
    assert_eq!(home.get("A"), CANARY.as_bytes());
}

#[test]
fn the_search_finds_a_canary_that_is_there_in_every_form() {
    let (home, _) = home();
    assert_eq!(home.get("FILE"), CANARY.as_bytes());
    let found = |bytes: &[u8]| {
        let file = home.write("leak", [b"x", bytes, b"x"].concat());
        let caught = std::panic::catch_unwind(|| holds_no_canary(home.path())).is_err();
        fs::remove_file(file).unwrap();
        caught
    };
    fs::remove_file(home.path().join("key")).unwrap();
    assert!(!found(b"nothing"));
    assert!(forms().iter().all(|form| found(form)));
    let text = String::from_utf8(home.get("FILE")).unwrap();
    assert!(found(format!("{:?}", text.as_bytes()).as_bytes()));
    for padding in ["", "1", "12", "123"] {
        assert!(found(base64(format!("{padding}{text}{padding}").as_bytes()).as_bytes()), "{padding}");
    }
}
