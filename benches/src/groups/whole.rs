//! Whole processes with an env key slot, as multiples of `/bin/true`. Before a row is measured, its
//! program runs once and has to give the right answer.

use std::fs;
use std::path::Path;

use super::Settings;
use crate::bare;
use crate::process::{Program, Series, in_turn};
use crate::table::{Limit, Table, time};
use crate::vaults::{PROVIDER_NAME, Vault, secret_name, value};

pub(super) const COLUMNS: [&str; 7] =
    ["row", "size", "× `/bin/true`, median (min–max), n", "time", "limit", "", "peers, × `/bin/true`"];
pub(super) const RUNS: usize = 41;

/// `get` of one secret in the middle.
pub(crate) fn get(settings: &Settings) {
    let table = Table::begin("`get`: one value to stdout", "", &COLUMNS);
    for size in settings.sizes(&[10, 1_000, 10_000, 100_000]) {
        let (limit, peers) = match size {
            10 => (1.8, "kbs2 2.0, secretspec 2.8, rage+grep 3.8, fnox 5.6, sops 17, pass 20"),
            1_000 => (1.8, "kbs2 2.0, rage+grep 3.8, secretspec 10, fnox 14, pass 20, sops 27"),
            10_000 => (2.5, "kbs2 1.9, age+grep 6.3, secretspec 90, sops 98, fnox 104, keepassxc-cli 714"),
            _ => (13.0, "age+grep 13.8, sops 785, keepassxc-cli 15,000"),
        };
        let vault = Vault::new(size);
        let program = vault.keyward(&settings.keyward, &["get", secret_name(size / 2).as_str()]);
        expect_output(&program, value(size / 2).as_bytes());
        let series = in_turn(&program, None, settings.runs(RUNS));
        print(&table, "`get`", &secrets(size), &series, Limit::AtMost(limit), peers);
    }
}

/// `list` of every name.
pub(crate) fn list(settings: &Settings) {
    let table = Table::begin("`list`: every name with scope, version and age", "", &COLUMNS);
    for size in settings.sizes(&[10, 1_000, 10_000, 100_000]) {
        let (limit, peers) = match size {
            10 => (Limit::None, "kbs2 1.8"),
            1_000 => (Limit::AtMost(2.0), "kbs2 3.4, age+cut 4.7, gopass 8, fnox 16"),
            10_000 => (Limit::AtMost(3.5), "age+cut 7.2, kbs2 20, gopass 41, fnox 116"),
            _ => (Limit::None, "–"),
        };
        let vault = Vault::new(size);
        let program = vault.keyward(&settings.keyward, &["list"]);
        expect_lines(&program, size);
        print(&table, "`list`", &secrets(size), &in_turn(&program, None, settings.runs(RUNS)), limit, peers);
    }
}

/// `put` of a new value, durable; the bare write stands beside it.
pub(crate) fn put(settings: &Settings) {
    let mut columns = COLUMNS.to_vec();
    columns.insert(3, "× bare write-fsync-rename-fsync of the same bytes");
    let note = "The value comes from stdin and replaces one; up to ten earlier ones are kept.";
    let table = Table::begin("`put`: store one value, durably", note, &columns);
    for size in settings.sizes(&[10, 1_000, 10_000, 100_000]) {
        let (limit, peers) = match size {
            10 => (Limit::AtMost(3.0), "keepassxc-cli 68; without any sync: kbs2 2.0, secretspec 3.2"),
            1_000 => (Limit::AtMost(3.5), "keepassxc-cli 163; without any sync: secretspec 11"),
            10_000 => (Limit::AtMost(6.0), "keepassxc-cli 1,214; without any sync: secretspec 97"),
            _ => (Limit::None, "–"),
        };
        let vault = Vault::new(size);
        let bare = bare::program(&vault.beside("bare"), vault.file_len());
        let name = secret_name(size / 2);
        let program = vault.keyward(&settings.keyward, &["put", name.as_str()]).input(&vault.input());
        program.time();
        expect_output(&vault.keyward(&settings.keyward, &["get", name.as_str()]), value(0).as_bytes());
        let series = in_turn(&program, Some(&bare), settings.runs(RUNS));
        let over_bare = series.over_other.map_or(0.0, |other| other.median);
        let over_true = series.over_true;
        table.row(&[
            &"`put`",
            &secrets(size),
            &ratio(&series),
            &format!("{over_bare:.2}"),
            &time(series.seconds.median),
            &limit.text(""),
            &limit.mark(over_true.median),
            &peers,
        ]);
    }
}

