//! Where a value comes from: a hidden prompt, stdin, a file, a descriptor, or (with a warning) the
//! command line.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use vault_core::dotenv::{DotenvError, MAX_ENV_FILE};
use vault_core::format::MAX_VALUE;
use vault_core::input::{self, InputError};
use vault_core::secret::{SecretBytes, SecretString};

use crate::error::{CommandError, Kind};
use crate::ui::Ui;

/// The value argument as it was typed.
#[derive(Debug, Clone)]
pub(crate) enum ValueArgument {
    /// `@FILE`
    File(PathBuf),
    /// The value itself.
    Literal(Arc<SecretBytes>),
    /// `-`
    Stdin,
}

impl FromStr for ValueArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix('@') {
            Some(path) => Self::File(path.into()),
            None if text == "-" => Self::Stdin,
            None => Self::Literal(Arc::new(SecretBytes::new(text.as_bytes().to_vec()))),
        })
    }
}

/// How a value is given and what is done to it.
#[derive(Debug)]
pub(crate) struct ValueInput<'a> {
    pub(crate) argument: Option<&'a ValueArgument>,
    /// The descriptor of `--value-fd`.
    pub(crate) descriptor: Option<u32>,
    /// Keep a line end at the end.
    pub(crate) raw: bool,
    /// Take a value of no bytes.
    pub(crate) allow_empty: bool,
}

impl ValueInput<'_> {
    /// Reads the value; `name` is for the prompt.
    ///
    /// # Errors
    ///
    /// Nothing to read from, an unreadable file, a value that is empty or too large.
    pub(crate) fn read(&self, ui: Ui, name: &str) -> Result<SecretBytes, CommandError> {
        let value = self.read_as_given(ui, name)?;
        if value.is_empty() && !self.allow_empty {
            return Err(CommandError::usage(format!("the value of {name} is empty; nothing was stored"))
                .hint("`--allow-empty` stores an empty value"));
        }
        Ok(value)
    }

    fn read_as_given(&self, ui: Ui, name: &str) -> Result<SecretBytes, CommandError> {
        if let Some(descriptor) = self.descriptor {
            return self.read_file(Path::new(&format!("/dev/fd/{descriptor}")));
        }
        match self.argument {
            None if io::stdin().is_terminal() => ask(ui, name),
            None | Some(ValueArgument::Stdin) => self.read_all(io::stdin(), "stdin"),
            Some(ValueArgument::File(path)) => self.read_file(path),
            Some(ValueArgument::Literal(value)) => {
                ui.warn("a value on the command line shows in `ps` and in the shell's history; pipe it, or use @FILE");
                Ok(SecretBytes::new(value.expose_secret().to_vec()))
            }
        }
    }

    fn read_file(&self, path: &Path) -> Result<SecretBytes, CommandError> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|error| unreadable(&shown, &error))?;
        self.read_all(file, &shown)
    }

    /// Reads to the end, by the descriptor: the library's own readers keep what they read in a buffer that lives
    /// as long as the process, or on the stack.
    fn read_all(&self, source: impl AsFd, shown: &str) -> Result<SecretBytes, CommandError> {
        let bytes = input::read_open(source, MAX_VALUE + LONGEST_LINE_END).map_err(|error| match error {
            InputError::TooLarge { .. } => too_large(shown),
            error => unreadable(shown, &error),
        })?;
        let bytes = bytes.expose_secret();
        let end = if self.raw { 0 } else { line_end(bytes) };
        let value = &bytes[..bytes.len() - end];
        if value.len() > MAX_VALUE { Err(too_large(shown)) } else { Ok(SecretBytes::new(value.to_vec())) }
    }
}

/// Reads the text of an argument that is a secret: `@FILE`, `-` for stdin, or (with a warning) the text itself. One
/// line end is not part of it.
pub(crate) fn read_text(ui: Ui, argument: &ValueArgument, what: &str) -> Result<SecretString, CommandError> {
    let hint = "KEY, @FILE or - for stdin: the first shows in `ps`, the others do not";
    let input = ValueInput { argument: Some(argument), descriptor: None, raw: false, allow_empty: true };
    let value = input.read(ui, what).map_err(|error| error.hint(hint))?;
    if value.expose_secret().trim_ascii().is_empty() {
        return Err(CommandError::usage(format!("{what} is empty")).hint(hint));
    }
    text_of(&value, what)
}

