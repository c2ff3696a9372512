//! A list as a file says it: [`Firewall::read`], and as a file would say it: [`Firewall::lines`].
//!
//! A line is a rule ([`rule()`]), or `default [in|out] accept|drop`; `#` begins a comment. Rules stand in the order of their
//! lines. A file with one bad line is none: nothing of it counts.

use core::error::Error;
use core::fmt;

use super::parse::default;
use super::{Action, Direction, Firewall, Link, ListError, Rule, WordError, rule};

/// Where the rules are that hold from before the first packet on.
pub const PATH: &str = "/etc/firewall";
/// The most bytes of a file.
pub const FILE_MAX: usize = 8 << 10;

impl Firewall {
    /// What a file says.
    ///
    /// # Errors
    /// [`FileError`]: the first line that is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, FileError> {
        let whole = |problem| FileError { line: 1, problem };
        if bytes.len() > FILE_MAX {
            return Err(whole(Problem::TooLong));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| whole(Problem::NotText))?;
        let mut read = Self::new();
        for (number, line) in (1..).zip(text.lines()) {
            read.line(line).map_err(|problem| FileError { line: number, problem })?;
        }
        Ok(read)
    }

    fn line(&mut self, line: &str) -> Result<(), Problem> {
        let said = line.split_once('#').map_or(line, |(said, _)| said);
        let words = said.split_ascii_whitespace();
        match words.clone().next() {
            None => {}
            Some("default") => {
                let (directions, action) = default(words.skip(1)).ok_or(Problem::NoDefault)?;
                directions.iter().for_each(|direction| self.set_default(*direction, action));
            }
            Some(_) => {
                let rule = rule(words).map_err(Problem::Rule)?;
                self.add(rule).map_err(Problem::List)?;
            }
        }
        Ok(())
    }

    /// What holds where nobody can say what should: this host talks to itself, and to nobody else.
    #[must_use]
    pub fn closed() -> Self {
        let mut closed = Self::new();
        Direction::ALL.iter().for_each(|direction| closed.set_default(*direction, Action::Drop));
        // There is room for one.
        let _ = closed.add(Rule { link: Some(Link::Own), ..Rule::new(Action::Accept) });
        closed
    }

    /// Rules and defaults of another in place of these; they are counted anew.
    pub fn take(&mut self, other: Self) {
        (self.rules, self.defaults) = (other.rules, other.defaults);
    }

    /// A file that says the same.
    #[must_use]
    pub const fn lines(&self) -> Lines<'_> {
        Lines(self)
    }
}

/// A list as a file, line by line.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a>(&'a Firewall);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for direction in Direction::ALL {
            writeln!(f, "default {direction} {}", self.0.default_of(direction).0)?;
        }
        self.0.rules().try_for_each(|(rule, _)| writeln!(f, "{rule}"))
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The line, from 1 on.
    pub line: u32,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// More than [`FILE_MAX`] bytes.
    TooLong,
    /// The bytes are not UTF-8.
    NotText,
    /// A default of no action, or of a direction that is none.
    NoDefault,
    /// The words are no rule.
    Rule(WordError),
    /// The rule is one too many.
    List(ListError),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "more than {FILE_MAX} bytes"),
            Self::NotText => f.write_str("a byte that begins no character"),
            Self::NoDefault => f.write_str("default says [in | out], accept or drop"),
            Self::Rule(error) => match error.place() {
                Some(place) => write!(f, "word {} {error}", place.saturating_add(1)),
                None => error.fmt(f),
            },
            Self::List(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Error for FileError {}
