//! What others wrote and keyward carries: each dependency has its purpose in the root manifest, and the number
//! of packages and of `unsafe` is the one that `tests/EVIDENCE.md` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::Peekable;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;

/// The packages that do the cryptography.
const PRIMITIVES: [&str; 8] =
    ["aes-gcm", "argon2", "getrandom@0.4", "hkdf", "sha2", "subtle", "zeroize", "zeroizing-alloc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Runs cargo without a network and returns what it prints.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the lines of `[workspace.dependencies]` that no comment stands above, in their own paragraph.
fn without_purpose(manifest: &str) -> Vec<&str> {
    let (_, section) = manifest.split_once("[workspace.dependencies]\n").expect("the section");
    let section = section.split("\n[").next().unwrap_or_default();
    let paragraphs = section.split("\n\n").map(str::trim_start);
    paragraphs.filter(|paragraph| !paragraph.starts_with('#')).flat_map(str::lines).collect()
}

#[test]
fn every_dependency_stands_under_a_comment_that_says_its_purpose() {
    assert_eq!(without_purpose(&read("Cargo.toml")), [""; 0]);
}

#[test]
fn a_dependency_without_a_purpose_is_found() {
    let manifest =
        "[workspace.dependencies]\n# Seals.\na = \"1\"\n\nb = \"2\"\nc = \"3\"\n\n[profile]\nd = 4\n";
    assert_eq!(without_purpose(manifest), ["b = \"2\"", "c = \"3\""]);
}

#[test]
fn every_member_takes_its_dependencies_from_the_root_manifest() {
    for member in ["vault-core", "vault-auth", "vault-cli", "tests", "benches"] {
        let manifest = read(Path::new(member).join("Cargo.toml"));
        let sections = manifest.split("\n[").filter(|section| section.contains("dependencies]\n"));
        let lines = sections.flat_map(|section| section.lines().skip(1)).map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(line.contains("workspace = true"), "{member}: {line}");
        }
    }
}

/// How often `unsafe` stands before what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Unsafe {
    blocks: usize,
    functions: usize,
    implementations: usize,
}

impl AddAssign for Unsafe {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.functions += other.functions;
        self.implementations += other.implementations;
    }
}

impl Unsafe {
    /// Counts in source text, in the bodies of macros too; comments and texts are none of it.
    fn count(source: &str) -> Self {
        let mut found = Self::default();
        let tokens: TokenStream = source.parse().expect("Rust's tokens");
        found.count_in(&mut tokens.into_iter().peekable());
        found
    }

    fn count_in(&mut self, tokens: &mut Peekable<IntoIter>) {
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.count_in(&mut group.stream().into_iter().peekable()),
                TokenTree::Ident(word) if word == "unsafe" => self.count_one(tokens.peek()),
                _ => {}
            }
        }
    }

    fn count_one(&mut self, next: Option<&TokenTree>) {
        match next {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => self.blocks += 1,
            Some(TokenTree::Ident(word)) if word == "impl" || word == "trait" => self.implementations += 1,
            Some(TokenTree::Ident(word)) if word == "fn" || word == "extern" => self.functions += 1,
            _ => {}
        }
    }

    /// Counts in every source file of a package but its tests, benchmarks and examples.
    fn count_in_folder(folder: &Path) -> Self {
        let mut found = Self::default();
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if entry.is_dir() && !["tests", "benches", "examples", "target"].contains(&name) {
                found += Self::count_in_folder(&entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found += Self::count(&fs::read_to_string(&entry).unwrap());
            }
        }
        found
    }
}

#[test]
fn unsafe_is_counted_in_code_and_in_macros_alone() {
    let source = r##"
        // unsafe { }
        /* unsafe fn /* unsafe impl */ unsafe { } */
        const TEXT: &str = "unsafe { }"; const RAW: &str = r#"unsafe fn "# ;
        unsafe fn one() { unsafe { two('"') } }
        unsafe impl Send for Three {}
        macro_rules! four { () => { unsafe { five() } } }
        pub unsafe extern "C" fn six() {}
        #[unsafe(no_mangle)] fn unsafety() {}
        unsafe trait Seven {}
    "##;
    assert_eq!(Unsafe::count(source), Unsafe { blocks: 2, functions: 2, implementations: 2 });
}

/// Where the sources of each package are, by `name vVERSION`.
fn folders() -> BTreeMap<String, PathBuf> {
    let metadata = cargo(&["metadata", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let text = |package: &Value, field: &str| package[field].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let manifest = PathBuf::from(text(package, "manifest_path"));
        let name = format!("{} v{}", text(package, "name"), text(package, "version"));
        (name, manifest.parent().unwrap().to_owned())
    });
    packages.collect()
}

/// Returns the packages that come with these, those of this workspace left out.
fn packages(of: &[&str], more: &[&str]) -> BTreeSet<String> {
    let mut arguments = vec!["tree", "--prefix=none", "--no-dedupe", "--target=x86_64-unknown-linux-gnu"];
    arguments.extend(of.iter().flat_map(|package| ["-p", package]).chain(more.iter().copied()));
    let tree = cargo(&arguments);
    let names = tree.lines().filter(|line| !line.is_empty() && !line.contains("(/"));
    names.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// A line of the table: packages that are linked, packages of build time, and the `unsafe` of the former.
fn row(what: &str, of: &[&str], features: &[&str], folders: &BTreeMap<String, PathBuf>) -> String {
    let linked = packages(of, &[&["-e", "normal,no-proc-macro"], features].concat());
    let all = packages(of, &[&["-e", "normal,build"], features].concat());
    let mut found = Unsafe::default();
    linked.iter().for_each(|package| found += Unsafe::count_in_folder(&folders[package]));
    let Unsafe { blocks, functions, implementations } = found;
    let at_build_time = all.difference(&linked).count();
    format!("| {what} | {} | {at_build_time} | {blocks} | {functions} | {implementations} |\n", linked.len())
}

#[test]
fn the_evidence_tells_the_number_of_packages_and_of_unsafe() {
    let folders = folders();
    let without: &[&str] = &["--no-default-features"];
    let rows = [
        row("the cryptography alone", &PRIMITIVES, &[], &folders),
        row("vault-core without the keyring", &["vault-core"], without, &folders),
        row("vault-core", &["vault-core"], &[], &folders),
        row("the program without the keyring", &["vault-cli"], without, &folders),
        row("the program", &["vault-cli"], &[], &folders),
    ];
    let table = rows.concat();
    assert!(read("tests/EVIDENCE.md").contains(&table), "tests/EVIDENCE.md has to tell:\n{table}");
}
