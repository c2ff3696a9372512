//! By what a thing that was made through a capability is revoked, for its ledger: [`Bond`].

use super::CapError;
use super::cell::Stamp;
use super::cells::Cells;
use super::lookup::CapGuard;
use super::space::Object;
use crate::ports::Env;
use crate::quota::{Quota, Quotas};

/// A reference to a cell, and the epoch that it had. It is given up by hand, with [`Cells::unbind`]: so it lies in plain memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bond(Stamp);

impl Bond {
    /// To nothing.
    pub(crate) const FREE: Self = Self(Stamp::FREE);
}

impl<'c, E: Env> Cells<'c, E> {
    /// Of what is made through the capability that `guard` holds: revoked with what is made of it.
    ///
    /// # Errors
    /// [`CapError::Revoked`]
    pub(crate) fn bind<O: Object>(&self, guard: &CapGuard<'_, E, O>) -> Result<Bond, CapError> {
        let stamp = match guard.slot.own() {
            super::cell::NONE => guard.slot.read().under,
            own => self.stamp_under(own)?,
        };
        self.retain(stamp.cell);
        Ok(Bond(stamp))
    }

    /// Whether it was not revoked. Loads only.
    pub(crate) fn holds(&self, bond: Bond) -> bool {
        self.allows(bond.0)
    }

    pub(crate) fn unbind(&self, bond: Bond) {
        self.release(bond.0.cell);
    }

    pub(crate) const fn quotas(&self) -> &'c Quotas<'c, E> {
        self.quotas
    }

    pub(crate) fn is_paid_by(&self, quota: &Quota<'_, E>) -> bool {
        self.pays(quota)
    }
}
