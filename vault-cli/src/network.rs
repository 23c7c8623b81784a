//! The HTTP client of a command: one for everything, made only after the air gap was asked.

use std::sync::Arc;
use std::time::Duration;

use vault_auth::http::{Exchange, ExchangeLog, HttpClient, HttpSettings, SettingsError};
use vault_core::name::escape_deceptive;

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::ui::Ui;

/// Makes the client. `purpose` says what for, should the network be forbidden.
pub(crate) fn client(ctx: &Context, purpose: &str) -> Result<Arc<HttpClient>, CommandError> {
    ctx.check_network(purpose)?;
    let defaults = HttpSettings::default();
    let total_timeout = ctx.timeout().map_or(defaults.total_timeout, |time| time.min(LONGEST_REQUEST));
    let log = ctx.ui.verbose.then(|| Arc::new(Shown(ctx.ui)) as Arc<dyn ExchangeLog>);
    let settings = HttpSettings {
        additional_roots: ctx.additional_roots()?,
        proxy: ctx.proxy()?,
        total_timeout,
        log,
        ..defaults
    };
    HttpClient::new(settings).map(Arc::new).map_err(|error| settings_failed(&error))
}

fn settings_failed(error: &SettingsError) -> CommandError {
    let hint = match error {
        SettingsError::Proxy => {
            "set `HTTPS_PROXY` to an address such as http://proxy.example:3128, or unset it"
        }
        _ => "`--ca-file` and `KEYWARD_CA_FILE` name a file of certificates in PEM",
    };
    CommandError::new(Kind::Configuration, error.to_string()).hint(hint)
}

/// Says of each request what can be said, for `--verbose`: no header, no body, no value of a query.
#[derive(Debug)]
struct Shown(Ui);

impl ExchangeLog for Shown {
    fn record(&self, exchange: &Exchange) {
        let Exchange { method, address, status, duration, sent, received, failure } = exchange;
        let outcome = match (status, failure) {
            (_, Some(failure)) => escape_deceptive(failure).into_owned(),
            (Some(status), None) => format!("{status}, {received} bytes"),
            (None, None) => "no answer".to_owned(),
        };
        let sent = if *sent == 0 { String::new() } else { format!(" ({sent} bytes)") };
        self.0.detail(&format!("{method} {address}{sent}: {outcome} in {} ms", duration.as_millis()));
    }
}

/// No server takes longer for one answer that is worth waiting for.
const LONGEST_REQUEST: Duration = Duration::from_secs(300);
