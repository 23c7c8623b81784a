//! The texts that people and repositories write: `.env` files, JSON, names, files of providers, `.keyward.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::str;

use regex_lite::Regex;
use serde_json::Value as Json;

use super::line_count;
use super::written::{check_dotenv, check_json, secrets_of};
use crate::connection::{Label, Setting};
use crate::dotenv::dialect::{Dialect, End, Reading};
use crate::dotenv::{
    self as env, EnvFile,
    lines::{self, Lines},
    lint,
};
use crate::format::index::ScopeRecord;
use crate::json::{self, JsonError, JsonMistake};
use crate::name::{ConnectionId, MAX_CONNECTION_ID, MAX_ID, MAX_SECRET_NAME};
use crate::name::{Scope, SecretName, TenantId, WorkspaceId};
use crate::provider::{Kind, parse_own};
use crate::toml_text::is_toml;
use crate::workspace_file::{self, ClaimError, Required};

/// Reads bytes as a `.env` file, asks every model of another reader, and writes the file again.
pub fn dotenv(bytes: &[u8]) -> bool {
    let path = Path::new(".env");
    if let Ok(text) = str::from_utf8(bytes) {
        Dialect::ALL.iter().for_each(|dialect| check_reading(&dialect.read(text), line_count(bytes)));
    }
    let (file, findings) = (env::parse(path, bytes), lint::lint(path, bytes, &Dialect::ALL));
    assert_eq!(file.is_ok(), findings.is_ok(), "a file is read and not linted, or the other way round");
    let (Ok(file), Ok(findings)) = (file, findings) else { return false };
    assert!(
        findings.iter().all(|finding| is_line(finding.line, line_count(bytes))),
        "a finding without a line"
    );
    check_lines(&file, bytes);
    check_dotenv(&secrets_of(file.iter().map(|(name, value)| (name, value.expose_secret().as_bytes()))));
    true
}

fn check_reading(reading: &Reading, lines: usize) {
    assert!(reading.entries.iter().all(|entry| is_line(entry.line, lines)), "an entry without a line");
    if let End::Cut(line) | End::Refused(line) | End::Unsure(line) = reading.end {
        // A command may end in the last line, and what comes of it is open from the next one on.
        assert!(is_line(line, lines + 1), "an end without a line");
    }
}

/// Checks that the assignments one by one come to the same file.
fn check_lines(file: &EnvFile, bytes: &[u8]) {
    let assignments = lines::read(Path::new(".env"), bytes).expect("the file was read as a whole");
    let one_by_one: BTreeMap<_, _> =
        assignments.iter().map(|one| (one.name.as_str(), one.value.expose_secret())).collect();
    let whole = file.iter().map(|(name, value)| (name, value.expose_secret()));
    assert!(whole.eq(one_by_one), "a file is another one line by line");
    let lines = Lines::of(bytes);
    for (name, _) in file.iter() {
        let line = lines.get(name);
        let last = assignments.iter().rfind(|one| one.name == name).map(|one| one.line);
        assert_eq!(line, last, "a name is on two lines at once");
    }
}

const fn is_line(line: usize, lines: usize) -> bool {
    1 <= line && line <= lines
}

/// Reads bytes as a flat JSON object, beside a reader of any JSON, and writes it again.
pub fn json(bytes: &[u8]) -> bool {
    let general = serde_json::from_slice(bytes);
    let pairs = match json::read(bytes) {
        Ok(pairs) => pairs,
        Err(JsonError { line, mistake }) => {
            assert!(is_line(line, line_count(bytes)), "a mistake without a line");
            let is_flat = matches!(&general, Ok(Json::Object(map)) if map.values().all(is_text_or_null));
            let is_excused = matches!(mistake, JsonMistake::NotAText | JsonMistake::Twice);
            assert!(!is_flat || is_excused, "a flat object is refused");
            return false;
        }
    };
    let Ok(Json::Object(map)) = general else { panic!("what is no object is read") };
    assert_eq!(map.len(), pairs.len(), "an object has another number of names");
    for (name, value) in &pairs {
        let value = value.as_ref().map(|value| value.expose_secret());
        assert!(
            map.get(name).is_some_and(|general| general.as_str() == value),
            "a text is read in another way"
        );
    }
    let texts =
        pairs.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_ref()?.expose_secret())));
    check_json(&secrets_of(texts.map(|(name, value)| (name, value.as_bytes()))));
    true
}

const fn is_text_or_null(value: &Json) -> bool {
    matches!(value, Json::Null | Json::String(_))
}

