//! `set -a; . FILE` in bash, as far as a line is assignments: the rules of quoting, expansion and simple
//! commands (POSIX.1-2017 XCU §2.2, §2.6, §2.9.1; bash(1), "QUOTING", "EXPANSION"). What needs more of a
//! shell than that is not followed, and said to be unsure.

mod word;

use std::collections::HashMap;

use self::word::{CONTINUATION, Stop, Word};
use super::cursor::Cursor;
use super::{Budget, End, Entry, Reading, Value};

pub(super) fn read(text: &str) -> Reading {
    // bash drops NUL characters, or takes the file for a program.
    if text.contains('\0') {
        return Reading { entries: Vec::new(), end: End::Unsure(1) };
    }
    let (cursor, known) = (Cursor::new(text), HashMap::new());
    let mut shell = Shell { cursor, entries: Vec::new(), known, budget: Budget::new() };
    let end = shell.run();
    Reading { entries: shell.entries, end }
}

/// A shell in a clean environment.
struct Shell<'t> {
    cursor: Cursor<'t>,
    entries: Vec<Entry>,
    /// The values of the file that stand behind a `$NAME`.
    known: HashMap<String, Option<String>>,
    budget: Budget,
}

/// A simple command and what the operators round it make of it.
#[derive(Default)]
struct Command {
    words: Vec<Word>,
    fate: Fate,
}

/// What becomes of the assignments of a command.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They are made.
    #[default]
    Made,
    /// They are made in a process of its own, and lost: `&`, `|`.
    Lost,
    /// Whether they are made depends on what runs before, or on files: `||`, `<`, `>`.
    Open,
}

