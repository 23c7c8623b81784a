//! A position in a text that moves forward.

use super::super::lines::LineCounter;

/// A position in a text, which knows its line.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    pub(super) at: usize,
    lines: LineCounter,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, lines: LineCounter::default() }
    }

    /// Returns what is left.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Goes over `expected` if it comes next.
    pub(super) fn eat(&mut self, expected: &str) -> bool {
        let is_next = self.rest().starts_with(expected);
        if is_next {
            self.at += expected.len();
        }
        is_next
    }

    /// Goes over the characters that `accept` takes, and returns them.
    pub(super) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = rest.find(|c| !accept(c)).map_or(rest, |end| &rest[..end]);
        self.at += taken.len();
        taken
    }

    /// Goes to the next LF, or to the end, and returns what it went over.
    pub(super) fn take_line(&mut self) -> &'t str {
        self.take_while(|c| c != '\n')
    }

    /// Returns the line of a position, from 1. Positions have to be asked for in ascending order.
    pub(super) fn line_at(&mut self, position: usize) -> usize {
        self.lines.line_at(self.text, position)
    }
}
