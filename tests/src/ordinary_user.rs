//! The ordinary user that permission tests run as: root may do everything, so as root they would show
//! nothing. Whoever runs the tests makes the user (`useradd -m keyward-test`); without it they fail.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{Home, keyward};

/// The name of the user.
pub const USER: &str = "keyward-test";

/// The ordinary user, proven to be one, with a copy of the binary that this user can execute.
#[derive(Debug)]
pub struct OrdinaryUser {
    id: u32,
    program: TempDir,
}

impl OrdinaryUser {
    /// Looks the user up and shows that the system really refuses what root keeps for itself.
    pub fn new() -> Self {
        let id = Command::new("id").args(["-u", USER]).output().expect("`id` starts");
        let id = String::from_utf8_lossy(&id.stdout).trim().parse();
        let id = id.unwrap_or_else(|_| panic!("there is no user {USER}: `useradd -m {USER}` makes it"));
        let program = tempfile::tempdir().expect("a directory");
        fs::set_permissions(program.path(), Permissions::from_mode(0o755)).expect("root may");
        let copy = program.path().join("keyward");
        fs::hard_link(keyward(), &copy).or_else(|_| fs::copy(keyward(), &copy).map(drop)).expect("a copy");
        let user = Self { id, program };
        user.is_refused_what_is_roots();
        user
    }

    fn is_refused_what_is_roots(&self) {
        let file = self.program.path().join("root's");
        fs::write(&file, "private").expect("root may");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("root may");
        let mut cat = Command::new("setpriv");
        let read = cat.args(&self.launcher()[1..]).arg("cat").arg(&file).output().expect("`setpriv` starts");
        let refused = String::from_utf8_lossy(&read.stderr);
        assert!(
            !read.status.success() && refused.contains("Permission denied"),
            "{USER} can read: {refused}"
        );
    }

    /// Makes a home that the user owns, whose commands run as the user.
    pub fn home(&self) -> Home {
        let mut launcher = self.launcher();
        launcher.push(self.program.path().join("keyward").into());
        let home = Home::launched_by(launcher);
        self.give(home.path());
        home
    }

    /// Gives a file or directory to the user.
    pub fn give(&self, path: &Path) {
        chown(path, Some(self.id), Some(self.id)).expect("the tests run as root");
    }

    fn launcher(&self) -> Vec<OsString> {
        let id = self.id.to_string();
        ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--"].map(OsString::from).into()
    }
}

impl Default for OrdinaryUser {
    fn default() -> Self {
        Self::new()
    }
}
