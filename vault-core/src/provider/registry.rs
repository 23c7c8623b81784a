//! The providers that a command knows: the built-in ones, and the user's own over them.

use std::iter;
use std::path::Path;

use super::overlay::{self, Own, RegistryError, RegistryProblem};
use super::rules::Mistake;
use super::{PROVIDERS, Provider, ProviderKey};

/// All known providers. Ids and aliases are unique together.
#[derive(Debug, Clone)]
pub struct Registry(Vec<&'static Provider>);

impl Registry {
    /// Returns the built-in providers.
    #[must_use]
    pub fn built_in() -> Self {
        Self(PROVIDERS.iter().collect())
    }

    /// Reads the files `*.toml` of `directory` over the built-in providers: one with the id of a built-in
    /// one takes its place, any other comes behind. An absent directory has none. What is read stays in
    /// memory until the process ends.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] names the file and the line; no part of a bad file is used.
    pub fn load(directory: &Path) -> Result<Self, RegistryError> {
        let own = overlay::read(directory)?;
        let mut registry = Self::built_in();
        own.iter().for_each(|own| registry.put(own.provider));
        own.into_iter().try_for_each(|own| registry.check_names(own))?;
        Ok(registry)
    }

    /// Returns every provider, the built-in ones in the order of their file, then the user's own.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'static Provider> {
        self.0.iter().copied()
    }

    /// Returns the user's own providers, those in the place of a built-in one too.
    pub(crate) fn own(&self) -> impl Iterator<Item = &'static Provider> {
        self.iter().filter(|provider| !PROVIDERS.iter().any(|built_in| std::ptr::eq(*provider, built_in)))
    }

    /// Returns the provider with this id or alias, in upper or lower case.
    #[must_use]
    pub fn find(&self, id_or_alias: &str) -> Option<&'static Provider> {
        self.iter().find(|provider| provider.is_called(id_or_alias))
    }

    /// Returns what is known about `name`, as a canonical name or as an alias, of any provider.
    pub fn keys_called(&self, name: &str) -> impl Iterator<Item = &'static ProviderKey> {
        let is_called = move |key: &&'static ProviderKey| key.env == name || key.aliases.contains(&name);
        self.iter().flat_map(|provider| provider.keys).filter(is_called)
    }

    fn put(&mut self, provider: &'static Provider) {
        let built_in = self.0.iter_mut().take(PROVIDERS.len()).find(|known| known.id == provider.id);
        match built_in {
            Some(place) => *place = provider,
            None => self.0.push(provider),
        }
    }

    /// Checks that no other provider has the id or an alias of this one.
    fn check_names(&self, own: Own) -> Result<(), RegistryError> {
        let Own { provider, file, line } = own;
        let is_other = |known: &&&'static Provider| !std::ptr::eq(**known, provider);
        for spelling in iter::once(&provider.id).chain(provider.aliases) {
            if let Some(other) = self.0.iter().filter(is_other).find(|other| other.is_called(spelling)) {
                let mistake = Mistake::Taken { spelling: (*spelling).to_owned(), id: other.id };
                return Err(RegistryError { file, problem: RegistryProblem::Entry { line, mistake } });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn entry(id: &str, more: &str) -> String {
        format!(
            "[[provider]]\nid = '{id}'\nname = 'Own'\nkind = 'llm'\ncloud = false\nrequire = [['OWN_KEY']]\n{more}\n"
        )
    }

    fn load(text: &str) -> Result<Registry, RegistryError> {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("own.toml"), text).unwrap();
        Registry::load(directory.path())
    }

    fn refusal(text: &str) -> String {
        load(text).unwrap_err().source().unwrap().to_string()
    }

    #[test]
    fn without_files_the_registry_is_the_built_in_one() {
        let registry = Registry::load(Path::new("/nonexistent")).unwrap();
        assert!(registry.iter().eq(PROVIDERS));
        assert_eq!(registry.own().count(), 0);
        assert_eq!(registry.find("Claude").unwrap().id, "anthropic");
        assert_eq!(registry.find("acme"), None);
    }

    #[test]
    fn an_own_provider_comes_behind_the_built_in_ones() {
        let registry = load(&entry("acme", "aliases = ['acme-ai']")).unwrap();
        assert_eq!(registry.iter().len(), PROVIDERS.len() + 1);
        assert_eq!(registry.find("ACME-AI").unwrap().name, "Own");
        assert_eq!(registry.iter().last().unwrap().id, "acme");
    }

    #[test]
    fn an_own_provider_takes_the_place_of_the_built_in_one_of_its_id() {
        let registry = load(&entry("openai", "")).unwrap();
        assert_eq!(registry.iter().len(), PROVIDERS.len());
        assert_eq!(registry.iter().next().unwrap().name, "Own");
        assert_eq!(registry.own().map(|own| own.id).collect::<Vec<_>>(), ["openai"]);
        assert_eq!(registry.find("chatgpt"), None, "the aliases are replaced too");
    }

    #[test]
    fn an_alias_that_an_overridden_provider_gives_up_is_free() {
        let text = entry("openai", "") + &entry("acme", "aliases = ['chatgpt']");
        assert_eq!(load(&text).unwrap().find("chatgpt").unwrap().id, "acme");
    }

    #[test]
    fn ids_and_aliases_are_unique_over_all_files() {
        assert_eq!(refusal(&entry("claude", "")), "line 1: `claude` names the provider anthropic already");
        let alias = entry("acme", "aliases = ['openai']");
        assert_eq!(refusal(&alias), "line 1: `openai` names the provider openai already");
        let twice = entry("acme", "") + &entry("acme", "");
        assert_eq!(refusal(&twice), "line 1: `acme` names the provider acme already");
        let shared = entry("acme", "aliases = ['own']") + &entry("own", "");
        assert_eq!(refusal(&shared), "line 1: `own` names the provider own already");
        let overridden_twice = entry("openai", "") + &entry("openai", "");
        assert_eq!(refusal(&overridden_twice), "line 1: `openai` names the provider openai already");
    }
}
