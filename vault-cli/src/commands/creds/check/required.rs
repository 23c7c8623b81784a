//! What a check requires: what the options name, else what `.keyward.toml` declares, else the providers in use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use serde::Serialize;
use vault_core::creds::Choice;
use vault_core::dotenv;
use vault_core::dotenv::lines::Lines;
use vault_core::name::SecretName;
use vault_core::provider::{Provider, Registry};

use super::super::declared::Declared;
use super::super::find;
use super::CheckArguments;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::input::{bad_env_file, read_env_file};

/// The providers and names that are required.
#[derive(Debug)]
pub(super) struct Required {
    pub(super) providers: Vec<&'static Provider>,
    pub(super) choice: Choice,
    pub(super) keys: Vec<SecretName>,
    pub(super) by: RequiredBy,
    pub(super) places: Places,
}

/// What says what is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequiredBy {
    /// `.keyward.toml`
    Declaration,
    /// `--provider`, `--all`, `--require-file`
    Options,
    /// What occurs, and connections.
    Use,
}

/// Where things are required; what the options name, or connections refer to, is required nowhere.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By the provider's id.
    pub(super) providers: HashMap<&'static str, Place>,
    /// By the name.
    pub(super) keys: HashMap<String, Place>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: Option<usize>,
}

impl Required {
    /// Finds out what is required. `--kind` narrows it, whatever says it.
    pub(super) fn find(
        ctx: &Context,
        args: &CheckArguments,
        registry: &Registry,
    ) -> Result<Self, CommandError> {
        let mut required = if args.all || !args.provider.is_empty() || !args.require_file.is_empty() {
            Self::by_options(args, registry)?
        } else if let Some(declared) = Declared::read(ctx)? {
            Self::by_declaration(&declared, registry)?
        } else {
            Self::new(registry.iter().collect(), Choice::InUse, RequiredBy::Use)
        };
        if let Some(kind) = args.kind {
            required.providers.retain(|provider| provider.kind == kind);
            if required.providers.is_empty() && !args.provider.is_empty() {
                let message = format!("no provider that `--provider` names is of the kind {kind}");
                return Err(CommandError::usage(message)
                    .hint(format!("`keyward creds list --kind {kind}` shows those that are")));
            }
        }
        if args.kind.is_some() && required.by == RequiredBy::Declaration {
            // A name is of no kind.
            required.keys.clear();
        }
        Ok(required)
    }

    /// Tells whether nothing is required at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.providers.is_empty() && self.keys.is_empty()
    }

    fn new(providers: Vec<&'static Provider>, choice: Choice, by: RequiredBy) -> Self {
        Self { providers, choice, keys: Vec::new(), by, places: Places::default() }
    }

    fn by_options(args: &CheckArguments, registry: &Registry) -> Result<Self, CommandError> {
        let named = args.provider.iter().map(|id| find(registry, id));
        let providers = if args.all { registry.iter().collect() } else { named.collect::<Result<_, _>>()? };
        let mut required = Self::new(providers, Choice::All, RequiredBy::Options);
        args.require_file.iter().try_for_each(|path| required.add_names_of(path))?;
        Ok(required)
    }

    fn by_declaration(declared: &Declared, registry: &Registry) -> Result<Self, CommandError> {
        let mut required = Self::new(Vec::new(), Choice::All, RequiredBy::Declaration);
        let file = &declared.label;
        for (id, line) in &declared.providers {
            let provider = find(registry, id)
                .map_err(|error| error.because(format!("required in {file}, line {line}")))?;
            required.providers.push(provider);
            let place = Place { file: file.clone(), line: Some(*line) };
            required.places.providers.entry(provider.id).or_insert(place);
        }
        for (name, line) in &declared.keys {
            required.add_name(name.clone(), Place { file: file.clone(), line: Some(*line) });
        }
        Ok(required)
    }

    /// Requires every name that a file has, such as `.env.example`, in its order; its values do not matter.
    fn add_names_of(&mut self, path: &Path) -> Result<(), CommandError> {
        let (label, bytes) = read_env_file(path)?;
        let file = dotenv::parse(Path::new(&label), bytes.expose_secret());
        let file = file.map_err(|error| bad_env_file(&error))?;
        let lines = Lines::of(bytes.expose_secret());
        let mut names: Vec<_> = file.iter().map(|(name, _)| (lines.get(name), name)).collect();
        names.sort_unstable();
        for (line, name) in names {
            let place = Place { file: label.clone(), line };
            let parsed = SecretName::parse(name).ok().filter(SecretName::fits_environment);
            self.add_name(parsed.ok_or_else(|| no_name(&place))?, place);
        }
        Ok(())
    }

    /// Requires a name; where it is required twice, the first place is told.
    fn add_name(&mut self, name: SecretName, place: Place) {
        if let Entry::Vacant(entry) = self.places.keys.entry(name.to_string()) {
            entry.insert(place);
            self.keys.push(name);
        }
    }
}

/// The name itself is not repeated: it may be a piece of a value.
fn no_name(Place { file, line }: &Place) -> CommandError {
    let line = line.map_or_else(String::new, |line| format!("line {line}: "));
    CommandError::new(Kind::UnreadableFile, format!("cannot read {file}"))
        .because(format!("{line}a name that no environment variable can have"))
        .hint(
            "`--require-file` takes a template such as `.env.example`, of whose lines only the names matter",
        )
}
