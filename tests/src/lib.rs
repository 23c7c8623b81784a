//! The harness of the whole-binary tests: a home of its own for every test, an empty environment, and
//! stdout, stderr and exit code taken together.
//!
//! The binary is the one that `cargo build` put beside the tests; `tests/run` builds it first.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

pub mod anchored;
pub mod authority;
pub mod clock;
pub mod commands;
pub mod core_dump;
pub mod crafted;
pub mod deadline;
pub mod http_server;
pub mod identity_provider;
pub mod injection;
pub mod keyring;
pub mod logins;
pub mod mounts;
pub mod oidc_provider;
pub mod ordinary_user;
pub mod process;
pub mod requirements;
pub mod secret_service;
pub mod signed_in;
pub mod sockets;
pub mod terminal;
pub mod token_family;
pub mod trace;
pub mod transcript;
pub mod usage;
pub mod vault_file;
pub mod writes;

/// A home directory of one test, removed at its end.
#[derive(Debug)]
pub struct Home {
    directory: TempDir,
    /// The program and, before it, what starts it.
    launcher: Vec<OsString>,
    variables: Vec<(String, String)>,
}

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    /// The bytes on stdout.
    pub stdout: Vec<u8>,
    /// The bytes on stderr, as text.
    pub stderr: String,
    /// The exit code; 128 + n for signal n, as a shell says it.
    pub code: i32,
}

/// Returns the path of the binary under test.
pub fn keyward() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let path = test.ancestors().nth(2).expect("tests run in target/…/deps").join("keyward");
    assert!(path.exists(), "{} is not built: run `cargo build` first, or `tests/run`", path.display());
    path
}

/// Checks that `program` is installed; where it is not, the test fails and says what to install.
#[track_caller]
pub fn require(program: &str, package: &str) {
    let found = Command::new("sh").args(["-c", "command -v \"$1\" >/dev/null", "sh", program]).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found, "{program} is missing: apt-get install --no-install-recommends {package}");
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// Makes an empty home. No keyring can be reached from it.
    pub fn new() -> Self {
        Self::launched_by(vec![keyward().into()])
    }

    /// Makes an empty home in memory, for commands that are run hundreds of times.
    pub fn in_memory() -> Self {
        let directory = home_directory().tempdir_in("/dev/shm").expect("a home in /dev/shm");
        Self::at(directory, vec![keyward().into()])
    }

    /// Takes the files of another home, in the place of its own.
    pub fn become_copy_of(&self, other: &Self) {
        for entry in fs::read_dir(self.path()).expect("a home") {
            let path = entry.expect("a file of the home").path();
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.expect("a file to remove");
        }
        copy_directory(other.path(), self.path()).expect("a copy of a home");
    }

    /// Makes an empty home whose commands start with `launcher`.
    fn launched_by(launcher: Vec<OsString>) -> Self {
        Self::at(home_directory().tempdir().expect("a home"), launcher)
    }

    fn at(directory: TempDir, launcher: Vec<OsString>) -> Self {
        let variables = vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
        Self { directory, launcher, variables }
    }

    /// Sets a variable for every command of this home.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes every command of this home one of another binary.
    #[must_use]
    pub fn with_binary(mut self, binary: PathBuf) -> Self {
        self.launcher = vec![binary.into()];
        self
    }

    /// Returns the home's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the default path of the vault.
    pub fn vault(&self) -> PathBuf {
        self.path().join(".local/share/keyward/vault")
    }

    /// Returns the directory of the machine slots' seed files.
    pub fn seeds(&self) -> PathBuf {
        self.path().join(".local/state/keyward/machine")
    }

    /// Returns the directory of the rollback anchors.
    pub fn anchors(&self) -> PathBuf {
        self.path().join(".local/state/keyward/anchor")
    }

    /// Prepares a command; stdin is empty.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.launcher[0]);
        command
            .args(&self.launcher[1..])
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .current_dir(self.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    /// Runs a command with empty stdin.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        self.command(arguments).output().expect("keyward starts").into()
    }

    /// Runs a command that reads `input` on stdin.
    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: impl AsRef<[u8]>,
    ) -> Finished {
        feed(&mut self.command(arguments), input.as_ref())
    }

    /// Stores a secret and checks that it was stored.
    pub fn put(&self, name: &str, value: impl AsRef<[u8]>) {
        let stored = self.run_with_input(["put", name], value);
        assert_eq!(stored.code, 0, "{stored}");
    }

    /// Returns the value of a secret, which has to be there.
    pub fn get(&self, name: &str) -> Vec<u8> {
        let got = self.run(["get", name]);
        assert_eq!(got.code, 0, "{got}");
        got.stdout
    }

    /// Runs a line of bash in which `$KEYWARD` is the binary.
    pub fn bash(&self, line: &str) -> Finished {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env_clear().env("HOME", self.path()).env("KEYWARD", keyward());
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(self.path());
        command.stdin(Stdio::null()).output().expect("bash starts").into()
    }

    /// Writes a file in the home and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file in the home")).expect("its directory");
        fs::write(&path, content).expect("a file in the home");
        path
    }
}

fn home_directory() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("keyward-home-");
    builder
}

/// Copies the files and directories below `from`, with their modes.
fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if entry.is_dir() {
            fs::create_dir(&target)?;
            copy_directory(&entry, &target)?;
            fs::set_permissions(&target, fs::metadata(&entry)?.permissions())?;
        } else {
            fs::copy(&entry, &target)?;
        }
    }
    Ok(())
}

/// Returns the path of the binary without the keyring, which a build of its own makes:
/// `cargo build -p vault-cli --no-default-features --target-dir target/no-keyring`.
#[track_caller]
pub fn keyward_without_keyring() -> PathBuf {
    let path = keyward();
    let target = path.ancestors().nth(3).expect("target/TRIPLE/PROFILE/keyward");
    let below = path.strip_prefix(target).expect("a path below target");
    let other = target.join("no-keyring").join(below);
    let build = "cargo build -p vault-cli --no-default-features --target-dir target/no-keyring";
    assert!(other.exists(), "{} is not built: run `{build}`, or `tests/run`", other.display());
    other
}

/// Prepares a command behind other words, such as those of strace(1) or a shell, with the same environment
/// and directory and empty stdin.
pub fn behind(words: &[&str], command: &Command) -> Command {
    let (first, rest) = words.split_first().expect("a program");
    let mut wrapped = Command::new(first);
    wrapped.args(rest).arg(command.get_program()).args(command.get_args()).env_clear().stdin(Stdio::null());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
    wrapped
}

/// Runs a command that reads `input` on stdin.
pub fn feed(command: &mut Command, input: &[u8]) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("keyward starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let output = thread::scope(|scope| {
        // Beside the reading, because a command that answers before it has read all would wait for its reader.
        // A command may end without reading its input.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output()
    });
    output.expect("keyward ends").into()
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { stdout: output.stdout, stderr, code }
    }
}

impl Finished {
    /// Returns stdout as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns the one JSON object on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("no JSON object: {error}\n{self}"))
    }

    /// Checks the exit code and the kind of the error in the JSON object on stdout.
    #[track_caller]
    pub fn fails_as(&self, code: i32, kind: &str) {
        assert_eq!((self.code, self.json()["error"]["kind"].as_str()), (code, Some(kind)), "{self}");
    }

    /// Checks the exit code and that stderr has each of `parts`.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "stderr lacks {part:?}\n{self}");
        }
    }

    /// Checks that the command was done.
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }
}

/// The three outcomes in one text, for snapshots and for messages of failed tests.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.text(), self.stderr)
    }
}
