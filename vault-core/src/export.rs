//! Writes secrets as text for other programs: one function a format, pure. A name or a value that a format
//! can't carry unchanged is refused by name, before anything is written.
//!
//! Copies of the values that a growing text leaves behind are wiped by the binary's allocator
//! ([`crate::harden::wiping_allocator`]).

mod quote;

use std::collections::BTreeMap;
use std::fmt;
use std::str;

use zeroize::Zeroizing;

use crate::crypto::generate;
use crate::name::SecretName;
use crate::secret::SecretBytes;

/// The texts that secrets can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A file for `docker run --env-file`: `NAME=value`, nothing quoted
    /// (<https://github.com/docker/cli/blob/v28.2.2/pkg/kvfile/kvfile.go>).
    Docker,
    /// A `.env` file, quoted where it has to be.
    Dotenv,
    /// Lines for the file that `$GITHUB_ENV` names in a GitHub job
    /// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings>).
    GithubEnv,
    /// One flat JSON object.
    Json,
    /// `export NAME='value'`, for `eval` in any shell of the Bourne family (POSIX.1-2017 XCU §2.2.2), and in fish.
    Shell,
    /// A file for `EnvironmentFile=` of a systemd unit (systemd.exec(5)).
    Systemd,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Dotenv => "dotenv",
            Self::GithubEnv => "github-env",
            Self::Json => "json",
            Self::Shell => "shell",
            Self::Systemd => "systemd",
        })
    }
}

/// A secret that a format can't carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {format} format can't carry {name}: {obstacle}")]
pub struct ExportError {
    /// The secret.
    pub name: SecretName,
    /// The format.
    pub format: Format,
    /// What is in the way.
    pub obstacle: Obstacle,
}

/// Why a format can't carry a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The value has a line end, where the format ends the value.
    #[error("its value has a line end")]
    LineEnd,
    /// The name is none that the format can have.
    #[error("no variable of it can have that name")]
    Name,
    /// The value has a character that no text has in Unicode, which the reader refuses.
    #[error("its value has a character that is none")]
    Noncharacter,
    /// The value is not UTF-8.
    #[error("its value is not UTF-8 text")]
    NotText,
    /// The value has a NUL, which no environment variable can hold.
    #[error("its value has a NUL character")]
    Nul,
    /// The reader keeps the name for itself and drops the value.
    #[error("its name belongs to the reader")]
    Reserved,
    /// Name and value are longer than the reader's longest line.
    #[error("its line is longer than 64 KiB")]
    TooLong,
}

/// Writes `secrets`, each on lines of its own, in their order.
///
/// # Errors
///
/// [`ExportError`] names the first secret that the format can't carry.
pub fn render(format: Format, secrets: &[(SecretName, SecretBytes)]) -> Result<SecretBytes, ExportError> {
    for (name, value) in secrets {
        let refused = |obstacle| ExportError { name: name.clone(), format, obstacle };
        check(format, name, value.expose_secret()).map_err(refused)?;
    }
    let size: usize = secrets.iter().map(|(name, value)| name.as_str().len() + value.len() + 16).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(2 * size));
    match format {
        Format::Json => json(secrets, &mut text),
        Format::GithubEnv => github_env(secrets, &mut text),
        _ => secrets.iter().for_each(|(name, value)| line(format, name, value.expose_secret(), &mut text)),
    }
    Ok(SecretBytes::new(std::mem::take(&mut *text)))
}

fn check(format: Format, name: &SecretName, value: &[u8]) -> Result<(), Obstacle> {
    if !fits(format, name) {
        return Err(Obstacle::Name);
    }
    let is_reserved = match format {
        Format::GithubEnv => is_githubs(name.as_str()),
        Format::Shell => SHELLS_OWN.contains(&name.as_str()),
        _ => false,
    };
    if is_reserved {
        return Err(Obstacle::Reserved);
    }
    if value.contains(&0) && format != Format::Json {
        return Err(Obstacle::Nul);
    }
    match str::from_utf8(value) {
        Err(_) if format != Format::Shell => Err(Obstacle::NotText),
        Ok(text) if format == Format::Systemd && text.contains(is_noncharacter) => {
            Err(Obstacle::Noncharacter)
        }
        Ok(text) if format == Format::Docker => check_line(name, text),
        _ => Ok(()),
    }
}

