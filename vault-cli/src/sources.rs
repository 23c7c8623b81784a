//! The key sources of one command, in the order of the house: keyring, environment, machine, then a
//! person on the terminal. The recovery code is asked for only with `--recovery`.

use std::time::Duration;

use vault_core::crypto::kdf::derive_kek;
use vault_core::secret::{SecretBytes, SlotKey};
use vault_core::slot::{KeySource, SlotKind, SlotRecord, SourceError, VaultId};
use vault_core::source::recovery::RecoveryCode;
use vault_core::source::supply::{EnvSupply, KeyringSupply, MachineSupply};

use crate::arguments::SourceKind;
use crate::context::{BUNDLE_CODE, BUNDLE_PASSPHRASE, Context, RECOVERY_CODE};
use crate::error::CommandError;
use crate::ui::Ui;

/// How long a keyring may take where nobody is expected to answer it.
const QUIET_DEADLINE: Duration = Duration::from_secs(3);

/// The sources of one command.
#[derive(Debug)]
pub(crate) struct Sources {
    keyring: Option<KeyringSupply>,
    environment: Vec<EnvSupply>,
    pub(crate) machine: Option<MachineSupply>,
    prompt: Option<PassphrasePrompt>,
    recovery: Option<RecoveryPrompt>,
}

impl Sources {
    /// Collects the sources that the command may use for the vault. Nothing is asked yet.
    pub(crate) fn new(ctx: &Context) -> Result<Self, CommandError> {
        Self::with_question(ctx, "Passphrase of the vault: ")
    }

    /// Collects the sources that the command may use for the file of sessions.
    pub(crate) fn of_sessions(ctx: &Context) -> Result<Self, CommandError> {
        Self::with_question(ctx, "Passphrase of the file of sessions: ")
    }

    fn with_question(ctx: &Context, question: &'static str) -> Result<Self, CommandError> {
        let forced = ctx.forced_source()?;
        let uses = |kind: SourceKind| forced.is_none_or(|forced| forced == kind);
        let serves = |supply: &EnvSupply| {
            uses(if supply.is_passphrase() { SourceKind::Passphrase } else { SourceKind::Env })
        };
        let environment = ctx.environment_keys().into_iter().map(EnvSupply::new).filter(serves).collect();
        let machine = uses(SourceKind::Machine).then(|| ctx.machine_directory().ok()).flatten();
        let asks = ctx.ui.may_prompt() && uses(SourceKind::Passphrase);
        Ok(Self {
            keyring: uses(SourceKind::Keyring).then(|| KeyringSupply::new(ctx.keyring_deadline())),
            environment,
            machine: machine.map(MachineSupply::new),
            prompt: asks.then(|| PassphrasePrompt::new(ctx, question)),
            recovery: if forced == Some(SourceKind::Recovery) {
                Some(RecoveryPrompt::of_vault(ctx)?)
            } else {
                None
            },
        })
    }

    /// Collects what opens a bundle: its own passphrase or code. What opens the vault is not asked for it.
    pub(crate) fn of_bundle(ctx: &Context) -> Result<Self, CommandError> {
        Ok(Self {
            keyring: None,
            environment: Vec::new(),
            machine: None,
            prompt: Some(PassphrasePrompt::of_bundle(ctx)),
            recovery: Some(RecoveryPrompt::of_bundle(ctx)?),
        })
    }

    /// Leaves out what asks a person, and does not wait for a keyring that asks one.
    pub(crate) fn without_prompts(mut self) -> Self {
        self.keyring = self.keyring.map(|_| KeyringSupply::new(QUIET_DEADLINE));
        self.prompt = None;
        self.recovery = None;
        self
    }

    /// Returns the sources in the order in which they are asked.
    pub(crate) fn in_order(&mut self) -> Vec<&mut dyn KeySource> {
        let keyring = self.keyring.iter_mut().map(|source| source as &mut dyn KeySource);
        let environment = self.environment.iter_mut().map(|source| source as &mut dyn KeySource);
        let machine = self.machine.iter_mut().map(|source| source as &mut dyn KeySource);
        let prompt = self.prompt.iter_mut().map(|source| source as &mut dyn KeySource);
        let recovery = self.recovery.iter_mut().map(|source| source as &mut dyn KeySource);
        keyring.chain(environment).chain(machine).chain(prompt).chain(recovery).collect()
    }

