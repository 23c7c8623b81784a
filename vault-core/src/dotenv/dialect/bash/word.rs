//! One word of a shell line: its quotes and expansions, and the name if it is an assignment.

use std::collections::HashMap;

use super::super::cursor::Cursor;
use super::super::{Budget, Value};

/// Why a line is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is no shell line: bash says so, and reads no further.
    Syntax,
    /// It may be one of those that only a shell understands.
    Unknown,
}

impl Stop {
    /// What an operator is where a command should stand.
    pub(super) fn of_operator(cursor: &Cursor<'_>) -> Self {
        if cursor.peek() == Some('(') { Self::Unknown } else { Self::Syntax }
    }
}

/// A word after its quotes are taken off and its variables are replaced.
pub(super) struct Word {
    pub(super) at: usize,
    /// The name, if the word has the form of an assignment.
    pub(super) name: Option<String>,
    /// The value of an assignment, or else the word.
    pub(super) value: Value,
    /// There is a brace or a pattern, which may become many words where the word is an argument.
    pub(super) may_multiply: bool,
}

impl Word {
    /// Tells whether the word is one of these, however it is quoted.
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        self.name.is_none() && self.text().is_some_and(|text| words.contains(&text))
    }

    /// Tells whether the word names a program, which can't change the variables of the shell that runs it.
    pub(super) fn is_harmless(&self) -> bool {
        self.text().is_some_and(|text| !text.is_empty() && !BUILTINS.contains(&text)) && !self.may_multiply
    }

    fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Known(text) => Some(text.expose_secret()),
            _ => None,
        }
    }
}

/// Reads the word at the cursor, which has at least one character.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    known: &HashMap<String, Option<String>>,
    budget: &mut Budget,
) -> Result<Word, Stop> {
    let mut reader = Reader {
        at: cursor.at,
        cursor,
        known,
        budget,
        name: None,
        text: String::new(),
        certainty: Certainty::Known,
        may_be_name: true,
        may_multiply: false,
    };
    reader.pieces()?;
    let Reader { at, name, text, certainty, may_multiply, .. } = reader;
    let value = match certainty {
        Certainty::Known => Value::known(text),
        Certainty::Other => Value::Other,
        Certainty::Unsure => Value::Unsure,
    };
    Ok(Word { at, name, value, may_multiply })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    Known,
    Other,
    Unsure,
}

struct Reader<'c, 't> {
    cursor: &'c mut Cursor<'t>,
    known: &'c HashMap<String, Option<String>>,
    budget: &'c mut Budget,
    at: usize,
    name: Option<String>,
    /// The value so far, or the word so far where no `=` has made it an assignment.
    text: String,
    certainty: Certainty,
    /// All characters so far stand for themselves.
    may_be_name: bool,
    may_multiply: bool,
}

impl Reader<'_, '_> {
    fn pieces(&mut self) -> Result<(), Stop> {
        let mut may_be_tilde = true;
        while let Some(c) = self.cursor.peek().filter(|c| !ends_word(*c)) {
            let is_tilde = c == '~' && may_be_tilde && self.name.is_some();
            let was_assignment = self.name.is_some();
            match c {
                '\'' => self.single_quotes()?,
                '"' => self.double_quotes()?,
                '\\' => self.backslash(),
                '$' => self.dollar(false)?,
                '`' => self.backtick()?,
                '=' if self.starts_assignment() => {}
                '[' if self.is_name() => return Err(Stop::Unknown),
                _ if is_tilde => self.tilde(),
                _ => self.plain(c),
            }
            may_be_tilde = c == ':' || was_assignment != self.name.is_some();
        }
        Ok(())
    }

    fn plain(&mut self, c: char) {
        self.may_multiply |= matches!(c, '{' | '*' | '?' | '[');
        self.cursor.next();
        self.text.push(c);
    }

    fn is_name(&self) -> bool {
        self.name.is_none() && self.may_be_name && is_identifier(&self.text)
    }

    /// Takes the `=` of an assignment; `+=` appends to what may be there.
    fn starts_assignment(&mut self) -> bool {
        if self.name.is_some() || !self.may_be_name {
            return false;
        }
        let appends = self.text.ends_with('+');
        let name = self.text.strip_suffix('+').unwrap_or(&self.text);
        if !is_identifier(name) {
            return false;
        }
        self.name = Some(name.to_owned());
        self.text.clear();
        self.cursor.next();
        if appends {
            self.found(Certainty::Other);
        }
        true
    }

    fn found(&mut self, certainty: Certainty) {
        self.certainty = self.certainty.max(certainty);
    }

    /// A backslash before a line end takes both away, as if the line went on.
    fn backslash(&mut self) {
        if self.cursor.eat(CONTINUATION) {
            return;
        }
        self.may_be_name = false;
        self.cursor.next();
        self.text.push(self.cursor.next().unwrap_or('\\'));
    }

    fn single_quotes(&mut self) -> Result<(), Stop> {
        self.may_be_name = false;
        self.cursor.next();
        let quoted = self.cursor.take_while(|c| c != '\'');
        self.text.push_str(quoted);
        if self.cursor.eat("'") { Ok(()) } else { Err(Stop::Syntax) }
    }

