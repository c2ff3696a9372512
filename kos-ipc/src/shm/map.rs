//! Mapping a segment by a capability.

use core::ops::Range;

use super::error::{MapError, StaleMapping};
use super::ledger::Request;
use super::slot::{MappingId, State, Unmap};
use super::{Segment, Segments};
use crate::caller::Caller;
use crate::cap::{CapId, CapSpace, Object, Rights};
use crate::policy::Op;
use crate::ports::{Access, Env, SharedMemory};
use crate::sync::{Bug, seeded};

/// The kernel's object, if it can be a segment.
pub trait SegmentObject<'m, E: Env, S: SharedMemory>: Object {
    /// The segment that it is. The same as long as it lives.
    fn segment(&self) -> Option<&Segment<'m, E, S>>;
}

/// What a mapping needs.
fn rights_for(access: Access) -> Rights {
    let mut rights = Rights::MAP;
    for (bit, right) in
        [(Access::READ, Rights::READ), (Access::WRITE, Rights::WRITE), (Access::EXEC, Rights::EXEC)]
    {
        rights.set(right, access.contains(bit));
    }
    rights
}

impl<'m, E: Env, S: SharedMemory> Segments<'m, E, S> {
    /// Maps the bytes `range` of a segment, whole pages, at `place`, for who has a capability `id` of `kind` to it in `space` with
    /// [`Rights::MAP`] and the rights of `access`. Thread context: the kernel may block.
    ///
    /// The mapping is made of that capability: it goes when what was made of that is revoked ([`revoke`](Self::revoke)).
    ///
    /// # Errors
    /// [`MapError`]: nothing is mapped, but with [`MapError::Revoked`], which says what to unmap.
    pub fn map<O: SegmentObject<'m, E, S>>(
        &self,
        caller: &Caller<'_, E>,
        (space, id, kind): (&CapSpace<'_, E, O>, CapId, u8),
        place: &S::Place,
        range: Range<usize>,
        access: Access,
    ) -> Result<MappingId, MapError<S>> {
        if access.is_empty() {
            return Err(MapError::NoAccess);
        }
        let guard = space.get(id, kind, rights_for(access)).map_err(MapError::Cap)?;
        let segment = guard.segment().filter(|segment| core::ptr::addr_eq(segment.table, self));
        let segment = segment.ok_or(MapError::NoSegment)?;
        if !space.is_under(self.cells) {
            return Err(MapError::NoSegment);
        }
        caller.authorize(Op::Map, &segment.meta).map_err(MapError::Refused)?;
        let bond = self.cells.bind(&guard).map_err(MapError::Cap)?;
        let page = self.kernel.page_size();
        self.map_bound(&Request { segment: segment.number, place, range, access, page, bond }).inspect_err(
            |error| {
                if !matches!(error, MapError::Revoked(_)) {
                    self.cells.unbind(bond);
                }
            },
        )
    }

    /// Reserves, has the kernel map, and makes it known.
    pub(super) fn map_bound(&self, request: &Request<'_, S>) -> Result<MappingId, MapError<S>> {
        let (object, id) = self.ledger.with(|ledger| {
            let reserved = ledger.reserve(request)?;
            self.retain(request.segment);
            Ok(reserved)
        })?;
        if let Err(error) = self.kernel.map(&object, request.place, request.range.clone(), request.access) {
            drop(self.ledger.with(|ledger| ledger.undo(id)));
            self.release(request.segment);
            return Err(MapError::Memory(error));
        }
        let revoked = self.ledger.with(|ledger| {
            if self.cells.holds(request.bond) || seeded(Bug::MappedUnlooked) {
                ledger.set_mapped(id);
                return None;
            }
            ledger.leave(id, State::Reserved)
        });
        revoked.map_or(Ok(id), |unmap| Err(MapError::Revoked(unmap)))
    }

    /// Begins to unmap `id`: the kernel unmaps, and tells. Which process may name it is the kernel's to know.
    ///
    /// # Errors
    /// [`StaleMapping`]
    pub fn unmap(&self, id: MappingId) -> Result<Unmap<S>, StaleMapping> {
        self.ledger.with(|ledger| ledger.leave(id, State::Mapped)).ok_or(StaleMapping(id))
    }

    /// Takes note that something is not mapped any more, on no CPU. It was told by [`unmap`](Self::unmap), by a
    /// [step](super::Unmapping::step) or by [`MapError::Revoked`]. The last of a segment without references frees it.
    ///
    /// # Errors
    /// The argument, if nothing of that number is being unmapped here.
    pub fn unmapped(&self, unmap: Unmap<S>) -> Result<(), Unmap<S>> {
        let Some((segment, bond)) = self.ledger.with(|ledger| ledger.left(unmap.id)) else {
            return Err(unmap);
        };
        self.cells.unbind(bond);
        self.release(segment);
        Ok(())
    }
}
