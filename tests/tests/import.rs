//! `import`: all of a file or nothing, in one write, and a report of names alone.

use std::fs;

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home};

const CANARY: &str = "canary-7Kd2";

fn import(home: &Home, options: &[&str], text: &str) -> Finished {
    home.run_with_input([&["import", "-"], options].concat(), text)
}

fn generation(home: &Home) -> u64 {
    home.run(["status", "--json"]).json()["generation"].as_u64().unwrap()
}

#[test]
fn a_file_is_imported_and_reported_by_name() {
    let home = Home::new();
    home.write(".env", "# note\nexport A=one\nB=\"two words\"\nEMPTY=\n");
    home.write("more.json", "{\"A\": \"one\", \"C\": \"three\", \"NONE\": null}");
    let mut said = Transcript::of(&home);
    said.run("import .env --dry-run").run("import .env").run("import .env --json").run("list");
    said.run("import more.json --format json").run("import more.json --format json --json");
    said.feed("import -", "A=other\nC=other\nD=new\n").feed("import - --json", "A=other\n");
    said.feed("import - --on-conflict skip", "A=other\nD=new\n");
    said.feed("import - --on-conflict overwrite", "A=other\n").run("history A").feed("import -", "");
    insta::assert_snapshot!(said.text());
}

#[test]
fn what_can_not_be_imported_is_told_by_line() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.feed("import -", "A=1\nB\n").feed("import -", "A=1\nB=\"x\n").feed("import - --json", "=x\n");
    said.feed("import -", "A=1\nB\u{202e}=2\n").feed("import - --format json", "{\"A\":1}");
    said.feed("import - --format json", "{\"A\":{\"B\":\"x\"}}")
        .feed("import - --format json", "{\"A=B\":\"x\"}");
    said.feed("import - --only NONE", "A=1\n").run("import nosuch").run("import .").run("import");
    said.run("import - --format yaml").run("import - --only A --prefix A");
    assert!(!home.vault().exists(), "nothing is created for a file that can't be imported");
    insta::assert_snapshot!(said.text());
}

#[test]
fn every_value_arrives_as_it_was_written() {
    let home = Home::new();
    let values = [
        ("HASH", "$2a$10$TWoviNHS27"),
        ("DOLLARS", "H$ello$%World^$&Foo*()_$+"),
        ("COLOUR", "#FF0000"),
        ("PASSWORD", "p@ss#word"),
        ("RUN", "$(touch started)`touch started`"),
        ("PATH_OF_WINDOWS", "C:\\Users\\me"),
        ("EQUALS", "=x=="),
    ];
    let text: String = values.iter().map(|(name, value)| format!("{name}={value}\r\n")).collect();
    import(&home, &[], &text).succeeds();
    for (name, value) in values {
        assert_eq!(home.get(name), value.as_bytes(), "{name}");
    }
    assert!(!home.path().join("started").exists());
}

#[test]
fn a_multi_line_pem_and_a_value_of_a_megabyte_are_imported() {
    let home = Home::new();
    let pem = "-----BEGIN KEY-----\nMIIB\n-----END KEY-----";
    let large = "x".repeat(1 << 20);
    let text = format!("\u{feff}PEM=\"{}\"\nLARGE={large}", pem.replace('\n', "\r\n"));
    import(&home, &[], &text).succeeds();
    assert_eq!(home.get("PEM"), pem.as_bytes());
    assert!(home.get("LARGE") == large.as_bytes());
    import(&home, &[], &format!("A=1\nLARGER={large}x")).fails(1, &["line 2: the value is over 1 MiB"]);
}

