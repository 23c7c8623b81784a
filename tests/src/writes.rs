//! Every command that writes, each with a home in which it has something to do, and what a fresh process finds in a
//! home: the material of the tests that interrupt a write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::anchored::rolled_back;
use crate::injection::{Call, TRACE, Traced, traced};
use crate::vault_file::VaultFile;
use crate::{Finished, Home};

/// The text of a key for `KEYWARD_VAULT_KEY`.
pub const KEY: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";

/// What every secret value has in it, and nothing else that keyward may print.
pub const CANARY: &str = "canary";

/// A command that writes, and its home.
#[derive(Debug)]
pub struct Write {
    home: Home,
    /// The files before the command. Copies are made to one and the same path, which the vault knows.
    before: Home,
    /// The command.
    pub line: Vec<String>,
    input: &'static str,
    /// What it says before it acts: the starts of lines.
    plan: &'static [&'static str],
    /// What brings the vault in order again where a `put` can't.
    next: &'static [&'static str],
}

impl Write {
    fn new(home: Home, line: &str) -> Self {
        let line = line.split(' ').map(str::to_owned).collect();
        let before = Home::in_memory();
        before.become_copy_of(&home);
        Self { home, before, line, input: "canary new", plan: &[], next: PUT }
    }

    /// Returns the home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Makes the home as it was before the command.
    pub fn undo(&self) {
        self.home.become_copy_of(&self.before);
    }

    /// Runs the command in its home as that is.
    pub fn run_as_is(&self) -> Finished {
        self.home.run_with_input(&self.line, self.input)
    }

    /// Runs the command in its home as that was before, under strace with further options.
    #[track_caller]
    pub fn run(&self, options: &[String]) -> Traced {
        self.undo();
        traced(&self.home.command(&self.line), self.input.as_bytes(), options)
    }

    /// Runs the command undisturbed; returns what was before, the run, and what is after it.
    #[track_caller]
    pub fn undisturbed(&self) -> (State, Traced, State) {
        let before = self.state();
        let run = self.run(&[]);
        run.finished.succeeds();
        let after = self.state();
        assert_ne!(before, after, "{} changes something", self.name());
        (before, run, after)
    }

    /// Returns what a fresh process finds in the home now.
    #[track_caller]
    pub fn state(&self) -> State {
        State::of(&self.home)
    }

    /// Tells whether every file is as it was before, byte for byte; all but the lock, which names its last holder.
    pub fn left_all_files(&self) -> bool {
        files(self.home.path()) == files(self.before.path())
    }

    /// Tells whether the vault is as it was before, byte for byte.
    pub fn left_vault(&self) -> bool {
        fs::read(self.home.vault()).ok() == fs::read(self.before.vault()).ok()
    }

    /// Checks that a run that did nothing did not say that it did.
    #[track_caller]
    pub fn claims_nothing(&self, text: &str) {
        let is_plan = |line: &str| self.plan.iter().any(|start| line.starts_with(start));
        assert!(text.lines().all(is_plan), "{} was not done\n{text}", self.name());
    }

    /// Checks that the command was refused for this reason, and that the vault is as it was before.
    #[track_caller]
    pub fn was_refused(&self, said: &Finished, reason: &str, before: &State) {
        said.fails(1, &["error: ", reason, "hint: "]);
        self.claims_nothing(&said.text());
        assert_eq!(self.state(), *before, "{}", self.name());
        assert!(self.left_vault() && !self.has_left_overs(), "{}", self.name());
    }

    /// Checks that the next write works after this command was interrupted before it did anything, and that no
    /// temporary file of the vault stays after it.
    #[track_caller]
    pub fn heals_undone(&self) {
        self.heals_by(self.next);
    }

    /// Checks the same of a command that was done.
    #[track_caller]
    pub fn heals_done(&self) {
        self.heals_by(PUT);
    }

    #[track_caller]
    fn heals_by(&self, next: &[&str]) {
        self.home.run_with_input(next, "canary next").succeeds();
        assert!(!self.has_left_overs(), "{}", self.name());
        self.home.run(["verify"]).succeeds();
    }

    /// Tells whether the vault's directory has more than the vault's files, or that of the anchors more than one.
    pub fn has_left_overs(&self) -> bool {
        let vaults = names(self.home.vault().parent().expect("the vault's directory"));
        let known = ["vault", "vault.damaged", "vault.lock", "vault.prev"];
        !vaults.iter().all(|name| known.contains(&name.as_str())) || names(&self.home.anchors()).len() > 1
    }

