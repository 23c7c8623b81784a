//! The text of the guide. Plain Markdown that reads well as it is: short lines, no tables.

use std::io::{self, Write};

use vault_core::creds::{KeyReport, Outcome, State};

use super::super::choice::Chosen;
use super::super::presence::{ProviderFacts, is_there};
use super::super::words::{state, whereabouts};
use super::{GuideReport, each_once};
use crate::report::counted;

/// Writes the guide.
pub(super) fn write(out: &mut dyn Write, guide: &GuideReport) -> io::Result<()> {
    if guide.chosen == Chosen::Nothing {
        return write_beginning(out, guide);
    }
    writeln!(out, "# Credentials: what is needed, and how to get it\n")?;
    writeln!(out, "{}\n", introduction(guide))?;
    for provider in &guide.presence.providers {
        write_provider(out, provider)?;
    }
    write_named_keys(out, guide)?;
    write_check(out, guide)
}

fn introduction(guide: &GuideReport) -> String {
    let providers = counted(guide.presence.providers.len(), "provider");
    let keys = &guide.presence.keys;
    let and_keys =
        if keys.is_empty() { String::new() } else { format!(" and {}", counted(keys.len(), "key")) };
    match guide.chosen {
        Chosen::Declared => format!("`.keyward.toml` requires {providers}{and_keys}. {}", progress(guide)),
        Chosen::Detected => format!(
            "Nothing is declared; in use here: {providers}{and_keys}. What this\n\
             repository needs is declared by `keyward creds require PROVIDER`.\n\n{}",
            progress(guide)
        ),
        Chosen::Named | Chosen::Nothing => progress(guide),
    }
}

fn progress(guide: &GuideReport) -> String {
    match guide.store.len() {
        0 => "Nothing is missing.".to_owned(),
        missing => format!("Still missing: {}.", counted(missing, "key")),
    }
}

fn write_provider(out: &mut dyn Write, provider: &ProviderFacts) -> io::Result<()> {
    let progress = match provider.outcome {
        Outcome::Satisfied => "done",
        Outcome::Skipped => return writeln!(out, "## {}: left out in an air gap\n", provider.name),
        Outcome::Malformed | Outcome::Missing | Outcome::Unknown => "to do",
    };
    writeln!(out, "## {}: {progress}\n", provider.name)?;
    if provider.is_incomplete() {
        write_addresses(out, provider)?;
    }
    provider.keys.iter().try_for_each(|key| write_key(out, key))?;
    if provider.outcome == Outcome::Satisfied && provider.keys.is_empty() {
        writeln!(out, "It needs no key.")?;
    }
    if provider.is_incomplete() {
        for group in provider.other_groups() {
            writeln!(out, "\nOr instead:\n")?;
            group.iter().try_for_each(|name| writeln!(out, "- `{name}`"))?;
        }
        writeln!(out, "\nTo store what is missing, with a prompt that hides what is typed:\n")?;
        write_block(out, provider.missing())?;
        writeln!(out, "Or all of it in one go: `keyward creds set {}`", provider.id)?;
    }
    writeln!(out)
}

/// Writes where to get a key and where to read about it, each on a line of its own: addresses are long.
fn write_addresses(out: &mut dyn Write, provider: &ProviderFacts) -> io::Result<()> {
    if let Some(address) = provider.keys_url {
        writeln!(out, "Get a key here:\n<{address}>\n")?;
    }
    if let Some(address) = provider.docs {
        writeln!(out, "Read about it here:\n<{address}>\n")?;
    }
    Ok(())
}

fn write_named_keys(out: &mut dyn Write, guide: &GuideReport) -> io::Result<()> {
    let keys = &guide.presence.keys;
    if keys.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = keys.iter().filter(|key| !is_there(key)).map(|key| key.name.as_str()).collect();
    writeln!(out, "## Other keys: {}\n", if missing.is_empty() { "done" } else { "to do" })?;
    keys.iter().try_for_each(|key| write_key(out, key))?;
    writeln!(out)?;
    if missing.is_empty() { Ok(()) } else { write_block(out, missing.into_iter()) }
}

