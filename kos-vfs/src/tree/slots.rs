//! [`Slots`]: a table of a fixed number of values, named by index. Allocated once; free slots are a list through the slots.
//!
//! Invariant: the free list holds each free slot once; `live` counts the others.

use alloc::vec::Vec;

use crate::error::NoMemory;

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Slot<T> {
    Free { next: u32 },
    Used(T),
}

/// The table. An index that is not live is a broken invariant of the caller: reading one panics.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    live: u32,
}

impl<T> Slots<T> {
    pub(crate) fn new(count: u32) -> Result<Self, NoMemory> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(count as usize)?;
        for next in 1..=count {
            slots.push(Slot::Free { next: if next == count { NONE } else { next } });
        }
        Ok(Self { slots, free: if count == 0 { NONE } else { 0 }, live: 0 })
    }

    pub(crate) const fn live(&self) -> u32 {
        self.live
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.free == NONE
    }

    /// Takes a free slot; gives `value` back if there is none.
    pub(crate) fn insert(&mut self, value: T) -> Result<u32, T> {
        let index = self.free;
        let Some(slot) = self.slots.get_mut(index as usize) else { return Err(value) };
        if let Slot::Free { next } = *slot {
            self.free = next;
        }
        *slot = Slot::Used(value);
        self.live += 1;
        Ok(index)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        if matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let next = core::mem::replace(&mut self.free, index);
        self.live -= 1;
        match core::mem::replace(slot, Slot::Free { next }) {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        match self.slots.get(index as usize) {
            Some(Slot::Used(value)) => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.slots.get_mut(index as usize) {
            Some(Slot::Used(value)) => Some(value),
            _ => None,
        }
    }

    /// What is in a slot that the caller has pinned.
    #[expect(clippy::panic, reason = "a pinned slot that is free is a broken invariant of this crate")]
    #[inline]
    pub(crate) fn at(&self, index: u32) -> &T {
        self.get(index).unwrap_or_else(|| panic!("slot {index} is free"))
    }

    /// What is in a slot that the caller has pinned.
    #[expect(clippy::panic, reason = "a pinned slot that is free is a broken invariant of this crate")]
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> &mut T {
        self.get_mut(index).unwrap_or_else(|| panic!("slot {index} is free"))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| match slot {
            Slot::Used(value) => Some((index, value)),
            Slot::Free { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_run_out() {
        let mut slots = Slots::new(2).unwrap();
        let (first, second) = (slots.insert('a').unwrap(), slots.insert('b').unwrap());
        assert_eq!((slots.insert('c'), slots.live()), (Err('c'), 2));
        assert_eq!((slots.remove(first), slots.remove(first)), (Some('a'), None));
        assert_eq!(slots.insert('d'), Ok(first));
        assert_eq!((*slots.at(first), *slots.at(second), slots.get(9)), ('d', 'b', None));
        assert!(Slots::<u8>::new(0).unwrap().insert(1).is_err());
    }
}
