//! What can go wrong when a transaction ends: the heap refuses a free, or a savepoint is stale.

use core::fmt;
use core::ptr::NonNull;

use crate::error::FreeError;
use crate::types::FrameRange;

/// A free that the heap or its frame source refused; the memory is leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFree {
    /// Of a block.
    Block(FreeError<NonNull<u8>>),
    /// Of frames.
    Frames(FreeError<FrameRange>),
}

impl fmt::Display for RefusedFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => error.fmt(f),
            Self::Frames(error) => error.fmt(f),
        }
    }
}

/// The heap refused frees while a transaction ended. All else was done, and what was refused is leaked: either the heap is
/// damaged, or somebody freed what belonged to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many frees.
    pub count: usize,
    /// The first of them.
    pub first: RefusedFree,
}

impl Refused {
    /// Adds one more free to `sum`.
    #[cold]
    pub(super) fn note(sum: &mut Option<Self>, free: RefusedFree) {
        sum.get_or_insert(Self { count: 0, first: free }).count += 1;
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frees refused, the first: {}", self.count, self.first)
    }
}

impl core::error::Error for Refused {}

/// Why a transaction was not rolled back to a savepoint, or not without a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SavepointError {
    /// What the transaction had done before the savepoint was undone since; or it was done by the transaction in which
    /// this one is nested. Nothing was undone.
    Stale,
    /// Everything behind the savepoint was undone, but for these frees.
    Refused(Refused),
}

impl fmt::Display for SavepointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the savepoint is stale"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl core::error::Error for SavepointError {}
