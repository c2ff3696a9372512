//! Taking mappings back: [`Unmapping`].

use core::fmt;

use super::map::SegmentObject;
use super::slot::{MappingId, State, Unmap};
use super::{Segment, Segments};
use crate::cap::{CapError, CapId, CapSpace, Revocation, Rights};
use crate::ports::{Env, SharedMemory};
use crate::wait::Progress;

/// What a step of an [`Unmapping`] came to.
#[derive(Debug)]
#[must_use]
pub enum UnmapStep<S: SharedMemory> {
    /// Call again.
    More,
    /// The kernel unmaps this, tells, and calls again.
    Unmap(Unmap<S>),
    /// What is left is being mapped or unmapped by others just now: call again when they had time.
    Wait,
    /// Nothing of what was revoked is mapped.
    Done,
}

/// A revoke that is under way: the capabilities that were made of one, then what is mapped by them.
///
/// If it is dropped before it is done, the rest goes with the next of the same capability, or of one above it.
#[must_use = "until it is done, others see the memory"]
pub struct Unmapping<'a, 'm, E: Env, S: SharedMemory> {
    segment: Segment<'m, E, S>,
    revocation: Option<Revocation<'a, E>>,
    next: u32,
    waits: bool,
}

impl<'m, E: Env, S: SharedMemory> Segments<'m, E, S> {
    /// Takes back whatever was made of the capability `id` of `kind`, and all that is mapped by it or by what was made of it. Needs
    /// [`Rights::REVOKE`].
    ///
    /// # Errors
    /// [`CapError`]; `WrongKind` also if it is to no segment of this table.
    pub fn revoke<'a, O: SegmentObject<'m, E, S>>(
        &self,
        space: &'a CapSpace<'_, E, O>,
        id: CapId,
        kind: u8,
    ) -> Result<Unmapping<'a, 'm, E, S>, CapError> {
        let guard = space.get(id, kind, Rights::REVOKE)?;
        let segment = guard.segment().filter(|segment| core::ptr::addr_eq(segment.table, self));
        let segment = segment.ok_or(CapError::WrongKind { expected: kind, found: kind })?.clone();
        let revocation = Some(space.revoke(id)?);
        Ok(Unmapping { segment, revocation, next: 0, waits: false })
    }
}

impl<E: Env, S: SharedMemory> Unmapping<'_, '_, E, S> {
    /// Looks at up to `budget` capabilities that may revoke, then at up to as many mappings of the table, each under a lock of its own.
    /// Any context.
    pub fn step(&mut self, budget: u32) -> UnmapStep<S> {
        if let Some(revocation) = &mut self.revocation {
            if revocation.step(budget as usize) == Progress::More {
                return UnmapStep::More;
            }
            self.revocation = None;
        }
        for _ in 0..budget {
            match self.look() {
                Look::Nothing => self.next += 1,
                Look::Leaves(unmap) => {
                    // It is not gone until that is told: so the next round looks again.
                    (self.next, self.waits) = (self.next + 1, true);
                    return UnmapStep::Unmap(unmap);
                }
                Look::Busy => (self.next, self.waits) = (self.next + 1, true),
                Look::End => return self.end_round(),
            }
        }
        UnmapStep::More
    }

    const fn end_round(&mut self) -> UnmapStep<S> {
        if !self.waits {
            return UnmapStep::Done;
        }
        (self.next, self.waits) = (0, false);
        UnmapStep::Wait
    }

    fn look(&self) -> Look<S> {
        let table = self.segment.table;
        table.ledger.with(|ledger| {
            let Some(entry) = ledger.mappings.get(self.next as usize) else { return Look::End };
            let ours = entry.state != State::Free && entry.segment == self.segment.number;
            if !ours || table.cells.holds(entry.bond) {
                return Look::Nothing;
            }
            let id = MappingId { slot: self.next, generation: entry.generation };
            ledger.leave(id, State::Mapped).map_or(Look::Busy, Look::Leaves)
        })
    }
}

enum Look<S: SharedMemory> {
    Nothing,
    Leaves(Unmap<S>),
    /// Being mapped, or unmapped.
    Busy,
    End,
}

impl<E: Env, S: SharedMemory> fmt::Debug for Unmapping<'_, '_, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmapping").field("next", &self.next).finish_non_exhaustive()
    }
}
