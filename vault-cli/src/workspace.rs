//! `.keyward.toml`: which workspace a directory claims. The file comes with a repository, so it is
//! untrusted: it names an id, and the vault says whether the directory may have it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vault_core::name::WorkspaceId;

use crate::error::{CommandError, Kind};

/// The name of the file.
pub(crate) const FILE_NAME: &str = ".keyward.toml";

/// The largest file that is read.
const MAX_FILE: u64 = 64 << 10;

/// A directory that claims a workspace.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) workspace: WorkspaceId,
    /// The canonical directory of the file.
    pub(crate) directory: PathBuf,
}

/// What keyward reads of the file. Keys that it does not know are left to newer versions.
#[derive(Debug, Deserialize)]
struct WorkspaceFile {
    workspace: String,
}

/// Looks for the nearest file from `start` upwards.
///
/// # Errors
///
/// When the nearest file is somebody else's, is no plain file, or does not name a workspace.
pub(crate) fn find(start: &Path) -> Result<Option<Claim>, CommandError> {
    for directory in start.ancestors() {
        let path = directory.join(FILE_NAME);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => return read(&path, directory, &metadata).map(Some),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(None)
}

fn read(path: &Path, directory: &Path, metadata: &fs::Metadata) -> Result<Claim, CommandError> {
    let refused = |why: String| {
        CommandError::new(Kind::Refused, format!("{} is not used: {why}", path.display()))
            .hint("`--workspace ID` names the workspace without the file")
    };
    if !metadata.is_file() {
        return Err(refused("it is no plain file".to_owned()));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        return Err(refused(format!("it belongs to user {}, you are user {me}", metadata.uid())));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let length =
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    if length as u64 > MAX_FILE {
        return Err(refused(format!("it is larger than {MAX_FILE} bytes")));
    }
    let workspace = parse(&text).map_err(refused)?;
    let directory = fs::canonicalize(directory).map_err(|error| unreadable(directory, &error))?;
    Ok(Claim { workspace, directory })
}

fn parse(text: &str) -> Result<WorkspaceId, String> {
    let file: WorkspaceFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    WorkspaceId::parse(&file.workspace).map_err(|error| error.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_a_workspace_and_may_say_more() {
        assert_eq!(parse("workspace = \"web\"\n[later]\nx = 1\n").unwrap().as_str(), "web");
    }

    #[test]
    fn a_file_without_a_valid_workspace_is_refused() {
        for text in [
            "",
            "workspace = \"\"",
            "workspace = 1",
            "workspace = \"a/b\"",
            "workspace",
            "workspaces = \"a\"",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
