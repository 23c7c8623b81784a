//! What a person sees of a login while it waits: address and code, where it comes from, and that it waits.

use std::cell::Cell;
use std::fmt::Display;

use vault_auth::device::{Drift, Opening, PollError, PollWatch};
use vault_auth::grant::GrantError;
use vault_auth::pending::BegunLogin;
use vault_core::source::machine;

use super::LoginArguments;
use super::provider::issuer_of;
use super::qr::QrPicture;
use crate::browser;
use crate::context::Context;
use crate::time::date;
use crate::ui::{CtrlC, Ui, columns};

/// Shows where to go and what to compare there, and opens the page where that may be done.
pub(super) fn show(ctx: &Context, begun: &BegunLogin, args: &LoginArguments) {
    let (ui, pending) = (ctx.ui, &begun.pending);
    let address = pending.verification_complete.as_ref().unwrap_or(&pending.verification);
    let what_to_do = match &pending.verification_complete {
        Some(_) => format!("and check that it shows this code, or enter it at {}:", pending.verification),
        None => "and enter this code:".to_owned(),
    };
    let start = format!("To sign in to tenant '{}', open this page, on any device:", begun.key.tenant);
    let shown = [start, String::new(), indented(address), String::new(), what_to_do, String::new()];
    shown.iter().for_each(|line| ui.instruct(line));
    ui.instruct(&indented(&pending.user_code));
    ui.instruct("");
    if args.qr {
        show_qr(ui, address.as_str());
    }
    ui.instruct(&format!("Only continue if you started this on {}", machine::canonical_hostname()));
    open(ctx, begun, args);
    let end = u64::try_from(pending.expires_at).unwrap_or_default();
    ui.instruct(&format!("Waiting for approval until {}; Ctrl-C gives up", date(end)));
}

fn indented(text: &impl Display) -> String {
    format!("    {text}")
}

/// Opens the page, unless the provider sends the person elsewhere, or there is no screen.
fn open(ctx: &Context, begun: &BegunLogin, args: &LoginArguments) {
    if args.no_browser || !ctx.has_screen() {
        return;
    }
    let Ok(issuer) = issuer_of(&begun.login) else { return };
    let (pending, listed) = (&begun.pending, &begun.settings.verification_hosts);
    let address = pending.verification_complete.as_ref().unwrap_or(&pending.verification);
    match pending.opening(&issuer, listed) {
        Opening::Allowed if browser::open(ctx, address) => ctx.ui.instruct("The page opens in the browser"),
        Opening::Allowed => {}
        Opening::ShownOnly => ctx.ui.instruct(&format!(
            "The page is not opened by itself: it is at {}, and the provider is at {}",
            address.host(),
            issuer.host()
        )),
    }
}

fn show_qr(ui: Ui, address: &str) {
    let Some(picture) = QrPicture::of(address) else {
        return ui.note("the address is too long for a QR code");
    };
    match columns() {
        Some(columns) if columns < picture.columns() => ui.note(&format!(
            "no QR code: it takes {} columns, and the terminal has {columns}",
            picture.columns()
        )),
        _ => {
            ui.picture(picture.rows());
            ui.instruct("");
        }
    }
}

/// Follows a login that waits: Ctrl-C ends it, and trouble is said once.
#[derive(Debug)]
pub(super) struct Waiting<'w> {
    ui: Ui,
    ctrl_c: &'w CtrlC,
    troubled: Cell<bool>,
}

impl<'w> Waiting<'w> {
    pub(super) const fn new(ui: Ui, ctrl_c: &'w CtrlC) -> Self {
        Self { ui, ctrl_c, troubled: Cell::new(false) }
    }

    /// Ends the line in which the terminal shows the keys of Ctrl-C.
    pub(super) fn end_line(&self, error: &PollError) {
        if matches!(error, PollError::Cancelled) && self.ui.is_attended() {
            self.ui.instruct("");
        }
    }
}

impl PollWatch for Waiting<'_> {
    fn is_cancelled(&self) -> bool {
        self.ctrl_c.is_pressed()
    }

    fn drift(&self, drift: Drift) {
        let Drift { wall, monotonic } = drift;
        let (wall, monotonic) = (wall.as_secs(), monotonic.as_secs());
        self.ui.warn(&format!(
            "the clocks of this machine differ: {monotonic} s passed, and by the wall clock {wall} s; the login goes on"
        ));
    }

    fn trouble(&self, trouble: &GrantError) {
        if !self.troubled.replace(true) {
            self.ui.warn(&format!("{trouble}; the login still waits"));
        }
    }
}