/// `import` of a `.env` file into a vault that has none of its names, which is put back before each run.
pub(crate) fn import(settings: &Settings) {
    let note = "All lines in one durable write; the vault is empty before each run.";
    let table = Table::begin("`import`: store a whole `.env` file", note, &COLUMNS);
    for lines in settings.sizes(&[10, 1_000, 10_000]) {
        let (limit, peers) = match lines {
            10 => (Limit::None, "–"),
            1_000 => (Limit::AtMost(5.0), "sops 24, fnox 92"),
            _ => (Limit::AtMost(22.0), "sops 73, fnox 652"),
        };
        let vault = Vault::new(0);
        let (empty, file) = (vault.beside("empty"), vault.env_file(lines));
        fs::copy(vault.path(), &empty).expect("the directory can be written");
        let program =
            vault.keyward(&settings.keyward, &["import"]).with([&file]).restoring(&empty, &vault.path());
        program.time();
        expect_lines(&vault.keyward(&settings.keyward, &["list"]), lines - 1);
        let series = in_turn(&program, None, settings.runs(RUNS));
        print(&table, "`import`", &format!("{lines} lines"), &series, limit, peers);
    }
}

/// `run -- /bin/true` with every secret injected.
pub(crate) fn run(settings: &Settings) {
    let note = "The child is the same `/bin/true`, so that 1.0 of each figure is its.";
    let table = Table::begin("`run -- /bin/true`: every secret in the child's environment", note, &COLUMNS);
    for size in settings.sizes(&[10, 1_000, 10_000]) {
        let (limit, peers) = match size {
            10 => (Limit::AtMost(3.0), "secretspec 4.4, fnox 10, sops 18"),
            1_000 => (Limit::AtMost(5.0), "secretspec 14, sops 29, fnox 141"),
            _ => (Limit::None, "sh+age 36, doppler 46, sops 124, fnox 1,650"),
        };
        let vault = Vault::new(size);
        let shown = vault.keyward(&settings.keyward, &["run", "--", "/usr/bin/env"]);
        expect_lines(&shown, size);
        let program = vault.keyward(&settings.keyward, &["run", "--", "/bin/true"]);
        let series = in_turn(&program, None, settings.runs(RUNS));
        print(&table, "`run`", &format!("{size} injected"), &series, limit, peers);
    }
}

/// `creds check` of a `.env` file that has the key, and of one that has not, so that the vault is opened.
pub(crate) fn check(settings: &Settings) {
    let note = "The provider's key stands on the last line; in the last rows it is in the vault alone.";
    let table = Table::begin("`creds check --secrets-file`", note, &COLUMNS);
    let vault = Vault::new(1_000);
    for lines in [10, 100, 10_000] {
        let (limit, peers) = match lines {
            10 => (Limit::None, "–"),
            100 => (Limit::AtMost(2.2), "dash 1.2, dotenvy 2.4, secretspec 11, node 73"),
            _ => (Limit::AtMost(16.0), "dash 25, dotenvy 422, node 445, secretspec 51,000"),
        };
        let path = vault.env_file(lines);
        let program = check_of(settings, &vault, &path);
        program.time();
        let series = in_turn(&program, None, settings.runs(RUNS));
        let size = format!("{lines} lines");
        print(&table, "`creds check`", &size, &series, limit, peers);
        let shell = Program::new("/bin/sh").with(["-c", "set -a; . \"$1\"", "sh"]).with([&path]);
        let series = in_turn(&shell, None, settings.runs(RUNS));
        print(&table, "`sh -c '. FILE'`, to compare machines", &size, &series, Limit::None, "dash 1.2, 25");
    }
    vault_alone(settings, &table, (1_000, 100), Limit::None);
    if !settings.quick {
        vault_alone(settings, &table, (10_000, 10_000), Limit::AtMost(20.0));
    }
}

