//! `connections kinds`: the kinds of services that a connection can be of.

use std::io::{self, Write};

use serde::Serialize;
use vault_core::provider::Kind;

use crate::report::Report;

/// Every kind.
#[derive(Debug, Serialize)]
pub(super) struct KindsReport {
    kinds: [Kind; Kind::ALL.len()],
}

impl Report for KindsReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        self.kinds.iter().try_for_each(|kind| writeln!(out, "{kind}"))
    }
}

/// Opens nothing.
pub(super) const fn run() -> KindsReport {
    KindsReport { kinds: Kind::ALL }
}
