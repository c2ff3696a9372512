//! Why a queue refuses.

use core::error::Error;
use core::fmt;

use crate::error::AttrError;
use crate::task::Detached;

/// Why an operation on a queue was not done. Nothing changed but the queue's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// The task is not this queue's: another one's, detached, of another arena, or there is none.
    Foreign,
    /// The task wants to run already.
    Runnable,
    /// The task sleeps.
    Asleep,
    /// No task is current.
    NoCurrent,
    /// What the task is to have cannot be.
    Attr(AttrError),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the task is not on this queue"),
            Self::Runnable => f.write_str("the task is awake"),
            Self::Asleep => f.write_str("the task sleeps"),
            Self::NoCurrent => f.write_str("no task is current"),
            Self::Attr(error) => error.fmt(f),
        }
    }
}

impl Error for QueueError {}

impl From<AttrError> for QueueError {
    fn from(error: AttrError) -> Self {
        Self::Attr(error)
    }
}

/// A task that was not taken in, and why.
#[derive(Debug)]
pub struct AttachError<'s> {
    /// The task.
    pub task: Detached<'s>,
    /// Why.
    pub why: QueueError,
}

impl fmt::Display for AttachError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} was not attached: {}", self.task.id(), self.why)
    }
}

impl Error for AttachError<'_> {}
