//! Memory that a caller lends for the time of his call: [`Lease`], [`Lent`].

use super::error::LeaseError;

/// Leases of a call at most.
pub const MAX_LEASES: usize = 8;

/// What the server may do with lent memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Write it.
    Write,
}

/// A range of the caller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Where it begins.
    pub start: usize,
    /// Bytes.
    pub len: usize,
    /// For what.
    pub access: Access,
}

impl Lease {
    /// Where the bytes `offset..offset + len` of it are.
    pub(super) fn at(&self, access: Access, offset: usize, len: usize) -> Result<usize, LeaseError> {
        if self.access != access {
            return Err(LeaseError::WrongAccess);
        }
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        let start = self.start.checked_add(offset).filter(|start| start.checked_add(len).is_some());
        start.filter(|_| inside).ok_or(LeaseError::OutOfRange)
    }
}

/// The caller's memory, and which parts of it are lent.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'l, A> {
    /// How it is reached while the call lasts.
    pub memory: A,
    /// At most [`MAX_LEASES`].
    pub leases: &'l [Lease],
}

impl<A> Lent<'_, A> {
    /// How many leases there are, if they are more than a call may have.
    #[cold]
    pub(super) fn too_many(&self) -> Option<usize> {
        let asked = self.leases.len();
        (asked > MAX_LEASES).then_some(asked)
    }
}
