//! Where keyward keeps its files: the XDG base directories, or one directory that `KEYWARD_HOME` names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{CommandError, Kind};

/// The directories, known to be absolute.
#[derive(Debug)]
pub(crate) struct Directories {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
    /// For what another directory could not take.
    runtime: PathBuf,
}

impl Directories {
    /// Finds the directories with the variables that `variable` returns, blank ones being unset. The
    /// user database is not asked: it would need shared libraries, and a process without HOME has one
    /// for a reason.
    ///
    /// # Errors
    ///
    /// When neither KEYWARD_HOME nor HOME says where.
    pub(crate) fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, CommandError> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        // Another file system, if there is one: it serves where the disk of the others is full.
        let runtime = absolute("XDG_RUNTIME_DIR").map(|base| base.join("keyward"));
        if let Some(home) = variable("KEYWARD_HOME").map(PathBuf::from) {
            let home = std::path::absolute(&home).unwrap_or(home);
            let runtime = runtime.unwrap_or_else(|| home.join("run"));
            return Ok(Self { config: home.clone(), data: home.clone(), state: home, runtime });
        }
        let base = |name: &str, below_home: &str| {
            let found = absolute(name).or_else(|| Some(absolute("HOME")?.join(below_home)));
            found.map(|base| base.join("keyward")).ok_or_else(no_home)
        };
        let state = base("XDG_STATE_HOME", ".local/state")?;
        Ok(Self {
            config: base("XDG_CONFIG_HOME", ".config")?,
            data: base("XDG_DATA_HOME", ".local/share")?,
            runtime: runtime.unwrap_or_else(|| state.join("run")),
            state,
        })
    }

    /// Returns the directory of what a person configures.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Returns the directory of the user's own providers.
    pub(crate) fn providers(&self) -> PathBuf {
        self.config.join("providers.d")
    }

    /// Returns the default path of the vault.
    pub(crate) fn vault(&self) -> PathBuf {
        self.data.join("vault")
    }

    /// Returns the path of the file of sessions.
    pub(crate) fn sessions(&self) -> PathBuf {
        self.data.join("auth")
    }

    /// Returns the directory for what another directory could not take.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Returns the directory of the machine source's seed files.
    pub(crate) fn machine(&self) -> PathBuf {
        self.state.join("machine")
    }

    /// Returns the directory of the rollback anchors.
    pub(crate) fn anchors(&self) -> PathBuf {
        self.state.join("anchor")
    }

    /// Returns the directories of what keyward itself writes.
    pub(crate) fn own(&self) -> Vec<PathBuf> {
        vec![self.data.clone(), self.state.clone(), self.machine(), self.anchors()]
    }

    /// Returns the file that names the active tenant.
    pub(crate) fn active_tenant(&self) -> PathBuf {
        self.state.join("active-tenant")
    }
}

fn no_home() -> CommandError {
    CommandError::new(
        Kind::Failed,
        "cannot tell where keyward has its files: HOME is not set to an absolute path",
    )
    .hint("set `KEYWARD_HOME` to a directory for keyward's files, or HOME to yours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(set: &[(&str, &str)]) -> Result<Directories, CommandError> {
        Directories::find(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn keyward_home_overrides_every_other_directory() {
        let found = find(&[("KEYWARD_HOME", "/k"), ("HOME", "/h"), ("XDG_DATA_HOME", "/d")]).unwrap();
        assert_eq!((found.vault(), found.machine()), ("/k/vault".into(), "/k/machine".into()));
        assert_eq!(found.config(), Path::new("/k"));
    }

    #[test]
    fn xdg_directories_win_over_home() {
        let found = find(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d")]).unwrap();
        assert_eq!(found.vault(), Path::new("/d/keyward/vault"));
        assert_eq!(found.machine(), Path::new("/h/.local/state/keyward/machine"));
        assert_eq!(found.config(), Path::new("/h/.config/keyward"));
    }

    #[test]
    fn relative_directories_count_as_unset() {
        let found = find(&[("HOME", "/h"), ("XDG_DATA_HOME", "data")]).unwrap();
        assert_eq!(found.vault(), Path::new("/h/.local/share/keyward/vault"));
    }

    #[test]
    fn without_any_home_there_is_an_error_with_a_hint() {
        for set in [&[][..], &[("HOME", "relative")]] {
            assert!(find(set).unwrap_err().hint.unwrap().contains("KEYWARD_HOME"));
        }
    }
}
