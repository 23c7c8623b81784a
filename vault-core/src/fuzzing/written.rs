//! What is written for other programs, read back: by keyward's own readers, and by its models of others.

use std::collections::BTreeMap;
use std::path::Path;
use std::str;

use super::sections::Sections;
use crate::dotenv::dialect::{Dialect, Value};
use crate::dotenv::parse;
use crate::export::{Format, render};
use crate::json;
use crate::name::SecretName;
use crate::secret::SecretBytes;

/// Names and values, each name once.
type Secrets = Vec<(SecretName, SecretBytes)>;

/// Writes names and values, which take turns in the input, in every format.
pub fn export(bytes: &[u8]) -> bool {
    let parts: Vec<_> = Sections(bytes).collect();
    let pairs = parts.as_chunks().0.iter();
    let secrets = secrets_of(pairs.filter_map(|[name, value]| Some((str::from_utf8(name).ok()?, *value))));
    let written = [
        check_dotenv(&secrets),
        check_json(&secrets),
        check_model(Format::Docker, Dialect::Docker, &secrets),
        check_model(Format::Shell, Dialect::Bash, &secrets),
        check_github_env(&secrets),
        render(Format::Systemd, &secrets).is_ok(),
    ];
    !secrets.is_empty() && written.contains(&true)
}

/// Takes what a vault can have; of one name the last.
pub(super) fn secrets_of<'t>(pairs: impl Iterator<Item = (&'t str, &'t [u8])>) -> Secrets {
    let pairs = pairs.filter_map(|(name, value)| Some((SecretName::parse(name).ok()?, value)));
    let sorted: BTreeMap<SecretName, &[u8]> = pairs.collect();
    sorted.into_iter().map(|(name, value)| (name, SecretBytes::new(value.to_vec()))).collect()
}

/// Checks that a `.env` file reads back as it was, if it can be written.
pub(super) fn check_dotenv(secrets: &Secrets) -> bool {
    let Ok(text) = render(Format::Dotenv, secrets) else { return false };
    let file = parse(Path::new(".env"), text.expose_secret()).expect("a written file is read");
    let read = file.iter().map(|(name, value)| (name, value.expose_secret().as_bytes()));
    assert!(read.eq(texts(secrets)), "a .env file reads back as another");
    true
}

/// Checks the same of a JSON object.
pub(super) fn check_json(secrets: &Secrets) -> bool {
    let Ok(text) = render(Format::Json, secrets) else { return false };
    let pairs = json::read(text.expose_secret()).expect("a written object is read");
    let read = pairs.iter().map(|(name, value)| {
        (name.as_str(), value.as_ref().expect("no text is null").expose_secret().as_bytes())
    });
    assert!(read.eq(texts(secrets)), "an object reads back as another");
    true
}

/// Checks that the model of a program gives every name the value that was written. What is no text, no model
/// reads.
fn check_model(format: Format, dialect: Dialect, secrets: &Secrets) -> bool {
    let Ok(text) = render(format, secrets) else { return false };
    let Ok(text) = str::from_utf8(text.expose_secret()) else { return true };
    let reading = dialect.read(text);
    let last = reading.last();
    assert_eq!(last.len(), secrets.len(), "{dialect} reads another number of names");
    for (name, value) in texts(secrets) {
        let read = last.get(name).is_some_and(|read| match read {
            Value::Known(read) => read.expose_secret().as_bytes() == value,
            // Variables that the shell itself sets.
            Value::Unsure => dialect == Dialect::Bash,
            _ => false,
        });
        assert!(read, "{dialect} reads another value");
    }
    true
}

/// Checks that a runner, which reads from `NAME<<MARK` to the first line that is the mark, finds every value.
fn check_github_env(secrets: &Secrets) -> bool {
    let Ok(text) = render(Format::GithubEnv, secrets) else { return false };
    let mut rest = str::from_utf8(text.expose_secret()).expect("values are texts in this format");
    for (name, value) in texts(secrets) {
        let (head, _) = rest.split_once('\n').expect("a name has a line");
        let mark = head.strip_prefix(name).and_then(|mark| mark.strip_prefix("<<")).expect("name and mark");
        // The line end before the first line of a value is that of the line above.
        let end = format!("\n{mark}\n");
        let (read, after) = rest[head.len()..].split_once(&end).expect("a value ends with its mark");
        assert!(
            read.strip_prefix('\n').unwrap_or_default().as_bytes() == value,
            "a runner reads another value"
        );
        rest = after;
    }
    assert!(rest.is_empty(), "a runner reads more than was written");
    true
}

fn texts(secrets: &Secrets) -> impl Iterator<Item = (&str, &[u8])> {
    secrets.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
}
