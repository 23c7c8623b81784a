//! What holds for a valid index beyond its encoding: orders, names, limits. The order of the checks is
//! that of `FORMAT.md §7.1`.

use std::cmp::Ordering;

use super::{BindingRecord, Index, ScopeRecord, ValueRecord};
use crate::format::values::check_sealed_len;
use crate::format::{FormatError, MAX_EARLIER_VERSIONS, MAX_VALUES};
use crate::name::{MAX_ID, NameError, check_id, check_secret_name};

impl Index<'_> {
    /// Checks all that holds for a valid index.
    pub(super) fn check(&self) -> Result<(), FormatError> {
        check_that(is_strictly_sorted(&self.scopes), "the scopes are not in order")?;
        self.scopes.iter().try_for_each(ScopeRecord::check)?;
        check_that(is_strictly_sorted(&self.bindings), "the bindings are not in order")?;
        self.bindings.iter().try_for_each(BindingRecord::check)?;
        if self.values.len() > MAX_VALUES {
            return Err(FormatError::TooLarge("the number of values"));
        }
        self.check_values()
    }

    fn check_values(&self) -> Result<(), FormatError> {
        let mut scopes_seen = 0;
        let mut versions = 0;
        let mut before: Option<&ValueRecord<'_>> = None;
        for value in &self.values {
            let secret = before.map_or(Ordering::Less, |before| before.key().cmp(&value.key()));
            let same_secret = secret == Ordering::Equal;
            let newer_first = same_secret && before.is_some_and(|before| before.version > value.version);
            check_that(secret == Ordering::Less || newer_first, "the values are not in order")?;
            versions = if same_secret { versions + 1 } else { 1 };
            if versions > MAX_EARLIER_VERSIONS + 1 {
                return Err(FormatError::TooLarge("the number of versions of a secret"));
            }
            if !same_secret {
                check_name(&value.name)?;
            }
            check_that(value.version > 0, "a version is zero")?;
            check_sealed_len(value.sealed_len)?;
            scopes_seen += usize::from(before.is_none_or(|before| before.scope != value.scope));
            before = Some(value);
        }
        let last = before.map_or(0, |value| value.scope as usize + 1);
        let every_scope_is_used = scopes_seen == self.scopes.len() && last == self.scopes.len();
        check_that(every_scope_is_used, "values and scopes do not fit together")
    }
}

impl ScopeRecord<'_> {
    fn check(&self) -> Result<(), FormatError> {
        match self.kind {
            Self::WORKSPACE => {}
            Self::TENANT if self.workspace.is_empty() => return check_id_text(&self.tenant),
            _ => return Err(FormatError::Damaged("the index has an invalid scope")),
        }
        check_id_text(&self.tenant)?;
        check_id_text(&self.workspace)
    }
}

impl BindingRecord<'_> {
    fn check(&self) -> Result<(), FormatError> {
        check_id_text(&self.tenant)?;
        check_id_text(&self.workspace)?;
        check_that(is_absolute(&self.directory), "the index has an invalid binding")
    }
}

/// Tells whether a binding may have this directory.
pub(crate) fn is_absolute(directory: &[u8]) -> bool {
    directory.starts_with(b"/") && !directory.contains(&0)
}

/// Refuses with [`FormatError::Damaged`] unless something holds.
pub(super) fn check_that(holds: bool, otherwise: &'static str) -> Result<(), FormatError> {
    if holds { Ok(()) } else { Err(FormatError::Damaged(otherwise)) }
}

fn check_id_text(id: &str) -> Result<(), FormatError> {
    if id.len() > MAX_ID {
        return Err(FormatError::TooLarge("the length of an id"));
    }
    check_that(check_id(id).is_ok(), "the index has an invalid id")
}

fn check_name(name: &str) -> Result<(), FormatError> {
    check_secret_name(name).map_err(|error| match error {
        NameError::TooLong => FormatError::TooLarge("the length of a name"),
        _ => FormatError::Damaged("the index has an invalid name"),
    })
}

fn is_strictly_sorted<T: Ord>(records: &[T]) -> bool {
    records.is_sorted_by(|a, b| a < b)
}