    /// Returns the command as it is typed, without what differs between two homes.
    pub fn name(&self) -> String {
        let is_id = |word: &&String| word.len() != 32;
        let words: Vec<_> = self.line.iter().filter(is_id).map(String::as_str).collect();
        words.join(" ")
    }
}

/// Prints a row of figures: `cargo test … -- --nocapture` shows what was done how often.
#[allow(clippy::print_stdout, reason = "figures for whoever wants them; a test has no other output")]
pub fn tell(row: &str) {
    println!("{row}");
}

/// What a fresh process finds in a home: every value, generation and slots, connections, and the files that commands
/// make elsewhere. Ids and times, which differ between two runs, are left out.
#[derive(Debug, PartialEq, Eq)]
pub struct State(Vec<String>);

impl State {
    /// Looks, with commands of their own.
    #[track_caller]
    fn of(home: &Home) -> Self {
        let said = |finished: &Finished| format!("{} {}", finished.code, finished.text());
        let status = home.run(["status", "--json"]);
        let mut seen = vec![
            said(&home.run(["export", "--format", "json"])),
            said(&home.run(["verify", "--json"])).replace(&*home.path().to_string_lossy(), ""),
            said(&home.run(["connections", "list"])),
            status_facts(&status),
            anchor_facts(&home.run(["anchor", "status", "--json"])),
            file(&home.path().join(".keyward.toml")),
            file(&home.path().join("out.env")),
        ];
        if seen[3].contains("machine") {
            seen.push(said(&home.run(["get", "A", "--key-source", "machine"])));
        }
        if home.path().join("out.bundle").exists() {
            seen.push(said(&home.run(["bundle", "open", "out.bundle", "--dry-run"])));
        }
        Self(seen)
    }
}

fn status_facts(status: &Finished) -> String {
    let json = status.json();
    let kinds: Vec<_> = json["slots"].as_array().into_iter().flatten().map(|slot| &slot["kind"]).collect();
    let facts = ["exists", "epoch", "generation", "unlocked", "secrets", "connections"];
    let facts: Vec<_> = facts.iter().map(|fact| format!("{fact} {}", json[fact])).collect();
    format!("{} {facts:?} {kinds:?} {}", status.code, json["error"]["kind"])
}

/// An anchor may be one write behind: the next write takes it along.
fn anchor_facts(status: &Finished) -> String {
    let json = status.json();
    let standing = if json["standing"] == "ahead" { "same" } else { json["standing"].as_str().unwrap_or("") };
    format!("{} on {} {standing} {}", status.code, json["on"], json["error"]["kind"])
}

fn file(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| error.kind().to_string())
}

