//! The file of an export: secrets in plain text take the place of nothing that keyward keeps.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use vault_core::format::{self, Snapshot};
use vault_core::source::machine;
use vault_core::store::StoreError;
use vault_core::store::single::{self, Existing};

use crate::context::Context;
use crate::error::{CommandError, Kind, store_failed};

/// Writes the text to the file, in the place of a file of the user's own.
pub(super) fn write(file: &Path, text: &[u8]) -> Result<(), CommandError> {
    single::write(file, text, Existing::Replace).map_err(|error| not_written(file, &error))
}

/// Refuses what keyward keeps, wherever it is, and a place where [`write`](self::write()) would fail.
pub(super) fn check(ctx: &Context, file: &Path) -> Result<(), CommandError> {
    single::check(file, Existing::Replace).map_err(|error| not_written(file, &error))?;
    let Some(what) = kept_there(ctx, file)? else { return Ok(()) };
    let refused = format!("cannot export to {}: {what}", file.display());
    Err(CommandError::usage(refused).hint("`--file` takes another file"))
}

/// Says what keyward keeps under the name; `None` where the file may be replaced.
fn kept_there(ctx: &Context, file: &Path) -> Result<Option<&'static str>, CommandError> {
    if ctx.store()?.has_name(file) {
        return Ok(Some("it is the vault, or one of the files beside it"));
    }
    if is_among_own_files(ctx, file) {
        return Ok(Some("keyward keeps its own files in that directory"));
    }
    let there = single::read(file).map_err(|error| not_written(file, &error))?;
    let kept = there.map(|there| kept_in(&*there)).transpose();
    let unreadable = |source| StoreError::Io { act: "read", path: file.to_owned(), source };
    kept.map(Option::flatten).map_err(|error| not_written(file, &unreadable(error)))
}

/// Tells whether the file is, or would be, beside the default vault, the active tenant or the seeds. A
/// project below a `KEYWARD_HOME` that is the user's home is none of keyward's.
fn is_among_own_files(ctx: &Context, file: &Path) -> bool {
    let Some(parent) = file.parent().and_then(resolved) else { return false };
    ctx.own_directories().iter().filter_map(|own| resolved(own)).any(|own| own == parent)
}

fn resolved(directory: &Path) -> Option<PathBuf> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    directory.canonicalize().ok()
}

/// Says what keyward keeps in a file. What can't be read now may be a vault, so that is an error.
fn kept_in(there: &dyn Snapshot) -> io::Result<Option<&'static str>> {
    Ok(if begins_with(there, &format::header::MAGIC)? {
        Some("it is a vault or a bundle")
    } else if begins_with(there, machine::SEED_START.as_bytes())? {
        Some("it is the seed of a machine slot")
    } else {
        None
    })
}

fn begins_with(there: &dyn Snapshot, start: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; start.len()];
    match there.read_at(0, &mut found) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| found == start),
    }
}

fn not_written(file: &Path, error: &StoreError) -> CommandError {
    if matches!(error, StoreError::NotDurable { .. }) {
        return store_failed(error);
    }
    let failed =
        CommandError::new(Kind::Failed, format!("cannot export to {}", file.display())).caused_by(error);
    match error.fix() {
        Some(fix) => failed.hint(format!("run `{fix}`")),
        None => failed
            .hint("`--file` takes a new file, or one of yours, in a directory that nobody else can change"),
    }
}
