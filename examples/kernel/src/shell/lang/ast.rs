//! What a script is made of. All text is the script's own: nothing is copied.

use alloc::vec::Vec;

/// Lists, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Script<'a> {
    /// In their order.
    pub lists: Vec<List<'a>>,
}

/// Pipelines that depend on each other.
#[derive(Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// As it was written, without what ended it.
    pub text: &'a str,
    /// In their order; at least one. How the first is joined says nothing.
    pub pipelines: Vec<(Join, Pipeline<'a>)>,
    /// The shell does not wait for it (`&`).
    pub background: bool,
}

/// When a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// After what is before it went well (`&&`).
    And,
    /// After what is before it did not (`||`).
    Or,
}

/// Commands, each of which reads what the one before it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pipeline<'a> {
    /// At least one.
    pub commands: Vec<Command<'a>>,
}

/// One command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Command<'a> {
    /// Variables of this command; without words, of the shell.
    pub assignments: Vec<Assignment<'a>>,
    /// Its name and arguments.
    pub words: Vec<Word<'a>>,
    /// Where its streams are led; the last of a stream counts.
    pub redirections: Vec<Redirection<'a>>,
}

/// `NAME=value`.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// Of the variable.
    pub name: &'a str,
    /// What it becomes.
    pub value: Word<'a>,
}

/// Where a stream is led.
#[derive(Debug, PartialEq, Eq)]
pub struct Redirection<'a> {
    /// Which.
    pub stream: Stream,
    /// Behind what is in the file already.
    pub append: bool,
    /// The file.
    pub target: Word<'a>,
}

/// A stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What it reads (`<`).
    Input,
    /// What it says (`>`).
    Output,
    /// What it complains of (`2>`).
    Errors,
}

/// A word, in pieces; empty only as the value of an assignment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Word<'a> {
    /// One behind the other.
    pub pieces: Vec<Piece<'a>>,
}

/// A part of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text outside of quotes.
    Bare(&'a str),
    /// Text that stands for itself: within quotes, or behind a `\`.
    Quoted(&'a str),
    /// What a variable holds.
    Variable {
        /// Its name: a NAME, `?` or a digit.
        name: &'a str,
        /// Within `"…"`: it is there even if it is empty.
        quoted: bool,
    },
}