#[test]
fn a_piece_of_a_pem_without_quotes_is_no_name() {
    let home = Home::new();
    let piece = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let missing = "line 3: the name looks like a piece of a value: is a quote missing above?";
    for ending in ["==", "=", "=x"] {
        let text = format!("A=1\nKEY=-----BEGIN PRIVATE KEY-----\n{piece}{ending}\n");
        let said = import(&home, &[], &text);
        said.fails(1, &[missing, "nothing was stored"]);
        assert!(!said.stderr.contains(&piece[..12]) && said.stdout.is_empty(), "{}", said.stderr);
    }
    let json = format!("{{\"{piece}\": \"x\"}}");
    import(&home, &["--format", "json"], &json).fails(1, &["name 1: the name looks like a piece"]);
    assert!(!home.vault().exists());
    import(&home, &["--only", "A"], &format!("A=1\n{piece}==\n")).succeeds();
}

#[test]
fn an_import_is_one_write_and_one_without_news_is_none() {
    let home = Home::new();
    home.put("A", "0");
    let before = generation(&home);
    let text: String = (0..500).map(|number| format!("N{number}=v\n")).collect();
    import(&home, &[], &text).succeeds();
    assert_eq!(generation(&home), before + 1);
    import(&home, &[], &text).fails(0, &["500 unchanged"]);
    assert_eq!(generation(&home), before + 1);
}

#[test]
fn one_conflict_stores_nothing_and_names_all() {
    let home = Home::new();
    home.put("A", "1");
    home.put("B", "2");
    let before = fs::read(home.vault()).unwrap();
    import(&home, &[], "NEW=1\nA=x\nB=y\n")
        .fails(1, &["the vault has other values of: A, B", "--on-conflict skip"]);
    assert!(fs::read(home.vault()).unwrap() == before);
}

#[test]
fn a_bad_line_behind_good_ones_stores_nothing() {
    let home = Home::new();
    home.put("A", "1");
    let before = fs::read(home.vault()).unwrap();
    import(&home, &["--on-conflict", "overwrite"], "A=2\nNEW=1\nB='open\n").fails(1, &["line 3, column 3"]);
    assert!(fs::read(home.vault()).unwrap() == before);
}

#[test]
fn an_empty_pipe_is_an_error_and_an_empty_file_is_not() {
    let home = Home::new();
    import(&home, &[], "").fails(1, &["stdin is empty"]);
    import(&home, &["--format", "json"], "").fails(1, &["stdin is empty"]);
    home.write("empty.env", "");
    home.run(["import", "empty.env"]).fails(0, &["nothing to import"]);
    assert!(!home.vault().exists());
}

#[test]
fn a_dry_run_lists_conflicts_and_stores_nothing() {
    let home = Home::new();
    home.put("A", "1");
    let before = fs::read(home.vault()).unwrap();
    let said = import(&home, &["--dry-run"], "A=x\nNEW=1\n");
    assert_eq!(said.succeeds().text(), "conflict\tA\nnew\tNEW\n");
    assert!(fs::read(home.vault()).unwrap() == before);
}

#[test]
fn the_first_import_makes_the_vault_and_a_dry_run_does_not() {
    let home = Home::new();
    import(&home, &["--dry-run"], "A=1\n").fails(0, &["1 new; nothing was stored"]);
    import(&home, &[], "# nothing\n").fails(0, &["nothing to import in stdin"]);
    assert!(!home.vault().exists());
    import(&home, &[], "A=1\n").fails(0, &["created the vault", "imported stdin"]);
    assert_eq!(home.get("A"), b"1");
}

#[test]
fn only_and_prefix_choose_and_the_rest_need_not_be_storable() {
    let home = Home::new();
    let text = "DB_USER=u\nDB_PASSWORD=p\nTOKEN=t\nB\u{202e}AD=x\n";
    import(&home, &["--only", "TOKEN"], text).succeeds();
    import(&home, &["--prefix", "DB_"], text).succeeds();
    assert_eq!(home.run(["list"]).text().lines().count(), 3);
    import(&home, &["--only", "TOKEN,NONE"], text).fails(4, &["no name NONE in stdin"]);
}

#[test]
fn an_empty_value_is_stored_only_if_that_is_allowed() {
    let home = Home::new();
    let said = import(&home, &[], "A=\nB=''\nC=# note\nD=x\n");
    assert_eq!(said.succeeds().text(), "new\tD\nempty\tA\nempty\tB\nempty\tC\n");
    home.run(["get", "A"]).fails(4, &["no secret A"]);
    import(&home, &["--allow-empty"], "A=\n").succeeds();
    assert_eq!(home.get("A"), b"");
}

