//! `creds require`: declare in `.keyward.toml` which providers and keys the repository needs.

use clap::Args;
use serde::Serialize;
use vault_core::name::{SecretName, escape_deceptive};
use vault_core::provider::{Provider, Registry};
use vault_core::secret_like::looks_like_a_secret_of;

use super::edit::{Edit, List};
use super::{find, provider_ids};
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;

/// Declare in `.keyward.toml` which providers and keys this repository needs
///
/// Changes the nearest `.keyward.toml`, or makes one in the current directory; comments and order stay. The
/// file belongs into version control: `creds check` and `creds guide` go by it.
#[derive(Debug, Args)]
pub(crate) struct RequireArguments {
    /// A provider that is needed; `keyward creds list --all` shows them
    #[arg(value_name = "PROVIDER", add = provider_ids(), required_unless_present = "key")]
    provider: Vec<String>,
    /// A key that is needed, by its name; may be given more than once
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    key: Vec<SecretName>,
    /// Take back that they are needed
    #[arg(long)]
    rm: bool,
}

/// What the file says now.
#[derive(Debug, Serialize)]
pub(crate) struct RequireReport {
    path: String,
    /// What was added, or with `--rm` removed.
    changed: Vec<String>,
    /// What needed no change.
    unchanged: Vec<String>,
    providers: Vec<String>,
    keys: Vec<String>,
    #[serde(skip)]
    rm: bool,
}

impl Report for RequireReport {
    fn summary(&self) -> Option<String> {
        let (done, not_done) = if self.rm {
            ("no longer required", "was not required")
        } else {
            ("now required", "required already")
        };
        let line = |what: &str, names: &[String]| {
            (!names.is_empty())
                .then(|| format!("{what} in {}: {}", escape_deceptive(&self.path), names.join(", ")))
        };
        let lines = [line(done, &self.changed), line(not_done, &self.unchanged), Some(self.next())];
        Some(lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
    }
}

impl RequireReport {
    fn next(&self) -> String {
        if self.providers.is_empty() && self.keys.is_empty() {
            return "nothing is required any more; `keyward creds require PROVIDER` declares it".to_owned();
        }
        "`keyward creds check` tells what is missing, `keyward creds guide` where to get it".to_owned()
    }
}

/// A provider or a key that is to be declared, or to be no longer.
struct Wanted {
    list: List,
    text: String,
    provider: Option<&'static Provider>,
}

impl Wanted {
    /// Tells whether an entry of the list is this one, perhaps in another spelling.
    fn is(&self, entry: &str, known: &Registry) -> bool {
        entry == self.text || self.provider.is_some_and(|provider| known.find(entry) == Some(provider))
    }
}

/// Changes the file once for all that is wanted, or not at all.
pub(crate) fn run(ctx: &Context, args: &RequireArguments) -> Result<RequireReport, CommandError> {
    let known = ctx.registry()?;
    let mut file = Edit::nearest_or_new(ctx)?;
    let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
    for wanted in wanted(args, &file, &known)? {
        let is_there = file.list(wanted.list)?.iter().any(|entry| wanted.is(entry, &known));
        if is_there != args.rm {
            unchanged.push(wanted.text);
            continue;
        }
        if args.rm {
            file.remove(wanted.list, |entry| wanted.is(entry, &known))?;
        } else {
            file.add(wanted.list, &wanted.text)?;
        }
        changed.push(wanted.text);
    }
    let (providers, keys) = (file.list(List::Providers)?, file.list(List::Keys)?);
    let path = file.path();
    file.save()?;
    Ok(RequireReport { path, changed, unchanged, providers, keys, rm: args.rm })
}

/// Checks everything that was typed before anything is changed.
fn wanted(args: &RequireArguments, file: &Edit, known: &Registry) -> Result<Vec<Wanted>, CommandError> {
    let declared = file.list(List::Providers)?;
    let provider = |id: &String| match find(known, id) {
        Ok(provider) => {
            Ok(Wanted { list: List::Providers, text: provider.id.to_owned(), provider: Some(provider) })
        }
        // One that only another keyward knows has to go by hand or like this.
        Err(_) if args.rm && declared.contains(id) => {
            Ok(Wanted { list: List::Providers, text: id.clone(), provider: None })
        }
        Err(error) => Err(error),
    };
    let key = |name: &SecretName| {
        refuse_value(known, name)?;
        Ok(Wanted { list: List::Keys, text: name.to_string(), provider: None })
    };
    args.provider.iter().map(provider).chain(args.key.iter().map(key)).collect()
}

/// Refuses what should not get into a repository: a key in the place of its name. The text is not repeated.
fn refuse_value(known: &Registry, name: &SecretName) -> Result<(), CommandError> {
    let refused = if looks_like_a_secret_of(known, name.as_str()) {
        "that looks like a key itself, not like the name of one"
    } else if !name.fits_environment() {
        "a required key has the name of an environment variable: letters, digits and `_`"
    } else {
        return Ok(());
    };
    Err(CommandError::usage(refused).hint("`keyward creds require --key MY_TOKEN` is an example"))
}
