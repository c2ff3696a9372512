//! Sockets in a row, by links in their slots: [`List`], [`Links`].
//!
//! Invariant: a slot's links are [`Links::OUT`] if it is on no list of that kind; else its neighbours name it, or the ends do.

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;
/// What stands in `next` of a slot that is on no list.
const OUT: u32 = u32::MAX - 1;

/// The links of one slot in one kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    next: u32,
    previous: u32,
}

impl Links {
    /// On no list.
    pub(crate) const OUT: Self = Self { next: OUT, previous: NONE };

    /// Whether the slot is on a list.
    pub(crate) const fn is_in(self) -> bool {
        self.next != OUT
    }
}

/// The two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

/// Where the links of a kind of list are.
pub(crate) trait Linked {
    /// Those of slot `index`, which exists.
    fn links(&mut self, index: u32) -> Option<&mut Links>;
}

impl List {
    /// Nobody.
    pub(crate) const EMPTY: Self = Self { first: NONE, last: NONE };

    /// The first.
    pub(crate) const fn first(&self) -> Option<u32> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    /// Appends a slot, unless it is on a list already.
    pub(crate) fn push(&mut self, slots: &mut impl Linked, index: u32) {
        let Some(links) = slots.links(index).filter(|links| !links.is_in()) else { return };
        *links = Links { next: NONE, previous: self.last };
        match slots.links(self.last) {
            Some(last) => last.next = index,
            None => self.first = index,
        }
        self.last = index;
    }

    /// Takes a slot out that is on this list, or on none.
    pub(crate) fn remove(&mut self, slots: &mut impl Linked, index: u32) {
        let Some(links) = slots.links(index).filter(|links| links.is_in()) else { return };
        let Links { next, previous } = core::mem::replace(links, Links::OUT);
        match slots.links(previous) {
            Some(before) => before.next = next,
            None => self.first = next,
        }
        match slots.links(next) {
            Some(after) => after.previous = previous,
            None => self.last = previous,
        }
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self, slots: &mut impl Linked) -> Option<u32> {
        let first = self.first()?;
        self.remove(slots, first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::{Linked, Links, List};

    struct Slots(Vec<Links>);

    impl Linked for Slots {
        fn links(&mut self, index: u32) -> Option<&mut Links> {
            self.0.get_mut(index as usize)
        }
    }

    proptest! {
        #![proptest_config(crate::testing::config())]
        /// Against a queue.
        #[test]
        fn a_list_keeps_its_order(steps in prop::collection::vec((0..3_u8, 0..8_u32), 0..100)) {
            let (mut slots, mut list, mut model) = (Slots([Links::OUT; 8].to_vec()), List::EMPTY, VecDeque::new());
            for (step, index) in steps {
                match step {
                    0 => {
                        list.push(&mut slots, index);
                        if !model.contains(&index) {
                            model.push_back(index);
                        }
                    }
                    1 => {
                        list.remove(&mut slots, index);
                        model.retain(|&other| other != index);
                    }
                    _ => prop_assert_eq!(list.pop(&mut slots), model.pop_front()),
                }
                prop_assert_eq!(list.first(), model.front().copied());
                for index in 0..8 {
                    prop_assert_eq!(slots.0[index as usize].is_in(), model.contains(&index));
                }
            }
        }
    }
}