/// The rows in which the file has another name than the one that is looked for.
fn vault_alone(settings: &Settings, table: &Table, (secrets, lines): (usize, usize), limit: Limit) {
    let vault = Vault::new(secrets);
    let stored = vault.keyward(&settings.keyward, &["put", PROVIDER_NAME]).input(&vault.input());
    stored.time();
    let path = vault.env_file(lines);
    let text = fs::read_to_string(&path).expect("the file was made");
    fs::write(&path, text.replace(PROVIDER_NAME, "ANOTHER_NAME")).expect("the directory can be written");
    let program = check_of(settings, &vault, &path);
    program.time();
    let series = in_turn(&program, None, settings.runs(RUNS));
    print(table, "`creds check`", &format!("{lines} lines, vault of {secrets}"), &series, limit, "–");
}

fn check_of(settings: &Settings, vault: &Vault, file: &Path) -> Program {
    let arguments = ["creds", "check", "--provider", "openai", "--secrets-file"];
    vault.keyward(&settings.keyward, &arguments).with([file])
}

/// What has no limit: the help, the status, a passphrase slot, the keyring.
pub(crate) fn other(settings: &Settings) {
    let note = "The passphrase slot has the lightest allowed costs: 64 MiB, 3 passes.";
    let table = Table::begin("Other rows", note, &COLUMNS);
    let vault = Vault::new(1_000);
    let by_env: [(&str, &[&str]); 4] = [
        ("`--help`", &["--help"]),
        ("`--version`", &["--version"]),
        ("`status`", &["status"]),
        ("`verify`", &["verify"]),
    ];
    for (label, arguments) in by_env {
        let program = vault.keyward(&settings.keyward, arguments);
        program.time();
        let series = in_turn(&program, None, settings.runs(RUNS));
        print(&table, label, &secrets(vault.count()), &series, Limit::None, "–");
    }
    let vault = Vault::with_passphrase(10);
    let input = vault.input();
    let program = vault.keyward_by_passphrase(&settings.keyward, &["put", "SECRET_000005"]).input(&input);
    let series = in_turn(&program, None, settings.runs(11));
    print(&table, "`put`, passphrase", &secrets(vault.count()), &series, Limit::None, "–");
    keyring(settings, &table);
}

/// The keyring row, where a Secret Service answers on the session bus of whoever runs this.
fn keyring(settings: &Settings, table: &Table) {
    #[allow(clippy::disallowed_methods, reason = "the session bus has no other address")]
    let bus = std::env::var_os("DBUS_SESSION_BUS_ADDRESS");
    let vault = Vault::new(0);
    let home = vault.beside("keyring");
    let program = |arguments: &[&str]| {
        Program::new(&settings.keyward)
            .with(arguments)
            .variable("KEYWARD_HOME", home.as_os_str())
            .variable("DBUS_SESSION_BUS_ADDRESS", bus.clone().unwrap_or_default())
    };
    let made = bus.is_some() && program(&["init", "--source", "keyring"]).output().status.success();
    if !made {
        let reason = "not measured: no keyring answers on the session bus here";
        table.row(&[&"`get`, keyring", &"10 secrets", &reason, &"", &"–", &"", &"about 8 ms a call"]);
        return;
    }
    for number in 0..10 {
        program(&["put", secret_name(number).as_str()]).input(&vault.input()).time();
    }
    let series = in_turn(&program(&["get", "SECRET_000005"]), None, settings.runs(RUNS));
    print(table, "`get`, keyring", "10 secrets", &series, Limit::None, "about 8 ms a call");
}

pub(super) fn print(table: &Table, label: &str, size: &str, series: &Series, limit: Limit, peers: &str) {
    let mark = limit.mark(series.over_true.median);
    let elapsed = time(series.seconds.median);
    table.row(&[&label, &size, &ratio(series), &elapsed, &limit.text(""), &mark, &peers]);
}

fn ratio(series: &Series) -> String {
    let over = series.over_true;
    format!("**{:.2}** ({:.2}–{:.2}), {}", over.median, over.least, over.largest, over.count)
}

fn secrets(size: usize) -> String {
    format!("{size} secrets")
}

/// Runs `program` once and demands that it prints `expected`.
fn expect_output(program: &Program, expected: &[u8]) {
    let output = program.output();
    assert!(output.stdout == expected, "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `program` once and demands that it prints a line for each of `count` secrets.
fn expect_lines(program: &Program, count: usize) {
    let output = program.output();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"SECRET_"));
    assert_eq!(lines.count(), count, "{}", String::from_utf8_lossy(&output.stderr));
}
