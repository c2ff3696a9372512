//! Slots that are taken and paid for before they are filled: [`Reserved`].

use super::CapError;
use super::id::{CapId, Name};
use super::lineage::Lineage;
use super::rights::Rights;
use super::slot::Facts;
use super::space::{CapSpace, Object};
use crate::ports::Env;
use crate::quota::Resource;

/// Free slots of a space, in no list. Those that are not filled go back.
pub(super) struct Reserved<'a, E: Env, O: Object> {
    space: &'a CapSpace<'a, E, O>,
    /// The first; the rest are linked to it.
    first: u32,
    count: usize,
}

impl<'a, E: Env, O: Object> Reserved<'a, E, O> {
    /// All `count` or none.
    pub(super) fn new(space: &'a CapSpace<'a, E, O>, count: usize) -> Result<Self, CapError> {
        space.quota.charge(Resource::Slots, count).map_err(CapError::Quota)?;
        let taken = space.books.with(|books| {
            if books.sealed {
                return Err(CapError::Sealed);
            }
            if count > books.free_slots {
                return Err(CapError::Full);
            }
            let first = books.free;
            for _ in 0..count {
                books.free = space.slots.get(books.free as usize).ok_or(CapError::Full)?.next();
            }
            books.free_slots -= count;
            Ok(first)
        });
        match taken {
            Ok(first) => Ok(Self { space, first, count }),
            Err(refused) => {
                space.quota.refund(Resource::Slots, count);
                Err(refused)
            }
        }
    }

    /// Puts a capability into the next of them; `None` if there is none.
    pub(super) fn fill(
        &mut self,
        object: O,
        rights: Rights,
        badge: u64,
        lineage: Lineage<'a, E>,
    ) -> Option<CapId> {
        self.count = self.count.checked_sub(1)?;
        let (space, number) = (self.space, self.first);
        let slot = space.slots.get(number as usize)?;
        self.first = slot.next();
        let kind = object.kind();
        let (under, own) = lineage.into_parts();
        let facts = Facts { rights: rights.bits(), badge, kind: u32::from(kind), under };
        let generation = space.books.with(|books| {
            books.stats.live += 1;
            slot.fill(object, facts, own)
        });
        Some(CapId::new(Name { slot: number, kind, generation }, space.salt))
    }
}

impl<E: Env, O: Object> Drop for Reserved<'_, E, O> {
    fn drop(&mut self) {
        for _ in 0..self.count {
            let Some(slot) = self.space.slots.get(self.first as usize) else { break };
            let number = core::mem::replace(&mut self.first, slot.next());
            self.space.books.with(|books| books.put_free(number, slot));
        }
        self.space.quota.refund(Resource::Slots, self.count);
    }
}
