//! Why bytes did not go through a pipe: [`PipeError`], [`ResizeError`].

use core::error::Error;
use core::fmt;

use crate::error::WaitError;
use crate::policy::Refused;

/// Why nothing was read, or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PipeError {
    /// Nobody reads (EPIPE; the writer is to get SIGPIPE).
    Broken,
    /// Nothing is there, or nothing fits (EAGAIN).
    WouldBlock,
    /// Refused by the policy.
    Refused(Refused),
    /// The wait ended before (EINTR, ETIMEDOUT).
    Wait(WaitError),
}

impl fmt::Display for PipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("nobody reads"),
            Self::WouldBlock => f.write_str("nothing there, or no room"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for PipeError {}

/// Why a pipe keeps its capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResizeError {
    /// More than was lent (EPERM).
    TooLarge,
    /// What is in it takes more pages (EBUSY).
    Busy,
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "more than the pipe was given",
            Self::Busy => "more pages are in use",
        })
    }
}

impl Error for ResizeError {}
