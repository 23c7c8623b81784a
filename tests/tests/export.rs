//! `export`: real readers of each format give back what was put in, and nobody else sees it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use keyward_tests::terminal::Terminal;
use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home, require};

/// Values that quoting trips over.
const HARD: [&str; 14] = [
    "it's",
    "'",
    "a\nb\n\nc\n",
    "$(touch started)`touch started`",
    "!event !! !$",
    "-n -e -",
    "\"double\" \\\\ \\n \\",
    "#hash # note",
    " blanks  \t",
    "$HOME ${HOME} $$ $1",
    "*?[a-z]~{a,b}",
    "a\rb\r\n",
    "größe 🔑 \u{a0}",
    "",
];

/// A home with the secrets `V0`, `V1` and so on.
fn home_with(values: &[&str]) -> Home {
    let home = Home::new();
    for (number, value) in values.iter().enumerate() {
        home.run_with_input(["put", &format!("V{number}"), "--raw", "--allow-empty"], value).succeeds();
    }
    home
}

fn export(home: &Home, format: &str, options: &[&str]) -> Finished {
    home.run([&["export", "--format", format], options].concat())
}

/// Reads what `env -0` printed, without the variables that are not of the test.
fn variables(printed: &[u8]) -> BTreeMap<String, String> {
    let printed = String::from_utf8(printed.to_vec()).unwrap();
    let pairs = printed.split('\0').filter_map(|pair| pair.split_once('='));
    let own = pairs.filter(|(name, _)| name.starts_with('V') && name.len() < 4);
    own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn expected(values: &[&str]) -> BTreeMap<String, String> {
    values.iter().enumerate().map(|(number, value)| (format!("V{number}"), (*value).to_owned())).collect()
}

#[test]
fn each_format_looks_as_its_readers_expect() {
    let home = Home::new();
    home.put("PLAIN", "x");
    home.put("WORDS", "it's $5");
    let mut said = Transcript::of(&home);
    for format in ["dotenv", "json", "shell", "docker", "systemd"] {
        said.run(&format!("export --format {format}"));
    }
    said.run("export --only PLAIN --json").run("export --only PLAIN --json --reveal");
    said.run("export --file out.env")
        .run("export --file out.env --prefix W --json")
        .run("export --prefix NONE");
    insta::assert_snapshot!(said.text());
}

#[test]
fn what_can_not_be_exported_is_named() {
    let home = Home::new();
    home.put("LINES", "a\nb");
    home.put("db/key", "x");
    home.put("BYTES", b"\xff");
    fs::create_dir(home.path().join("directory")).unwrap();
    let mut said = Transcript::of(&home);
    said.run("export --format docker --only LINES")
        .run("export --format shell")
        .run("export --format dotenv");
    said.run("export --format json --only BYTES --json")
        .run("export --only NONE")
        .run("export --format yaml");
    said.run("export --only LINES --file directory").run("export --only LINES --file no/such/place");
    said.run("export --only LINES --file x --reveal").run("export --only LINES --prefix L");
    insta::assert_snapshot!(said.text());
}

#[test]
fn every_shell_evaluates_to_the_same_bytes() {
    let home = home_with(&HARD);
    let text = export(&home, "shell", &[]).succeeds().text();
    home.write("exported", &text);
    for (shell, package) in [("dash", "dash"), ("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        require(shell, package);
        let script = if shell == "fish" { "source exported" } else { "eval \"$(cat exported)\"" };
        let mut command = Command::new(shell);
        command.args(["-c", &format!("{script}; env -0")]).env_clear().env("HOME", home.path());
        let output = command.current_dir(home.path()).output().unwrap();
        assert!(output.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(variables(&output.stdout), expected(&HARD), "{shell}");
    }
    assert!(!home.path().join("started").exists());
}

#[test]
fn a_shell_gets_bytes_that_are_no_text() {
    let home = Home::new();
    home.put("V0", b"\xff'\xfe");
    let text = export(&home, "shell", &[]).succeeds().stdout.clone();
    home.write("exported", &text);
    let output = Command::new("dash")
        .args(["-c", ". ./exported; printf %s \"$V0\""])
        .current_dir(home.path())
        .output();
    assert_eq!(output.unwrap().stdout, b"\xff'\xfe");
}

#[test]
fn the_dotenv_format_is_imported_back_unchanged() {
    let home = home_with(&HARD);
    home.run(["export", "--file", "out.env"]).succeeds();
    let other = Home::new();
    other.write("in.env", fs::read(home.path().join("out.env")).unwrap());
    other.run(["import", "in.env", "--allow-empty"]).succeeds();
    for (number, value) in HARD.iter().enumerate() {
        assert_eq!(other.get(&format!("V{number}")), value.as_bytes(), "{value:?}");
    }
}

#[test]
fn the_json_format_is_imported_back_unchanged() {
    let home = home_with(&HARD);
    let text = export(&home, "json", &[]).succeeds().text();
    let other = Home::new();
    other.run_with_input(["import", "-", "--format", "json", "--allow-empty"], text).succeeds();
    for (number, value) in HARD.iter().enumerate() {
        assert_eq!(other.get(&format!("V{number}")), value.as_bytes(), "{value:?}");
    }
}

/// Reads `$GITHUB_ENV` as the runner does (actions/runner, `FileCommandManager.cs`): `NAME<<MARK`, lines, `MARK`.
fn read_github_env(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.split('\n');
    let mut read = BTreeMap::new();
    while let Some((name, mark)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != mark).collect();
        read.insert(name.to_owned(), value.join("\n"));
    }
    read
}

#[test]
fn github_reads_every_value_back_even_one_that_tries_to_end_itself() {
    let mut values = HARD.to_vec();
    values.extend(["x\nEOF\nPATH<<EOF\n/evil\nEOF", "keyward_", "ghadelimiter_"]);
    let text = export(&home_with(&values), "github-env", &[]).succeeds().text();
    assert_eq!(read_github_env(&text), expected(&values));
    let earlier = text.lines().next().unwrap().split_once("<<").unwrap().1.to_owned();
    let home = home_with(&[&format!("x\n{earlier}\nPATH=/evil")]);
    let read = read_github_env(&export(&home, "github-env", &[]).succeeds().text());
    assert_eq!(read.len(), 1);
}

/// systemd's own reader of environment files, at work in the generator for environment.d(5). It expands `$`
/// afterwards and drops empty values, which `EnvironmentFile=` does not: those two are left to the rules of
/// systemd.exec(5).
#[test]
fn systemd_reads_every_value_back() {
    let generator =
        Path::new("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator");
    assert!(generator.exists(), "{} is missing: apt-get install systemd", generator.display());
    let values: Vec<&str> =
        HARD.into_iter().filter(|value| !value.contains('$') && !value.is_empty()).collect();
    let home = home_with(&values);
    home.write("config/environment.d/x.conf", "");
    home.run(["export", "--format", "systemd", "--file", "config/environment.d/x.conf"]).succeeds();
    let mut generated = Command::new(generator);
    let generated =
        generated.env_clear().env("XDG_CONFIG_HOME", home.path().join("config")).output().unwrap();
    assert!(generated.stderr.is_empty(), "{}", String::from_utf8_lossy(&generated.stderr));
    home.write("generated", &generated.stdout);
    // The generator writes with the escapes of C, which `printf %b` undoes.
    let script = "while IFS= read -r line; do value=${line#*=}; case $value in \\\"*) value=${value#\\\"}; \
                  value=${value%\\\"};; esac; printf '%s=%b\\0' \"${line%%=*}\" \"${value//\\\\\\\"/\\\"}\"; done < generated";
    let output = Command::new("bash").args(["-c", script]).current_dir(home.path()).output().unwrap();
    assert_eq!(variables(&output.stdout), expected(&values));
}

#[test]
fn docker_gets_lines_as_they_are() {
    let home = home_with(&["it's $x \"y\" #z ", ""]);
    assert_eq!(export(&home, "docker", &[]).succeeds().text(), "V0=it's $x \"y\" #z \nV1=\n");
}

#[test]
fn a_refusal_writes_nothing_at_all() {
    let home = home_with(&["fine", "a\nb"]);
    let said = export(&home, "docker", &[]);
    said.fails(1, &["the docker format can't carry V1: its value has a line end"]);
    assert!(said.stdout.is_empty());
    let before = home.write("out", "before");
    export(&home, "docker", &["--file", "out"]).fails(1, &["can't carry V1"]);
    assert_eq!(fs::read(before).unwrap(), b"before");
}

#[test]
fn a_file_is_private_whatever_was_there() {
    let home = home_with(&["x"]);
    let path = home.write("out", "a longer text than the export");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let said = home.bash("umask 0; $KEYWARD export --file out; $KEYWARD export --file new");
    said.fails(0, &["wrote 1 secret to out", "wrote 1 secret to new"]);
    assert!(said.stdout.is_empty());
    for name in ["out", "new"] {
        let path = home.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        assert_eq!(fs::read(&path).unwrap(), b"V0=x\n", "{name}");
    }
}

#[test]
fn a_file_is_ours_to_read_whatever_the_umask_takes() {
    let home = home_with(&["x"]);
    home.bash("umask 0777; $KEYWARD export --file out").succeeds();
    let mode = fs::metadata(home.path().join("out")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_link_is_not_followed() {
    let home = home_with(&["x"]);
    let target = home.write("target", "before");
    symlink("target", home.path().join("out")).unwrap();
    symlink("nowhere", home.path().join("out2")).unwrap();
    for out in ["out", "out2"] {
        home.run(["export", "--file", out]).fails(1, &["cannot export to", "found a symbolic link"]);
    }
    assert_eq!(fs::read(target).unwrap(), b"before");
    assert!(!home.path().join("nowhere").exists());
}

#[test]
fn the_vault_itself_is_no_place_to_export_to() {
    let home = home_with(&["x"]);
    let before = fs::read(home.vault()).unwrap();
    let vault = home.vault().display().to_string();
    for suffix in ["", ".prev", ".lock", ".damaged"] {
        let file = format!("{vault}{suffix}");
        home.run(["export", "--file", &file]).fails(2, &["it is the vault, or one of the files beside it"]);
    }
    assert!(fs::read(home.vault()).unwrap() == before);
    let named = home_with(&["x"]);
    fs::create_dir(named.path().join("else")).unwrap();
    named.bash("cp .local/share/keyward/vault else/mine").succeeds();
    for file in ["mine", "mine.prev", "../else/mine.lock", "mine.damaged"] {
        let said = named.bash(&format!("cd else && $KEYWARD --vault mine export --file {file}"));
        said.fails(2, &["it is the vault, or one of the files beside it"]);
    }
    assert_eq!(fs::read_dir(named.path().join("else")).unwrap().count(), 1);
}

#[test]
fn what_keyward_keeps_is_not_exported_over() {
    let home = home_with(&["x"]);
    home.bash("KEYWARD_BUNDLE_PASSPHRASE='correct horse battery' $KEYWARD bundle create --light b")
        .succeeds();
    home.write("seed", "keyward machine seed 9\nof a later version\n");
    home.bash("cp .local/share/keyward/vault copy").succeeds();
    let whys = [
        ("b", "it is a vault or a bundle"),
        ("copy", "it is a vault or a bundle"),
        ("seed", "it is the seed"),
    ];
    for (file, why) in whys {
        let before = fs::read(home.path().join(file)).unwrap();
        home.run(["export", "--file", file]).fails(2, &[why, "hint: "]);
        assert!(fs::read(home.path().join(file)).unwrap() == before, "{file}");
    }
    home.write(".local/state/keyward/machine/other", "");
    let own = [
        ".local/share/keyward/new",
        ".local/state/keyward/active-tenant",
        ".local/state/keyward/machine/new",
    ];
    for file in own {
        home.run(["export", "--file", file]).fails(2, &["keyward keeps its own files in that directory"]);
        assert!(!home.path().join(file).exists(), "{file}");
    }
}

#[test]
fn a_project_below_keyward_home_gets_its_file() {
    let home = Home::new();
    home.write("project/.env", "");
    home.bash("export KEYWARD_HOME=$PWD; printf x | $KEYWARD put A && $KEYWARD export --file project/.env")
        .succeeds();
    assert_eq!(fs::read(home.path().join("project/.env")).unwrap(), b"A=x\n");
}

#[test]
fn a_file_stays_when_no_secret_is_selected() {
    let home = Home::new();
    let path = home.write("out", "before");
    let nothing = "no secret is selected; nothing was written";
    home.run(["export", "--file", "out"]).fails(4, &[nothing]);
    home.put("A", "x");
    home.run(["export", "--file", "out", "--prefix", "NOPE_"]).fails(4, &[nothing]);
    home.run(["export", "--file", "new", "--prefix", "NOPE_"]).fails(4, &[nothing]);
    assert_eq!(fs::read(path).unwrap(), b"before");
    assert!(!home.path().join("new").exists());
}

#[test]
fn an_export_to_a_vault_that_is_not_there_makes_none() {
    let home = Home::new();
    home.bash("mkdir h; KEYWARD_HOME=$PWD/h $KEYWARD export --file h/vault").fails(2, &["it is the vault"]);
    assert_eq!(fs::read_dir(home.path().join("h")).unwrap().count(), 0);
}

#[test]
fn a_terminal_gets_values_only_with_reveal() {
    let home = home_with(&["canary-9f"]);
    for format in ["dotenv", "json", "shell", "docker", "github-env", "systemd"] {
        let hidden = Terminal::start(&home.command(["export", "--format", format])).finish();
        hidden.ends(2).shows("--reveal").hides("canary-9f");
        let shown = Terminal::start(&home.command(["export", "--format", format, "--reveal"])).finish();
        shown.ends(0).shows("canary-9f");
    }
    let file = Terminal::start(&home.command(["export", "--file", "out"])).finish();
    file.ends(0).shows("wrote 1 secret to out").hides("canary-9f");
    Terminal::start(&home.command(["export", "--json"])).finish().ends(0).hides("canary-9f");
}

#[test]
fn the_workspace_goes_before_its_tenant_and_scope_chooses() {
    let home = home_with(&["own"]);
    home.run_with_input(["put", "V0", "--scope", "tenant"], "shared").succeeds();
    home.run_with_input(["put", "V1", "--scope", "tenant"], "shared").succeeds();
    assert_eq!(export(&home, "dotenv", &[]).succeeds().text(), "V0=own\nV1=shared\n");
    assert_eq!(export(&home, "dotenv", &["--scope", "tenant"]).succeeds().text(), "V0=shared\nV1=shared\n");
    assert_eq!(export(&home, "dotenv", &["--scope", "workspace"]).succeeds().text(), "V0=own\n");
}

#[test]
fn a_directory_with_the_workspace_of_another_one_exports_nothing() {
    let home = Home::new();
    home.write("ours/.keyward.toml", "workspace = \"shop\"\n");
    home.write("theirs/.keyward.toml", "workspace = \"shop\"\n");
    home.bash("cd ours && printf canary-9f | $KEYWARD put A").succeeds();
    let said = home.bash("cd theirs && $KEYWARD export");
    said.fails(10, &["workspace shop is not bound to"]);
    assert!(said.stdout.is_empty());
    home.bash("cd theirs && $KEYWARD export --workspace shop").succeeds();
}

#[test]
fn without_a_vault_nothing_is_exported_and_nothing_is_made() {
    let home = Home::new();
    let said = export(&home, "dotenv", &[]);
    said.fails(0, &["warning: there is no vault yet: nothing is exported"]);
    assert!(said.stdout.is_empty() && !home.vault().exists());
    assert_eq!(export(&home, "json", &[]).succeeds().text(), "{}\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = home_with(&["x"]);
    let said = home.bash("$KEYWARD export | true; echo ${PIPESTATUS[0]}");
    assert_eq!(said.text(), "0\n");
}
