//! Changes to the table `[creds]` of `.keyward.toml`, which the library's `workspace_file.rs` reads. Everything else
//! in the file stays as a person wrote it.

mod array;

use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::workspace::{self, WorkspaceText};

/// One of the two lists of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Keys,
    Providers,
}

impl List {
    const fn field(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Providers => "providers",
        }
    }
}

/// The file, taken apart.
#[derive(Debug)]
pub(super) struct Edit {
    file: WorkspaceText,
    document: DocumentMut,
    changed: bool,
}

impl Edit {
    /// Takes the nearest file apart, or one that the current directory could have.
    pub(super) fn nearest_or_new(ctx: &Context) -> Result<Self, CommandError> {
        let directory = ctx.directory()?.ok_or_else(|| {
            CommandError::new(Kind::Failed, "there is no current directory")
                .hint("change to another directory")
        })?;
        let file = workspace::locate(&directory)?.unwrap_or_else(|| workspace::absent(&directory));
        Self::parse(file)
    }

    fn parse(file: WorkspaceText) -> Result<Self, CommandError> {
        match file.text.parse() {
            Ok(document) => Ok(Self { file, document, changed: false }),
            Err(error) => {
                let error: toml_edit::TomlError = error;
                let before = error.span().and_then(|span| file.text.get(..span.start)).unwrap_or_default();
                let line = 1 + before.matches('\n').count();
                Err(unusable(&file).because(format!("line {line}: {}", error.message())))
            }
        }
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> String {
        self.file.path.display().to_string()
    }

    /// Returns what a list has, in its order.
    pub(super) fn list(&self, list: List) -> Result<Vec<String>, CommandError> {
        let Some(creds) = self.document.get(TABLE) else { return Ok(Vec::new()) };
        let creds = creds.as_table_like().ok_or_else(|| self.is_no(TABLE, "table"))?;
        let Some(item) = creds.get(list.field()) else { return Ok(Vec::new()) };
        let texts = item.as_array().and_then(|array| {
            array.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        texts.ok_or_else(|| self.is_no(list.field(), "list of texts"))
    }

    /// Adds a text at the end of a list.
    pub(super) fn add(&mut self, list: List, text: &str) -> Result<(), CommandError> {
        array::push(self.array(list)?, text);
        Ok(())
    }

    /// Removes the texts of a list for which `is_gone` holds.
    pub(super) fn remove(&mut self, list: List, is_gone: impl Fn(&str) -> bool) -> Result<(), CommandError> {
        array::remove(self.array(list)?, is_gone);
        Ok(())
    }

    /// Writes the file if anything was changed.
    pub(super) fn save(self) -> Result<(), CommandError> {
        if !self.changed {
            return Ok(());
        }
        self.file.replace(&with_the_ends_of(&self.file.text, self.document.to_string()))
    }

    /// Returns the array of a list, which is made where it is not there.
    fn array(&mut self, list: List) -> Result<&mut Array, CommandError> {
        self.list(list)?;
        self.changed = true;
        let (no_table, no_array) = (self.is_no(TABLE, "table"), self.is_no(list.field(), "list of texts"));
        if !self.document.contains_key(TABLE) {
            append_table(&mut self.document);
        }
        let creds = self.document.get_mut(TABLE).and_then(Item::as_table_like_mut).ok_or(no_table)?;
        let item = creds.entry(list.field()).or_insert_with(|| Item::Value(Value::Array(Array::new())));
        item.as_array_mut().ok_or(no_array)
    }

    fn is_no(&self, field: &str, what: &str) -> CommandError {
        unusable(&self.file).because(format!("`{field}` is no {what}"))
    }
}

/// Adds the table behind everything else, comments at the end included.
fn append_table(document: &mut DocumentMut) {
    let mut table = Table::new();
    let end = document.trailing().as_str().unwrap_or_default().trim_end();
    let before = match end {
        "" if document.is_empty() => String::new(),
        "" => "\n".to_owned(),
        comment => format!("{comment}\n\n"),
    };
    table.decor_mut().set_prefix(before);
    document.set_trailing("");
    document.insert(TABLE, Item::Table(table));
}

fn unusable(file: &WorkspaceText) -> CommandError {
    CommandError::new(Kind::UnreadableFile, format!("cannot read {}", file.path.display()))
        .hint("correct it by hand; keyward changes no file that it does not understand")
}

/// Gives a text the byte order mark and the line ends that the former one had: the editor's are single line feeds.
fn with_the_ends_of(before: &str, after: String) -> String {
    let lines = before.matches('\n').count();
    let after = if lines > 0 && before.matches("\r\n").count() == lines {
        after.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        after
    };
    match before.strip_prefix(BYTE_ORDER_MARK) {
        Some(_) => format!("{BYTE_ORDER_MARK}{}", after.trim_start_matches(BYTE_ORDER_MARK)),
        None => after,
    }
}

const TABLE: &str = "creds";
const BYTE_ORDER_MARK: char = '\u{feff}';