/// Takes a secret as text.
pub(crate) fn text_of(value: &SecretBytes, what: &str) -> Result<SecretString, CommandError> {
    let text = std::str::from_utf8(value.expose_secret());
    text.map(|text| SecretString::new(text.to_owned())).map_err(|_| {
        CommandError::usage(format!("{what} is not UTF-8 text")).hint("give it as it was issued")
    })
}

fn too_large(shown: &str) -> CommandError {
    CommandError::new(Kind::Failed, format!("the value from {shown} is over 1 MiB (1048576 bytes)"))
        .hint("a secret is a key, not a file store; encrypt large files with a key that keyward keeps")
}

fn ask(ui: Ui, name: &str) -> Result<SecretBytes, CommandError> {
    if !ui.may_prompt() {
        return Err(CommandError::usage(format!("no value for {name}, and nobody to ask"))
            .hint(format!("pipe it: `printf %s \"$VALUE\" | keyward put {name}`")));
    }
    let value = ui.ask_secret(&format!("Value of {name}: "))?;
    Ok(SecretBytes::new(value.expose_secret().as_bytes().to_vec()))
}

/// The length of the one line end that editors and `echo` add to a text. Binary values keep every byte.
fn line_end(bytes: &[u8]) -> usize {
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    match bytes {
        _ if !is_text => 0,
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// Reads a file of many values once, or stdin where `path` is `-`; returns what messages call it, and its
/// bytes.
pub(crate) fn read_env_file(path: &Path) -> Result<(String, SecretBytes), CommandError> {
    let label = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
    let read = if is_stdin(path) {
        // Not by a path: a container need not have /dev/stdin, and who writes may take their time.
        input::read_open(io::stdin(), MAX_ENV_FILE)
    } else {
        input::read(path, MAX_ENV_FILE, FILE_DEADLINE)
    };
    let bytes = read.map_err(|error| {
        CommandError::new(Kind::UnreadableFile, format!("cannot read {label}"))
            .caused_by(&error)
            .hint("name a file, or `-` for stdin")
    });
    bytes.map(|bytes| (label, bytes))
}

/// Tells whether a path stands for stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Makes the error of a `.env` file with a bad line.
pub(crate) fn bad_env_file(error: &DotenvError) -> CommandError {
    CommandError::new(Kind::UnreadableFile, error.to_string())
        .caused_by_sources_of(error)
        .hint("no line's content is ever shown; look at the file itself")
}

fn unreadable(shown: &str, error: &dyn std::error::Error) -> CommandError {
    CommandError::new(Kind::UnreadableFile, format!("cannot read the value from {shown}"))
        .caused_by(error)
        .hint("nothing was stored; `keyward put NAME < FILE` reads a value from stdin")
}

/// The most bytes that [`line_end`] finds.
const LONGEST_LINE_END: usize = 2;
/// How long a pipe that is named like a file may take.
const FILE_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn read(raw: bool, bytes: &[u8]) -> Result<Vec<u8>, CommandError> {
        let input = ValueInput { argument: None, descriptor: None, raw, allow_empty: false };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).and_then(|()| file.rewind()).unwrap();
        input.read_all(file, "test").map(|value| value.expose_secret().to_vec())
    }

    #[test]
    fn exactly_one_line_end_of_a_text_is_stripped() {
        for (given, kept) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a\r"), ("\n", "")]
        {
            assert_eq!(read(false, given.as_bytes()).unwrap(), kept.as_bytes(), "{given:?}");
        }
    }

    #[test]
    fn binary_and_raw_values_keep_every_byte() {
        assert_eq!(read(false, b"\xff\n").unwrap(), b"\xff\n");
        assert_eq!(read(false, b"a\0\n").unwrap(), b"a\0\n");
        assert_eq!(read(true, b"a\n").unwrap(), b"a\n");
    }

    #[test]
    fn one_mebibyte_is_the_most() {
        assert_eq!(read(false, &[b'a'; MAX_VALUE]).unwrap().len(), MAX_VALUE);
        assert_eq!(
            read(false, &[vec![b'a'; MAX_VALUE], b"\r\n".to_vec()].concat()).unwrap().len(),
            MAX_VALUE
        );
        assert!(read(false, &[b'a'; MAX_VALUE + 1]).is_err());
        assert!(read(true, &[vec![b'a'; MAX_VALUE], b"\n".to_vec()].concat()).is_err());
        assert!(read(false, &[b'a'; MAX_VALUE + 9]).is_err());
    }
}