/// Parses a text as every kind of name, and as `tenant/workspace`.
pub fn names(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let accepted = [
        is_kept(text, SecretName::parse(text).map(|name| name.to_string()).ok(), MAX_SECRET_NAME),
        is_kept(text, TenantId::parse(text).map(|id| id.to_string()).ok(), MAX_ID),
        is_kept(text, WorkspaceId::parse(text).map(|id| id.to_string()).ok(), MAX_ID),
        is_kept(text, ConnectionId::parse(text).map(|id| id.to_string()).ok(), MAX_CONNECTION_ID),
        is_kept(text, Label::parse(text).map(|label| label.to_string()).ok(), 256),
        check_setting(text),
        check_scopes(text),
    ];
    accepted.contains(&true)
}

/// Checks that an accepted text is kept as it is, and harmless on a screen.
fn is_kept(text: &str, parsed: Option<String>, limit: usize) -> bool {
    let Some(parsed) = parsed else { return false };
    assert!(parsed == text, "a name is changed");
    assert!((1..=limit).contains(&text.len()), "a name of another length");
    assert!(!text.chars().any(char::is_control) && text.trim() == text, "a name with more than can be seen");
    true
}

fn check_setting(text: &str) -> bool {
    let Ok(setting) = text.parse::<Setting>() else { return false };
    assert!(format!("{}={}", setting.key(), setting.value()) == text, "a setting is changed");
    assert!(!text.chars().any(char::is_control), "a setting that deceives");
    true
}

/// Checks that scopes go into an index and come out as they were.
fn check_scopes(text: &str) -> bool {
    let (tenant, workspace) = text.split_once('/').unwrap_or((text, ""));
    let Ok(tenant) = TenantId::parse(tenant) else { return false };
    let in_workspace = WorkspaceId::parse(workspace).map(|id| Scope::Workspace(tenant.clone(), id));
    let scopes = in_workspace.into_iter().chain([Scope::Tenant(tenant)]);
    scopes.for_each(|scope| {
        let again = ScopeRecord::new(&scope).scope().expect("a scope is valid in an index");
        assert!(again == scope, "a scope is changed");
    });
    true
}

/// Reads bytes as a user's own file of providers.
pub fn providers(bytes: &[u8]) -> bool {
    let Some(entries) = str::from_utf8(bytes).ok().and_then(|text| parse_own(text).ok()) else {
        return false;
    };
    for (line, entry) in entries {
        assert!(is_line(line, line_count(bytes)), "an entry without a line");
        assert!(entry.kind.parse::<Kind>().is_ok(), "a kind that is none");
        for pattern in entry.key.iter().filter_map(|key| key.pattern.as_deref()) {
            let shape = Regex::new(pattern).expect("the rules have seen that it is a pattern");
            // Whether it matches is the pattern's affair; that it comes to an end is ours.
            shape.is_match("sk-proj-0123456789abcdefghij");
        }
    }
    true
}

/// Reads bytes as a `.keyward.toml`: what it claims, and what it requires.
pub fn workspace(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let (claimed, required) = (workspace_file::claimed(text), workspace_file::required(text));
    assert!(is_toml(text) || (claimed.is_err() && required.is_err()), "what is no TOML is read");
    if let Err(ClaimError::Fault(fault)) = &claimed {
        assert!(is_line(fault.line, line_count(bytes)), "a fault without a line");
    }
    let claims = matches!(claimed, Ok(Some(_)));
    match required {
        Ok(required) => check_required(&required, line_count(bytes)) || claims,
        Err(fault) => {
            assert!(is_line(fault.line, line_count(bytes)), "a fault without a line");
            claims
        }
    }
}

/// Checks that what is required has lines, and that its names, written plainly, are required again.
fn check_required(required: &Required, lines: usize) -> bool {
    let mut all =
        required.providers.iter().map(|(_, line)| *line).chain(required.keys.iter().map(|(_, line)| *line));
    assert!(all.all(|line| is_line(line, lines)), "a requirement without a line");
    let names: Vec<_> = required.keys.iter().map(|(name, _)| format!("'{name}'")).collect();
    let plain = format!("[creds]\nkeys = [{}]", names.join(","));
    let again = workspace_file::required(&plain).expect("names that fit an environment are read");
    assert!(
        again.keys.iter().map(|(name, _)| name).eq(required.keys.iter().map(|(name, _)| name)),
        "a name is changed"
    );
    !(required.providers.is_empty() && required.keys.is_empty())
}
