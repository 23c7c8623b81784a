//! `get`, `list`, `history`, `rollback` and `rm` beyond their plain output.

use keyward_tests::Home;

#[test]
fn get_adds_no_line_end_to_a_pipe() {
    let home = Home::new();
    home.put("X", "v");
    assert_eq!(home.run(["get", "X", "--reveal"]).stdout, b"v");
}

#[test]
fn get_reads_an_earlier_version() {
    let home = Home::new();
    home.put("X", "one");
    home.put("X", "two");
    assert_eq!(home.run(["get", "X", "--version", "1"]).stdout, b"one");
    home.run(["get", "X", "--version", "3"])
        .fails(4, &["X in workspace default has no version 3", "`keyward history X`"]);
}

#[test]
fn get_in_json_has_a_value_only_with_reveal() {
    let home = Home::new();
    home.put("X", "v");
    assert!(home.run(["get", "X", "--json"]).json().get("value").is_none());
    assert_eq!(home.run(["get", "X", "--json", "--reveal"]).json()["value"], "v");
}

#[test]
fn get_in_json_gives_bytes_that_are_no_text_as_base64() {
    let home = Home::new();
    home.put("X", b"\xff\x00");
    let object = home.run(["get", "X", "--json", "--reveal"]).json();
    assert_eq!((object["value_base64"].as_str(), object.get("value")), (Some("/wA="), None));
}

#[test]
fn get_gives_a_value_with_nul() {
    let home = Home::new();
    home.put("X", b"a\0b");
    assert_eq!(home.get("X"), b"a\0b");
}

#[test]
fn list_separates_its_columns_by_tabs_when_piped() {
    let home = Home::new();
    home.put("B", "v");
    home.put("A", "v");
    let lines: Vec<Vec<String>> =
        home.run(["list"]).text().lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    assert_eq!((lines[0][0].as_str(), lines[1][0].as_str(), lines[0].len()), ("A", "B", 5));
    assert_eq!(
        (lines[0][1].as_str(), lines[0][2].as_str(), lines[0][4].as_str()),
        ("workspace default", "1", "machine")
    );
}

#[test]
fn history_keeps_ten_earlier_versions() {
    let home = Home::new();
    for number in 1..=12 {
        home.put("X", format!("v{number}"));
    }
    let text = home.run(["history", "X"]).text();
    let versions: Vec<&str> = text.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(versions, ["12", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
    assert!(text.lines().next().unwrap().ends_with("\tcurrent"));
    home.run(["rollback", "X", "--to", "1"]).fails(4, &["X in workspace default has no version 1"]);
}

#[test]
fn rollback_makes_an_earlier_value_a_new_version() {
    let home = Home::new();
    home.put("X", "one");
    home.put("X", "two");
    home.run(["rollback", "X", "--to", "1"]).fails(0, &["to version 1 (now version 3)"]);
    assert_eq!(home.get("X"), b"one");
    assert_eq!(home.run(["get", "X", "--version", "2"]).stdout, b"two");
}

#[test]
fn rm_removes_every_version() {
    let home = Home::new();
    home.put("X", "one");
    home.put("X", "two");
    home.run(["rm", "X"]).fails(0, &["removed X from workspace default (2 versions)", "`rm --purge`"]);
    home.run(["get", "X"]).fails(4, &["no secret X"]);
    home.run(["get", "X", "--version", "1"]).fails(4, &["no secret X"]);
}

#[test]
fn a_plain_rm_keeps_the_previous_generation_and_purge_drops_it() {
    let home = Home::new();
    let previous = home.vault().with_extension("prev");
    home.put("X", "one");
    home.run(["rm", "X"]).succeeds();
    assert!(previous.exists());
    home.put("X", "one");
    let purged = home.run(["rm", "X", "--purge"]);
    assert!(!purged.succeeds().stderr.contains("holds it until"), "{purged}");
    assert!(!previous.exists());
}

#[test]
fn aliases_are_the_same_commands() {
    let home = Home::new();
    home.run_with_input(["set", "X"], "v").succeeds();
    assert_eq!(home.run(["ls"]).text(), home.run(["list"]).text());
    assert_eq!(home.run(["exec", "--", "printenv", "X"]).text(), "v\n");
    assert_eq!(home.run(["slot", "ls"]).text(), home.run(["slot", "list"]).text());
    home.run(["delete", "X"]).fails(0, &["removed X"]);
    home.run(["slot", "delete", "00"]).fails(4, &["no key slot has that id"]);
}

#[test]
fn ak_17_vault_list_shows_names_and_sources_and_never_a_value() {
    let home = Home::new();
    home.put("A", "canary-1");
    home.run_with_input(["put", "B", "--scope", "tenant"], "canary-2").succeeds();
    for options in [&[][..], &["-v"], &["--json"], &["--json", "-v"]] {
        let said = home.run([&["vault", "list"], options].concat());
        assert!(!said.succeeds().to_string().contains("canary"), "{said}");
    }
    let listed = home.run(["vault", "list", "--json"]).json();
    let of = |field: &str| {
        let rows = listed["secrets"].as_array().unwrap().iter();
        rows.map(|row| row[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((of("name"), of("source")), (vec!["A".into(), "B".into()], vec!["machine".to_owned(); 2]));
}

#[test]
fn vault_put_and_vault_list_are_put_and_list() {
    let home = Home::new();
    home.run_with_input(["vault", "put", "X"], "v").fails(0, &["stored X in workspace default (version 1)"]);
    home.run_with_input(["vault", "set", "X"], "v").fails(0, &["(version 2)"]);
    assert_eq!(home.run(["vault", "list", "--json"]).text(), home.run(["list", "--json"]).text());
    assert_eq!(home.run(["vault", "ls"]).text(), home.run(["list"]).text());
}
