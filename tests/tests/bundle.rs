//! Secrets carried from one vault to another in a bundle: all of them or none, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use keyward_tests::transcript::Transcript;
use keyward_tests::vault_file::VaultFile;
use keyward_tests::{Finished, Home, behind, feed, require};
use serde_json::Value;

const PASSPHRASE: &str = "correct horse battery staple";
const CANARY: &str = "canary-5d1e-needle";

/// Runs a command with the passphrase of the bundle in the environment.
fn with_passphrase(home: &Home, passphrase: &str, arguments: &[&str]) -> Finished {
    home.command(arguments).env("KEYWARD_BUNDLE_PASSPHRASE", passphrase).output().unwrap().into()
}

/// Makes a bundle of everything and returns its path.
fn bundle_of(home: &Home) -> String {
    let path = home.path().join("bundle").display().to_string();
    with_passphrase(home, PASSPHRASE, &["bundle", "create", &path, "--light"]).succeeds();
    path
}

/// A home with these secrets, and a bundle of them.
fn carrying(secrets: &[(&str, &str)]) -> (Home, String) {
    let home = with_secrets(secrets);
    let bundle = bundle_of(&home);
    (home, bundle)
}

/// Opens a bundle with its passphrase.
fn open(home: &Home, bundle: &str, options: &[&str]) -> Finished {
    with_passphrase(home, PASSPHRASE, &[&["bundle", "open", bundle], options].concat())
}

/// A home whose vault has these secrets.
fn with_secrets(secrets: &[(&str, &str)]) -> Home {
    let home = Home::new();
    secrets.iter().for_each(|(name, value)| home.put(name, value));
    home
}

/// What `bundle open` says of each secret, by name.
fn outcomes(said: &Finished) -> Vec<(String, String)> {
    let said = said.succeeds().json();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    said["secrets"].as_array().unwrap().iter().map(|row| (text(row, "name"), text(row, "outcome"))).collect()
}

