//! Finding what a number names: `check`, `get`, and the [`CapGuard`].

use core::fmt;
use core::ops::Deref;

use super::error::CapError;
use super::id::{CapId, Name};
use super::rights::Rights;
use super::slot::{CapSlot, PinError};
use super::space::{CapInfo, CapSpace, Object};
use crate::ports::Env;

impl<'s, E: Env, O: Object> CapSpace<'s, E, O> {
    /// What is known of a capability, if its holder may do what is in `need`. Loads only: writes no shared line.
    ///
    /// # Errors
    /// [`CapError`]
    #[inline]
    pub fn check(&self, id: CapId, need: Rights) -> Result<CapInfo, CapError> {
        let (name, slot) = self.open(id)?;
        self.usable(name, slot, need)
    }

    /// The object of `kind` behind a capability, if its holder may do what is in `need`. One read-modify-write, and another when
    /// the guard goes.
    ///
    /// # Errors
    /// [`CapError`]
    #[inline]
    pub fn get(&self, id: CapId, kind: u8, need: Rights) -> Result<CapGuard<'_, E, O>, CapError> {
        let (name, slot) = self.open(id)?;
        if name.kind != kind {
            return Err(CapError::WrongKind { expected: kind, found: name.kind });
        }
        match slot.pin(name.generation) {
            Ok(()) => {}
            Err(PinError::TooMany) => return Err(CapError::Pinned),
            Err(PinError::Stale { last }) => {
                if last {
                    self.end_close(name.slot, slot);
                }
                return Err(stale(name));
            }
        }
        let guard = CapGuard { space: self, slot, number: name.slot };
        let facts = slot.read();
        if facts.kind != u32::from(kind) {
            return Err(CapError::Malformed);
        }
        if !self.cells.allows(facts.under) {
            return Err(CapError::Revoked);
        }
        allow(Rights::from_bits_retain(facts.rights), need)?;
        Ok(guard)
    }

    pub(super) fn open(&self, id: CapId) -> Result<(Name, &'s CapSlot<O>), CapError> {
        let name = id.open(self.salt);
        let slot = self.slots.get(name.slot as usize).ok_or(CapError::Malformed)?;
        Ok((name, slot))
    }

    /// What is known of a capability that was not revoked and whose holder may do what is in `need`.
    #[inline]
    pub(super) fn usable(&self, name: Name, slot: &CapSlot<O>, need: Rights) -> Result<CapInfo, CapError> {
        let found = slot.facts(name.generation, |stamp| self.cells.allows(stamp));
        let (facts, allowed) = found.ok_or(stale(name))?;
        if facts.kind != u32::from(name.kind) {
            return Err(CapError::Malformed);
        }
        if !allowed {
            return Err(CapError::Revoked);
        }
        let rights = Rights::from_bits_retain(facts.rights);
        allow(rights, need)?;
        Ok(CapInfo { kind: name.kind, rights, badge: facts.badge })
    }
}

pub(super) const fn stale(name: Name) -> CapError {
    CapError::Stale { slot: name.slot, generation: name.generation }
}

#[inline]
pub(super) fn allow(there: Rights, need: Rights) -> Result<(), CapError> {
    if there.contains(need) { Ok(()) } else { Err(CapError::MissingRights(need.difference(there))) }
}

/// An object that stays while this lives, though its capability be closed meanwhile.
pub struct CapGuard<'a, E: Env, O: Object> {
    space: &'a CapSpace<'a, E, O>,
    pub(super) slot: &'a CapSlot<O>,
    number: u32,
}

impl<E: Env, O: Object> CapGuard<'_, E, O> {
    /// What the capability allows now.
    #[must_use]
    pub fn rights(&self) -> Rights {
        Rights::from_bits_retain(self.slot.read().rights)
    }

    /// The capability's badge; 0 is none.
    #[must_use]
    pub fn badge(&self) -> u64 {
        self.slot.read().badge
    }

    pub(super) fn allow(&self, need: Rights) -> Result<(), CapError> {
        allow(self.rights(), need)
    }
}

impl<E: Env, O: Object> Deref for CapGuard<'_, E, O> {
    type Target = O;

    #[inline]
    #[expect(unsafe_code, clippy::panic, reason = "a pinned slot is full: see the slot's invariants")]
    fn deref(&self) -> &O {
        // SAFETY: the guard has the slot pinned as long as it lives, and the reference borrows the guard.
        match unsafe { self.slot.object() } {
            Some(object) => object,
            None => panic!("a pinned slot is empty"),
        }
    }
}

impl<E: Env, O: Object> Drop for CapGuard<'_, E, O> {
    #[inline]
    fn drop(&mut self) {
        if self.slot.unpin() {
            self.space.end_close(self.number, self.slot);
        }
    }
}

impl<E: Env, O: Object> fmt::Debug for CapGuard<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapGuard").field("rights", &self.rights()).finish_non_exhaustive()
    }
}
