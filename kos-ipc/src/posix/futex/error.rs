//! Why a call on a futex did not do what it was to: [`FutexError`].

use core::error::Error;
use core::fmt;

use crate::error::WaitError;
use crate::ports::Fault;

/// Why nobody waited, was woken or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FutexError {
    /// An address that is not one of a word (EINVAL).
    Misaligned(usize),
    /// A set of bits without one (EINVAL).
    NoBits,
    /// The word has another value, this one (EAGAIN).
    Changed(u32),
    /// No memory answers to the address (EFAULT).
    Fault(Fault),
    /// The page at the address went away each time that it was brought in, or the word changed under each attempt to change it:
    /// try again (EAGAIN).
    Busy(usize),
    /// The wait ended without a wake-up (ETIMEDOUT, EINTR).
    Wait(WaitError),
}

impl fmt::Display for FutexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned(at) => write!(f, "no word can be at {at:#x}"),
            Self::NoBits => f.write_str("a set of bits without one"),
            Self::Changed(found) => write!(f, "the word is {found:#x}"),
            Self::Fault(fault) => write!(f, "no memory at {:#x}", fault.at),
            Self::Busy(at) => write!(f, "the word at {at:#x} could not be reached for others"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for FutexError {}
