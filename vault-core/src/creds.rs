//! The check whether credentials are there, of providers and by name: without the network, and without a
//! value in what it reports. The check is pure. What occurs in the environment and in the files comes in as
//! [`Occurrences`], which keep the values of the names that are looked up and no others; the vault is a
//! closure.
//!
//! **Where a name is looked for.** In the environment, then in the files, the last one first, then in the
//! vault; in each under the canonical name, then under its aliases. The first value that is not blank
//! makes the name *present*. A blank value (nothing, or white space alone) makes it *empty*: the name
//! occurs, but nothing can be done with it. A name that is required by itself has no aliases.
//!
//! **What shape a value has** is asked where the value is at hand, in the environment and in files. A
//! present name whose value has not the shape that the registry knows is *malformed*; services change their
//! shapes, so that this fails a check only if it is strict.
//!
//! **When the vault is asked.** Opening it may cost a keyring call or a second of key derivation. So it is
//! asked at most once, which the type of the closure ensures, and only for names that have a value neither
//! in the environment nor in a file, under no spelling: a line `KEY=` in a template does not hide the secret
//! in the vault. It is asked where a provider that is not complete requires such a name; optional names
//! come along, but are no reason to ask. If it can't be opened, the names that it was to tell about are
//! *unknown*, not missing.
//!
//! **Which providers are required** is the caller's [`Choice`]: all that it names, or those of them that are
//! in use: a required name occurs, even empty, in any source, or the vault has a connection that refers to
//! one of the provider's names. If none is, and no name is required by itself, all are required, and
//! [`Report::assumed_all`] says so. In an air gap, cloud providers are reported as skipped.
//!
//! **When a provider is satisfied.** When all names of one of its groups are present, or when it has no
//! group. Otherwise the group closest to complete is reported: the fewest names missing or empty, then
//! the fewest unknown, then the most present, then the fewest malformed, then the first of the registry.

use std::cmp::Reverse;
use std::collections::HashSet;

use self::sources::{Sources, Vault};
use crate::name::SecretName;
use crate::provider::{Provider, Registry};

pub use self::report::{KeyReport, Outcome, ProviderReport, Report, Source, State, VaultUse};
pub use self::sources::{FileNames, Occurrences, VaultAnswer, Wanted};

mod report;
mod sources;

/// What to check.
#[derive(Debug)]
pub struct Request<'a> {
    /// The providers that may be required.
    pub providers: &'a [&'static Provider],
    /// Which of them are.
    pub choice: Choice,
    /// The names that are required by themselves.
    pub keys: &'a [SecretName],
    /// Where the shapes of `keys` are known.
    pub registry: &'a Registry,
    /// Whether to leave out cloud providers.
    pub air_gap: bool,
    /// Whether a value of another shape fails the check.
    pub strict: bool,
    /// What occurs in the environment.
    pub env: &'a Occurrences,
    /// What occurs in the files; a later file goes before an earlier one.
    pub files: &'a [FileNames],
}

/// Which of the providers of a request are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// All of them.
    All,
    /// Those that are in use; if none is, and no name is required by itself, all of them.
    InUse,
}

/// Checks whether the credentials are there. `vault` gets the names to look up, sorted and each once.
pub fn check(request: &Request<'_>, vault: impl FnOnce(&[&str]) -> VaultAnswer) -> Report {
    let candidates = without_repetitions(request.providers);
    let mut sources = Sources { env: request.env, files: request.files, vault: Vault::NotAsked };
    let names = names_to_ask(request, &sources, &candidates);
    if !names.is_empty() {
        sources.vault = vault(&names).into();
    }
    let (chosen, assumed_all) = choose(request, candidates, &sources);
    let examine = |provider: &'static Provider| match leaves_out(request, provider) {
        true => ProviderReport::new(provider, Outcome::Skipped, Vec::new()),
        false => examine(provider, &sources, request.strict),
    };
    let providers = chosen.into_iter().map(examine).collect();
    let keys = request.keys.iter().map(|name| examine_name(name, request.registry, &sources)).collect();
    Report::new(assumed_all, sources.vault.used(), providers, keys, request.strict)
}

