//! Who may use how much: a tree of quotas.
//!
//! | item | what it is |
//! |---|---|
//! | [`Quotas`] | the tree, in lent nodes |
//! | [`Quota`] | one node of it: a user, a session, a process |
//! | [`Limits`], [`Resource`] | what is counted |
//!
//! What is charged to a quota is charged to all above it, or to none. A charge is an addition that is tried at each level from
//! below, without a lock; the levels charged so far are given back where one refuses. So another charge may be refused for what
//! is just being given back, but no limit is ever passed.
//!
//! A node lives as long as somebody has a [`Quota`] of it, or a quota or a thing that it pays for is below it.
//!
//! Invariant: what a node has used is at least the sum of what those below it have used.

mod node;
#[cfg(test)]
mod tests;
mod tree;

use core::error::Error;
use core::fmt;

pub use node::QuotaNode;
pub use tree::{Quota, Quotas};

/// Levels of a tree at most: what bounds a charge.
pub const MAX_DEPTH: usize = 8;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of queues and segments.
    Bytes,
    /// Slots of capability spaces that are in use.
    Slots,
    /// Revocation cells.
    Cells,
    /// Registrations at wait sets.
    Registrations,
    /// Queued signals.
    Signals,
}

/// Resources that there are.
const RESOURCES: usize = 5;

/// How much of each resource may be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of [`Resource::Bytes`].
    pub bytes: usize,
    /// Of [`Resource::Slots`].
    pub slots: usize,
    /// Of [`Resource::Cells`].
    pub cells: usize,
    /// Of [`Resource::Registrations`].
    pub registrations: usize,
    /// Of [`Resource::Signals`].
    pub signals: usize,
}

impl Limits {
    /// As much as those above allow.
    pub const UNLIMITED: Self = Self::all(usize::MAX);

    /// The same of each.
    #[must_use]
    pub const fn all(amount: usize) -> Self {
        Self { bytes: amount, slots: amount, cells: amount, registrations: amount, signals: amount }
    }

    const fn of(&self, resource: Resource) -> usize {
        match resource {
            Resource::Bytes => self.bytes,
            Resource::Slots => self.slots,
            Resource::Cells => self.cells,
            Resource::Registrations => self.registrations,
            Resource::Signals => self.signals,
        }
    }
}

/// A charge that was refused; nothing was charged anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaError {
    /// Of what there is too little.
    pub resource: Resource,
    /// How much was asked for.
    pub asked: usize,
    /// How much was left at the level that refused.
    pub left: usize,
}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?} asked for, {} left", self.asked, self.resource, self.left)
    }
}

impl Error for QuotaError {}

/// Why there is no new quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateQuotaError {
    /// No node is free.
    Full,
    /// The tree would have more than [`MAX_DEPTH`] levels.
    TooDeep,
}

impl fmt::Display for CreateQuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no node is free",
            Self::TooDeep => "too many levels of quotas",
        })
    }
}

impl Error for CreateQuotaError {}