/// Returns the names in a directory, sorted; none if there is no such directory.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Returns every file below a directory, with its content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if !UNSTEADY.iter().any(|name| path.ends_with(name)) {
                let below = path.strip_prefix(directory).expect("a path below").to_owned();
                found.insert(below, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Returns every kind of write, each once.
pub fn all() -> Vec<Write> {
    let mut all = firsts();
    all.extend(of_secrets());
    all.extend(of_slots());
    all.extend(restores());
    all.extend(of_anchors());
    all.extend(of_other_files());
    all
}

/// A home in memory, where a call of fsync costs nothing.
fn empty() -> Home {
    Home::in_memory().with("KEYWARD_BUNDLE_PASSPHRASE", "five random words are better")
}

/// A home with two secrets, one of them with an earlier value, a connection, two slots, and a claimed workspace.
pub fn furnished() -> Home {
    let home = empty().with("KEYWARD_VAULT_KEY", KEY);
    home.write(".keyward.toml", "workspace = \"shop\"\n");
    home.put("A", "canary a 1");
    home.put("A", "canary a 2");
    home.put("B", "canary b");
    home.run_with_input(["put", "T", "--scope", "tenant"], "canary t").succeeds();
    home.run(["slot", "add", "machine"]).succeeds();
    home.run(["connections", "set", "--id", "web", "--kind", "slack", "--label", "Web", "--secret-id", "A"])
        .succeeds();
    home
}

/// Writes that make a vault.
pub fn firsts() -> Vec<Write> {
    let with_key = || empty().with("KEYWARD_VAULT_KEY", KEY);
    vec![
        Write::new(with_key(), "put A --key-source env"),
        Write::new(empty(), "put A --key-source machine"),
        Write::new(with_key(), "init --source env"),
        Write::new(empty(), "init --source machine"),
    ]
}

/// Writes that change secrets and connections.
pub fn of_secrets() -> Vec<Write> {
    let (import, open, other) = (furnished(), furnished(), furnished());
    import.write("in.env", "A=canary a 2\nC=canary c\nD=canary d\n");
    other.put("C", "canary c");
    other.run(["bundle", "create", "--light", "in.bundle"]).succeeds();
    fs::copy(other.path().join("in.bundle"), open.path().join("in.bundle")).expect("a bundle");
    vec![
        Write::new(furnished(), "put A"),
        Write::new(furnished(), "put C --scope tenant"),
        Write::new(furnished(), "rm B"),
        Write::new(furnished(), "rm B --purge"),
        Write::new(furnished(), "rollback A --to 1"),
        Write::new(furnished(), "connections set --id db --kind s3 --label Db --secret-id B"),
        Write::new(furnished(), "connections rm web"),
        Write::new(import, "import in.env"),
        Write { plan: &["new ", "unchanged "], ..Write::new(open, "bundle open in.bundle --yes") },
    ]
}

/// Writes that change what opens the vault.
pub fn of_slots() -> Vec<Write> {
    let remove = furnished();
    let slots = remove.run(["slot", "list", "--json"]).json();
    let machine = slots["slots"].as_array().into_iter().flatten().find(|slot| slot["kind"] == "machine");
    let id = machine.and_then(|slot| slot["id"].as_str()).expect("a machine slot").to_owned();
    let passphrase = furnished().with("KEYWARD_VAULT_PASSPHRASE", "five other random words here");
    vec![
        Write::new(furnished(), "slot add env"),
        Write::new(furnished(), "slot add machine"),
        Write::new(furnished(), "slot add recovery"),
        Write::new(passphrase, "slot add passphrase --light"),
        Write::new(remove, &format!("slot rm {id}")),
        Write::new(furnished(), "rekey --keep-secret env"),
    ]
}

/// Bringing a generation back: over a good vault, over one whose header or index is damaged, and where there is none.
pub fn restores() -> Vec<Write> {
    let (header, index, gone) = (furnished(), furnished(), furnished());
    let flip = |home: &Home, offset| VaultFile::read(&home.vault()).flipped(offset).write(&home.vault());
    flip(&header, 30);
    flip(&index, VaultFile::read(&index.vault()).index().start + 100);
    fs::remove_file(gone.vault()).expect("a vault");
    let over_good = Write::new(furnished(), "restore");
    let others =
        [header, index, gone].map(|home| Write { next: &["restore"], ..Write::new(home, "restore") });
    [over_good].into_iter().chain(others).collect()
}

/// Writes of the rollback anchor, and of a vault that has one.
pub fn of_anchors() -> Vec<Write> {
    let anchored = || {
        let home = furnished();
        home.run(["anchor", "on"]).succeeds();
        home
    };
    let older = anchored();
    rolled_back(&older);
    let accept = Write::new(older, "anchor accept --yes");
    vec![
        Write::new(anchored(), "put A"),
        Write::new(anchored(), "rekey --keep-secret env"),
        Write::new(furnished(), "anchor on"),
        Write::new(anchored(), "anchor off"),
        Write {
            plan: &["the anchor has ", "the vault has "],
            next: &["anchor", "accept", "--yes"],
            ..accept
        },
    ]
}

/// Writes beside the vault.
pub fn of_other_files() -> Vec<Write> {
    vec![
        Write::new(furnished(), "bundle create --light out.bundle"),
        Write::new(furnished(), "export --file out.env"),
        Write::new(furnished(), "creds require openai"),
    ]
}

const PUT: &[&str] = &["put", "NEXT"];

/// Files that differ from run to run.
const UNSTEADY: [&str; 2] = ["vault.lock", TRACE];

/// Returns strace's options that kill a command at one call more of each kind than it makes.
pub fn beyond(calls: &[Call]) -> Vec<String> {
    let is_last = |call: &&Call| !calls.iter().any(|other| other.name == call.name && other.nth > call.nth);
    let after = |call: &Call| Call { name: call.name.clone(), nth: call.nth + 1 };
    calls.iter().filter(is_last).map(|last| after(last).killing()).collect()
}
