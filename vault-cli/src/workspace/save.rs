//! Writing `.keyward.toml` anew: all of it or nothing, and never over what somebody else wrote meanwhile.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use vault_core::crypto::generate;
use vault_core::workspace_file::MAX_FILE;

use super::WorkspaceText;
use crate::error::{CommandError, Kind};

/// What a new file may be used for before the umask: it holds no secret and belongs to a repository.
const NEW_FILE: u32 = 0o666;

impl WorkspaceText {
    /// Writes `text` in the place of the file, which has to be as it was read. Its mode is kept.
    ///
    /// # Errors
    ///
    /// A text that keyward would not read again, a file that somebody changed meanwhile, a directory that can't be
    /// written. The file is then what it was, unless the error is [`Kind::NotDurable`].
    pub(crate) fn replace(&self, text: &str) -> Result<(), CommandError> {
        if text.len() as u64 > MAX_FILE {
            let message = format!("{} would be larger than {MAX_FILE} bytes", self.path.display());
            return Err(
                CommandError::new(Kind::Refused, message).hint("nothing was changed; make it smaller")
            );
        }
        let unwritable = |error| self.unwritable(&error);
        // It may be written in and not be opened: that has to be known while nothing is changed.
        let directory = File::open(self.path.parent().unwrap_or(Path::new("."))).map_err(unwritable)?;
        let temp = Temp::with(&self.path, text).map_err(unwritable)?;
        // One that is not there is as good as an empty one.
        if super::read(&self.path)?.unwrap_or_default() != self.text {
            let message = format!("somebody changed {} meanwhile", self.path.display());
            return Err(CommandError::new(Kind::Conflict, message).hint("run the command again"));
        }
        temp.publish(&self.path).map_err(unwritable)?;
        directory.sync_all().map_err(|error| self.not_durable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> CommandError {
        CommandError::new(Kind::Failed, format!("cannot write {}", self.path.display()))
            .caused_by(error)
            .hint("nothing was changed; the directory has to be yours to write in")
    }

    fn not_durable(&self, error: &io::Error) -> CommandError {
        let message = format!("saved, not confirmed on disk: {}", self.path.display());
        CommandError::new(Kind::NotDurable, message)
            .caused_by(error)
            .hint("the change is stored; run `sync` to be sure of it")
    }
}

/// A new file beside the one that it is to replace; removed if it never does.
struct Temp {
    path: PathBuf,
}

impl Temp {
    fn with(target: &Path, text: &str) -> io::Result<Self> {
        let random: [u8; 8] = generate();
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".{:016x}.tmp", u64::from_ne_bytes(random)));
        let path = PathBuf::from(name);
        // `create_new` follows no link and takes no file that is there.
        let file = File::options().write(true).create_new(true).mode(NEW_FILE).open(&path)?;
        let temp = Self { path };
        match fs::symlink_metadata(target) {
            Ok(metadata) => file.set_permissions(metadata.permissions())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        (&file).write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(temp)
    }

    fn publish(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // Published, it has this name no longer.
        fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, Mode, mkfifoat};
    use tempfile::TempDir;

    use super::*;
    use crate::workspace::{absent, locate};

    fn directory_with(text: &str) -> (TempDir, PathBuf) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(crate::workspace::FILE_NAME);
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    fn names(directory: &TempDir) -> usize {
        fs::read_dir(directory.path()).unwrap().count()
    }

    #[test]
    fn the_whole_text_is_replaced_and_the_mode_kept() {
        let (directory, path) = directory_with("a long text that was here before\n");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        locate(directory.path()).unwrap().unwrap().replace("new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(&directory), 1, "no other file is left");
    }

    #[test]
    fn a_file_that_somebody_changed_meanwhile_stays_as_it_is() {
        let (directory, path) = directory_with("before\n");
        let read = locate(directory.path()).unwrap().unwrap();
        fs::write(&path, "meanwhile\n").unwrap();
        assert_eq!(read.replace("new\n").unwrap_err().kind, Kind::Conflict);
        assert_eq!(fs::read_to_string(&path).unwrap(), "meanwhile\n");
        assert_eq!(names(&directory), 1);
    }

    #[test]
    fn a_file_that_somebody_made_meanwhile_stays_as_it_is() {
        let (directory, path) = directory_with("meanwhile\n");
        assert_eq!(absent(directory.path()).replace("new\n").unwrap_err().kind, Kind::Conflict);
        assert_eq!(fs::read_to_string(&path).unwrap(), "meanwhile\n");
    }

    #[test]
    fn a_link_or_a_fifo_that_took_the_files_place_is_neither_followed_nor_waited_for() {
        let (directory, path) = directory_with("before\n");
        let read = locate(directory.path()).unwrap().unwrap();
        let other = directory.path().join("other");
        fs::rename(&path, &other).unwrap();
        symlink("other", &path).unwrap();
        assert_eq!(read.replace("new\n").unwrap_err().kind, Kind::Refused);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("other"));
        fs::remove_file(&path).unwrap();
        mkfifoat(CWD, &path, Mode::RWXU).unwrap();
        assert_eq!(read.replace("new\n").unwrap_err().kind, Kind::Refused);
        assert_eq!(fs::read_to_string(&other).unwrap(), "before\n");
        assert_eq!(names(&directory), 2);
    }

    #[test]
    fn a_file_that_grew_without_end_meanwhile_is_not_read_whole() {
        let (directory, path) = directory_with("before\n");
        let read = locate(directory.path()).unwrap().unwrap();
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read.replace("new\n").unwrap_err().kind, Kind::Refused);
        assert_eq!(names(&directory), 1);
    }

    #[test]
    fn a_text_that_would_not_be_read_again_is_not_written() {
        let (directory, path) = directory_with("before\n");
        let read = locate(directory.path()).unwrap().unwrap();
        let text = "#".repeat(usize::try_from(MAX_FILE).unwrap() + 1);
        assert_eq!(read.replace(&text).unwrap_err().kind, Kind::Refused);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\n");
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let (directory, _) = directory_with("before\n");
        let read = locate(directory.path()).unwrap().unwrap();
        directory.close().unwrap();
        assert_eq!(read.replace("new\n").unwrap_err().kind, Kind::Failed);
    }
}