    fn double_quotes(&mut self) -> Result<(), Stop> {
        self.may_be_name = false;
        self.cursor.next();
        loop {
            match self.cursor.peek().ok_or(Stop::Syntax)? {
                '"' => {
                    self.cursor.next();
                    return Ok(());
                }
                '$' => self.dollar(true)?,
                '`' => self.backtick()?,
                '\\' => self.backslash_in_quotes()?,
                c => {
                    self.cursor.next();
                    self.text.push(c);
                }
            }
        }
    }

    fn backslash_in_quotes(&mut self) -> Result<(), Stop> {
        self.cursor.next();
        match self.cursor.next().ok_or(Stop::Syntax)? {
            '\n' => {}
            c @ ('$' | '`' | '"' | '\\') => self.text.push(c),
            c => self.text.extend(['\\', c]),
        }
        Ok(())
    }

    fn dollar(&mut self, in_quotes: bool) -> Result<(), Stop> {
        self.may_be_name = false;
        self.cursor.next();
        while self.cursor.eat(CONTINUATION) {}
        match self.cursor.peek() {
            Some('{') => self.braces(),
            Some('(') => self.command(),
            Some('[') => Err(Stop::Unknown),
            Some('\'') if !in_quotes => self.ansi_quotes(),
            // A text to be translated, of which there is no translation.
            Some('"') if !in_quotes => Ok(()),
            Some(c) if c == '_' || c.is_ascii_alphabetic() => {
                let name = self.cursor.take_while(|c| c == '_' || c.is_ascii_alphanumeric());
                self.variable(name);
                if self.cursor.rest().starts_with(CONTINUATION) { Err(Stop::Unknown) } else { Ok(()) }
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                self.cursor.next();
                self.found(Certainty::Other);
                Ok(())
            }
            _ => {
                self.text.push('$');
                Ok(())
            }
        }
    }

    /// Puts the value of a variable in. One that the file did not set is taken for unset.
    fn variable(&mut self, name: &str) {
        match self.known.get(name) {
            _ if super::is_special(name) || OWN.contains(&name) => self.found(Certainty::Other),
            None => {}
            Some(Some(value)) if self.budget.take(value.len()) => self.text.push_str(value),
            Some(_) => self.found(Certainty::Unsure),
        }
    }

    fn braces(&mut self) -> Result<(), Stop> {
        self.cursor.next();
        let name = self.cursor.take_while(|c| c == '_' || c.is_ascii_alphanumeric());
        if !is_identifier(name) {
            return Err(Stop::Unknown);
        }
        if self.cursor.eat("}") {
            self.variable(name);
            return Ok(());
        }
        let has_default = [":-", "-", ":+", "+"].iter().any(|operator| self.cursor.eat(operator));
        self.cursor.take_while(is_harmless);
        if !has_default || !self.cursor.eat("}") {
            return Err(Stop::Unknown);
        }
        self.found(Certainty::Other);
        Ok(())
    }

    fn command(&mut self) -> Result<(), Stop> {
        self.cursor.next();
        let line = self.cursor.take_while(is_harmless);
        let first = line.split(' ').find(|word| !word.is_empty());
        if first.is_some_and(|first| super::RESERVED.contains(&first)) || !self.cursor.eat(")") {
            return Err(Stop::Unknown);
        }
        self.found(Certainty::Other);
        Ok(())
    }

    /// What stands between backticks is parsed when it runs, in a process of its own.
    fn backtick(&mut self) -> Result<(), Stop> {
        self.may_be_name = false;
        self.cursor.next();
        self.skip_to('`')?;
        self.found(Certainty::Other);
        Ok(())
    }

    /// `$'…'` has the escapes of C.
    fn ansi_quotes(&mut self) -> Result<(), Stop> {
        self.cursor.next();
        self.skip_to('\'')?;
        self.found(Certainty::Other);
        Ok(())
    }

    /// Goes behind the next `end` that has no backslash before it.
    fn skip_to(&mut self, end: char) -> Result<(), Stop> {
        loop {
            match self.cursor.next().ok_or(Stop::Syntax)? {
                '\\' => drop(self.cursor.next()),
                c if c == end => return Ok(()),
                _ => {}
            }
        }
    }

    /// A home directory, if the rest up to a slash or colon is bare and names a user.
    fn tilde(&mut self) {
        let prefix =
            self.cursor.rest().split(|c| ends_word(c) || matches!(c, '/' | ':')).next().unwrap_or("~");
        match prefix {
            "~" | "~+" => self.found(Certainty::Other),
            _ if prefix.contains(['\'', '"', '\\', '$', '`']) => {}
            _ => self.found(Certainty::Unsure),
        }
        self.plain('~');
    }
}

/// What joins two lines, except between single quotes.
pub(super) const CONTINUATION: &str = "\\\n";

/// What ends a word where it is not quoted.
const fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>')
}

fn is_identifier(text: &str) -> bool {
    let is_inner = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.chars().all(is_inner) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// What means itself inside an expansion or a command.
const fn is_harmless(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | ',' | ':' | '%' | '+' | '@')
}

/// Variables that a shell has even in a clean environment, beside those that are special.
const OWN: [&str; 4] = ["HOME", "PATH", "TERM", "_"];

/// Commands that are a part of the shell and may change it (bash(1), "SHELL BUILTIN COMMANDS").
const BUILTINS: [&str; 62] = [
    ".",
    ":",
    "[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "declare",
    "dirs",
    "disown",
    "echo",
    "enable",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
    "%",
];
