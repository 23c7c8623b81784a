//! The env source: a key or a passphrase that the caller of the process hands over, as CI does. The only
//! file of the library that reads the environment.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key_text::{self, KeyTextError};
use super::{OTHERS, command_for};
use crate::secret::{SecretBytes, SlotKey};

/// Which setting a key or a passphrase came from. It shows as the name that a person knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvOrigin {
    /// The variable `KEYWARD_VAULT_KEY`.
    Key,
    /// The option `--key-fd`.
    KeyFd,
    /// The variable `KEYWARD_VAULT_KEY_FILE`.
    KeyFile,
    /// The variable `KEYWARD_VAULT_PASSPHRASE`.
    Passphrase,
}

impl EnvOrigin {
    /// Returns the name of the variable or option.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => KEY,
            Self::KeyFd => "--key-fd",
            Self::KeyFile => KEY_FILE,
            Self::Passphrase => PASSPHRASE,
        }
    }

    /// Tells whether `label` is the name of one of the settings, which a person has set, rather than of a
    /// source that is always there.
    #[must_use]
    pub fn is_name(label: &str) -> bool {
        [Self::Key, Self::KeyFd, Self::KeyFile, Self::Passphrase].iter().any(|origin| origin.name() == label)
    }
}

impl fmt::Display for EnvOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a setting gave.
#[derive(Debug)]
pub enum EnvSecret {
    /// The key of an `env` slot.
    Key(SlotKey),
    /// The passphrase of a `passphrase` slot, byte for byte.
    Passphrase(SecretBytes),
}