#[test]
fn null_is_no_value_and_never_the_text_null() {
    let home = Home::new();
    let said = import(&home, &["--format", "json", "--allow-empty"], "{\"A\": null, \"B\": \"null\"}");
    assert_eq!(said.succeeds().text(), "new\tB\nempty\tA\n");
    home.run(["get", "A"]).fails(4, &["no secret A"]);
    assert_eq!(home.get("B"), b"null");
}

#[test]
fn the_last_assignment_of_a_name_counts() {
    let home = Home::new();
    import(&home, &[], "A=1\nB=x\nA=2\n").succeeds();
    assert_eq!(home.get("A"), b"2");
}

#[test]
fn a_scope_is_imported_into() {
    let home = Home::new();
    let said = import(&home, &["--scope", "tenant", "--tenant", "acme"], "A=1\n");
    said.fails(0, &["imported stdin into tenant acme: 1 new"]);
    assert_eq!(said.stderr.matches("acme").count(), 1);
    home.run(["get", "A"]).fails(4, &["no secret A"]);
    assert_eq!(home.run(["get", "A", "--tenant", "acme"]).text(), "1");
}

#[test]
fn a_directory_with_the_workspace_of_another_one_imports_nothing() {
    let home = Home::new();
    home.write("ours/.keyward.toml", "workspace = \"shop\"\n");
    home.write("theirs/.keyward.toml", "workspace = \"shop\"\n");
    home.write("a.env", "A=1\n");
    home.bash("cd ours && $KEYWARD import ../a.env").succeeds();
    for line in ["import ../a.env", "import ../a.env --dry-run"] {
        home.bash(&format!("cd theirs && $KEYWARD {line}")).fails(10, &["workspace shop is not bound to"]);
    }
}

#[test]
fn pipes_and_descriptors_are_read_once() {
    let home = Home::new();
    home.bash("mkfifo pipe; printf 'A=1' > pipe & $KEYWARD import pipe").succeeds();
    home.bash("$KEYWARD import /dev/fd/3 3< <(printf B=2)").succeeds();
    home.bash("$KEYWARD import <(printf C=3)").succeeds();
    home.bash("printf D=4 | $KEYWARD import -").succeeds();
    assert_eq!(home.run(["list"]).text().lines().count(), 4);
}

#[test]
fn no_value_is_shown_whatever_happens() {
    let home = Home::new();
    home.put("TAKEN", "other");
    let texts = [
        format!("A={CANARY}\nB=\"{CANARY} $x\"\n"),
        format!("TAKEN={CANARY}\n"),
        format!("A={CANARY}\n{CANARY}\n"),
        format!("A='{CANARY}\n"),
        format!("A=\"x\" {CANARY}\n"),
        format!("{CANARY}\u{202e}={CANARY}"),
        format!("A={CANARY}\0"),
    ];
    for text in &texts {
        for options in [&[][..], &["--dry-run"], &["-v"], &["--json"], &["--format", "json"]] {
            let said = import(&home, options, text);
            assert!(!said.to_string().contains(CANARY), "{said}");
        }
    }
    for text in [
        format!("{{\"A\":\"{CANARY}\",\"B\":5}}"),
        format!("{{\"A\":[\"{CANARY}\"]}}"),
        format!("\"{CANARY}\""),
    ] {
        let said = import(&home, &["--format", "json"], &text);
        assert_eq!(said.code, 1, "{said}");
        assert!(!said.to_string().contains(CANARY), "{said}");
    }
}

#[test]
fn a_text_over_the_limit_is_refused() {
    let home = Home::new();
    let text = "#".repeat(16 << 20);
    import(&home, &[], &text).succeeds();
    import(&home, &[], &(text + "#")).fails(1, &["cannot read stdin", "it has more than 16777216 bytes"]);
}
