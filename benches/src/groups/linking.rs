//! Static against dynamic: what `crt-static` brings. It builds the release binary a second time, so it
//! runs only when it is named.

use super::Settings;
use crate::machine;
use crate::process::in_turn;
use crate::table::{Table, time};
use crate::vaults::Vault;

/// Measures and prints the rows.
pub(crate) fn run(settings: &Settings) {
    let columns = ["build", "row", "× `/bin/true`", "time", "binary"];
    let flags = "-C target-feature=-crt-static --cfg getrandom_backend=\"linux_getrandom\"";
    let Some(dynamic) = machine::build("vault-cli", "keyward", "dynamic", flags) else {
        println!("\nThe dynamic build failed.");
        return;
    };
    let table = Table::begin("Static against dynamic", "", &columns);
    let vault = Vault::new(10);
    for (label, binary) in [("static", &settings.keyward), ("dynamic", &dynamic)] {
        let size = std::fs::metadata(binary).map_or(0, |metadata| metadata.len());
        for arguments in [&["--help"][..], &["get", "SECRET_000005"]] {
            let series = in_turn(&vault.keyward(binary, arguments), None, settings.runs(41));
            let row = format!("`{}`", arguments.join(" "));
            let ratio = format!("**{:.2}**", series.over_true.median);
            table.row(&[&label, &row, &ratio, &time(series.seconds.median), &format!("{} KiB", size >> 10)]);
        }
    }
}