#[test]
fn secrets_are_sealed_shown_and_merged() {
    let home = with_secrets(&[("API_KEY", CANARY), ("TOKEN", CANARY)]);
    home.run_with_input(["put", "SHARED", "--scope", "tenant"], CANARY).succeeds();
    let other = Home::new().with("KEYWARD_BUNDLE_PASSPHRASE", PASSPHRASE);
    let home = home.with("KEYWARD_BUNDLE_PASSPHRASE", PASSPHRASE);
    let mut said = Transcript::of(&home);
    said.run("bundle create keys --light").run("bundle create keys");
    said.run("bundle create keys --force --light --only API_KEY --json");
    said.run("bundle create keys --force --light --only API_KEY,MISSING");
    said.run("bundle create keys --force --light").run("bundle create none/keys");
    fs::copy(home.path().join("keys"), other.path().join("keys")).unwrap();
    let mut there = Transcript::of(&other);
    there.run("bundle open keys --dry-run").run("bundle open keys").run("bundle open keys");
    there.feed("put API_KEY", "other").run("bundle open keys").run("bundle open keys --dry-run");
    there.run("bundle open keys --on-conflict skip").run("bundle open keys --on-conflict overwrite --json");
    there.run("get TOKEN --vault keys").run("bundle open missing");
    let text = said.text() + &there.text();
    assert!(!text.contains(CANARY), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn names_and_values_of_every_kind_arrive_byte_for_byte() {
    let home = Home::new();
    let large: Vec<u8> = (0..1 << 20).map(|nth: u32| nth.to_le_bytes()[1] ^ nth.to_le_bytes()[0]).collect();
    let values: [(&str, &[u8]); 7] = [
        ("BINARY", &large),
        ("EMPTY", b""),
        ("a b", b"\xff\0\n"),
        ("it's \"quoted\" $(x)", b"1"),
        ("../../etc/passwd", b"2"),
        ("\u{dc}n\u{ef} \u{1f511}", "\u{1f511}".as_bytes()),
        ("-dash", b"4"),
    ];
    for (name, value) in values {
        home.run_with_input(["put", "--raw", "--allow-empty", "--", name], value).succeeds();
    }
    let (bundle, other) = (bundle_of(&home), Home::new());
    open(&other, &bundle, &[]).succeeds();
    for (name, value) in values {
        assert!(other.run(["get", "--", name]).succeeds().stdout == value, "{name}");
    }
}

#[test]
fn only_the_current_value_is_carried_and_becomes_a_first_version() {
    let home = with_secrets(&[("A", "old"), ("A", "new")]);
    let (bundle, other) = (bundle_of(&home), Home::new());
    open(&other, &bundle, &[]).succeeds();
    assert_eq!(other.get("A"), b"new");
    assert_eq!(other.run(["history", "A"]).succeeds().text().lines().count(), 1);
}

#[test]
fn a_bundle_shows_neither_names_nor_values_nor_ids_and_is_private() {
    let home = with_secrets(&[("VERY_SECRET_NAME", CANARY)]);
    let path = home.path().join("bundle");
    let line = format!("umask 000; $KEYWARD bundle create {} --code", path.display());
    home.bash(&line).succeeds();
    let (bundle, vault) = (fs::read(&path).unwrap(), VaultFile::read(&home.vault()));
    for needle in [CANARY.as_bytes(), b"VERY_SECRET", b"default", &vault.0[20..36]] {
        assert!(!bundle.windows(needle.len()).any(|window| window == needle));
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn workspace_and_tenant_are_those_of_the_opener() {
    let home = Home::new();
    home.run_with_input(["put", "W", "--workspace", "shop", "--tenant", "acme"], "1").succeeds();
    home.run_with_input(["put", "T", "--scope", "tenant", "--tenant", "acme"], "2").succeeds();
    let home = home.with("KEYWARD_WORKSPACE", "shop").with("KEYWARD_TENANT", "acme");
    let (bundle, other) = (bundle_of(&home), Home::new());
    open(&other, &bundle, &["--workspace", "web"]).succeeds();
    let listed = other.run(["list", "--all"]).succeeds().text();
    let places: Vec<&str> = listed.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(places, ["workspace web", "tenant default"]);
}

#[test]
fn one_scope_alone_can_be_carried_and_taken() {
    let home = with_secrets(&[("W", "1"), ("BOTH", "2")]);
    home.run_with_input(["put", "BOTH", "--scope", "tenant"], "3").succeeds();
    let bundle = bundle_of(&home);
    let dry = |options: &[&str]| {
        outcomes(&open(&Home::new(), &bundle, &[options, &["--dry-run", "--json"]].concat()))
    };
    let new = |names: &[&str]| names.iter().map(|name| ((*name).into(), "new".into())).collect::<Vec<_>>();
    assert_eq!(dry(&[]), new(&["BOTH", "W", "BOTH"]));
    assert_eq!(dry(&["--scope", "tenant"]), new(&["BOTH"]));
    assert_eq!(dry(&["--scope", "workspace"]), new(&["BOTH", "W"]));
    let one = home.path().join("one").display().to_string();
    with_passphrase(&home, PASSPHRASE, &["bundle", "create", &one, "--light", "--scope", "tenant"])
        .succeeds();
    open(&Home::new(), &one, &["--scope", "workspace"]).fails(0, &["one has nothing for this place\n"]);
    let named = home.path().join("named").display().to_string();
    with_passphrase(&home, PASSPHRASE, &["bundle", "create", &named, "--light", "--only", "BOTH"]).succeeds();
    assert_eq!(outcomes(&open(&Home::new(), &named, &["--dry-run", "--json"])), new(&["BOTH", "BOTH"]));
}

#[test]
fn a_code_opens_the_bundle_and_is_printed_once() {
    let home = with_secrets(&[("A", "1")]);
    let made = home.run(["bundle", "create", "b", "--code"]);
    let code = made.succeeds().text();
    assert!(!made.stderr.contains(code.trim()), "{made}");
    let with_code = |code: &str| -> Finished {
        let mut command = home.command(["bundle", "open", "b"]);
        command.env("KEYWARD_BUNDLE_CODE", code).output().unwrap().into()
    };
    with_code(&code.to_lowercase().replace('-', " ")).succeeds();
    let other = home.run(["bundle", "create", "c", "--code"]).succeeds().text();
    with_code(&other).fails(5, &["error: cannot unlock b", "recovery code: does not open the recovery slot"]);
    with_code("not a code").fails(2, &["KEYWARD_BUNDLE_CODE is no recovery code"]);
    home.run(["bundle", "open", "b"])
        .fails(5, &["nobody to ask for the code", "hint: set `KEYWARD_BUNDLE_CODE`"]);
    let made = home.run(["bundle", "create", "d", "--code", "--json"]).json();
    assert_eq!((made["to_keep"].as_str().unwrap().len(), &made["opened_by"]), (35, &"recovery".into()));
}

#[test]
fn a_wrong_passphrase_opens_nothing_and_writes_nothing() {
    let (_from, bundle) = carrying(&[("A", "1")]);
    let other = Home::new();
    let said = with_passphrase(&other, "canary horse", &["bundle", "open", &bundle, "--json"]);
    said.fails_as(5, "wrong_key");
    said.fails(5, &["caused by: KEYWARD_BUNDLE_PASSPHRASE: does not open the passphrase slot"]);
    assert!(!said.to_string().contains("canary"), "{said}");
    other.run(["bundle", "open", &bundle, "--json"]).fails_as(5, "no_key_source");
    assert!(!other.path().join(".local").exists());
}

#[test]
fn the_passphrase_of_the_vault_is_not_that_of_the_bundle() {
    let home = with_secrets(&[("A", "1")]).with("KEYWARD_VAULT_PASSPHRASE", PASSPHRASE);
    home.run(["bundle", "create", "b"])
        .fails(2, &["no passphrase for the bundle", "`KEYWARD_BUNDLE_PASSPHRASE`"]);
    let bundle = bundle_of(&home);
    home.run(["bundle", "open", &bundle]).fails(5, &["cannot unlock "]);
}

#[test]
fn a_program_gets_neither_passphrase_nor_code() {
    let home = with_secrets(&[("A", "1")]);
    let mut command = home.command(["run", "--", "env"]);
    command.env("KEYWARD_BUNDLE_PASSPHRASE", CANARY).env("KEYWARD_BUNDLE_CODE", CANARY);
    let said: Finished = command.output().unwrap().into();
    assert!(said.succeeds().text().contains("A=1") && !said.text().contains(CANARY), "{said}");
}

#[test]
fn a_bundle_that_was_altered_or_cut_off_is_refused_whole() {
    let home = with_secrets(&[("A", "1"), ("B", "2")]);
    let bundle = VaultFile::read(Path::new(&bundle_of(&home)));
    let other = Home::new();
    let path = other.path().join("altered");
    let places = [10, 70, bundle.header().end - 1, bundle.index().start + 40, bundle.index().end - 1];
    for at in places.into_iter().chain([bundle.values().start, bundle.0.len() - 1]) {
        bundle.flipped(at).write(&path);
        let said = open(&other, path.to_str().unwrap(), &["--json"]);
        assert!(matches!(said.code, 6 | 12), "byte {at}: {said}");
        assert!(said.stderr.contains("hint: "), "{said}");
    }
    for length in [0, 7, 63, 200, bundle.index().end - 1, bundle.0.len() - 1] {
        VaultFile(bundle.0[..length].to_vec()).write(&path);
        open(&other, path.to_str().unwrap(), &["--json"]).fails_as(6, "truncated");
    }
    VaultFile([&bundle.0[..], b"x"].concat()).write(&path);
    open(&other, path.to_str().unwrap(), &["--json"]).fails_as(6, "damaged");
    assert!(!other.path().join(".local").exists());
}

#[test]
fn a_vault_is_no_bundle_and_a_bundle_no_vault() {
    let home = with_secrets(&[("A", "1")]);
    let (bundle, vault) = (bundle_of(&home), home.vault().display().to_string());
    open(&home, &vault, &["--json"]).fails_as(6, "not_a_bundle");
    open(&home, &vault, &[]).fails(6, &["the file is a vault, not a bundle", "hint: name a file that"]);
    for command in
        [&["get", "A"][..], &["list"], &["put", "A", "x"], &["status"], &["slot", "list"], &["verify"]]
    {
        let said = home.run([command, &["--vault", &bundle]].concat());
        said.fails(6, &["the file is a bundle, not a vault", "hint: `keyward bundle open FILE`"]);
    }
    let strange = home.write("strange", "no bundle at all");
    open(&home, strange.to_str().unwrap(), &["--json"]).fails_as(6, "not_a_bundle");
    open(&home, "/dev/zero", &["--json"]).fails_as(6, "not_a_bundle");
    open(&home, "/dev/zero", &[]).fails(6, &["expected a regular file, found a device"]);
    open(&home, "missing", &["--json"]).fails_as(1, "unreadable_file");
}

#[test]
fn one_conflict_stops_the_whole_merge() {
    let (_from, bundle) = carrying(&[("A", "1"), ("B", CANARY)]);
    let other = with_secrets(&[("B", "mine")]);
    let before = fs::read(other.vault()).unwrap();
    let said = open(&other, &bundle, &["--json"]);
    said.fails_as(1, "exists");
    said.fails(1, &["nothing was stored, the vault has other values of: B\n", "`--on-conflict overwrite`"]);
    assert!(!said.to_string().contains(CANARY), "{said}");
    assert_eq!(fs::read(other.vault()).unwrap(), before);
}

#[test]
fn a_conflict_is_skipped_or_overwritten_on_request_in_one_commit() {
    let (_from, bundle) = carrying(&[("A", "1"), ("B", "2"), ("C", "3")]);
    let generation = |home: &Home| home.run(["status", "--json"]).json()["generation"].as_u64().unwrap();
    for (policy, outcome, value, generations) in
        [("skip", "skipped", "mine", 1), ("overwrite", "overwritten", "2", 1)]
    {
        let other = with_secrets(&[("B", "mine"), ("C", "3")]);
        let before = generation(&other);
        let said = open(&other, &bundle, &["--on-conflict", policy, "--json"]);
        let expected = [("A", "new"), ("B", outcome), ("C", "unchanged")];
        assert_eq!(outcomes(&said), expected.map(|(name, outcome)| (name.into(), outcome.into())));
        assert_eq!(other.get("B"), value.as_bytes());
        assert_eq!(generation(&other), before + generations);
        assert_eq!(other.run(["history", "C"]).text().lines().count(), 1);
        open(&other, &bundle, &["--on-conflict", policy]).succeeds();
        assert_eq!(generation(&other), before + generations, "nothing is left to merge");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let (_from, bundle) = carrying(&[("A", "1")]);
    let absent = Home::new();
    assert_eq!(open(&absent, &bundle, &["--dry-run"]).succeeds().text(), "new   A    workspace default\n");
    assert!(!absent.path().join(".local").exists());
    let other = with_secrets(&[("A", "mine")]);
    let before = fs::read(other.vault()).unwrap();
    let said = open(&other, &bundle, &["--dry-run"]);
    said.fails(0, &["would merge nothing of ", ": 1 conflict\n"]);
    open(&other, &bundle, &["--dry-run", "--on-conflict", "overwrite"]).succeeds();
    assert_eq!(fs::read(other.vault()).unwrap(), before);
}

/// Runs a command that is killed when it enters a system call, such as `link` in any of its forms.
fn killed_at(home: &Home, call: &str, arguments: &[&str]) {
    require("strace", "strace");
    let inject = format!("inject=/^{call}(at)?2?$:signal=KILL");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
    let mut command = behind(&strace, &home.command(arguments));
    let finished = feed(command.env("KEYWARD_BUNDLE_PASSPHRASE", PASSPHRASE), b"");
    assert_eq!(finished.code, 128 + 9, "{finished}");
}

#[test]
fn a_crash_before_the_merge_is_published_leaves_the_old_vault() {
    let (_from, bundle) = carrying(&[("A", "1")]);
    let other = with_secrets(&[("B", "2")]);
    let before = fs::read(other.vault()).unwrap();
    // The first one keeps the old generation, the second one publishes the new one.
    for call in ["link", "rename"] {
        killed_at(&other, call, &["bundle", "open", &bundle]);
        assert_eq!(fs::read(other.vault()).unwrap(), before);
    }
    open(&other, &bundle, &[]).succeeds();
    assert_eq!((other.get("A"), other.get("B")), (b"1".to_vec(), b"2".to_vec()));
}

#[test]
fn a_crash_before_the_bundle_is_published_leaves_no_bundle() {
    let home = with_secrets(&[("A", "1")]);
    let path = home.path().join("b");
    killed_at(&home, "link", &["bundle", "create", path.to_str().unwrap(), "--light"]);
    assert!(!path.exists());
    with_passphrase(&home, PASSPHRASE, &["bundle", "create", path.to_str().unwrap(), "--light"]).succeeds();
}

#[test]
fn nothing_but_a_bundle_is_replaced_and_that_only_by_force() {
    let home = with_secrets(&[("A", "1")]);
    let (bundle, vault) = (bundle_of(&home), home.vault());
    let other = home.write("other", "precious");
    symlink(&bundle, home.path().join("link")).unwrap();
    symlink(home.path().join("nowhere"), home.path().join("dangling")).unwrap();
    let link = |name: &str| home.path().join(name).display().to_string();
    let create = |file: &str, force: &[&str]| {
        with_passphrase(&home, PASSPHRASE, &[&["bundle", "create", file, "--light"], force].concat())
    };
    create(&bundle, &[]).fails(1, &["there is a file already", "`--force` replaces a bundle"]);
    for file in [vault.to_str().unwrap(), other.to_str().unwrap()] {
        create(file, &["--force"]).fails(1, &["is no bundle, so it stays\n", "hint: name another file"]);
    }
    for file in [&link("link"), &link("dangling"), "/dev/full", home.path().to_str().unwrap()] {
        create(file, &[]).fails(1, &["hint: name "]);
        create(file, &["--force"]).fails(1, &["expected a regular file, found a", "hint: name a file"]);
    }
    assert_eq!(fs::read(other).unwrap(), b"precious");
    assert!(!home.path().join("nowhere").exists());
    assert_eq!(home.get("A"), b"1");
    create(&bundle, &["--force"]).succeeds();
    create(&link("missing/b"), &[]).fails(1, &["cannot open the directory ", "hint: no bundle was written"]);
}

#[test]
fn where_nothing_is_to_be_sealed_no_file_is_made() {
    let home = Home::new();
    let create = |options: &[&str]| {
        with_passphrase(&home, PASSPHRASE, &[&["bundle", "create", "b", "--json"], options].concat())
    };
    create(&[]).fails_as(4, "no_such_secret");
    home.put("A", "1");
    create(&["--only", "A,MISSING"]).fails_as(4, "no_such_secret");
    create(&["--workspace", "empty"])
        .fails(4, &["no secret and no connection in workspace empty or tenant default"]);
    create(&["--code", "--light"]).fails(2, &["cannot be used with"]);
    assert!(!home.path().join("b").exists());
}

#[test]
fn a_directory_that_only_claims_a_workspace_gets_no_bundle_and_takes_none() {
    let home = Home::new();
    home.run_with_input(["put", "A", "--workspace", "shop"], "1").succeeds();
    let bundle = home.path().join("shop").display().to_string();
    let shop = ["bundle", "create", &bundle, "--light", "--workspace", "shop"];
    with_passphrase(&home, PASSPHRASE, &shop).succeeds();
    home.write("cloned/.keyward.toml", "workspace = \"shop\"\n");
    let in_clone = |arguments: &[&str]| -> Finished {
        let mut command = home.command(arguments);
        command.current_dir(home.path().join("cloned")).env("KEYWARD_BUNDLE_PASSPHRASE", PASSPHRASE);
        command.output().unwrap().into()
    };
    for arguments in [&["bundle", "create", "b", "--light"][..], &["bundle", "open", &bundle]] {
        in_clone(arguments).fails(10, &["workspace shop is not bound to ", "`keyward init --bind`"]);
    }
    assert!(!home.path().join("cloned/b").exists());
}