/// Why a setting gives no key. No text of a key is ever repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// The name of the key file is itself a key.
    #[error("the name of the key file is a key: set it as `{KEY}` instead")]
    KeyAsPath,
    /// The path is that of a directory, a device or a socket.
    #[error("neither a file nor a pipe: {}", path.display())]
    NotFileOrPipe {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The bytes are not UTF-8.
    #[error("the key is not text")]
    NotText,
    /// Other accounts have rights on the key file.
    #[error("other accounts can read the key file: run `{fix}`")]
    OthersCanRead {
        /// The path as it was given.
        path: PathBuf,
        /// The command that takes these rights away.
        fix: String,
    },
    /// The text is no key.
    #[error(transparent)]
    Text(#[from] KeyTextError),
    /// There are more bytes than any key has.
    #[error("more than 4 KiB is no key: {}", path.display())]
    TooLong {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The system can't open or read the file.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// One setting that is set, with what it gave.
#[derive(Debug)]
pub struct EnvFound {
    /// Which setting it is.
    pub origin: EnvOrigin,
    /// The key or passphrase, or why there is none.
    pub outcome: Result<EnvSecret, EnvError>,
}

/// The settings that hand over a key or a passphrase. A blank one, empty or white space alone, counts as
/// not set.
#[derive(Debug)]
pub struct EnvSource {
    key_fd: Option<u32>,
    key_file: Option<PathBuf>,
    key: Option<SecretBytes>,
    passphrase: Option<SecretBytes>,
}

impl EnvSource {
    /// Takes over explicit settings.
    #[must_use]
    pub fn new(
        key_fd: Option<u32>,
        key_file: Option<OsString>,
        key: Option<OsString>,
        passphrase: Option<OsString>,
    ) -> Self {
        Self {
            key_fd,
            key_file: key_file.filter(|path| !is_blank(path)).map(PathBuf::from),
            key: secret_of(key),
            passphrase: secret_of(passphrase),
        }
    }

    /// Takes the settings from the environment; `key_fd` is the number given with `--key-fd`.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the env key source")]
    pub fn from_environment(key_fd: Option<u32>) -> Self {
        use std::env::var_os;
        Self::new(key_fd, var_os(KEY_FILE), var_os(KEY), var_os(PASSPHRASE))
    }

    /// Reads every setting that is set, in the order in which they are asked: descriptor, key file, key,
    /// passphrase. A pipe without a writer makes this wait, as it does for every reader of pipes.
    #[must_use]
    pub fn load(self) -> Vec<EnvFound> {
        let key_fd = self.key_fd.map(|fd| found_key(EnvOrigin::KeyFd, read_descriptor(fd)));
        let key_file = self.key_file.map(|path| found_key(EnvOrigin::KeyFile, read_key_file(&path)));
        let key = self.key.map(|text| found_key(EnvOrigin::Key, parse_key(text.expose_secret())));
        let passphrase = self.passphrase.map(|passphrase| EnvFound {
            origin: EnvOrigin::Passphrase,
            outcome: Ok(EnvSecret::Passphrase(passphrase)),
        });
        [key_fd, key_file, key, passphrase].into_iter().flatten().collect()
    }
}

fn is_blank(value: &OsStr) -> bool {
    value.as_encoded_bytes().trim_ascii().is_empty()
}

fn secret_of(value: Option<OsString>) -> Option<SecretBytes> {
    value.filter(|value| !is_blank(value)).map(|value| SecretBytes::new(value.into_encoded_bytes()))
}

fn found_key(origin: EnvOrigin, key: Result<SlotKey, EnvError>) -> EnvFound {
    EnvFound { origin, outcome: key.map(EnvSecret::Key) }
}

/// Reads an inherited descriptor through `/dev/fd`, the way to it without `unsafe`. A socket can't be
/// opened like that. The rights of a file are not checked: whoever opened it chose to.
fn read_descriptor(fd: u32) -> Result<SlotKey, EnvError> {
    let path = PathBuf::from(format!("/dev/fd/{fd}"));
    let file = File::open(&path).map_err(|source| unreadable(&path, source))?;
    read_key(file, &path)
}

/// Reads a key file. It is looked at before it is opened, because to open a device can have effects, and
/// again afterwards, because only what is open stays the same.
fn read_key_file(path: &Path) -> Result<SlotKey, EnvError> {
    if key_text::looks_like_key(path) {
        return Err(EnvError::KeyAsPath);
    }
    fs::metadata(path).map_err(|source| unreadable(path, source)).and_then(|it| check_file(path, &it))?;
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    file.metadata().map_err(|source| unreadable(path, source)).and_then(|it| check_file(path, &it))?;
    read_key(file, path)
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), EnvError> {
    let kind = metadata.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        return Err(EnvError::NotFileOrPipe { path: path.to_owned() });
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(EnvError::OthersCanRead { path: path.to_owned(), fix: command_for("chmod 600", path) });
    }
    Ok(())
}

/// Reads at most one byte more than the limit, into one buffer that never grows and is wiped.
fn read_key(file: File, path: &Path) -> Result<SlotKey, EnvError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LIMIT));
    let mut bounded = file.take(LIMIT as u64 + 1);
    bounded.read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    if bytes.len() > LIMIT {
        return Err(EnvError::TooLong { path: path.to_owned() });
    }
    parse_key(&bytes)
}

fn parse_key(bytes: &[u8]) -> Result<SlotKey, EnvError> {
    let text = str::from_utf8(bytes).map_err(|_| EnvError::NotText)?;
    Ok(key_text::parse(text)?)
}

fn unreadable(path: &Path, source: io::Error) -> EnvError {
    EnvError::Unreadable { path: path.to_owned(), source }
}

