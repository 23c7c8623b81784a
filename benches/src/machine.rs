//! What the figures depend on: the machine, the build, and the scheduler.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The hidden argument of the program when it runs under the real-time scheduler.
pub(crate) const SCHEDULED: &str = "--scheduled";

/// Prints what was measured, where and when.
pub(crate) fn describe(command: &str, scheduled: bool) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("* date: {}", said_by("date", &["--utc", "+%F"]));
    println!("* command: `{command}`");
    println!(
        "* machine: {cores} × {}, Linux {}",
        model.map_or("unknown CPU", |(_, name)| name),
        kernel.trim()
    );
    println!("* compiler: {}", said_by("rustc", &["--version"]));
    println!("* scheduler: {}", if scheduled { "SCHED_FIFO, `chrt -f 1`" } else { "as every process" });
    println!("* load before: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Names the AES instructions that the CPU has.
pub(crate) fn aes_features() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    let found = (is_x86_feature_detected!("aes"), is_x86_feature_detected!("vaes"));
    #[cfg(target_arch = "aarch64")]
    let found = (std::arch::is_aarch64_feature_detected!("aes"), false);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found = (false, false);
    match found {
        (true, true) => "aes, vaes",
        (true, false) => "aes",
        _ => "none",
    }
}

/// Builds the release binary under test, with the flags of `.cargo/config.toml`, and copies it as `cargo
/// install` does: what the linker wrote lies in the page cache in small pieces, which costs a start 0.2 ms.
///
/// # Panics
///
/// When it does not build: there is nothing to measure then.
pub(crate) fn build_keyward() -> PathBuf {
    let built = cargo(&["--package", "vault-cli"]).status().is_ok_and(|status| status.success());
    assert!(built, "`cargo build --release --package vault-cli` failed");
    let copied = fs::copy(keyward().with_file_name("keyward"), keyward());
    copied.expect("the build directory can be written");
    keyward()
}

/// Returns where the copy of the release binary is: beside this program.
pub(crate) fn keyward() -> PathBuf {
    std::env::current_exe().expect("a program knows its own path").with_file_name("keyward-installed")
}

/// Builds a package with other compiler flags into a directory of its own and returns the binary.
pub(crate) fn build(package: &str, binary: &str, directory: &str, flags: &str) -> Option<PathBuf> {
    let target = workspace().join("target").join(directory);
    let mut build = cargo(&["--package", package, "--target-dir"]);
    let built = build.arg(&target).env("RUSTFLAGS", flags).status().is_ok_and(|status| status.success());
    let this = std::env::current_exe().ok()?;
    let triple = this.ancestors().nth(2)?.file_name()?;
    built.then(|| target.join(triple).join("release").join(binary))
}

/// Counts the packages that the release binary is made of, those of this workspace too.
///
/// # Panics
///
/// When cargo does not list them.
pub(crate) fn packages() -> usize {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "vault-cli", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}"])
        .current_dir(workspace())
        .output();
    let tree = tree.ok().filter(|tree| tree.status.success()).expect("`cargo tree` lists the packages");
    let packages = String::from_utf8_lossy(&tree.stdout);
    packages.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len()
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet", "--locked"]).args(arguments).current_dir(workspace());
    cargo
}

fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Starts this program again under the real-time scheduler, where that is allowed: on a busy machine
/// the time slices of the others would be the larger part of each figure. Returns where it is not.
pub(crate) fn schedule(arguments: &[String]) {
    let probe = Command::new("chrt").args(["--fifo", "1", "true"]).stderr(Stdio::null()).status();
    let Ok(this) = std::env::current_exe() else { return };
    if probe.is_ok_and(|status| status.success()) {
        let mut again = Command::new("chrt");
        again.args(["--fifo", "1"]).arg(this).arg(SCHEDULED).args(arguments);
        eprintln!("not under SCHED_FIFO: {}", again.exec());
    }
}
