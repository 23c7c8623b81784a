//! The check for GitHub: workflow commands, which a pull request shows beside the line that they are about
//! (docs.github.com, "Workflow commands for GitHub Actions", "Setting an error message").

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use vault_core::creds::{KeyReport, Source, State};

use super::super::words::state;
use super::CheckReport;
use super::required::Place;

/// Writes an annotation for each key that is not there, or has another shape than its kind.
pub(super) fn write(out: &mut dyn Write, report: &CheckReport) -> io::Result<()> {
    if report.found.assumed_all {
        let message = "no known provider's key occurs anywhere: `keyward creds require PROVIDER` declares what is required";
        return write_command(out, "error", None, message);
    }
    for provider in &report.found.providers {
        let needs = format!("{} needs it", provider.name);
        let place = report.places.providers.get(provider.id);
        provider.keys.iter().try_for_each(|key| write_key(out, report, key, place, &needs))?;
    }
    for key in &report.found.keys {
        let place = report.places.keys.get(&key.name);
        let by = place.map_or("a connection", |place| &place.file);
        let requires = format!("{by} requires it");
        write_key(out, report, key, place, &requires)?;
    }
    Ok(())
}

fn write_key(
    out: &mut dyn Write,
    report: &CheckReport,
    key: &KeyReport,
    required: Option<&Place>,
    why: &str,
) -> io::Result<()> {
    let is_malformed = key.state == State::Malformed;
    if key.state == State::Present || !(key.required || is_malformed) {
        return Ok(());
    }
    let why = match key.state {
        State::Malformed => "its value does not have the shape of such a key",
        State::Unknown => "the vault, which alone could have it, can't be opened",
        _ => why,
    };
    let level = if is_malformed && !report.found.strict { "warning" } else { "error" };
    let place = assignment(report, key).or_else(|| required.cloned());
    let place = place.map(|place| in_repository(place, report.workspace.as_deref()));
    let message = format!("{} is {}: {why}", key.name, state(key.state));
    write_command(out, level, place.as_ref(), &message)
}

/// Returns the line of a file that has the key, with a value that will not do.
fn assignment(report: &CheckReport, key: &KeyReport) -> Option<Place> {
    let Some(Source::File { label }) = &key.source else { return None };
    let line = report.files.line(label, key.alias.as_ref().unwrap_or(&key.name));
    Some(Place { file: label.clone(), line })
}

/// Returns the place as GitHub shows it: from the top of the repository, wherever the check runs.
fn in_repository(place: Place, workspace: Option<&Path>) -> Place {
    let file = from_top(Path::new(&place.file), workspace).unwrap_or_else(|| place.file.clone());
    Place { file, ..place }
}

/// Returns `None` for a file that is in no repository, or is no file, such as stdin.
fn from_top(file: &Path, workspace: Option<&Path>) -> Option<String> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let full = fs::canonicalize(parent).ok()?.join(file.file_name()?);
    full.is_file().then_some(())?;
    let workspace = workspace.and_then(|workspace| fs::canonicalize(workspace).ok());
    let workspace = workspace.as_deref().filter(|workspace| full.starts_with(workspace));
    let top = workspace.or_else(|| full.ancestors().skip(1).find(|above| above.join(".git").exists()))?;
    Some(full.strip_prefix(top).ok()?.display().to_string())
}

fn write_command(out: &mut dyn Write, level: &str, place: Option<&Place>, message: &str) -> io::Result<()> {
    write!(out, "::{level} ")?;
    if let Some(Place { file, line }) = place {
        write!(out, "file={},", property(file))?;
        line.map_or(Ok(()), |line| write!(out, "line={line},"))?;
    }
    writeln!(out, "title=keyward creds check::{}", data(message))
}

/// Escapes a message as GitHub's own toolkit does (actions/toolkit, `core/src/command.ts`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property, which ends at a comma or colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(file: &str, line: Option<usize>, message: &str) -> String {
        let mut out = Vec::new();
        let place = Place { file: file.to_owned(), line };
        write_command(&mut out, "error", Some(&place), message).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_place_and_a_message_are_one_line_whatever_they_hold() {
        assert_eq!(
            command("a:b,c%\n::d", Some(7), "50% of\r\n::warning::x: y, z"),
            "::error file=a%3Ab%2Cc%25%0A%3A%3Ad,line=7,title=keyward creds check::50%25 of%0D%0A::warning::x: y, z\n"
        );
    }

    #[test]
    fn what_is_not_known_of_a_place_is_left_out() {
        assert_eq!(command(".env", None, "x"), "::error file=.env,title=keyward creds check::x\n");
        let mut out = Vec::new();
        write_command(&mut out, "warning", None, "x").unwrap();
        assert_eq!(out, b"::warning title=keyward creds check::x\n");
    }
}
