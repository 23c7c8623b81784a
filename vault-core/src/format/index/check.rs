//! What holds for a valid index beyond its encoding: orders, names, limits. The order of the checks is
//! that of `FORMAT.md §7.1`.

use std::cmp::Ordering;

use super::{BindingRecord, Index, ScopeRecord, ValueRecord};
use crate::format::values::check_sealed_len;
use crate::format::{FormatError, MAX_EARLIER_VERSIONS, MAX_VALUES};
use crate::name::{MAX_ID, NameError, check_id, check_secret_name};

impl Index<'_> {
    /// Checks all that holds for a valid index; `values` has seen every value.
    pub(super) fn check(&self, values: ValueCheck<'_>) -> Result<(), FormatError> {
        check_that(is_strictly_sorted(&self.scopes), "the scopes are not in order")?;
        self.scopes.iter().try_for_each(ScopeRecord::check)?;
        check_that(is_strictly_sorted(&self.bindings), "the bindings are not in order")?;
        self.bindings.iter().try_for_each(BindingRecord::check)?;
        check_value_count(self.values.len())?;
        values.finish(self.scopes.len())
    }
}

/// Checks the values while they are decoded, one after the other, and keeps what it finds until it is
/// asked.
#[derive(Debug)]
pub(super) struct ValueCheck<'a> {
    /// Scope and name, and the version, of the value before.
    before: Option<((u32, &'a [u8]), u32)>,
    versions: usize,
    scopes_seen: usize,
    found: Result<(), FormatError>,
}

impl Default for ValueCheck<'_> {
    fn default() -> Self {
        Self { before: None, versions: 0, scopes_seen: 0, found: Ok(()) }
    }
}

impl<'a> ValueCheck<'a> {
    /// Checks the next value.
    pub(super) fn see(&mut self, value: &ValueRecord<'a>) {
        if self.found.is_ok() {
            self.found = self.check(value);
            self.before = Some((value.key(), value.version));
        }
    }

    fn check(&mut self, value: &ValueRecord<'a>) -> Result<(), FormatError> {
        let secret = self.before.map_or(Ordering::Less, |(key, _)| key.cmp(&value.key()));
        let same_secret = secret == Ordering::Equal;
        let newer_first = same_secret && self.before.is_some_and(|(_, version)| version > value.version);
        check_that(secret == Ordering::Less || newer_first, "the values are not in order")?;
        self.scopes_seen += usize::from(self.before.is_none_or(|((scope, _), _)| scope != value.scope));
        self.versions = if same_secret { self.versions + 1 } else { 1 };
        if self.versions > MAX_EARLIER_VERSIONS + 1 {
            return Err(FormatError::TooLarge("the number of versions of a secret"));
        }
        if !same_secret {
            check_name(value.name)?;
        }
        check_that(value.version > 0, "a version is zero")?;
        check_sealed_len(value.sealed_len)
    }

    /// Tells what was found, and whether the values are in all `scopes` and in no other.
    fn finish(self, scopes: usize) -> Result<(), FormatError> {
        self.found?;
        let last = self.before.map_or(0, |((scope, _), _)| scope as usize + 1);
        check_that(self.scopes_seen == scopes && last == scopes, "values and scopes do not fit together")
    }
}

impl ScopeRecord<'_> {
    pub(super) fn check(&self) -> Result<(), FormatError> {
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

const fn check_value_count(count: usize) -> Result<(), FormatError> {
    if count > MAX_VALUES { Err(FormatError::TooLarge("the number of values")) } else { Ok(()) }
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

pub(super) fn is_strictly_sorted<T: Ord>(records: &[T]) -> bool {
    records.is_sorted_by(|a, b| a < b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(tenant: &str, workspace: &str, directory: &[u8]) -> Result<(), FormatError> {
        let (tenant, workspace, directory) = (tenant.into(), workspace.into(), directory.into());
        BindingRecord { tenant, workspace, directory }.check()
    }

    #[test]
    fn a_million_values_are_allowed_and_no_more() {
        assert!(check_value_count(1_000_000).is_ok());
        assert!(matches!(check_value_count(1_000_001), Err(FormatError::TooLarge("the number of values"))));
    }

    #[test]
    fn a_binding_has_ids_and_an_absolute_directory() {
        assert!(binding("default", "web", b"/").is_ok());
        for (tenant, workspace, directory) in [
            ("default", "web", &b"src"[..]),
            ("default", "web", b""),
            ("default", "web", b"/a\0b"),
            ("default", "a/b", b"/"),
            ("", "web", b"/"),
        ] {
            let refused = binding(tenant, workspace, directory);
            assert!(matches!(refused, Err(FormatError::Damaged(_))), "{refused:?}");
        }
        assert!(matches!(binding("default", &"i".repeat(65), b"/"), Err(FormatError::TooLarge(_))));
    }
}
