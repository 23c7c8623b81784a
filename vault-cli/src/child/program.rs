//! Finds the file of a program as `env` and shells do (execvp(3), POSIX.1-2017 §8.3). The system could
//! do that as well, but then the standard library would have to `fork`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, access};

use super::ChildError;

/// Returns the path to execute for `program`. A name without slash is looked up in `path`; a file
/// there that can't be executed is passed over, and remembered for the error.
pub(super) fn find<'a>(program: &'a OsStr, path: Option<&OsStr>) -> Result<Cow<'a, Path>, ChildError> {
    if program.as_bytes().contains(&b'/') {
        return Ok(Cow::Borrowed(Path::new(program)));
    }
    if program.is_empty() {
        return Err(ChildError::NotFound { program: program.to_owned() });
    }
    let mut denied = None;
    for directory in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        // Without the dot, the current directory's path would have no slash.
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let file = directory.join(program);
        match check(&file) {
            Ok(()) => return Ok(Cow::Owned(file)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = Some(error),
            _ => {}
        }
    }
    Err(not_found(program, denied))
}

/// Tells whether a file could be executed. A directory counts as denied, as for execve(2).
fn check(file: &Path) -> io::Result<()> {
    access(file, Access::EXEC_OK)?;
    if fs::metadata(file)?.is_file() { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Chooses the error for a program that no directory has.
fn not_found(program: &OsStr, denied: Option<io::Error>) -> ChildError {
    let program = program.to_owned();
    match denied {
        Some(source) => ChildError::NotExecutable { program, source },
        None => ChildError::NotFound { program },
    }
}

/// Where to look when the environment has no `PATH` (execvp(3)).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what `find` found, as text, or the kind of its error.
    fn found(program: &str, path: Option<&str>) -> String {
        match find(OsStr::new(program), path.map(OsStr::new)) {
            Ok(file) => file.display().to_string(),
            Err(ChildError::NotExecutable { .. }) => "denied".to_owned(),
            Err(ChildError::NotFound { .. }) => "missing".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_first_directory_with_the_program_wins() {
        assert_eq!(found("sh", Some("/nowhere:/bin:/usr/bin")), "/bin/sh");
        assert_eq!(found("sh", Some("/usr/bin:/bin")), "/usr/bin/sh");
    }

    #[test]
    fn a_path_is_not_looked_up() {
        assert_eq!(found("./sh", Some("/bin")), "./sh");
        assert_eq!(found("/nowhere/sh", Some("/bin")), "/nowhere/sh");
    }

    #[test]
    fn without_path_the_standard_directories_are_searched() {
        assert_eq!(found("sh", None), "/bin/sh");
    }

    #[test]
    fn an_empty_part_of_path_is_the_current_directory() {
        assert_eq!(found("Cargo.toml", Some("")), "denied");
        assert_eq!(found("sh", Some("")), "missing");
    }

    #[test]
    fn a_directory_is_denied_unless_a_later_file_has_the_name() {
        assert_eq!(found("bin", Some("/usr")), "denied");
        assert_eq!(found("sh", Some("/etc/passwd:/bin")), "/bin/sh");
    }

    #[test]
    fn an_empty_program_is_missing() {
        assert_eq!(found("", Some("/bin")), "missing");
    }
}
