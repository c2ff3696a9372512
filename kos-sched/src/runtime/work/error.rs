//! What can go wrong with named work. Display is one lower-case clause.

use core::error::Error;
use core::fmt;

use super::slots::WorkId;

/// A name that was not registered, found or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkError {
    /// A name has 1 to 32 bytes.
    NameLength {
        /// How many it has.
        length: usize,
    },
    /// Another work has the name.
    NameTaken(WorkId),
    /// Every place for a name is in use.
    Full,
    /// No such work, or no longer.
    NotFound,
    /// Items of it have not ended.
    Busy {
        /// How many.
        items: u32,
    },
    /// There is no such worker, or another task is it.
    NoWorker {
        /// Its number.
        worker: usize,
    },
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameLength { length } => write!(f, "a name has 1 to 32 bytes, not {length}"),
            Self::NameTaken(id) => write!(f, "the name belongs to work {id:?}"),
            Self::Full => f.write_str("no room for another name"),
            Self::NotFound => f.write_str("no such work"),
            Self::Busy { items } => write!(f, "{items} items have not ended"),
            Self::NoWorker { worker } => write!(f, "worker {worker} does not exist or is taken"),
        }
    }
}

impl Error for WorkError {}

/// Why an item was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecuteReason {
    /// No such work, or no longer.
    NotFound,
    /// Every slot for an item is in use.
    QueueFull,
    /// The affinity names no worker.
    NoAllowedWorker,
    /// The range is empty or the grain is 0.
    EmptyRange,
    /// The pool was closed.
    Closed,
}

/// An item that was not queued, and its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecuteError<A> {
    /// Why.
    pub reason: ExecuteReason,
    /// The arguments, unused.
    pub args: A,
}

impl<A> fmt::Display for ExecuteError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            ExecuteReason::NotFound => "no such work",
            ExecuteReason::QueueFull => "no room for another item",
            ExecuteReason::NoAllowedWorker => "the affinity names no worker",
            ExecuteReason::EmptyRange => "the range is empty",
            ExecuteReason::Closed => "the pool is closed",
        })
    }
}

impl<A: fmt::Debug> Error for ExecuteError<A> {}

/// A join without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The item was cancelled before all of it was started.
    Cancelled,
    /// Its deadline had passed before all of it was started.
    DeadlinePassed,
    /// The time had passed; the item goes on, and can be joined again.
    TimedOut,
    /// The joining task is to die; the item goes on.
    Interrupted,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "the item was cancelled",
            Self::DeadlinePassed => "the deadline of the item had passed",
            Self::TimedOut => "the join timed out",
            Self::Interrupted => "the joining task is to die",
        })
    }
}

impl Error for JoinError {}
