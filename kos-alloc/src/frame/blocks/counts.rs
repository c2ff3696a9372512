//! Free blocks by order, counted without a loop: [`Counts`].

use crate::frame::MAX_ORDER;
use crate::frame::stats::Histogram;

/// A power of two above the number of orders.
const ENTRIES: usize = 32;
const _: () = assert!((MAX_ORDER as usize) + 1 < ENTRIES);

/// Entry k is by how much more blocks there are of order k than of the order below, as a wrapping number. So one more
/// or fewer of each order in a row, which is what splitting and joining does, changes two entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts([usize; ENTRIES]);

impl Counts {
    pub(super) const NONE: Self = Self([0; ENTRIES]);

    /// One block of `whole` became one of each order from `piece` up, and the piece that is not free.
    #[inline]
    pub(super) fn split(&mut self, piece: u32, whole: u32) {
        self.add(piece, 1);
        self.add(whole, 0_usize.wrapping_sub(2));
        self.add(whole + 1, 1);
    }

    /// The reverse.
    #[inline]
    pub(super) fn join(&mut self, piece: u32, whole: u32) {
        self.add(piece, 0_usize.wrapping_sub(1));
        self.add(whole, 2);
        self.add(whole + 1, 0_usize.wrapping_sub(1));
    }

    #[inline]
    fn add(&mut self, order: u32, by: usize) {
        if let Some(entry) = self.0.get_mut(order as usize % ENTRIES) {
            *entry = entry.wrapping_add(by);
        }
    }

    pub(super) fn histogram(&self) -> Histogram {
        let mut histogram = Histogram::EMPTY;
        let mut blocks = 0_usize;
        for (entry, change) in histogram.0.iter_mut().zip(self.0) {
            blocks = blocks.wrapping_add(change);
            *entry = blocks;
        }
        histogram
    }
}
