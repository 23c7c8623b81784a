//! `config.toml` in the configuration directory: what a person wants of every command. Read only by the
//! commands that it concerns.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::{Spanned, Value};
use vault_core::input::{self, InputError};
use vault_core::toml_text::{self, TomlFault, line_of};

use crate::error::{CommandError, Kind};

/// The name of the file.
pub(crate) const FILE_NAME: &str = "config.toml";

/// The largest file that is read.
const MAX_FILE: usize = 64 << 10;
/// How long a pipe in the file's place may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The settings, those that the file leaves out at their defaults.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Use no network.
    pub(crate) air_gap: bool,
    /// The environment of commands that name none and have no profile: a host.
    pub(crate) environment: Option<String>,
}

/// The file as it is written. What is misspelt must not be without effect: an unknown setting is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    air_gap: Option<Spanned<Value>>,
    environment: Option<Spanned<Value>>,
}

impl Settings {
    /// Loads the settings; without a file they are the defaults.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or says what keyward does not understand.
    pub(crate) fn load(path: &Path) -> Result<Self, CommandError> {
        let bytes = match input::read(path, MAX_FILE, DEADLINE) {
            Ok(bytes) => bytes,
            Err(InputError::System(error)) if is_absent(&error) => return Ok(Self::default()),
            Err(error) => {
                return Err(CommandError::new(
                    Kind::UnreadableFile,
                    format!("cannot read {}", path.display()),
                )
                .caused_by(&error)
                .hint("make it readable, or remove it"));
            }
        };
        Self::parse(bytes.expose_secret()).map_err(|TomlFault { line, why }| {
            let message = format!("{} is not understood, line {line}", path.display());
            CommandError::new(Kind::UnreadableFile, message)
                .because(why)
                .hint("correct or remove the line; the settings are: `air_gap = true` or `false`, `environment = \"HOST\"`")
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, TomlFault> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            TomlFault { line, why: "it is not UTF-8 text".to_owned() }
        })?;
        let file: SettingsFile = toml_text::read(text, "it has a setting that keyward does not know")?;
        Ok(Self {
            air_gap: of_type(text, file.air_gap, Value::as_bool, "air_gap is true or false")?
                .unwrap_or_default(),
            environment: of_type(text, file.environment, host, "environment is the name of a host")?,
        })
    }
}

/// Takes a setting of the right type; the message about another one does not repeat it.
fn of_type<T>(
    text: &str,
    setting: Option<Spanned<Value>>,
    take: impl FnOnce(&Value) -> Option<T>,
    why: &str,
) -> Result<Option<T>, TomlFault> {
    let Some(setting) = setting else { return Ok(None) };
    let line = line_of(text, setting.span().start);
    take(setting.as_ref()).map(Some).ok_or_else(|| TomlFault { line, why: why.to_owned() })
}

fn host(value: &Value) -> Option<String> {
    value.as_str().filter(|host| !host.is_empty()).map(str::to_owned)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_one_of_defaults() {
        for text in ["", "\n", "# air_gap = true\n", "\u{feff}"] {
            assert_eq!(Settings::parse(text.as_bytes()), Ok(Settings::default()), "{text:?}");
        }
        assert!(!Settings::default().air_gap);
    }

    #[test]
    fn the_air_gap_is_on_or_off() {
        let on = |text: &str| Settings::parse(text.as_bytes()).map(|settings| settings.air_gap);
        assert_eq!((on("air_gap = true"), on("# off\nair_gap = false\n")), (Ok(true), Ok(false)));
    }

    #[test]
    fn the_environment_is_a_host() {
        let read = Settings::parse(b"environment = \"example.com\"").unwrap();
        assert_eq!((read.environment.as_deref(), read.air_gap), (Some("example.com"), false));
    }

    #[test]
    fn a_fault_is_named_by_its_line() {
        for (text, line) in [
            (&b"air_gap = 1"[..], 1),
            (b"\nair_gap = \"true\"", 2),
            (b"\nenvironment = \"\"", 2),
            (b"environment = [\"example.com\"]", 1),
            (b"\n\nairgap = true", 3),
            (b"air_gap = true\n[network]\nproxy = 1", 2),
            (b"air_gap = true\nair_gap = true", 2),
            (b"air_gap = true\nair_gap", 2),
            (b"air_gap = true\n\xff", 2),
        ] {
            let fault = Settings::parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{fault:?} {}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_fault_does_not_repeat_what_stands_there() {
        for text in [
            "air_gap = \"canary\"",
            "air_gap = 'canary",
            "air_gap = [\"canary\"]",
            "a = canary",
            "canary = 1",
        ] {
            let fault = Settings::parse(text.as_bytes()).unwrap_err();
            assert!(!fault.why.contains("canary"), "{fault:?}");
        }
    }
}
