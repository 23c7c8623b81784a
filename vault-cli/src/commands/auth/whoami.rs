//! `auth whoami`: ask the backend, or the provider, who is signed in.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_auth::credential::{Choice, Credential};
use vault_auth::server_text::ServerText;
use vault_auth::whoami::Whoami;

use super::status::{DeviceFacts, device, write_row};
use crate::context::Context;
use crate::credential::{Stored, StoredLogin, choose_credential};
use crate::error::CommandError;
use crate::identity::{Answered, Caller, selection_of};
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Ask the backend who is signed in
///
/// This always asks: it shows that the backend can be reached and takes the credential. A session without a backend
/// is shown to its provider. `keyward auth status` says what is known without asking.
#[derive(Debug, Args)]
pub(crate) struct WhoamiArguments {}

/// Who it is.
#[derive(Debug, Serialize)]
pub(crate) struct WhoamiReport {
    user_id: Option<String>,
    principal: Option<String>,
    email: Option<String>,
    tenant: String,
    organization: Option<String>,
    workspace: Option<String>,
    roles: Vec<String>,
    /// Who says so.
    server: String,
    /// What was presented.
    credential: &'static str,
    #[serde(flatten)]
    device: WhoamiDevice,
    #[serde(skip)]
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct WhoamiDevice {
    device: DeviceFacts,
    fingerprint: Option<String>,
}

impl Report for WhoamiReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let user = self.user_id.as_ref().or(self.principal.as_ref()).or(self.email.as_ref());
        let user = user.map_or("an unknown user", String::as_str);
        writeln!(out, "Logged in as {user} on tenant {}", self.tenant)?;
        let WhoamiDevice { device, fingerprint } = &self.device;
        let mut row = |name: &str, value: Option<&str>| write_row(out, name, value);
        row("Email", self.email.as_deref())?;
        row("Organization", self.organization.as_deref())?;
        row("Workspace", self.workspace.as_deref())?;
        row("Roles", Some(&self.roles.join(", ")).filter(|roles| !roles.is_empty()).map(String::as_str))?;
        row("Server", Some(&self.server))?;
        row("Credential", Some(self.credential))?;
        row("Device", Some(&device.name))?;
        row("OS", Some(&device.os))?;
        row("Fingerprint", fingerprint.as_deref())
    }

    fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// Asks.
pub(crate) fn run(ctx: &Context, _args: &WhoamiArguments) -> Result<WhoamiReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let choice = choose_credential(&access)?;
    let selection = selection_of(&access, &choice)?;
    let Answered { answer, server, exit_code } =
        Caller::of_choice(&access, &choice, &selection).who().map_err(CommandError::from)?;
    let Whoami { principal, email, user_id, tenant, organization, workspace, roles } = answer;
    let text = |text: Option<ServerText>| text.map(|text| text.to_string());
    Ok(WhoamiReport {
        user_id: text(user_id),
        principal: text(principal),
        email: text(email),
        tenant: text(tenant).unwrap_or(selection.tenant.value),
        organization: text(organization),
        workspace: text(workspace),
        roles: roles.iter().map(ToString::to_string).collect(),
        server,
        credential: choice.origin.name(),
        device: WhoamiDevice { device: device(), fingerprint: fingerprint(&choice) },
        exit_code,
    })
}

/// Returns the fingerprint of the device that the login was made on.
fn fingerprint(choice: &Choice<Stored>) -> Option<String> {
    let Credential::Stored(stored) = &choice.credential else { return None };
    match &stored.login {
        StoredLogin::ApiKey(stored) => stored.facts.device.clone(),
        StoredLogin::Session(session) => session.login().device.clone(),
    }
}
