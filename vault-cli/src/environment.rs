//! Builds the environment of the program that `keyward run` starts: the inherited one and the secrets.
//! It does not read this process's environment, which is `context.rs`'s matter.
//!
//! Whatever keyward itself is told through the environment (`KEYWARD_*`: the vault's key, API keys,
//! sessions) stays with keyward. Inherited variables that are no UTF-8 pass through unharmed.
//!
//! # Security
//!
//! A secret may have any name that a variable can have, also one that changes how programs run
//! (`PATH`, `LD_PRELOAD`, `BASH_ENV`). Whoever runs a command with secrets expects all of them to
//! arrive, as from `op run`, and silence would be worse than a surprise; so nothing is held back, and
//! a value that replaces an inherited one is reported by name. Who may write to a vault that others
//! run programs with is therefore trusted by them like someone who may edit their shell profile.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::process::{Resource, getrlimit};
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;

/// Which value a variable gets that is inherited and a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// The inherited one (`--preserve-env`).
    Inherited,
    /// The secret.
    Secret,
}

/// What to build an environment from. It has no `Debug`, because inherited variables may be secrets.
pub(crate) struct Plan<'a> {
    /// The variables that keyward was started with. Of two with one name, the first counts, as for
    /// getenv(3).
    pub(crate) inherited: Vec<(OsString, OsString)>,
    /// The secrets. Of two with one name, the last counts.
    pub(crate) secrets: &'a [(&'a SecretName, &'a SecretBytes)],
    /// Who wins.
    pub(crate) precedence: Precedence,
    /// The program and its arguments, which share their space with the environment.
    pub(crate) command: &'a [OsString],
}

/// An environment, complete and known to fit.
pub(crate) struct Environment {
    /// The variables, in the order of their names, each name once.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The secrets for which another value was inherited: which of the two won is up to
    /// [`Precedence`].
    pub(crate) collisions: Vec<SecretName>,
    /// The secrets left out because their names are keyward's own (`KEYWARD_*`).
    pub(crate) left_out: Vec<SecretName>,
}

/// Why a program can't have the environment asked for. Each names the secret, never its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// The name is not of the form `[A-Za-z_][A-Za-z0-9_]*`.
    #[error("no environment variable can have the name of this secret: {0}")]
    Name(SecretName),
    /// The value has a NUL byte, where a variable would end.
    #[error("no environment variable can hold a NUL byte, which is in the value of: {0}")]
    Nul(SecretName),
    /// All variables and arguments together take more than [`space`].
    #[error("the environment and the arguments are larger than the system allows; most is taken by: {0}")]
    TotalTooLarge(SecretName),
    /// Name and value take more than [`MAX_VARIABLE`].
    #[error("an environment variable holds at most 128 KiB, less than the value of: {0}")]
    ValueTooLarge(SecretName),
}

impl Environment {
    /// Builds an environment that the system will accept.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] names a secret that makes it impossible. A secret that is not injected,
    /// because it is keyward's own or an inherited one is preserved, makes nothing impossible.
    pub(crate) fn build(plan: Plan<'_>) -> Result<Self, EnvironmentError> {
        let mut variables = BTreeMap::new();
        for (name, value) in plan.inherited.into_iter().filter(|(name, _)| !is_own(name)) {
            variables.entry(name).or_insert(value);
        }
        let (own, secrets): (Vec<_>, Vec<_>) =
            plan.secrets.iter().copied().partition(|(name, _)| is_own(name.as_str()));
        let collisions = collisions(&variables, &secrets);
        let injected = match plan.precedence {
            Precedence::Inherited => without_inherited(&variables, secrets),
            Precedence::Secret => secrets,
        };
        inject(&mut variables, &injected)?;
        check_total(&variables, &injected, plan.command, space())?;
        let left_out = names(&own);
        Ok(Self { variables: variables.into_iter().collect(), collisions, left_out })
    }
}

/// Variables by name.
type Variables = BTreeMap<OsString, OsString>;

/// A secret as the caller lends it.
type Secret<'a> = (&'a SecretName, &'a SecretBytes);

/// Tells whether a variable is for keyward alone.
pub(crate) fn is_own(name: impl AsRef<OsStr>) -> bool {
    name.as_ref().as_bytes().starts_with(b"KEYWARD_")
}

/// Returns the names of `secrets`.
fn names(secrets: &[Secret<'_>]) -> Vec<SecretName> {
    secrets.iter().map(|(name, _)| (*name).clone()).collect()
}

/// Returns the names for which another value is inherited than the secret's.
fn collisions(inherited: &Variables, secrets: &[Secret<'_>]) -> Vec<SecretName> {
    let differs = |(name, value): &Secret<'_>| {
        let other = inherited.get(OsStr::new(name.as_str()));
        other.is_some_and(|other| other.as_bytes() != value.expose_secret())
    };
    names(&secrets.iter().copied().filter(differs).collect::<Vec<_>>())
}

/// Drops the secrets for which there is an inherited variable.
fn without_inherited<'a>(inherited: &Variables, mut secrets: Vec<Secret<'a>>) -> Vec<Secret<'a>> {
    secrets.retain(|(name, _)| !inherited.contains_key(OsStr::new(name.as_str())));
    secrets
}