fn write_key(out: &mut dyn Write, key: &KeyReport) -> io::Result<()> {
    let mark = if is_there(key) { 'x' } else { ' ' };
    let place = whereabouts(key).map_or_else(String::new, |place| format!(" ({place})"));
    let state = match key.state {
        State::Malformed => "present in another shape",
        other => state(other),
    };
    writeln!(out, "- [{mark}] `{}`: {state}{place}", key.name)
}

/// Writes the commands that store keys.
fn write_block<'a>(out: &mut dyn Write, names: impl Iterator<Item = &'a str>) -> io::Result<()> {
    writeln!(out, "```sh")?;
    for name in names {
        writeln!(out, "keyward put {name}")?;
    }
    writeln!(out, "```\n")
}

fn write_check(out: &mut dyn Write, guide: &GuideReport) -> io::Result<()> {
    writeln!(out, "## Check\n")?;
    writeln!(out, "This ends with 0 if everything is there, and with 7 if not:\n")?;
    writeln!(out, "```sh\n{}\n```\n", folded(&guide.check, " \\\n  "))?;
    writeln!(out, "## In CI\n")?;
    if guide.knows_keys_by_connections_alone() {
        writeln!(out, "A job has no vault, so that it knows no connection. Declare what it is to check,")?;
        writeln!(out, "then print this guide again:\n")?;
        let keys = guide.presence.keys.iter().map(|key| format!(" --key {}", key.name));
        let ids = guide.presence.providers.iter().map(|provider| format!(" {}", provider.id));
        return writeln!(out, "```sh\nkeyward creds require{}\n```", ids.chain(keys).collect::<String>());
    }
    writeln!(out, "This job of GitHub Actions fails where a key is missing and says which one.")?;
    writeln!(out, "It needs `keyward` on the runner, and each key as a secret of the repository:\n")?;
    writeln!(out, "```yaml")?;
    write_job(out, guide)?;
    writeln!(out, "```")
}

/// Writes a job of five lines, and one for each key.
fn write_job(out: &mut dyn Write, guide: &GuideReport) -> io::Result<()> {
    writeln!(out, "credentials:\n  runs-on: ubuntu-latest\n  steps:\n    - uses: actions/checkout@v4")?;
    let check = format!("{} --source env --format github", guide.check);
    let check = folded(&check, "\n        ");
    let fold = if check.contains('\n') { ">-\n        " } else { "" };
    writeln!(out, "    - run: {fold}{check}")?;
    let names = ci_names(guide);
    if !names.is_empty() {
        writeln!(out, "      env:")?;
    }
    names.iter().try_for_each(|name| writeln!(out, "        {name}: ${{{{ secrets.{name} }}}}"))
}

/// Returns the names that a job has to hand over, each once.
fn ci_names(guide: &GuideReport) -> Vec<&str> {
    let providers = guide.presence.providers.iter().flat_map(|provider| &provider.keys);
    let required = providers.chain(&guide.presence.keys).filter(|key| key.required);
    each_once(required.map(|key| key.name.as_str()))
}

/// Breaks a command before its options where it is too long for a line.
fn folded(command: &str, line_break: &str) -> String {
    if command.len() <= SHORT {
        command.to_owned()
    } else {
        command.replace(" --", &format!("{line_break}--"))
    }
}

/// Writes how to begin where nothing is known of what the repository needs.
fn write_beginning(out: &mut dyn Write, guide: &GuideReport) -> io::Result<()> {
    writeln!(out, "{BEGINNING}")?;
    let mut kind = None;
    for provider in &guide.known {
        if kind.replace(provider.kind) != Some(provider.kind) {
            writeln!(out, "\n### {}\n", provider.kind)?;
        }
        writeln!(out, "- `{}`: {}", provider.id, provider.name)?;
    }
    Ok(())
}

const BEGINNING: &str = "\
# Credentials: how to begin

Nothing here says which providers this repository needs, and no key of one
was found.

1. Say which providers it needs. This writes `.keyward.toml`, which belongs
   into version control:

   ```sh
   keyward creds require openai slack
   ```

2. Print this guide again. It then says where to get each key and how to
   store it:

   ```sh
   keyward creds guide
   ```

3. Check, here and in CI. This ends with 0 if everything is there, and with
   7 if not:

   ```sh
   keyward creds check
   ```

To look at a provider first: `keyward creds guide openai`

## Providers";

/// The longest command that fits the line of a terminal behind what stands before it.
const SHORT: usize = 66;
