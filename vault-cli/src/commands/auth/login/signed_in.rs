//! What a login says when it is done: who, where, as what, and for how long.

use std::io::{self, Write};

use serde::Serialize;
use vault_auth::api_key::StoredApiKey;
use vault_auth::profile::ProfileName;
use vault_auth::stored_session::StoredSession;
use vault_auth::token::TokenType;
use vault_core::name::escape_deceptive;

use super::target::Target;
use crate::commands::auth::status::{DeviceFacts, device, method_of};
use crate::report::Report;
use crate::session_access::{SessionAccess, end_of};
use crate::time::date;

/// The facts.
#[derive(Debug, Serialize)]
pub(crate) struct SignedInReport {
    state: &'static str,
    profile: String,
    tenant: String,
    environment: Option<String>,
    base_url: Option<String>,
    method: &'static str,
    user_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    expires_at: Option<String>,
    /// There is a refresh token that the server has not refused.
    refreshes: bool,
    /// Only this device can use the tokens.
    bound_to_device: bool,
    masked_key: Option<String>,
    /// A server said that the credential is good.
    verified: bool,
    device: SignedInDevice,
    /// The file that has the login.
    path: String,
}

#[derive(Debug, Serialize)]
struct SignedInDevice {
    #[serde(flatten)]
    machine: DeviceFacts,
    /// The beginning of the fingerprint of the device key.
    fingerprint: Option<String>,
}

impl SignedInReport {
    /// Describes a session.
    pub(super) fn of_session(
        access: &SessionAccess<'_>,
        session: &StoredSession,
        profile: &ProfileName,
    ) -> Self {
        let (login, tokens) = (session.login(), session.tokens());
        let user = login.user.clone();
        Self {
            state: "signed_in",
            profile: profile.to_string(),
            tenant: session.key().tenant.clone(),
            environment: login.issuer.clone(),
            base_url: login.base_url.clone(),
            method: method_of(session),
            user_id: user.subject,
            email: user.email,
            name: user.name,
            roles: user.roles,
            scopes: tokens.map_or_else(Vec::new, |tokens| tokens.scopes.clone()),
            expires_at: end_of(session).map(date),
            refreshes: session.live_refresh_token().is_some(),
            bound_to_device: tokens.is_some_and(|tokens| tokens.token_type == TokenType::Dpop),
            masked_key: None,
            verified: !login.token_endpoint.is_empty() || login.user.subject.is_some(),
            device: SignedInDevice::new(login.device.clone()),
            path: access.path().display().to_string(),
        }
    }

    /// Describes an API key, by the part of it that is no secret.
    pub(super) fn of_api_key(access: &SessionAccess<'_>, stored: &StoredApiKey, target: &Target) -> Self {
        let (facts, selection) = (stored.facts.clone(), &target.selection);
        Self {
            state: "signed_in",
            profile: target.name.to_string(),
            tenant: selection.tenant.value.clone(),
            environment: selection.issuer.as_ref().map(|chosen| chosen.value.to_string()),
            base_url: target.base_url().map(ToString::to_string),
            method: API_KEY,
            user_id: facts.user_id,
            email: facts.email,
            name: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            expires_at: None,
            refreshes: false,
            bound_to_device: false,
            masked_key: Some(stored.key.masked()),
            verified: facts.verified_at.is_some(),
            device: SignedInDevice::new(facts.device),
            path: access.path().display().to_string(),
        }
    }

    /// Says that the login was there before.
    pub(super) fn of_before(self) -> Self {
        Self { state: "already_signed_in", ..self }
    }

    fn headline(&self) -> String {
        let already = if self.state == "signed_in" { "" } else { "already " };
        let account = self.email.as_deref().or(self.user_id.as_deref());
        let who = match (account, self.method) {
            (Some(account), _) => format!(" as {}", escape_deceptive(account)),
            (None, API_KEY) => " with an API key".to_owned(),
            (None, "token") => " with a token".to_owned(),
            (None, _) => "; the provider does not say who that is".to_owned(),
        };
        format!("{already}signed in to tenant '{}'{who}", self.tenant)
    }

    /// Says how long the login is good.
    fn end(&self) -> String {
        match (&self.expires_at, self.refreshes, self.method) {
            (_, true, _) => "when the provider ends it; tokens are refreshed until then".to_owned(),
            (Some(at), false, _) => format!("{at}, as nothing refreshes it; sign in again then"),
            (None, false, API_KEY) => "when it is revoked, or by its own date".to_owned(),
            (None, false, _) => "nobody said when, and nothing refreshes it".to_owned(),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let state =
            if self.verified { "" } else { "unverified (no backend was asked; --base-url names one)" };
        let mut rows = vec![
            ("Profile", self.profile.clone()),
            ("Roles", self.roles.join(", ")),
            ("Key", text(&self.masked_key)),
            ("State", state.to_owned()),
            ("Ends", self.end()),
        ];
        if self.method == API_KEY {
            rows.push(("Device", self.device.machine.name.clone()));
            rows.push(("OS", self.device.machine.os.clone()));
            rows.push(("Fingerprint", text(&self.device.fingerprint)));
        }
        rows.retain(|(_, value)| !value.is_empty());
        rows
    }
}

impl Report for SignedInReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let already = if self.state == "signed_in" { "Logged in" } else { "Already logged in" };
        match &self.user_id {
            Some(user_id) => writeln!(out, "{already} as {}", escape_deceptive(user_id)),
            None => Ok(()),
        }
    }

    fn summary(&self) -> Option<String> {
        let rows = self.rows().into_iter();
        let rows =
            rows.map(|(name, value)| format!("{:<14}{}", format!("{name}:"), escape_deceptive(&value)));
        Some([self.headline()].into_iter().chain(rows).collect::<Vec<_>>().join("\n"))
    }
}

impl SignedInDevice {
    fn new(fingerprint: Option<String>) -> Self {
        Self { machine: device(), fingerprint }
    }
}

const API_KEY: &str = "API key";
