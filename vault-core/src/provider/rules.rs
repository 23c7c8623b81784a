//! What an entry of the registry has to keep to, in the built-in file as in a user's own.

use std::collections::HashSet;

use regex_lite::Regex;

use super::Kind;
use super::schema::{KeyEntry, ProviderEntry};
use crate::name::SecretName;

/// The rule that an entry breaks. Names come from a file without secrets, and only if they are names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// `docs` or `keys_url` is no address that could be opened.
    #[error("`docs` and `keys_url` are addresses that start with https:// or http://")]
    Address,
    /// A group of `require` has no names.
    #[error("a group of `require` is empty; `require = []` needs nothing at all")]
    EmptyGroup,
    /// `id` or an alias is not of its form.
    #[error("ids and aliases are 1 to 64 of the characters a-z 0-9 . - and start with a letter or digit")]
    Id,
    /// `kind` is none of the words of [`Kind`].
    #[error("`kind` is none of {}", Kind::ALL.map(Kind::as_str).join(", "))]
    Kind,
    /// A name that no environment variable can have.
    #[error("names are 1 to 256 of the characters A-Z a-z 0-9 _ and start with no digit")]
    Name,
    /// The shape is none.
    #[error("the pattern of {0} is no regular expression of at most 512 bytes that starts with ^")]
    Pattern(String),
    /// A name is required and optional.
    #[error("{0} is required and optional")]
    RequiredAndOptional(String),
    /// Two keys could have the same name.
    #[error("{0} stands for two keys")]
    SharedSpelling(String),
    /// An id or alias is another provider's.
    #[error("`{spelling}` names the provider {id} already")]
    Taken {
        /// The id or alias.
        spelling: String,
        /// Whose it is.
        id: &'static str,
    },
    /// `name` can't be shown.
    #[error("`name` is 1 to 100 characters that can be shown")]
    Title,
    /// A key entry for a name that is neither required nor optional.
    #[error("{0} has a [[provider.key]] and is neither in `require` nor in `optional`")]
    Unused(String),
}

/// Checks one entry by itself; that ids are unique is the registry's part.
pub(super) fn check(entry: &ProviderEntry) -> Result<(), Mistake> {
    ensure([&entry.id].into_iter().chain(&entry.aliases).all(|id| is_id(id)), Mistake::Id)?;
    ensure(is_title(&entry.name), Mistake::Title)?;
    ensure(entry.kind.parse::<Kind>().is_ok(), Mistake::Kind)?;
    ensure([entry.docs(), entry.keys_url()].into_iter().flatten().all(is_address), Mistake::Address)?;
    ensure(entry.require.iter().all(|group| !group.is_empty()), Mistake::EmptyGroup)?;
    ensure(names(entry).all(|name| is_name(name)), Mistake::Name)?;
    check_use(entry)?;
    check_spellings(entry)?;
    entry.key.iter().try_for_each(check_pattern)
}

fn ensure(kept: bool, mistake: Mistake) -> Result<(), Mistake> {
    if kept { Ok(()) } else { Err(mistake) }
}

/// Returns every name of an entry, some more than once.
fn names(entry: &ProviderEntry) -> impl Iterator<Item = &String> {
    let keys = entry.key.iter().flat_map(|key| [&key.env].into_iter().chain(&key.aliases));
    entry.require.iter().flatten().chain(&entry.optional).chain(keys)
}

fn check_use(entry: &ProviderEntry) -> Result<(), Mistake> {
    let required: HashSet<&String> = entry.require.iter().flatten().collect();
    if let Some(both) = entry.optional.iter().find(|name| required.contains(name)) {
        return Err(Mistake::RequiredAndOptional(both.clone()));
    }
    let unused =
        entry.key.iter().find(|key| !required.contains(&key.env) && !entry.optional.contains(&key.env));
    unused.map_or(Ok(()), |key| Err(Mistake::Unused(key.env.clone())))
}

fn check_spellings(entry: &ProviderEntry) -> Result<(), Mistake> {
    let mut seen = HashSet::new();
    let with_key: HashSet<&String> = entry.key.iter().map(|key| &key.env).collect();
    let bare: HashSet<&String> = entry.require.iter().flatten().chain(&entry.optional).collect();
    let bare = bare.difference(&with_key).copied();
    let mut spellings =
        entry.key.iter().flat_map(|key| [&key.env].into_iter().chain(&key.aliases)).chain(bare);
    let shared = spellings.find(|spelling| !seen.insert(*spelling));
    shared.map_or(Ok(()), |spelling| Err(Mistake::SharedSpelling(spelling.clone())))
}

fn check_pattern(key: &KeyEntry) -> Result<(), Mistake> {
    let is_shape = |pattern: &String| {
        pattern.len() <= MAX_PATTERN && pattern.starts_with('^') && Regex::new(pattern).is_ok()
    };
    ensure(key.pattern.as_ref().is_none_or(is_shape), Mistake::Pattern(key.env.clone()))
}

fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_ID
        && bytes.next().is_some_and(is_alphanumeric)
        && bytes.all(|byte| is_alphanumeric(byte) || matches!(byte, b'-' | b'.'))
}

fn is_title(text: &str) -> bool {
    // What a secret may be called can be shown, whatever it is the name of.
    text.chars().count() <= MAX_TITLE && SecretName::parse(text).is_ok()
}

fn is_name(text: &str) -> bool {
    SecretName::parse(text).is_ok_and(|name| name.fits_environment())
}

fn is_address(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The longest id or alias, in bytes.
const MAX_ID: usize = 64;

/// The longest pattern, in bytes; the longest built-in one has a fifth of it.
const MAX_PATTERN: usize = 512;

/// The longest name to show, in characters.
const MAX_TITLE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::schema::RegistryFile;

    /// Checks an entry that is right but for what `change` says.
    fn changed(change: impl FnOnce(&mut ProviderEntry)) -> Result<(), Mistake> {
        let text = "[[provider]]\nid = 'acme'\nname = 'Acme'\nkind = 'webhook'\ncloud = true\n\
                    require = [['ACME_TOKEN']]\noptional = ['ACME_URL']\n\
                    [[provider.key]]\nenv = 'ACME_TOKEN'\naliases = ['ACME_KEY']\npattern = '^a'\n";
        let mut file: RegistryFile = toml::from_str(text).unwrap();
        let mut entry = file.provider.remove(0).into_inner();
        change(&mut entry);
        check(&entry)
    }

    #[test]
    fn the_built_in_file_keeps_the_rules() {
        let file: RegistryFile = toml::from_str(include_str!("../../providers.toml")).unwrap();
        for entry in &file.provider {
            assert_eq!(check(entry.get_ref()), Ok(()), "{}", entry.get_ref().id);
        }
    }

    #[test]
    fn an_entry_may_leave_out_what_is_not_needed() {
        assert_eq!(changed(|entry| entry.require.clear()), Err(Mistake::Unused("ACME_TOKEN".to_owned())));
        assert_eq!(changed(|entry| entry.key.clear()), Ok(()));
        assert_eq!(changed(|entry| entry.docs = "https://acme.example/keys".to_owned()), Ok(()));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in ["", "Acme", "a b", "-a", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(changed(|entry| entry.id = id.to_owned()), Err(Mistake::Id), "{id:?}");
            assert_eq!(changed(|entry| entry.aliases = vec![id.to_owned()]), Err(Mistake::Id), "{id:?}");
        }
    }

    #[test]
    fn what_no_variable_can_be_called_is_refused() {
        for name in ["", "1A", "A-B", "A=B", "A B", &"A".repeat(257)] {
            assert_eq!(
                changed(|entry| entry.require[0][0] = name.to_owned()),
                Err(Mistake::Name),
                "{name:?}"
            );
            assert_eq!(changed(|entry| entry.optional[0] = name.to_owned()), Err(Mistake::Name), "{name:?}");
            assert_eq!(changed(|entry| entry.key[0].aliases[0] = name.to_owned()), Err(Mistake::Name));
        }
    }

    #[test]
    fn what_can_not_be_shown_or_opened_is_refused() {
        for text in ["", "a\u{1b}[31m", "a\nb", "\u{202e}a", &"a".repeat(101)] {
            assert_eq!(changed(|entry| entry.name = text.to_owned()), Err(Mistake::Title), "{text:?}");
        }
        for text in ["acme.example", "file:///etc", "https://a b", "https://a\n"] {
            assert_eq!(changed(|entry| entry.docs = text.to_owned()), Err(Mistake::Address), "{text:?}");
            assert_eq!(changed(|entry| entry.keys_url = text.to_owned()), Err(Mistake::Address), "{text:?}");
        }
    }

    #[test]
    fn names_that_contradict_each_other_are_refused() {
        let name = || "ACME_TOKEN".to_owned();
        assert_eq!(changed(|entry| entry.require.push(Vec::new())), Err(Mistake::EmptyGroup));
        assert_eq!(changed(|entry| entry.optional.push(name())), Err(Mistake::RequiredAndOptional(name())));
        assert_eq!(changed(|entry| entry.key[0].aliases.push(name())), Err(Mistake::SharedSpelling(name())));
        let alias_of_two = changed(|entry| entry.key[0].aliases.push("ACME_URL".to_owned()));
        assert_eq!(alias_of_two, Err(Mistake::SharedSpelling("ACME_URL".to_owned())));
        assert_eq!(changed(|entry| entry.kind = "http".to_owned()), Err(Mistake::Kind));
    }

    #[test]
    fn what_is_no_anchored_pattern_is_refused() {
        for pattern in ["", "a", "^(", "^a{1000000}", "^\\p{Greek}", &format!("^{}", "a".repeat(512))] {
            let refused = changed(|entry| entry.key[0].pattern = Some(pattern.to_owned()));
            assert_eq!(refused, Err(Mistake::Pattern("ACME_TOKEN".to_owned())), "{pattern:?}");
        }
    }
}