/// Sets a variable for each secret.
fn inject(variables: &mut Variables, secrets: &[Secret<'_>]) -> Result<(), EnvironmentError> {
    let variable = |(name, value): &Secret<'_>| {
        check_variable(name, value)?;
        Ok((name.as_str().into(), OsString::from_vec(value.expose_secret().to_vec())))
    };
    // Made as a whole and then joined, because to insert one after the other compares ten times as much.
    variables.append(&mut secrets.iter().map(variable).collect::<Result<_, _>>()?);
    Ok(())
}

/// Checks what the system asks of a single variable.
fn check_variable(name: &SecretName, value: &SecretBytes) -> Result<(), EnvironmentError> {
    if !name.fits_environment() {
        return Err(EnvironmentError::Name(name.clone()));
    }
    if value.expose_secret().contains(&0) {
        return Err(EnvironmentError::Nul(name.clone()));
    }
    if variable_size(name.as_str().len(), value.len()) > MAX_VARIABLE {
        return Err(EnvironmentError::ValueTooLarge(name.clone()));
    }
    Ok(())
}

/// Checks that everything together fits into `space`. Without a secret to name there is no error: the
/// system then has the last word.
fn check_total(
    variables: &Variables,
    injected: &[Secret<'_>],
    command: &[OsString],
    space: usize,
) -> Result<(), EnvironmentError> {
    let largest = injected.iter().max_by_key(|(name, value)| name.as_str().len() + value.len());
    match largest {
        Some((name, _)) if total_size(variables, command) > space => {
            Err(EnvironmentError::TotalTooLarge((*name).clone()))
        }
        _ => Ok(()),
    }
}

/// Returns the bytes that execve(2) needs: every string with its NUL, a pointer to each, and once more
/// the program's path. A path longer than the program as typed, and an interpreter (`#!`), come on
/// top; so this is never too much.
fn total_size(variables: &Variables, command: &[OsString]) -> usize {
    let environment: usize =
        variables.iter().map(|(name, value)| variable_size(name.len(), value.len())).sum();
    let arguments: usize = command.iter().map(|argument| argument.len() + 1).sum();
    let path = command.first().map_or(0, |program| program.len() + 1);
    let pointers = (variables.len() + command.len()) * size_of::<usize>();
    environment + arguments + path + pointers
}

/// Returns the bytes of `NAME=value` with the NUL at its end.
const fn variable_size(name: usize, value: usize) -> usize {
    name + value + 2
}

/// Returns the bytes for arguments and environment together: a quarter of the stack limit, within
/// bounds (execve(2), "Limits on size of arguments and environment").
fn space() -> usize {
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    usize::try_from(stack / 4).unwrap_or(usize::MAX).clamp(MIN_SPACE, MAX_SPACE)
}

/// The longest variable, name and NUL included (execve(2): `MAX_ARG_STRLEN`, 32 pages of 4 KiB).
/// Systems with larger pages allow more; a vault should work on all of them.
const MAX_VARIABLE: usize = 128 * 1024;

/// The space that is there whatever the stack limit says (execve(2): 32 pages).
const MIN_SPACE: usize = 128 * 1024;

/// The space that no stack limit extends (execve(2): three quarters of 8 MiB).
const MAX_SPACE: usize = 6 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds an environment from inherited variables and secrets, for the command `true`.
    fn build(
        inherited: &[(&str, &str)],
        secrets: &[(&str, &[u8])],
        precedence: Precedence,
    ) -> Result<Environment, EnvironmentError> {
        let inherited = inherited.iter().map(|(name, value)| (name.into(), value.into())).collect();
        build_from(inherited, secrets, precedence)
    }

    fn build_from(
        inherited: Vec<(OsString, OsString)>,
        secrets: &[(&str, &[u8])],
        precedence: Precedence,
    ) -> Result<Environment, EnvironmentError> {
        let owned: Vec<_> = secrets
            .iter()
            .map(|(name, value)| (SecretName::parse(name).unwrap(), SecretBytes::new(value.to_vec())))
            .collect();
        let secrets: Vec<_> = owned.iter().map(|(name, value)| (name, value)).collect();
        Environment::build(Plan { inherited, secrets: &secrets, precedence, command: &["true".into()] })
    }

    /// Returns `NAME=value` of every variable.
    fn shown(environment: &Environment) -> Vec<String> {
        let text = |(name, value): &(OsString, OsString)| format!("{}={}", name.display(), value.display());
        environment.variables.iter().map(text).collect()
    }

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).unwrap()
    }

    /// Returns the error of building an environment with secrets alone.
    fn refusal(secrets: &[(&str, &[u8])]) -> Option<EnvironmentError> {
        build(&[], secrets, Precedence::Secret).err()
    }

    #[test]
    fn secrets_join_the_inherited_variables() {
        let built = build(&[("HOME", "/h")], &[("TOKEN", b"t")], Precedence::Secret).unwrap();
        assert_eq!(shown(&built), ["HOME=/h", "TOKEN=t"]);
        assert!(built.collisions.is_empty() && built.left_out.is_empty());
    }

    #[test]
    fn a_secret_wins_over_an_inherited_value_and_is_reported() {
        let built =
            build(&[("A", "old"), ("B", "same")], &[("A", b"new"), ("B", b"same")], Precedence::Secret)
                .unwrap();
        assert_eq!(shown(&built), ["A=new", "B=same"]);
        assert_eq!(built.collisions, [name("A")]);
    }

    #[test]
    fn an_inherited_value_wins_when_it_is_preserved() {
        let built = build(&[("A", "old")], &[("A", b"new"), ("B", b"b")], Precedence::Inherited).unwrap();
        assert_eq!(shown(&built), ["A=old", "B=b"]);
        assert_eq!(built.collisions, [name("A")]);
    }

    #[test]
    fn a_secret_that_is_not_injected_makes_nothing_impossible() {
        assert!(build(&[("A", "old")], &[("A", b"new\0")], Precedence::Inherited).is_ok());
    }

    #[test]
    fn keywards_own_variables_reach_no_child() {
        let inherited = [("KEYWARD_VAULT_KEY", "k"), ("KEYWARD_", ""), ("KEYWARDEN", "other")];
        let built = build(&inherited, &[("KEYWARD_API_KEY", b"k")], Precedence::Secret).unwrap();
        assert_eq!(shown(&built), ["KEYWARDEN=other"]);
        assert_eq!(built.left_out, [name("KEYWARD_API_KEY")]);
    }

    #[test]
    fn names_that_steer_programs_are_injected() {
        let secrets: [(&str, &[u8]); 2] = [("LD_PRELOAD", b"x.so"), ("PATH", b"/opt")];
        let built = build(&[("PATH", "/bin")], &secrets, Precedence::Secret).unwrap();
        assert_eq!(shown(&built), ["LD_PRELOAD=x.so", "PATH=/opt"]);
        assert_eq!(built.collisions, [name("PATH")]);
    }

    #[test]
    fn of_a_variable_inherited_twice_the_first_counts() {
        let built = build(&[("A", "1"), ("A", "2")], &[], Precedence::Secret).unwrap();
        assert_eq!(shown(&built), ["A=1"]);
    }

    #[test]
    fn bytes_that_are_no_text_pass_through() {
        let odd = OsString::from_vec(vec![b'x', 0xff, 0xfe]);
        let built =
            build_from(vec![(odd.clone(), odd.clone())], &[("S", b"\xff\n")], Precedence::Secret).unwrap();
        let secret = OsString::from_vec(vec![0xff, b'\n']);
        assert_eq!(built.variables, [("S".into(), secret), (odd.clone(), odd)]);
    }

    #[test]
    fn a_name_that_no_variable_can_have_is_refused() {
        for text in ["db/password", "1A", "A-B", "Ä"] {
            assert_eq!(refusal(&[(text, b"v")]), Some(EnvironmentError::Name(name(text))));
        }
    }

    #[test]
    fn a_value_with_nul_is_refused() {
        assert_eq!(refusal(&[("OK", b"v"), ("BAD", b"a\0b")]), Some(EnvironmentError::Nul(name("BAD"))));
    }

    #[test]
    fn a_variable_of_128_kib_is_the_longest() {
        let longest = vec![b'v'; MAX_VARIABLE - "A=\0".len()];
        assert_eq!(refusal(&[("A", &longest)]), None);
        assert_eq!(refusal(&[("AB", &longest)]), Some(EnvironmentError::ValueTooLarge(name("AB"))));
    }

    #[test]
    fn too_much_in_total_names_the_largest_secret() {
        let (large, larger) = (vec![b'v'; 100_000], vec![b'v'; 100_001]);
        let names: Vec<_> = (0..70).map(|number| format!("S{number}")).collect();
        let mut secrets: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &large[..])).collect();
        secrets[33].1 = &larger;
        assert_eq!(refusal(&secrets), Some(EnvironmentError::TotalTooLarge(name("S33"))));
    }

    #[test]
    fn an_error_shows_no_value() {
        let shown = format!("{:?}", refusal(&[("A", b"canary\0")]));
        assert!(!shown.contains("canary"), "{shown}");
    }

    /// Starts `/bin/true` with variables that by this file's count take `size` bytes.
    fn system_accepts(size: usize) -> bool {
        let command = ["/bin/true".into()];
        let mut variables = Variables::new();
        for number in 0.. {
            let missing = size - total_size(&variables, &command);
            if missing == 0 {
                break;
            }
            let name = OsString::from(format!("V{number:03}"));
            let overhead = variable_size(name.len(), 0) + size_of::<usize>();
            // The last two share the rest, so that none is too short for its name.
            let length = if missing > 120_000 { 60_000 } else { missing - overhead };
            variables.insert(name, "v".repeat(length).into());
        }
        std::process::Command::new("/bin/true").env_clear().envs(&variables).status().is_ok()
    }

    #[test]
    fn the_system_counts_the_same() {
        assert!(system_accepts(space()));
        assert!(!system_accepts(space() + 1));
    }
}
