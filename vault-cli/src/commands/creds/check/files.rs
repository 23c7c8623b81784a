//! The secrets files of a check: `--secrets-file`, read once each, file or pipe.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use vault_core::creds::{FileNames, Occurrences, Wanted};
use vault_core::dotenv::lines::Lines;

use crate::error::CommandError;
use crate::input::{bad_env_file, is_stdin, read_env_file};
use crate::ui::Ui;

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
            let (label, bytes) = read_env_file(path)?;
            let names = Occurrences::in_file(Path::new(&label), bytes.expose_secret(), wanted);
            let names = names.map_err(|error| bad_env_file(&error))?;
            if !is_stdin(path) && is_read_by_others(path) {
                ui.warn(&format!("{label} can be read by every user of this machine: `chmod o-r {label}`"));
            }
            files.names.push(FileNames { label, names });
            files.lines.push(if with_lines { Lines::of(bytes.expose_secret()) } else { Lines::default() });
        }
        Ok(files)
    }

    /// Returns the line on which the file called `label` gives `name` its value.
    pub(super) fn line(&self, label: &str, name: &str) -> Option<usize> {
        let position = self.names.iter().rposition(|file| file.label == label)?;
        self.lines[position].get(name)
    }
}

/// A pipe has a mode too, and none that says who reads it.
fn is_read_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & READ_BY_OTHERS != 0)
}