    /// Returns the keys of the environment, which are tried even where another source was first, so
    /// that a wrong one does not go unnoticed until the other source is gone.
    pub(crate) fn environment_keys(&mut self) -> impl Iterator<Item = &mut EnvSupply> {
        self.environment.iter_mut().filter(|supply| !supply.is_passphrase())
    }
}

/// Asks a person for the passphrase, once for all passphrase slots.
#[derive(Debug)]
struct PassphrasePrompt {
    ui: Ui,
    label: &'static str,
    question: &'static str,
    passphrase: Option<SecretBytes>,
}

impl PassphrasePrompt {
    const fn new(ctx: &Context, question: &'static str) -> Self {
        Self { ui: ctx.ui, label: "passphrase prompt", question, passphrase: None }
    }

    /// Takes the passphrase of a bundle from the environment, or asks for it.
    fn of_bundle(ctx: &Context) -> Self {
        let passphrase = ctx.bundle_passphrase();
        let label = if passphrase.is_some() { BUNDLE_PASSPHRASE } else { "passphrase prompt" };
        Self { ui: ctx.ui, label, question: "Passphrase of the bundle: ", passphrase }
    }
}

impl KeySource for PassphrasePrompt {
    fn label(&self) -> &str {
        self.label
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        matches!(kind, SlotKind::Passphrase { .. })
    }

    fn slot_key(&mut self, _vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        let SlotKind::Passphrase { params, salt } = slot.kind else {
            return Err(SourceError::new("the slot takes no passphrase"));
        };
        if self.passphrase.is_none() {
            if !self.ui.may_prompt() {
                return Err(SourceError::new("nobody to ask for the passphrase"));
            }
            let text = self.ui.ask_secret(self.question).map_err(|error| asked(&error))?;
            self.passphrase = Some(SecretBytes::new(text.expose_secret().as_bytes().to_vec()));
        }
        let passphrase =
            self.passphrase.as_ref().ok_or_else(|| SourceError::new("no passphrase was given"))?;
        derive_kek(passphrase, &salt, params).map_err(|error| SourceError::new(&error))
    }
}

/// Takes the recovery code from the environment or asks a person for it.
#[derive(Debug)]
struct RecoveryPrompt {
    ui: Ui,
    variable: &'static str,
    question: &'static str,
    code: Option<RecoveryCode>,
}

impl RecoveryPrompt {
    fn of_vault(ctx: &Context) -> Result<Self, CommandError> {
        Self::new(ctx, RECOVERY_CODE, "Recovery code: ")
    }

    fn of_bundle(ctx: &Context) -> Result<Self, CommandError> {
        Self::new(ctx, BUNDLE_CODE, "Code of the bundle: ")
    }

    fn new(ctx: &Context, variable: &'static str, question: &'static str) -> Result<Self, CommandError> {
        let text = ctx.code(variable)?.map(zeroize::Zeroizing::new);
        let code = text.map(|text| parse_code(variable, &text)).transpose()?;
        Ok(Self { ui: ctx.ui, variable, question, code })
    }

    fn code(&mut self) -> Result<&RecoveryCode, SourceError> {
        if self.code.is_none() {
            if !self.ui.may_prompt() {
                let why = format!("nobody to ask for the code, and {} is not set", self.variable);
                return Err(SourceError::new(&why));
            }
            let text = self.ui.ask_secret(self.question).map_err(|error| asked(&error))?;
            self.code =
                Some(RecoveryCode::parse(text.expose_secret()).map_err(|error| SourceError::new(&error))?);
        }
        self.code.as_ref().ok_or_else(|| SourceError::new("no recovery code was given"))
    }
}

impl KeySource for RecoveryPrompt {
    fn label(&self) -> &str {
        "recovery code"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        matches!(kind, SlotKind::Recovery)
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        self.code().map(RecoveryCode::derive_key)
    }
}

fn parse_code(variable: &str, text: &str) -> Result<RecoveryCode, CommandError> {
    RecoveryCode::parse(text)
        .map_err(|error| CommandError::usage(format!("{variable} is no recovery code")).caused_by(&error))
}

fn asked(error: &CommandError) -> SourceError {
    if error.kind == crate::error::Kind::Interrupted {
        SourceError::interrupted()
    } else {
        SourceError::new(error.message.as_str())
    }
}