const KEY: &str = "KEYWARD_VAULT_KEY";
const KEY_FILE: &str = "KEYWARD_VAULT_KEY_FILE";
const PASSPHRASE: &str = "KEYWARD_VAULT_PASSPHRASE";
/// A key has 53 bytes; what is much longer is another file.
const LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;

    use super::*;

    const TEXT: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";

    /// A directory with one key file of the given content and mode.
    fn key_file(content: &[u8], mode: u32) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    /// The one thing that the settings give.
    fn only(source: EnvSource) -> Result<EnvSecret, EnvError> {
        let mut all = source.load();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).outcome
    }

    fn from_file(path: &Path) -> Result<EnvSecret, EnvError> {
        only(EnvSource::new(None, Some(path.into()), None, None))
    }

    fn from_key(key: impl Into<OsString>) -> Result<EnvSecret, EnvError> {
        only(EnvSource::new(None, None, Some(key.into()), None))
    }

    fn is_the_key(outcome: &Result<EnvSecret, EnvError>) -> bool {
        matches!(outcome, Ok(EnvSecret::Key(key)) if key.expose_secret() == &[0; 32])
    }

    #[test]
    fn nothing_set_gives_nothing() {
        assert!(EnvSource::new(None, None, None, None).load().is_empty());
    }

    #[test]
    fn a_blank_setting_counts_as_not_set() {
        for blank in ["", " ", "\n", " \t\r\n"] {
            let blank = || Some(OsString::from(blank));
            assert!(EnvSource::new(None, blank(), blank(), blank()).load().is_empty());
        }
    }

    #[test]
    fn settings_come_in_the_order_in_which_they_are_asked() {
        let (_dir, path) = key_file(TEXT.as_bytes(), 0o600);
        let file = File::open(&path).unwrap();
        let fd = u32::try_from(file.as_raw_fd()).unwrap();
        let all = EnvSource::new(Some(fd), Some(path.into()), Some(TEXT.into()), Some("pass".into())).load();
        let names: Vec<_> = all.iter().map(|found| found.origin.to_string()).collect();
        assert_eq!(names, ["--key-fd", KEY_FILE, KEY, PASSPHRASE]);
        assert!(all[..3].iter().all(|found| is_the_key(&found.outcome)), "{all:?}");
    }

    #[test]
    fn a_bad_setting_does_not_hide_the_good_ones() {
        let all = EnvSource::new(None, Some("/nowhere/key".into()), Some("typo".into()), Some("pass".into()));
        let outcomes: Vec<_> = all.load().into_iter().map(|found| found.outcome.is_ok()).collect();
        assert_eq!(outcomes, [false, false, true]);
    }

    #[test]
    fn a_key_has_one_line_end_at_most() {
        assert!(is_the_key(&from_key(format!("{TEXT}\n"))));
        assert!(matches!(from_key(format!("{TEXT}\n\n")), Err(EnvError::Text(KeyTextError::Padded))));
    }

    #[test]
    fn a_bad_key_says_what_is_wrong_with_it() {
        assert!(matches!(from_key("hunter2"), Err(EnvError::Text(KeyTextError::Prefix))));
        assert!(matches!(from_key(&TEXT[..50]), Err(EnvError::Text(KeyTextError::Length))));
        assert!(matches!(from_key(OsString::from_vec(vec![b'k', 0xff])), Err(EnvError::NotText)));
    }

    #[test]
    fn a_passphrase_is_kept_byte_for_byte() {
        let exact = b" \xffpass\r\n".to_vec();
        let outcome = only(EnvSource::new(None, None, None, Some(OsString::from_vec(exact.clone()))));
        assert!(matches!(outcome, Ok(EnvSecret::Passphrase(it)) if it.expose_secret() == exact));
    }

    #[test]
    fn a_key_file_gives_its_key() {
        let (_dir, path) = key_file(format!("{TEXT}\r\n").as_bytes(), 0o400);
        assert!(is_the_key(&from_file(&path)));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_command_that_helps() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
            let (_dir, path) = key_file(TEXT.as_bytes(), mode);
            let error = from_file(&path).unwrap_err();
            assert!(matches!(error, EnvError::OthersCanRead { .. }), "{error}");
            assert!(error.to_string().contains(&format!("`chmod 600 -- '{}'`", path.display())), "{error}");
        }
    }

    #[test]
    fn a_missing_key_file_is_named_with_the_reason() {
        let error = from_file(Path::new("/nowhere/key")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/key");
        assert!(
            matches!(error, EnvError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_directory_a_device_and_a_link_to_one_are_no_key_files() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [dir.path(), Path::new("/dev/zero"), &link] {
            let error = from_file(path).unwrap_err();
            assert!(matches!(error, EnvError::NotFileOrPipe { .. }), "{error}");
        }
    }

    #[test]
    fn a_key_file_has_at_most_4_kib() {
        let (_dir, path) = key_file(&[b'x'; LIMIT], 0o600);
        assert!(matches!(from_file(&path), Err(EnvError::Text(KeyTextError::Prefix))));
        let (_dir, path) = key_file(&[b'x'; LIMIT + 1], 0o600);
        assert!(matches!(from_file(&path), Err(EnvError::TooLong { .. })));
    }

    #[test]
    fn an_empty_key_file_and_one_that_is_not_text_are_refused() {
        let (_dir, path) = key_file(b"", 0o600);
        assert!(matches!(from_file(&path), Err(EnvError::Text(KeyTextError::Length))));
        let (_dir, path) = key_file(b"kwk1_\xff", 0o600);
        assert!(matches!(from_file(&path), Err(EnvError::NotText)));
    }

    #[test]
    fn a_key_in_place_of_the_file_name_is_not_repeated() {
        let error = from_file(Path::new(TEXT)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TEXT), "{error}");
    }

    #[test]
    fn a_named_pipe_gives_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let writer = {
            let path = path.clone();
            thread::spawn(move || fs::OpenOptions::new().write(true).open(path)?.write_all(TEXT.as_bytes()))
        };
        assert!(is_the_key(&from_file(&path)));
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn a_descriptor_gives_the_key_of_its_pipe() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(TEXT.as_bytes()).unwrap();
        drop(writer);
        let fd = u32::try_from(reader.as_raw_fd()).unwrap();
        assert!(is_the_key(&only(EnvSource::new(Some(fd), None, None, None))));
    }

    #[test]
    fn a_descriptor_gives_at_most_4_kib() {
        let zero = File::open("/dev/zero").unwrap();
        let fd = u32::try_from(zero.as_raw_fd()).unwrap();
        let outcome = only(EnvSource::new(Some(fd), None, None, None));
        assert!(matches!(outcome, Err(EnvError::TooLong { .. })));
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_named() {
        let error = only(EnvSource::new(Some(987_654), None, None, None)).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /dev/fd/987654");
    }

    /// Not a test of its own: prints which settings a process finds in its environment.
    #[test]
    #[ignore = "the next test runs it in a process of its own"]
    fn settings_of_this_environment() {
        for found in EnvSource::from_environment(None).load() {
            writeln!(io::stdout(), "\nfound {}", found.origin).unwrap();
        }
    }

    #[test]
    fn the_environment_is_read_by_the_names_that_are_documented() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "source::env::tests::settings_of_this_environment", "--ignored"])
            .envs([("KEYWARD_VAULT_KEY_FILE", "/nowhere"), ("KEYWARD_VAULT_KEY", TEXT)])
            .env("KEYWARD_VAULT_PASSPHRASE", "pass")
            .output();
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        let found: Vec<_> = output.lines().filter_map(|line| line.strip_prefix("found ")).collect();
        assert_eq!(found, ["KEYWARD_VAULT_KEY_FILE", "KEYWARD_VAULT_KEY", "KEYWARD_VAULT_PASSPHRASE"]);
    }

    #[test]
    fn names_of_settings_are_told_from_those_of_other_sources() {
        for name in ["KEYWARD_VAULT_KEY", "KEYWARD_VAULT_KEY_FILE", "KEYWARD_VAULT_PASSPHRASE", "--key-fd"] {
            assert!(EnvOrigin::is_name(name), "{name}");
        }
        assert!(!EnvOrigin::is_name("keyring"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let source = EnvSource::new(None, None, Some(TEXT.into()), Some("hunter2".into()));
        let shown = format!("{source:?} {:?}", EnvSource::new(None, None, Some(TEXT.into()), None).load());
        assert!(!shown.contains("kwk1_") && !shown.contains("hunter2"), "{shown}");
    }
}
