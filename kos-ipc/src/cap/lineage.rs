//! By what a capability is revoked, and what it revokes, on the way from slot to slot: [`Lineage`].

use core::mem;

use super::CapError;
use super::cell::{NONE, Stamp};
use super::cells::Cells;
use super::rights::Rights;
use super::slot::CapSlot;
use crate::ports::Env;
use crate::quota::Quota;
use crate::sync::{Bug, seeded};

/// References to the cell that a capability is under and to the one that it owns. Dropped, they are given up.
pub(super) struct Lineage<'c, E: Env> {
    cells: &'c Cells<'c, E>,
    under: Stamp,
    own: u32,
}

impl<'c, E: Env> Lineage<'c, E> {
    /// Under nothing; with a cell if `rights` are to revoke.
    pub(super) fn first(
        cells: &'c Cells<'c, E>,
        rights: Rights,
        quota: &Quota<'_, E>,
    ) -> Result<Self, CapError> {
        Self { cells, under: Stamp::FREE, own: NONE }.with_own(rights, quota)
    }

    /// Of what is made of a capability with this one.
    pub(super) fn below(&self, rights: Rights, quota: &Quota<'_, E>) -> Result<Self, CapError> {
        let cells = self.cells;
        let mut under = match self.own {
            NONE => self.under,
            own => cells.stamp_under(own)?,
        };
        if seeded(Bug::StampRenewed) && under != Stamp::FREE {
            under = cells.stamp_under(under.cell)?;
        }
        cells.retain(under.cell);
        Self { cells, under, own: NONE }.with_own(rights, quota)
    }

    pub(super) fn again(&self) -> Self {
        self.cells.retain(self.under.cell);
        self.cells.retain(self.own);
        Self { cells: self.cells, under: self.under, own: self.own }
    }

    /// That of the capability in `slot`, which the caller has pinned or holds, once more.
    pub(super) fn of<O>(cells: &'c Cells<'c, E>, slot: &CapSlot<O>) -> Self {
        let (under, own) = (slot.read().under, slot.own());
        cells.retain(under.cell);
        cells.retain(own);
        Self { cells, under, own }
    }

    /// That of a slot that was emptied, whose references it takes over.
    pub(super) const fn left_in(cells: &'c Cells<'c, E>, under: Stamp, own: u32) -> Self {
        Self { cells, under, own }
    }

    fn with_own(mut self, rights: Rights, quota: &Quota<'_, E>) -> Result<Self, CapError> {
        if rights.contains(Rights::REVOKE) {
            self.own = self.cells.create(self.under, quota)?;
        }
        Ok(self)
    }

    /// Hands the references over to a slot.
    pub(super) fn into_parts(mut self) -> (Stamp, u32) {
        (mem::replace(&mut self.under, Stamp::FREE), mem::replace(&mut self.own, NONE))
    }

    pub(super) const fn cells(&self) -> &'c Cells<'c, E> {
        self.cells
    }

    pub(super) fn is_revoked(&self) -> bool {
        !self.cells.allows(self.under)
    }
}

impl<E: Env> Drop for Lineage<'_, E> {
    fn drop(&mut self) {
        self.cells.release(self.own);
        self.cells.release(self.under.cell);
    }
}
