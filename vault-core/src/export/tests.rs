//! What each format looks like, what it refuses, and that keyward reads its own texts back unchanged.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{dotenv, json};

fn secret(name: &str, value: &[u8]) -> (SecretName, SecretBytes) {
    (SecretName::parse(name).unwrap(), SecretBytes::new(value.to_vec()))
}

fn rendered(format: Format, secrets: &[(&str, &str)]) -> String {
    let secrets: Vec<_> = secrets.iter().map(|(name, value)| secret(name, value.as_bytes())).collect();
    let text = render(format, &secrets).unwrap();
    str::from_utf8(text.expose_secret()).unwrap().to_owned()
}

fn refusal(format: Format, name: &str, value: &[u8]) -> Option<Obstacle> {
    let secrets = [secret("OK", b"v"), secret(name, value)];
    let error = render(format, &secrets).err()?;
    assert_eq!((error.name.as_str(), error.format), (name, format));
    Some(error.obstacle)
}

#[test]
fn dotenv_quotes_no_more_than_it_has_to() {
    let cases = [
        ("", "A="),
        ("https://u:p@h/p?x=1", "A='https://u:p@h/p?x=1'"),
        ("YWJj+/==", "A=YWJj+/=="),
        ("a b", "A='a b'"),
        ("$2a$10$TWo", "A='$2a$10$TWo'"),
        ("#FF0000", "A='#FF0000'"),
        ("say \"x\"", "A='say \"x\"'"),
        ("x\ny", "A='x\ny'"),
        ("it's", "A=\"it's\""),
        ("it's $5 \"x\" \\n", "A=\"it's \\$5 \\\"x\\\" \\\\n\""),
        ("x\r\ny", "A=\"x\\r\ny\""),
    ];
    for (value, expected) in cases {
        assert_eq!(rendered(Format::Dotenv, &[("A", value)]), format!("{expected}\n"));
    }
}

#[test]
fn shell_puts_all_but_single_quotes_and_backslashes_in_single_quotes() {
    let shown = rendered(Format::Shell, &[("A", ""), ("B", "it's $(id)\n"), ("C", "''"), ("D", "end\\")]);
    let expected = [r"A=''", r"B='it'\''s $(id)", r"'", r"C=\'\'", r"D='end'\\"].map(|line| match line {
        "'" => line.to_owned(),
        _ => format!("export {line}"),
    });
    assert_eq!(shown, expected.join("\n") + "\n");
}

#[test]
fn names_that_a_shell_keeps_for_itself_are_refused() {
    for name in ["UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"] {
        let secrets = [(SecretName::parse(name).unwrap(), SecretBytes::new(b"1".to_vec()))];
        assert_eq!(render(Format::Shell, &secrets).unwrap_err().obstacle, Obstacle::Reserved, "{name}");
        assert!(render(Format::Dotenv, &secrets).is_ok(), "{name}");
    }
}

#[test]
fn docker_quotes_nothing() {
    assert_eq!(rendered(Format::Docker, &[("A", " \"x\" #y "), ("B", "")]), "A= \"x\" #y \nB=\n");
}

#[test]
fn systemd_escapes_in_double_quotes_only() {
    let shown = rendered(Format::Systemd, &[("A", "x"), ("B", "a\\b $c"), ("C", "it's \\ ` $ \"")]);
    assert_eq!(shown, "A=x\nB=\"a\\\\b \\$c\"\nC=\"it's \\\\ \\` \\$ \\\"\"\n");
}

#[test]
fn json_is_one_object_of_texts() {
    assert_eq!(
        rendered(Format::Json, &[("B", "x\n\""), ("A", "")]),
        "{\n  \"A\": \"\",\n  \"B\": \"x\\n\\\"\"\n}\n"
    );
    assert_eq!(rendered(Format::Json, &[]), "{}\n");
}

#[test]
fn github_env_ends_each_value_with_a_mark_that_no_value_has() {
    let text = rendered(Format::GithubEnv, &[("A", "x\ny"), ("B", "")]);
    let mark = text.lines().next().unwrap().strip_prefix("A<<").unwrap();
    assert_eq!(text, format!("A<<{mark}\nx\ny\n{mark}\nB<<{mark}\n\n{mark}\n"));
    assert_eq!(mark.len(), "keyward_".len() + 32);
    assert_ne!(text, rendered(Format::GithubEnv, &[("A", "x\ny"), ("B", "")]));
    let longer = "x".repeat(2 * mark.len());
    assert!(rendered(Format::GithubEnv, &[("A", &longer)]).contains(&longer));
}

