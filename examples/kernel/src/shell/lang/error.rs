//! Why a text is no script, and where.

use core::error::Error;
use core::fmt;

use super::{MAX_BYTES, MAX_EACH, MAX_STAGES, MAX_WORDS};

/// Why a text is no script. Nothing of it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where it was noticed, or where what was never ended began.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// A character of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Place {
    /// That of the byte at `offset`, or of the end.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = (0..=offset.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or("");
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(line..).unwrap_or("").chars().count() + 1;
        Self { line: before.matches('\n').count() + 1, column }
    }
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A quote, or `${`, that nothing ends.
    Open(&'static str),
    /// Something else should stand here.
    Missing(Expected),
    /// `${…}` with what is no name in it.
    BadName,
    /// What this language does not have.
    Reserved(&'static str),
    /// More bytes than [`MAX_BYTES`].
    TooLong,
    /// More words than [`MAX_WORDS`].
    TooManyWords,
    /// More commands than [`MAX_STAGES`].
    TooManyStages,
    /// More redirections or assignments than [`MAX_EACH`].
    TooManyExtras,
    /// The heap has no room for it.
    NoMemory,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A command, beside this operator.
    Command(&'static str),
    /// A file, behind this operator.
    File(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(quote) => write!(f, "nothing ends {quote}"),
            Self::Missing(Expected::Command(operator)) => write!(f, "no command before or behind {operator}"),
            Self::Missing(Expected::File(operator)) => write!(f, "no file behind {operator}"),
            Self::BadName => f.write_str("no name of a variable in ${…}"),
            Self::Reserved(what) => write!(f, "{what} means nothing here: quote it if it is text"),
            Self::TooLong => write!(f, "a script has {MAX_BYTES} bytes at most"),
            Self::TooManyWords => write!(f, "more than {MAX_WORDS} words: no command takes so many"),
            Self::TooManyStages => write!(f, "more than {MAX_STAGES} commands in a pipeline"),
            Self::TooManyExtras => write!(f, "more than {MAX_EACH} redirections or assignments"),
            Self::NoMemory => f.write_str("no memory for it"),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        if line > 1 {
            write!(f, "line {line}, ")?;
        }
        write!(f, "column {column}: {}", self.problem)
    }
}

impl Error for ParseError {}
