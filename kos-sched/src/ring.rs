//! Doubly linked rings of slots, by index: [`Ring`]. The owner of a ring keeps the index of its first slot, or [`NONE`].
//!
//! Invariant: in a ring each slot's `next` names it as `prev`; a slot is in at most one ring through one pair of [`Links`].

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// The neighbours of a slot in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

impl Links {
    /// In no ring.
    pub(crate) const NONE: Self = Self { prev: NONE, next: NONE };
}

/// Which links of a `T` a ring uses.
pub(crate) struct Ring<T> {
    pub(crate) read: fn(&T) -> &Links,
    pub(crate) write: fn(&mut T) -> &mut Links,
}

#[expect(clippy::indexing_slicing, reason = "indices come from rings, whose slots exist")]
impl<T> Ring<T> {
    fn links(&self, slots: &[T], index: u32) -> Links {
        *(self.read)(&slots[index as usize])
    }

    fn set(&self, slots: &mut [T], index: u32, change: impl FnOnce(&mut Links)) {
        change((self.write)(&mut slots[index as usize]));
    }

    /// Puts `index` at the end of the ring that starts at `head`; returns where it starts now.
    #[must_use]
    pub(crate) fn push_back(&self, slots: &mut [T], head: u32, index: u32) -> u32 {
        if head == NONE {
            self.set(slots, index, |links| *links = Links { prev: index, next: index });
            return index;
        }
        let tail = self.links(slots, head).prev;
        self.set(slots, index, |links| *links = Links { prev: tail, next: head });
        self.set(slots, tail, |links| links.next = index);
        self.set(slots, head, |links| links.prev = index);
        head
    }

    /// Takes `index` out of the ring that starts at `head`; returns where it starts now.
    #[must_use]
    pub(crate) fn remove(&self, slots: &mut [T], head: u32, index: u32) -> u32 {
        let Links { prev, next } = self.links(slots, index);
        self.set(slots, index, |links| *links = Links::NONE);
        if next == index {
            return NONE;
        }
        self.set(slots, prev, |links| links.next = next);
        self.set(slots, next, |links| links.prev = prev);
        if head == index { next } else { head }
    }

    /// The slot behind `index`, unless that was the last of the ring that starts at `head`.
    pub(crate) fn after(&self, slots: &[T], head: u32, index: u32) -> Option<u32> {
        Some(self.links(slots, index).next).filter(|&next| next != head)
    }

    /// The slots of the ring that starts at `head`, in order.
    pub(crate) fn iter<'a>(&'a self, slots: &'a [T], head: u32) -> impl Iterator<Item = u32> + 'a {
        core::iter::successors(Some(head).filter(|&head| head != NONE), move |&index| {
            self.after(slots, head, index)
        })
    }

    /// How many slots the ring has, each linked both ways; `None` if one is not, or if there are more than `slots`.
    pub(crate) fn checked_len(&self, slots: &[T], head: u32) -> Option<usize> {
        let (mut length, mut index) = (0, head);
        while index != NONE {
            let next = slots.get(index as usize).map(|slot| (self.read)(slot).next)?;
            length += 1;
            if slots.get(next as usize).map(|slot| (self.read)(slot).prev) != Some(index)
                || length > slots.len()
            {
                return None;
            }
            index = if next == head { NONE } else { next };
        }
        Some(length)
    }
}
