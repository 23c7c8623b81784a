//! `auth switch`: make another profile the active one.

use clap::Args;
use serde::Serialize;
use vault_auth::profile::{ProfileError, ProfileName, Profiles};

use super::profiles::meaning;
use crate::context::Context;
use crate::error::{CommandError, Kind, profile_failed};
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Make another profile the active one
///
/// Without a name, two profiles change places; of more, a terminal is asked. `--profile` and `KEYWARD_PROFILE` say
/// which profile one command or one shell uses, whichever is active.
#[derive(Debug, Args)]
pub(super) struct SwitchArguments {
    /// The name of the profile
    #[arg(value_name = "NAME", value_parser = ProfileName::parse)]
    name: Option<ProfileName>,
}

/// Which profile is active.
#[derive(Debug, Serialize)]
pub(super) struct SwitchReport {
    active: String,
    before: Option<String>,
    tenant: String,
    /// What says which profile is meant, so that the active one is not.
    overridden_by: Option<&'static str>,
}

impl Report for SwitchReport {
    fn summary(&self) -> Option<String> {
        let Self { active, tenant, overridden_by, .. } = self;
        let mut lines = vec![format!("profile {active} is active: tenant '{tenant}'")];
        let set = |name| format!("{name} is set: it says which profile is used, whichever is active");
        lines.extend(overridden_by.map(set));
        Some(lines.join("\n"))
    }
}

/// Changes which profile is active, and nothing else.
pub(super) fn run(ctx: &Context, args: &SwitchArguments) -> Result<SwitchReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let file = access.open()?.ok_or_else(no_profiles)?;
    let known = access.profiles(&file)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => choose(ctx, &known)?,
    };
    let switched = Profiles::change(&file, |profiles| {
        let before = profiles.active().cloned();
        profiles.switch(&name).map(|()| (before, profiles.clone()))
    });
    let (before, profiles) = switched.map_err(|error| profile_failed(&access.path(), error))?;
    Ok(SwitchReport {
        tenant: meaning(&name, &profiles)?.tenant.value,
        active: name.to_string(),
        before: before.map(|name| name.to_string()),
        overridden_by: ctx.overriding_profile(),
    })
}

/// Says which profile is meant where nobody named one.
fn choose(ctx: &Context, known: &Profiles) -> Result<ProfileName, CommandError> {
    let names: Vec<&ProfileName> = known.iter().map(|(name, _)| name).collect();
    match names[..] {
        [] => Err(no_profiles()),
        [only] => Ok(only.clone()),
        [_, _] => known.clone().toggle().map_err(|error| several(&error, &names)),
        _ if ctx.ui.may_prompt() => pick(ctx, known, &names),
        _ => Err(several(&ProfileError::NotTwo(names.len()), &names)),
    }
}

/// Asks on the terminal, by number or by name.
fn pick(ctx: &Context, known: &Profiles, names: &[&ProfileName]) -> Result<ProfileName, CommandError> {
    let mut question = String::new();
    for (number, name) in (1..).zip(names) {
        let mark = if known.active() == Some(*name) { " (active)" } else { "" };
        question.push_str(&format!("{number}  {name}{mark}\n"));
    }
    let answer = ctx.ui.ask_line(&format!("{question}Which profile? "))?.unwrap_or_default();
    let by_number = answer.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
    let found = names.iter().find(|name| name.as_str() == answer).or(by_number);
    found.map(|name| (*name).clone()).ok_or_else(|| {
        CommandError::usage("that is none of the profiles; nothing was changed")
            .hint("answer with a number of the list, or a name")
    })
}

fn several(error: &ProfileError, names: &[&ProfileName]) -> CommandError {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    CommandError::usage(error.to_string())
        .because(format!("the profiles are: {}", names.join(", ")))
        .hint("`keyward auth switch NAME` names one")
}

fn no_profiles() -> CommandError {
    CommandError::new(Kind::NoSuchProfile, "there are no profiles").hint("`keyward auth login` makes one")
}
