//! `env lint`: what it says of a file, in which forms, and that it never says a value or a name. Whether it
//! is true is shown in vault-core/tests/env_dialects.rs.

use std::fs;

use keyward_tests::Home;
use keyward_tests::transcript::Transcript;

const FILE: &str = "# a file as people write them
export API_URL=https://example.org/path#part
PASSWORD=p@ss$word
KEY=\"-----BEGIN KEY-----
abc=
-----END KEY-----\"
PLAIN=value
PLAIN=other # note
PATTERN='^[a-z]\\'
";

#[test]
fn findings_are_told_by_line_and_reader() {
    let home = Home::new();
    home.write(".env", FILE.replace("'^[a-z]\\'", "\"tab\\t\""));
    home.write("plain.env", "A=1\nB=two/three\n");
    let mut said = Transcript::of(&home);
    said.run("env lint .env")
        .run("env lint .env --for node,python")
        .run("env lint .env --for docker --strict");
    said.run("env lint plain.env --strict")
        .run("env lint plain.env --for bash --json")
        .feed("env lint - --for node", "A=x#y\n");
    said.feed("env lint - --for node --json", "A=1\nA=x#y\n").feed("env lint - --for bash", "A=~nobody/x\n");
    insta::assert_snapshot!(said.text());
}

#[test]
fn what_keyward_refuses_is_told_by_line() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.feed("env lint -", "A=1\nB\n").feed("env lint - --json", "A=\"x\n").feed("env lint -", FILE);
    said.run("env lint nosuch").run("env lint").run("env lint x --for sops").run("env");
    insta::assert_snapshot!(said.text());
}

#[test]
fn no_value_and_no_name_is_printed() {
    let home = Home::new();
    let texts = [
        "CANARY_NAME=canary-3x#y\n",
        "A=$canary-3x `canary-3x` \\canary-3x\n",
        "A='canary-3x\ncanary-3x=\n'\nexport A=canary-3x\n",
        "A=canary-3x&canary-3x=2\n",
        "A=canary-3x\ncanary-3x\n",
    ];
    for text in texts {
        for options in [&[][..], &["--json"], &["-v"], &["--strict"]] {
            let said = home.run_with_input([&["env", "lint", "-"], options].concat(), text).to_string();
            assert!(!said.to_lowercase().contains("canary"), "{said}");
        }
    }
}

#[test]
fn neither_vault_nor_directory_is_touched() {
    let home = Home::new();
    home.write(".env", "A=$(touch started) `touch started` > started\n");
    home.write(".keyward.toml", "broken");
    home.run(["env", "lint", ".env", "--vault", "/"]).succeeds();
    assert!(!home.vault().exists() && !home.path().join("started").exists());
}

#[test]
fn a_pipe_and_a_long_file_are_read() {
    let home = Home::new();
    home.bash("$KEYWARD env lint <(printf 'A=1')").succeeds();
    let text: String = (0..10_000).map(|number| format!("N{number}='value {number}'\n")).collect();
    let said = home.run_with_input(["env", "lint", "-", "--for", "bash,node,python"], &text);
    assert_eq!(said.succeeds().text(), "");
    let said = home.run_with_input(["env", "lint", "-", "--for", "docker"], &text);
    assert_eq!(said.succeeds().text().lines().count(), 10_000);
}

#[test]
fn what_keyward_exports_reads_the_same_in_bash_node_python_and_compose() {
    let home = Home::new();
    for (name, value) in [
        ("HASH", "$2a$10$TWoviNHS27"),
        ("HASHES", "#FF0000 # not a note"),
        ("JSON", "{\"a\": [1, \"#2\"]}"),
        ("LINES", "a\nb\n\nc"),
        ("RUN", "$(id) `id` ; rm & x | y > z"),
        ("BLANKS", "  a\t"),
        ("PLAIN", "https://h:1/p?x=1"),
    ] {
        home.run_with_input(["put", name, "--raw"], value).succeeds();
    }
    home.run(["export", "--file", "out.env"]).succeeds();
    let said = home.run(["env", "lint", "out.env", "--for", "bash,compose,node,python", "--strict"]);
    said.fails(0, &["out.env reads the same in bash, compose, node, python"]);
    assert!(fs::read_to_string(home.path().join("out.env")).unwrap().contains("HASH='$2a$10$TWoviNHS27'"));
}
