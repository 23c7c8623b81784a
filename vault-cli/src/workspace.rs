//! `.keyward.toml`: which workspace a directory claims. The file comes with a repository, so it is
//! untrusted: it names an id, and the vault says whether the directory may have it. Here it is found; what it
//! says is read in the library.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vault_core::name::WorkspaceId;
use vault_core::workspace_file::{self, MAX_FILE};

use crate::error::{CommandError, Kind};

mod save;

/// The name of the file.
pub(crate) const FILE_NAME: &str = ".keyward.toml";

/// A link is not followed, and a FIFO is not waited for.
const NO_SURPRISE: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();

/// A directory that claims a workspace.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) workspace: WorkspaceId,
    /// The canonical directory of the file.
    pub(crate) directory: PathBuf,
}

/// The nearest file as it was read, or one that could be made.
#[derive(Debug)]
pub(crate) struct WorkspaceText {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Looks for the nearest file from `start` upwards; one that names no workspace claims none.
///
/// # Errors
///
/// When the nearest file is somebody else's, is no plain file, or names something that is no workspace.
pub(crate) fn find(start: &Path) -> Result<Option<Claim>, CommandError> {
    let Some(file) = locate(start)? else { return Ok(None) };
    let claimed = workspace_file::claimed(&file.text);
    let Some(workspace) = claimed.map_err(|why| refused(&file.path, &why.to_string()))? else {
        return Ok(None);
    };
    let directory = file.path.parent().unwrap_or(start);
    let directory = fs::canonicalize(directory).map_err(|error| unreadable(directory, &error))?;
    Ok(Some(Claim { workspace, directory }))
}

/// Returns the file that a directory would have, which is empty.
pub(crate) fn absent(directory: &Path) -> WorkspaceText {
    WorkspaceText { path: directory.join(FILE_NAME), text: String::new() }
}

/// Looks for the nearest file from `start` upwards and reads it, whatever it says.
///
/// # Errors
///
/// When the nearest file is somebody else's, is no plain file, is too large or no text.
pub(crate) fn locate(start: &Path) -> Result<Option<WorkspaceText>, CommandError> {
    for directory in start.ancestors() {
        let path = directory.join(FILE_NAME);
        if let Some(text) = read(&path)? {
            return Ok(Some(WorkspaceText { path, text }));
        }
    }
    Ok(None)
}

/// Reads the file at `path`; `None` if there is none. It is looked at before it is opened, for the better message, and
/// once more when it is open: something else may have taken its place.
fn read(path: &Path) -> Result<Option<String>, CommandError> {
    let unreadable = |error| unreadable(path, &error);
    match fs::symlink_metadata(path) {
        Ok(metadata) => check(path, &metadata)?,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let file = File::options().read(true).custom_flags(NO_SURPRISE).open(path).map_err(unreadable)?;
    check(path, &file.metadata().map_err(unreadable)?)?;
    let mut text = String::new();
    let length = file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if length as u64 > MAX_FILE {
        return Err(refused(path, &format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(Some(text))
}

/// Checks that a file is a plain one of the person's own.
fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), CommandError> {
    if !metadata.is_file() {
        return Err(refused(path, "it is no plain file"));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        let whose = format!("it belongs to user {}, you are user {me}", metadata.uid());
        return Err(refused(path, &whose));
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> CommandError {
    CommandError::new(Kind::Refused, format!("{} is not used: {why}", path.display()))
        .hint("`--workspace ID` names the workspace without the file")
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

fn unreadable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(Kind::UnreadableFile, format!("cannot read {}", path.display()))
        .caused_by(error)
        .hint("`--workspace ID` names the workspace without the file")
}