fn without_repetitions(providers: &[&'static Provider]) -> Vec<&'static Provider> {
    let mut seen = HashSet::new();
    providers.iter().copied().filter(|provider| seen.insert(provider.id)).collect()
}

const fn leaves_out(request: &Request<'_>, provider: &Provider) -> bool {
    request.air_gap && provider.cloud
}

/// Returns the names that only the vault can tell about: those that an incomplete provider requires, and
/// if there are any, the optional ones too, which cost nothing more.
fn names_to_ask<'a>(
    request: &'a Request<'_>,
    sources: &Sources<'_>,
    candidates: &[&'static Provider],
) -> Vec<&'a str> {
    let is_absent = |spellings: &Vec<&'a str>| !sources.find(spellings.iter().copied()).is_present();
    let checked = || candidates.iter().filter(|provider| !leaves_out(request, provider));
    let open = checked().filter(|provider| !is_complete(provider, sources));
    let required =
        open.flat_map(|provider| provider.required().map(|name| provider.spellings(name).collect()));
    let by_name = request.keys.iter().map(|name| vec![name.as_str()]);
    let mut absent: Vec<Vec<&str>> = required.chain(by_name).filter(is_absent).collect();
    if !absent.is_empty() {
        let optional = checked()
            .flat_map(|provider| provider.optional.iter().map(|name| provider.spellings(name).collect()));
        absent.extend(optional.filter(is_absent));
    }
    Wanted::from_iter(absent.into_iter().flatten()).into_names()
}

/// Tells whether a provider needs nothing more. The vault is asked where this is not so.
fn is_complete(provider: &Provider, sources: &Sources<'_>) -> bool {
    let is_present = |name: &&'static str| sources.find(provider.spellings(name)).is_present();
    provider.require.is_empty() || provider.require.iter().any(|group| group.iter().all(is_present))
}

/// Returns the providers to report, and whether they are all because nothing pointed to any.
fn choose(
    request: &Request<'_>,
    candidates: Vec<&'static Provider>,
    sources: &Sources<'_>,
) -> (Vec<&'static Provider>, bool) {
    if request.choice == Choice::All {
        return (candidates, false);
    }
    let in_use: Vec<_> = candidates.iter().copied().filter(|provider| is_in_use(provider, sources)).collect();
    let is_about_nothing = in_use.is_empty() && request.keys.is_empty();
    if is_about_nothing { (candidates, true) } else { (in_use, false) }
}

fn is_in_use(provider: &Provider, sources: &Sources<'_>) -> bool {
    let mut required = provider.required().map(|name| sources.find(provider.spellings(name)));
    required.any(|finding| finding.occurs())
        || provider.all_spellings().any(|name| sources.vault.connects(name))
}

fn examine(provider: &'static Provider, sources: &Sources<'_>, strict: bool) -> ProviderReport {
    let report = |name: &&'static str, required| {
        let finding = sources.find(provider.spellings(name));
        let fits = |value: &str| provider.key(name).and_then(|key| key.matches(value)) != Some(false);
        KeyReport::new(name, required, finding.judged(fits))
    };
    let groups = provider.require.iter().map(|group| group.iter().map(|name| report(name, true)).collect());
    let mut keys: Vec<KeyReport> =
        groups.min_by_key(|group: &Vec<KeyReport>| distance(group)).unwrap_or_default();
    let distance = distance(&keys);
    keys.extend(provider.optional.iter().map(|name| report(name, false)).filter(KeyReport::occurs));
    let is_malformed = keys.iter().any(|key| key.state == State::Malformed);
    let outcome = match distance {
        (0, 0, ..) if strict && is_malformed => Outcome::Malformed,
        (0, 0, ..) => Outcome::Satisfied,
        (0, ..) => Outcome::Unknown,
        _ => Outcome::Missing,
    };
    ProviderReport::new(provider, outcome, keys)
}

/// Looks for a name by itself. It is malformed where the registry knows shapes for it and the value has none
/// of them.
fn examine_name(name: &SecretName, registry: &Registry, sources: &Sources<'_>) -> KeyReport {
    let fits = |value: &str| {
        let mut keys = registry.keys_called(name.as_str()).peekable();
        keys.peek().is_none() || keys.any(|key| key.matches(value) != Some(false))
    };
    KeyReport::new(name.as_str(), true, sources.find([name.as_str()].into_iter()).judged(fits))
}

/// Returns how far a group is from complete. All complete groups of the right shape are equal, so that the
/// first is taken.
fn distance(group: &[KeyReport]) -> (usize, usize, Reverse<usize>, usize) {
    let count = |states: &[State]| group.iter().filter(|key| states.contains(&key.state)).count();
    let (missing, unknown) = (count(&[State::Empty, State::Missing]), count(&[State::Unknown]));
    let present = if missing + unknown == 0 { 0 } else { count(&[State::Malformed, State::Present]) };
    (missing, unknown, Reverse(present), count(&[State::Malformed]))
}

#[cfg(test)]
mod tests;
