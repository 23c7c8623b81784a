//! The secrets files of a check: `--secrets-file`, read once each, file or pipe.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vault_core::creds::{FileNames, Occurrences, Wanted};
use vault_core::dotenv::{self, DotenvError, Lines};

use crate::error::{CommandError, Kind};
use crate::ui::Ui;

/// How long a pipe in the place of a file may take.
pub(super) const FILE_DEADLINE: Duration = Duration::from_secs(10);

/// The bit of a mode that lets everybody read.
const READ_BY_OTHERS: u32 = 0o004;

/// The names of the files that are looked up, and where they stand.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) names: Vec<FileNames>,
    /// Read only for annotations: nobody else asks for lines.
    lines: Vec<Lines>,
}

impl Files {
    /// Reads the files, and warns of those that every user of the machine can read.
    pub(super) fn read(
        ui: Ui,
        paths: &[PathBuf],
        wanted: &Wanted<'_>,
        with_lines: bool,
    ) -> Result<Self, CommandError> {
        let mut files = Self::default();
        for path in paths {
            let (file, lines) = match with_lines {
                true => dotenv::read_with_lines(path, FILE_DEADLINE),
                false => dotenv::read(path, FILE_DEADLINE).map(|file| (file, Lines::default())),
            }
            .map_err(|error| unreadable(&error))?;
            let label = path.display().to_string();
            if is_read_by_others(path) {
                ui.warn(&format!("{label} can be read by every user of this machine: `chmod o-r {label}`"));
            }
            files.names.push(FileNames { label, names: Occurrences::in_file(file, wanted) });
            files.lines.push(lines);
        }
        Ok(files)
    }

    /// Returns the line on which the file called `label` gives `name` its value.
    pub(super) fn line(&self, label: &str, name: &str) -> Option<usize> {
        let position = self.names.iter().rposition(|file| file.label == label)?;
        self.lines[position].get(name)
    }
}

/// Makes the error of a file that can't be read.
pub(super) fn unreadable(error: &DotenvError) -> CommandError {
    CommandError::new(Kind::UnreadableFile, error.to_string())
        .caused_by_sources_of(error)
        .hint("no line's content is ever shown; look at the file itself")
}

/// A pipe has a mode too, and none that says who reads it.
fn is_read_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & READ_BY_OTHERS != 0)
}
