//! `put`: where a value comes from, and what is done to it.

use keyward_tests::Home;

/// Stores what stdin has and returns what `get` gives back.
fn stored(options: &[&str], input: &[u8]) -> Vec<u8> {
    let home = Home::new();
    home.run_with_input([&["put", "X"], options].concat(), input).succeeds();
    home.get("X")
}

#[test]
fn ak_16_vault_put_stores_in_the_workspace_or_in_the_tenant() {
    let home = Home::new();
    home.run(["vault", "put", "A", "one"]).fails(0, &["stored A in workspace default (version 1)"]);
    home.run(["vault", "put", "A", "two", "--scope", "tenant"]).fails(0, &["stored A in tenant default"]);
    home.run(["vault", "put", "A", "three", "--scope", "workspace"]).fails(0, &["(version 2)"]);
    assert_eq!(home.get("A"), b"three");
    assert_eq!(home.run(["get", "A", "--workspace", "other"]).stdout, b"two");
    home.run(["vault", "put", "A", "four", "--scope", "machine"]).fails(2, &["--scope"]);
    home.run(["vault", "put"]).fails(2, &["<NAME>"]);
}

#[test]
fn exactly_one_line_end_of_a_text_is_stripped() {
    for (given, kept) in
        [("v\n", "v"), ("v\r\n", "v"), ("v\n\n", "v\n"), (" v ", " v "), ("v\r", "v\r"), ("v", "v")]
    {
        assert_eq!(stored(&[], given.as_bytes()), kept.as_bytes(), "{given:?}");
    }
}

#[test]
fn raw_keeps_the_line_end() {
    assert_eq!(stored(&["--raw"], b"v\n"), b"v\n");
    assert_eq!(stored(&["--no-strip"], b"v\r\n"), b"v\r\n");
}

#[test]
fn binary_values_keep_every_byte() {
    let all: Vec<u8> = (0..=u8::MAX).chain([b'\n']).collect();
    assert_eq!(stored(&[], &all), all);
    assert_eq!(stored(&[], b"\xff\n"), b"\xff\n");
    assert_eq!(stored(&[], b"a\0\n"), b"a\0\n");
}

#[test]
fn a_dash_is_stdin() {
    assert_eq!(stored(&["-"], b"v\n"), b"v");
}

#[test]
fn a_multi_line_pem_comes_back_as_it_was() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIB\nAAAA\n-----END PRIVATE KEY-----";
    assert_eq!(stored(&[], format!("{pem}\n").as_bytes()), pem.as_bytes());
}

#[test]
fn an_at_sign_is_a_file() {
    let home = Home::new();
    home.write("key.txt", "v\n");
    home.run(["put", "X", "@key.txt"]).succeeds();
    assert_eq!(home.get("X"), b"v");
    home.run(["put", "X", "@nosuch"]).fails(1, &["cannot read the value from nosuch", "No such file"]);
    assert_eq!(home.get("X"), b"v");
}

#[test]
fn a_value_on_the_command_line_works_with_a_warning() {
    let home = Home::new();
    let said = home.run(["put", "X", "v"]);
    said.fails(0, &["warning: a value on the command line shows in `ps`"]);
    assert!(
        home.run(["put", "-q", "X", "--", "-v-"]).stderr.contains("warning: "),
        "--quiet hides no warning"
    );
    assert_eq!(home.get("X"), b"-v-");
    home.write("x", "v");
    assert!(!home.run(["put", "X", "@x"]).stderr.contains("warning"));
}

#[test]
fn a_descriptor_hands_a_value_over() {
    let home = Home::new();
    home.write("key.txt", "from three\n");
    home.bash("$KEYWARD put X --value-fd 3 3< key.txt").succeeds();
    assert_eq!(home.get("X"), b"from three");
    home.bash("printf pipe | $KEYWARD put X --value-fd 3 3<&0 0</dev/null").succeeds();
    assert_eq!(home.get("X"), b"pipe");
    home.bash("$KEYWARD put X --value-fd 3").fails(1, &["cannot read the value from /dev/fd/3"]);
    home.run(["put", "X", "v", "--value-fd", "3"]).fails(2, &["cannot be used with"]);
}

#[test]
fn an_empty_value_has_to_be_allowed() {
    let home = Home::new();
    for input in ["", "\n"] {
        home.run_with_input(["put", "X"], input).fails(2, &["the value of X is empty", "--allow-empty"]);
    }
    home.run(["put", "X", ""]).fails(2, &["is empty"]);
    assert!(!home.vault().exists(), "nothing is created for a value that is not there");
    home.run_with_input(["put", "X", "--allow-empty"], "").succeeds();
    assert_eq!(home.get("X"), b"");
}

#[test]
fn a_put_over_a_secret_makes_a_new_version() {
    let home = Home::new();
    home.put("X", "one");
    home.run_with_input(["put", "X"], "two").fails(0, &["stored X in workspace default (version 2)"]);
    assert_eq!(home.get("X"), b"two");
}

#[test]
fn one_mebibyte_is_the_most() {
    let home = Home::new();
    let largest: Vec<u8> = (0..1_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    home.put("BIG", &largest);
    assert!(home.get("BIG") == largest);
    let larger = [&largest[..], b"x"].concat();
    home.run_with_input(["put", "BIG"], &larger).fails(1, &["the value from stdin is over 1 MiB"]);
    home.write("large", &larger);
    home.run(["put", "BIG", "@large"]).fails(1, &["the value from large is over 1 MiB"]);
    assert!(home.get("BIG") == largest);
}

#[test]
fn names_that_can_not_be_are_refused_with_the_reason() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    let long = "N".repeat(257);
    for (name, reason) in [
        (&b""[..], "a name can't be empty"),
        (b"A=B", "a name has no `=`"),
        (b"A\nB", "a name has no control or invisible characters"),
        (b"A\x7f", "a name has no control or invisible characters"),
        (" A".as_bytes(), "does not start or end with white space"),
        ("A\u{200b}".as_bytes(), "a name has no control or invisible characters"),
        (long.as_bytes(), "a name has at most 256 bytes"),
        (b"\xff\xfe", "UTF-8"),
    ] {
        let said = home.run([OsStr::new("put"), OsStr::from_bytes(name), OsStr::new("v")]);
        said.fails(2, &[reason]);
    }
    assert!(!home.vault().exists());
}

#[test]
fn names_may_be_long_and_of_any_script() {
    let home = Home::new();
    for name in ["N".repeat(256), "größe/ключ 鍵".to_owned(), "a.b-c/d:e".to_owned()] {
        home.put(&name, name.as_bytes());
        assert_eq!(home.get(&name), name.as_bytes());
    }
}
