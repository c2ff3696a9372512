//! What the free-running indices of a ring mean: [`Shape`].
//!
//! `head` counts what was taken, `tail` what was put, both modulo 2^W of a word of W bits. With a capacity C that is a power of
//! two of at most 2^(W-1), and 0 ≤ tail - head ≤ C of the true counts: the difference of the words is that of the counts, since it is
//! below 2^W; and two different indices of [head, tail) differ by less than C, so their slots (the low bits) differ.

/// The capacity of a ring, as the mask of its indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    mask: usize,
}

impl Shape {
    /// A ring of `len` places; `None` unless that is a power of two of at most half of all indices.
    pub(super) const fn new(len: usize) -> Option<Self> {
        if !len.is_power_of_two() || len > usize::MAX / 2 + 1 {
            return None;
        }
        Some(Self { mask: len - 1 })
    }

    #[inline]
    pub(super) const fn capacity(self) -> usize {
        self.mask + 1
    }

    /// The place of an index: below the capacity.
    #[inline]
    pub(super) const fn place(self, index: usize) -> usize {
        index & self.mask
    }

    /// Places that are free.
    #[inline]
    pub(super) const fn free(self, head: usize, tail: usize) -> usize {
        self.capacity().wrapping_sub(len(head, tail))
    }
}

/// Places in use.
#[inline]
pub(super) const fn len(head: usize, tail: usize) -> usize {
    tail.wrapping_sub(head)
}

/// Whether `event` is among the indices that were put when the tail went from `old` to `new`.
#[inline]
pub(super) const fn passed(event: usize, old: usize, new: usize) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state of small rings around the wrap, against counts that do not wrap.
    #[test]
    fn words_that_wrap_say_what_counts_say() {
        for (capacity, taken, held) in (0..5).flat_map(|log| {
            let capacity = 1_usize << log;
            (0..2 * capacity).flat_map(move |taken| (0..=capacity).map(move |held| (capacity, taken, held)))
        }) {
            let shape = Shape::new(capacity).unwrap();
            let base = u128::from(u64::MAX) - 15;
            let (head, tail) = (base + taken as u128, base + (taken + held) as u128);
            let word = |count: u128| count as usize;
            assert_eq!(len(word(head), word(tail)), held);
            assert_eq!(shape.free(word(head), word(tail)), capacity - held);
            let places: alloc::collections::BTreeSet<_> =
                (0..held).map(|at| shape.place(word(head).wrapping_add(at))).collect();
            assert!(places.len() == held && places.iter().all(|&place| place < capacity));
            for event in head.saturating_sub(2)..tail + 2 {
                let among = (head..tail).contains(&event);
                assert_eq!(passed(word(event), word(head), word(tail)), among, "{event} of {head}..{tail}");
            }
        }
    }

    #[test]
    fn only_powers_of_two_have_a_shape() {
        let none = [0, 3, 6, usize::MAX, usize::MAX / 2 + 2];
        assert!(none.into_iter().all(|len| Shape::new(len).is_none()));
        assert!(Shape::new(1).is_some() && Shape::new(1 << (usize::BITS - 1)).is_some());
    }
}
