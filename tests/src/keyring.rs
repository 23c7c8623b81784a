//! A real gnome-keyring in a private D-Bus session, and buses that are not there or do not answer.
//!
//! A session runs one script of bash. `step NAME ARGUMENTS…` in it runs keyward and keeps what came of it;
//! `daemon` says the keyring service's process id.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Index;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::{Finished, keyward, require};

/// The password of the keyrings that [`KeyringHome::login`] makes.
pub const PASSWORD: &str = "correct horse";

/// A home with a keyring, kept from one session to the next.
#[derive(Debug)]
pub struct KeyringHome {
    directory: TempDir,
}

/// What the steps of one session left, by name.
#[derive(Debug)]
pub struct Steps(BTreeMap<String, Finished>);

impl Index<&str> for Steps {
    type Output = Finished;

    #[track_caller]
    fn index(&self, name: &str) -> &Finished {
        self.0.get(name).unwrap_or_else(|| panic!("no step {name} in {:?}", self.0.keys()))
    }
}

impl KeyringHome {
    /// Makes a home without a keyring.
    #[track_caller]
    pub fn new() -> Self {
        for (program, package) in [
            ("gnome-keyring-daemon", "gnome-keyring"),
            ("dbus-run-session", "dbus"),
            ("dbus-send", "dbus"),
            ("secret-tool", "libsecret-tools"),
            ("strace", "strace"),
        ] {
            require(program, package);
        }
        Self { directory: TempDir::with_prefix("keyward-keyring-").expect("a home") }
    }

    /// Returns the default path of the vault.
    pub fn vault(&self) -> PathBuf {
        self.home().join(".local/share/keyward/vault")
    }

    /// Lists the files of keyward: vault, seeds, locks.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for below in [".local/share/keyward", ".local/state/keyward"] {
            list(&self.home().join(below), &mut files);
        }
        files
    }

    /// Runs a script in a session whose keyring `password` unlocks, or makes at the first login. Without a
    /// password the keyring stays locked, and there is no display to ask for it.
    #[track_caller]
    pub fn login(&self, password: &str, script: &str) -> Steps {
        let with_keyring =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../vault-core/tests/keyring/with-keyring.sh");
        let mut command = Command::new(with_keyring);
        command.arg(self.directory.path()).arg(password).args(["bash", "-c"]).arg(Self::script(script));
        self.run(command)
    }

    /// Runs a script at the address of a bus, or at none.
    #[track_caller]
    pub fn at_bus(&self, address: Option<&str>, script: &str) -> Steps {
        fs::create_dir_all(self.home()).expect("a home");
        let address =
            address.map_or_else(String::new, |it| format!("export DBUS_SESSION_BUS_ADDRESS={it}\n"));
        let mut command = Command::new("bash");
        command.arg("-c").arg(Self::script(&(address + script)));
        self.run(command)
    }

    /// Starts a bus that accepts every connection and never says a word, and returns its address.
    pub fn mute_bus(&self) -> String {
        let path = self.directory.path().join("mute");
        let listener = UnixListener::bind(&path).expect("a socket");
        thread::spawn(move || {
            let mut held = Vec::new();
            listener.incoming().for_each(|connection| held.push(connection));
        });
        format!("unix:path={}", path.display())
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn script(script: &str) -> String {
        let keyward = keyward();
        format!(
            "keyward='{}' steps=$HOME/../steps; mkdir -p $steps
             step() {{ local name=$1 code=0; shift; in_steps=$steps/$name
                 timeout -k 1 60 $before \"$keyward\" \"$@\" >$in_steps.out 2>$in_steps.err || code=$?
                 echo $code >$in_steps.code; }}
             entries() {{ secret-tool search --all service keyward 2>/dev/null | grep -c '^\\[' >$steps/$1.out
                 echo 0 >$steps/$1.code; : >$steps/$1.err; }}
             {script}",
            keyward.display()
        )
    }

    /// The output goes to files, because a service that is left behind would hold a pipe open.
    #[track_caller]
    fn run(&self, mut command: Command) -> Steps {
        let steps = self.directory.path().join("steps");
        fs::remove_dir_all(&steps).ok();
        let path = self.directory.path().join("output");
        let output = File::options().create(true).write(true).truncate(true).open(&path).expect("a file");
        let errors = output.try_clone().expect("a descriptor");
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.home());
        command.env("XDG_RUNTIME_DIR", self.directory.path()).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let status = command.status().expect("bash starts");
        let text = fs::read_to_string(&path).expect("its output");
        assert!(status.success(), "{status}: {text}");
        Steps(read_steps(&steps))
    }
}

impl Default for KeyringHome {
    fn default() -> Self {
        Self::new()
    }
}

fn read_steps(directory: &Path) -> BTreeMap<String, Finished> {
    let mut steps = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("the steps of the script") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "code") {
            let read = |extension| fs::read(path.with_extension(extension)).expect("what a step left");
            let code = String::from_utf8_lossy(&read("code")).trim().parse().expect("an exit code");
            let stderr = String::from_utf8_lossy(&read("err")).into_owned();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            steps.insert(name, Finished { stdout: read("out"), stderr, code });
        }
    }
    steps
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