/// Tells whether the format can have the name.
fn fits(format: Format, name: &SecretName) -> bool {
    let text = name.as_str();
    match format {
        Format::Json => true,
        Format::Docker => !text.contains(char::is_whitespace) && !text.starts_with('#'),
        Format::Dotenv => !text.contains(|c: char| c.is_whitespace() || c == '#'),
        Format::GithubEnv | Format::Shell | Format::Systemd => name.fits_environment(),
    }
}

/// Names that a runner does not let a step set (GitHub, "Workflow commands": setting an environment variable).
fn is_githubs(name: &str) -> bool {
    name.starts_with("GITHUB_") || name.starts_with("RUNNER_") || name == "NODE_OPTIONS"
}

/// Names that a shell does not let anybody set: bash ends a script at such an `export`
/// (Bash Reference Manual §5.2, "Bash Variables").
const SHELLS_OWN: [&str; 6] = ["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"];

/// Noncharacters (Unicode 16.0 §23.7), which systemd does not take for UTF-8 (`unichar_is_valid`).
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// `docker` reads lines of less than 64 KiB and takes a CR off their ends.
fn check_line(name: &SecretName, value: &str) -> Result<(), Obstacle> {
    if value.contains('\n') || value.ends_with('\r') {
        return Err(Obstacle::LineEnd);
    }
    let length = name.as_str().len() + 1 + value.len();
    if length >= DOCKER_LINE { Err(Obstacle::TooLong) } else { Ok(()) }
}

/// The shortest line that `docker` refuses (Go's `bufio.MaxScanTokenSize`).
const DOCKER_LINE: usize = 64 * 1024;

fn line(format: Format, name: &SecretName, value: &[u8], text: &mut Vec<u8>) {
    if format == Format::Shell {
        text.extend_from_slice(b"export ");
    }
    text.extend_from_slice(name.as_str().as_bytes());
    text.push(b'=');
    match format {
        Format::Dotenv => quote::dotenv(value, text),
        Format::Shell => quote::shell(value, text),
        Format::Systemd => quote::systemd(value, text),
        Format::Docker | Format::GithubEnv | Format::Json => text.extend_from_slice(value),
    }
    text.push(b'\n');
}

fn json(secrets: &[(SecretName, SecretBytes)], text: &mut Vec<u8>) {
    let object: BTreeMap<&str, &str> =
        secrets.iter().map(|(name, bytes)| (name.as_str(), text_of(bytes))).collect();
    serde_json::to_writer_pretty(&mut *text, &object)
        .expect("names and texts are JSON, and memory takes all");
    text.push(b'\n');
}

/// Returns a value that [`check`] found to be text.
fn text_of(value: &SecretBytes) -> &str {
    str::from_utf8(value.expose_secret()).unwrap_or_default()
}

/// Writes `NAME<<MARK`, the value, `MARK`. A value that has the mark could end itself and set other
/// variables (GHSA-4mgv-m5cm-f9h7), so the mark is drawn anew and looked for in all of them.
fn github_env(secrets: &[(SecretName, SecretBytes)], text: &mut Vec<u8>) {
    let mark = mark_outside(secrets);
    for (name, value) in secrets {
        for part in [name.as_str().as_bytes(), b"<<", mark.as_bytes(), b"\n", value.expose_secret(), b"\n"] {
            text.extend_from_slice(part);
        }
        text.extend_from_slice(mark.as_bytes());
        text.push(b'\n');
    }
}

fn mark_outside(secrets: &[(SecretName, SecretBytes)]) -> String {
    loop {
        let mark = format!("keyward_{:032x}", u128::from_le_bytes(generate()));
        let has_mark = |value: &SecretBytes| {
            value.expose_secret().windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        if !secrets.iter().any(|(_, value)| has_mark(value)) {
            return mark;
        }
    }
}

#[cfg(test)]
mod tests;
