//! The line editor: bytes of a terminal in, edited lines and terminal control out. No clock, no device, no allocation.
//!
//! | key | does |
//! |---|---|
//! | left, right, home, end, ctrl-b, ctrl-f, ctrl-a, ctrl-e | move |
//! | backspace, delete, ctrl-d (on text) | remove a character |
//! | ctrl-k, ctrl-u, ctrl-w | remove to the end, to the start, the word before |
//! | up, down, ctrl-p, ctrl-n | history |
//! | tab | asks for the rest of the word ([`Event::Complete`]) |
//! | ctrl-l, ctrl-c, ctrl-d (on an empty line) | clear the screen, drop the line, end the input |
//!
//! A line longer than the terminal scrolls sideways. Only printable ASCII is taken; anything else rings the bell.

use core::fmt::{self, Write};

use super::history::History;
use super::keys::{Decoder, Key};

/// Longest line in bytes.
pub const LINE_MAX: usize = 256;

/// A line under edit or in the history.
pub type Line = heapless::String<LINE_MAX>;

/// Columns that are drawn: the narrowest common terminal without the cursor behind the text and a `^C`, so that nothing wraps.
const COLUMNS: usize = 77;

/// What the last byte completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line: [`Editor::take_line`] gives it.
    Line,
    /// ctrl-c: the line was dropped.
    Interrupted,
    /// ctrl-d on an empty line.
    EndOfInput,
    /// tab: [`Editor::put`] takes what belongs behind [`Editor::before_cursor`]. The line goes on.
    Complete,
}

/// A line under edit, its history and the half-read escape sequence.
#[derive(Debug)]
pub struct Editor {
    prompt: &'static str,
    line: Line,
    cursor: usize,
    history: History,
    keys: Decoder,
}

impl Editor {
    /// An empty line behind `prompt` (shorter than half a terminal line).
    #[must_use]
    pub const fn new(prompt: &'static str) -> Self {
        Self { prompt, line: Line::new(), cursor: 0, history: History::new(), keys: Decoder::new() }
    }

    /// Draws the prompt and the line as far as it was typed.
    ///
    /// # Errors
    /// `out` refused.
    pub fn draw(&self, out: &mut dyn Write) -> fmt::Result {
        let columns = COLUMNS.saturating_sub(self.prompt.len());
        let from = (self.cursor + 1).saturating_sub(columns);
        let shown: &str = self.line.get(from..).unwrap_or("");
        let shown = shown.get(..columns).unwrap_or(shown);
        write!(out, "\r{}{shown}\x1b[K\r\x1b[{}C", self.prompt, self.prompt.len() + self.cursor - from)
    }

    /// Takes one byte of input; echoes to `out`.
    ///
    /// # Errors
    /// `out` refused; the byte was taken.
    pub fn feed(&mut self, byte: u8, out: &mut dyn Write) -> Result<Option<Event>, fmt::Error> {
        match self.keys.feed(byte) {
            None => Ok(None),
            Some(Key::Enter) => self.accept(out).map(Some),
            Some(Key::Interrupt) => self.abandon(out).map(Some),
            Some(Key::DeleteOrEnd) if self.line.is_empty() => {
                out.write_str("\n")?;
                Ok(Some(Event::EndOfInput))
            }
            Some(Key::Complete) => Ok(Some(Event::Complete)),
            Some(Key::Character(character)) => self.insert(character, out).map(|()| None),
            Some(key) => self.edit(key, out).map(|()| None),
        }
    }

    /// The line as it stands; the next one starts empty.
    pub fn take_line(&mut self) -> Line {
        self.cursor = 0;
        core::mem::take(&mut self.line)
    }

    /// What is left of the cursor.
    #[must_use]
    pub fn before_cursor(&self) -> &str {
        self.line.get(..self.cursor).unwrap_or("")
    }

    /// Puts printable text in at the cursor; rings the bell if there is none, or no room.
    ///
    /// # Errors
    /// `out` refused.
    pub fn put(&mut self, text: &str, out: &mut dyn Write) -> fmt::Result {
        if text.is_empty() {
            return out.write_char('\x07');
        }
        let mut printable = text.chars().filter(|character| matches!(character, ' '..='~'));
        printable.try_for_each(|character| self.insert(character, out))
    }

    fn accept(&mut self, out: &mut dyn Write) -> Result<Event, fmt::Error> {
        out.write_str("\n")?;
        self.history.remember(&self.line);
        Ok(Event::Line)
    }

    fn abandon(&mut self, out: &mut dyn Write) -> Result<Event, fmt::Error> {
        self.line.clear();
        self.cursor = 0;
        self.history.leave();
        out.write_str("^C\n")?;
        Ok(Event::Interrupted)
    }

    fn insert(&mut self, character: char, out: &mut dyn Write) -> fmt::Result {
        let at_end = self.cursor == self.line.len();
        if self.line.insert(self.cursor, character).is_err() {
            return out.write_char('\x07');
        }
        self.cursor += 1;
        if at_end && self.prompt.len() + self.line.len() < COLUMNS {
            return out.write_char(character);
        }
        self.draw(out)
    }

    fn edit(&mut self, key: Key, out: &mut dyn Write) -> fmt::Result {
        let end = self.line.len();
        match key {
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(end),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = end,
            Key::Backspace => self.remove(self.cursor.saturating_sub(1), self.cursor),
            Key::Delete | Key::DeleteOrEnd => self.remove(self.cursor, (self.cursor + 1).min(end)),
            Key::KillToEnd => self.remove(self.cursor, end),
            Key::KillToStart => self.remove(0, self.cursor),
            Key::KillWord => self.remove(self.word_start(), self.cursor),
            Key::Up => self.recall(History::older),
            Key::Down => self.recall(History::newer),
            Key::Clear => out.write_str("\x1b[H\x1b[2J")?,
            _ => return out.write_char('\x07'),
        }
        self.draw(out)
    }

    /// Removes the bytes from `from` up to `to`; the cursor goes to `from`.
    fn remove(&mut self, from: usize, to: usize) {
        let mut kept = Line::new();
        for part in [self.line.get(..from), self.line.get(to..)].into_iter().flatten() {
            // What was part of a line fits a line.
            let _ = kept.push_str(part);
        }
        self.line = kept;
        self.cursor = from;
    }

    /// Where the word before the cursor starts.
    fn word_start(&self) -> usize {
        let before = self.line.get(..self.cursor).unwrap_or("").trim_end_matches(' ');
        before.rfind(' ').map_or(0, |space| space + 1)
    }

    fn recall(&mut self, step: impl FnOnce(&mut History, &Line) -> Option<Line>) {
        if let Some(line) = step(&mut self.history, &self.line) {
            self.cursor = line.len();
            self.line = line;
        }
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
