//! The `keyward` binary: arguments, context, library, report, output, in that order.

mod arguments;
mod browser;
mod child;
mod command_line;
mod commands;
mod context;
mod credential;
mod directories;
mod enrol;
mod environment;
mod error;
mod identity;
mod input;
mod merge;
mod network;
mod output;
mod report;
mod revoke;
mod selection;
mod session_access;
mod settings;
mod sources;
mod time;
mod ui;
mod vault_access;
mod workspace;

use std::process::ExitCode;

use vault_core::harden;

/// Wipes every block of memory when it is freed.
#[global_allocator]
static ALLOCATOR: harden::WipingAllocator = harden::wiping_allocator();

fn main() -> ExitCode {
    let limits = harden::harden_process();
    ui::hide_panics();
    commands::completions::complete(command_line::definition);
    match command_line::parse() {
        Ok(line) => {
            let ctx = context::Context::new(line.globals, limits);
            commands::run(&ctx, line.command, command_line::definition)
        }
        Err(code) => code,
    }
}