impl Shell<'_> {
    /// Reads and runs one line after the other, as bash does: a line that is no syntax ends the file.
    fn run(&mut self) -> End {
        loop {
            self.cursor.take_while(|c| matches!(c, ' ' | '\t' | '\n'));
            if self.cursor.is_at_end() {
                return End::All;
            }
            let start = self.cursor.at;
            match self.commands() {
                Err(Stop::Syntax) => return End::Cut(self.cursor.line_at(start)),
                Err(Stop::Unknown) => return End::Unsure(self.cursor.line_at(start)),
                Ok(commands) => {
                    if !commands.into_iter().all(|command| self.execute(command)) {
                        return End::Unsure(self.next_line());
                    }
                }
            }
        }
    }

    /// Reads the commands of one line, however long quotes make it.
    fn commands(&mut self) -> Result<Vec<Command>, Stop> {
        let mut commands = Vec::new();
        let mut list_start = 0;
        let mut command = Command::default();
        loop {
            self.skip_blanks();
            match self.cursor.peek() {
                Some('#') => drop(self.cursor.take_line()),
                None | Some('\n') => break,
                Some('<' | '>') => {
                    self.redirection()?;
                    command.fate = Fate::Open;
                }
                Some(';' | '&' | '|' | '(' | ')') => {
                    let before = std::mem::take(&mut command);
                    if before.words.is_empty() {
                        return Err(Stop::of_operator(&self.cursor));
                    }
                    commands.push(before);
                    command.fate = self.operator(&mut commands[list_start..])?;
                    if command.fate == Fate::Made {
                        list_start = commands.len();
                    }
                }
                Some(_) => command.words.push(self.word(&command)?),
            }
        }
        match command {
            Command { fate: Fate::Made, .. } => {}
            Command { words, .. } if words.is_empty() => return Err(Stop::Unknown),
            _ => {}
        }
        commands.push(command);
        Ok(commands)
    }

    /// Returns the number of the line behind the one at whose end the cursor is.
    fn next_line(&mut self) -> usize {
        let is_last = !self.cursor.eat("\n");
        self.cursor.line_at(self.cursor.at) + usize::from(is_last)
    }

    fn skip_blanks(&mut self) {
        while self.cursor.eat(CONTINUATION) || !self.cursor.take_while(|c| matches!(c, ' ' | '\t')).is_empty()
        {
        }
    }

    /// Goes over an operator behind the commands of a list and returns what it makes of the next one.
    fn operator(&mut self, list: &mut [Command]) -> Result<Fate, Stop> {
        let open = |list: &mut [Command]| list.iter_mut().for_each(|command| command.fate = Fate::Open);
        let lost = |list: &mut [Command]| list.iter_mut().for_each(|command| command.fate = Fate::Lost);
        for unknown in ["(", "&>", "|&"] {
            if self.cursor.rest().starts_with(unknown) {
                return Err(Stop::Unknown);
            }
        }
        for syntax in [")", ";;", ";&", ";|"] {
            if self.cursor.rest().starts_with(syntax) {
                return Err(Stop::Syntax);
            }
        }
        if self.cursor.eat("&&") || self.cursor.eat("||") {
            open(list);
            return Ok(Fate::Open);
        }
        if self.cursor.eat("|") {
            lost(list);
            return Ok(Fate::Lost);
        }
        if self.cursor.eat("&") {
            lost(list);
        } else {
            self.cursor.eat(";");
        }
        Ok(Fate::Made)
    }

    /// Goes over a redirection with its target.
    fn redirection(&mut self) -> Result<(), Stop> {
        if ["<<", "<(", ">(", "<>", "<&", ">&"]
            .iter()
            .any(|operator| self.cursor.rest().starts_with(operator))
        {
            return Err(Stop::Unknown);
        }
        self.cursor.next();
        let _appends = self.cursor.eat(">") || self.cursor.eat("|");
        self.skip_blanks();
        match self.cursor.peek() {
            None | Some('\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' | '#') => Err(Stop::Syntax),
            Some(_) => self.word(&Command::default()).map(drop),
        }
    }

    /// Reads a word. One that starts a compound command makes the line more than this follows.
    fn word(&mut self, command: &Command) -> Result<Word, Stop> {
        let word = word::read(&mut self.cursor, &self.known, &mut self.budget)?;
        if command.words.is_empty() && word.is_one_of(&RESERVED) {
            return Err(Stop::Unknown);
        }
        Ok(word)
    }

    /// Does what a command does to the variables, and tells whether the shell is still one that can be
    /// followed.
    fn execute(&mut self, Command { words, fate }: Command) -> bool {
        let assignments = words.iter().take_while(|word| word.name.is_some()).count();
        let exports = words.get(assignments).is_some_and(|word| word.is_one_of(&["export"]));
        let runs = assignments < words.len();
        // What a pattern becomes depends on the files that are there, and may be an assignment too.
        let multiplies = exports && words[assignments..].iter().any(|w| w.name.is_none() && w.may_multiply);
        let is_followed = !runs || exports && !multiplies || !exports && words[assignments].is_harmless();
        for (position, word) in words.into_iter().enumerate() {
            let is_made = position > assignments && exports || !runs;
            match fate {
                Fate::Made if is_made && !(exports && word.may_multiply) => self.set(word, None),
                Fate::Made if is_made => self.set(word, Some(Value::Unsure)),
                Fate::Open => self.set(word, Some(Value::Other)),
                _ if position < assignments || is_made => self.set(word, Some(Value::Unset)),
                _ => {}
            }
        }
        is_followed
    }

    /// Sets the variable of an assignment to its value, or to another one.
    fn set(&mut self, word: Word, other: Option<Value>) {
        let Some(name) = word.name else { return };
        let value = match other {
            None if is_special(&name) => Value::Unsure,
            None => word.value,
            Some(value) => value,
        };
        let text = match &value {
            Value::Known(text) => Some(text.expose_secret().to_owned()),
            _ => None,
        };
        if !matches!(value, Value::Unset) || !self.known.contains_key(&name) {
            self.known.insert(name.clone(), text);
        }
        let line = self.cursor.line_at(word.at);
        self.entries.push(Entry { line, name, value });
    }
}

/// Variables that bash sets itself, keeps, or gives a meaning (bash(1), "Shell Variables").
fn is_special(name: &str) -> bool {
    name.starts_with("BASH") || SPECIAL.contains(&name)
}

const SPECIAL: [&str; 26] = [
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "LINENO",
    "MACHTYPE",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "OSTYPE",
    "PIPESTATUS",
    "POSIXLY_CORRECT",
    "PPID",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "UID",
];

/// Words that start, part or end a compound command (bash(1), "RESERVED WORDS").
const RESERVED: [&str; 22] = [
    "!", "[[", "]]", "{", "}", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for",
    "function", "if", "in", "select", "then", "time", "until", "while",
];

#[cfg(test)]
mod tests;
