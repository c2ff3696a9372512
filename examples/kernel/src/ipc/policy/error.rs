//! What is wrong with a file of the policy: [`PolicyError`].

use core::error::Error;
use core::fmt;

use super::{CLASSES, FILE_MAX};

/// What is wrong with a file, and where: line and byte in it, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyError {
    /// The line.
    pub(crate) line: u32,
    /// The byte.
    pub(crate) column: u32,
    /// What is wrong there.
    pub(crate) problem: Problem,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// More than [`FILE_MAX`] bytes.
    TooLong,
    /// A byte begins no character.
    NotText,
    /// Neither `allow` nor `deny`.
    NoVerb,
    /// No domain is called so.
    NoDomain,
    /// No class is called so.
    NoClass,
    /// None of those classes has such a right.
    NoRight,
    /// The line ends too early.
    Lacks,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "more than {FILE_MAX} bytes"),
            Self::NotText => f.write_str("a byte that begins no character"),
            Self::NoVerb => f.write_str("a line says allow or deny first"),
            Self::NoDomain => f.write_str("no such domain: root user any"),
            Self::NoClass => {
                f.write_str("no such class:")?;
                CLASSES.iter().try_for_each(|(name, _)| write!(f, " {name}"))?;
                f.write_str(" any")
            }
            Self::NoRight => f.write_str("none of those classes has such a right"),
            Self::Lacks => f.write_str("the line ends too early: a domain, a class and rights are needed"),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl Error for PolicyError {}