#[test]
fn a_name_that_the_format_can_not_have_is_refused() {
    for format in [Format::GithubEnv, Format::Shell, Format::Systemd] {
        for name in ["A-B", "A.B", "1A", "Ä", "db/key"] {
            assert_eq!(refusal(format, name, b"v"), Some(Obstacle::Name), "{format} {name}");
        }
    }
    for (format, name) in
        [(Format::Docker, "A B"), (Format::Docker, "#A"), (Format::Dotenv, "A B"), (Format::Dotenv, "A#")]
    {
        assert_eq!(refusal(format, name, b"v"), Some(Obstacle::Name), "{format} {name}");
    }
    assert_eq!(refusal(Format::Json, "A B", b"v"), None);
    assert_eq!(refusal(Format::Dotenv, "A.B", b"v"), None);
}

#[test]
fn names_that_github_keeps_for_itself_are_refused() {
    for name in ["GITHUB_TOKEN", "RUNNER_TEMP", "NODE_OPTIONS"] {
        assert_eq!(refusal(Format::GithubEnv, name, b"v"), Some(Obstacle::Reserved), "{name}");
    }
    assert_eq!(refusal(Format::GithubEnv, "MY_GITHUB_TOKEN", b"v"), None);
}

#[test]
fn a_nul_is_refused_where_an_environment_is_meant() {
    for format in [Format::Docker, Format::Dotenv, Format::GithubEnv, Format::Shell, Format::Systemd] {
        assert_eq!(refusal(format, "A", b"x\0y"), Some(Obstacle::Nul), "{format}");
    }
    assert_eq!(refusal(Format::Json, "A", b"x\0y"), None);
}

#[test]
fn bytes_that_are_no_text_are_carried_by_a_shell_alone() {
    for format in [Format::Docker, Format::Dotenv, Format::GithubEnv, Format::Json, Format::Systemd] {
        assert_eq!(refusal(format, "A", b"\xff"), Some(Obstacle::NotText), "{format}");
    }
    assert_eq!(refusal(Format::Shell, "A", b"\xff"), None);
}

#[test]
fn docker_refuses_line_ends_and_long_lines() {
    for value in [&b"x\ny"[..], b"\n", b"x\r"] {
        assert_eq!(refusal(Format::Docker, "A", value), Some(Obstacle::LineEnd));
    }
    assert_eq!(refusal(Format::Docker, "A", b"x\ry"), None);
    assert_eq!(refusal(Format::Docker, "A", &[b'x'; 65_533]), None);
    assert_eq!(refusal(Format::Docker, "A", &[b'x'; 65_534]), Some(Obstacle::TooLong));
}

#[test]
fn systemd_refuses_noncharacters() {
    for text in ["\u{fffe}", "x\u{ffff}", "\u{fdd0}", "\u{10fffe}"] {
        assert_eq!(refusal(Format::Systemd, "A", text.as_bytes()), Some(Obstacle::Noncharacter), "{text:?}");
    }
    assert_eq!(refusal(Format::Systemd, "A", "\u{fffd}".as_bytes()), None);
}

#[test]
fn a_refusal_shows_no_value() {
    let error = render(Format::Docker, &[secret("A", b"canary\n")]).unwrap_err();
    assert_eq!(error.to_string(), "the docker format can't carry A: its value has a line end");
    assert!(!format!("{error:?}").contains("canary"));
}

/// Values of the characters that formats trip over, and of all others.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof!["[\n\r\t '\"\\\\$`#=!a{}<>&|;~\u{a0}\u{feff}\u{2028}é-]{0,24}", any::<String>()]
}

proptest! {
    #[test]
    fn dotenv_is_read_back_unchanged(
        name in "[A-Za-z_.\"'$-][A-Za-z0-9_.'\"-]{0,8}",
        values in prop::collection::vec(any_value(), 1..4),
    ) {
        let values: Vec<String> = values.into_iter().map(|value| value.replace('\0', "")).collect();
        let names: Vec<String> = (0..values.len()).map(|number| format!("{name}{number}")).collect();
        let secrets: Vec<_> = names.iter().zip(&values).map(|(n, v)| secret(n, v.as_bytes())).collect();
        let text = render(Format::Dotenv, &secrets).unwrap();
        let file = dotenv::parse(Path::new("exported"), text.expose_secret()).unwrap();
        prop_assert_eq!(file.len(), values.len());
        for (name, value) in names.iter().zip(&values) {
            prop_assert_eq!(file.get(name).unwrap().expose_secret(), value);
        }
    }

    #[test]
    fn json_is_read_back_unchanged(name in "[^=\\p{C}\\p{Z}]{1,8}", value in any::<String>()) {
        let secrets: Vec<_> = SecretName::parse(&name).into_iter().map(|_| secret(&name, value.as_bytes())).collect();
        let text = render(Format::Json, &secrets).unwrap();
        let read = json::read(text.expose_secret()).unwrap();
        prop_assert_eq!(read.len(), secrets.len());
        for (read_name, read_value) in read {
            prop_assert_eq!(&read_name, &name);
            let read_value = read_value.unwrap();
            prop_assert_eq!(read_value.expose_secret(), value.as_str());
        }
    }
}
