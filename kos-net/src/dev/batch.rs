//! Frames on their way between stack and device: [`Batch`].
//!
//! Invariant: the `count` places from `first` on, round the end, hold frames; the others hold none.

use core::marker::PhantomData;

/// The most frames of a batch whose size nobody chose.
pub const BATCH: usize = 64;

/// Frames in their order. A device sees one of any size, `&mut Batch<F>`; one of `N` frames is a `Batch<F, [Option<F>; N]>`.
#[derive(Debug)]
pub struct Batch<F, S: ?Sized = [Option<F>]> {
    first: usize,
    count: usize,
    _frames: PhantomData<F>,
    places: S,
}

impl<F> Batch<F, [Option<F>; BATCH]> {
    /// No frames, and room for [`BATCH`].
    #[must_use]
    pub const fn new() -> Self {
        Self::sized()
    }
}

impl<F, const N: usize> Batch<F, [Option<F>; N]> {
    /// No frames, and room for `N`.
    #[must_use]
    pub const fn sized() -> Self {
        Self { first: 0, count: 0, _frames: PhantomData, places: [const { None }; N] }
    }
}

impl<F, S: ?Sized> Batch<F, S> {
    /// How many frames there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<F, S: AsRef<[Option<F>]> + AsMut<[Option<F>]> + ?Sized> Batch<F, S> {
    /// Where the frame `behind` the first stands, or would.
    fn place(&self, behind: usize) -> usize {
        let (place, size) = (self.first + behind, self.places.as_ref().len());
        if place < size { place } else { place - size }
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// The batch is full; the frame comes back.
    pub fn push(&mut self, frame: F) -> Result<(), F> {
        let place = self.place(self.count);
        match self.places.as_mut().get_mut(place).filter(|place| place.is_none()) {
            Some(free) => *free = Some(frame),
            None => return Err(frame),
        }
        self.count += 1;
        Ok(())
    }

    /// Takes the first frame.
    pub fn pop(&mut self) -> Option<F> {
        let frame = self.places.as_mut().get_mut(self.first)?.take()?;
        self.first = self.place(1);
        self.count -= 1;
        Some(frame)
    }

    /// The first frame.
    #[must_use]
    pub fn first(&self) -> Option<&F> {
        self.places.as_ref().get(self.first)?.as_ref()
    }

    /// Puts a frame before the first: one that was taken and could not be sent.
    ///
    /// # Errors
    /// The batch is full; the frame comes back.
    pub fn put_back(&mut self, frame: F) -> Result<(), F> {
        if self.room() == 0 {
            return Err(frame);
        }
        self.first = self.place(self.places.as_ref().len() - 1);
        self.count += 1;
        if let Some(place) = self.places.as_mut().get_mut(self.first) {
            *place = Some(frame);
        }
        Ok(())
    }

    /// How many more have room.
    #[must_use]
    pub fn room(&self) -> usize {
        self.places.as_ref().len() - self.count
    }

    /// The frames in their order.
    pub fn iter(&self) -> impl Iterator<Item = &F> {
        let (before, behind) = self.places.as_ref().split_at_checked(self.first).unwrap_or_default();
        behind.iter().chain(before).flatten()
    }
}

impl<F> Default for Batch<F, [Option<F>; BATCH]> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::Batch;

    proptest! {
        #![proptest_config(crate::testing::config())]
        /// Against a queue.
        #[test]
        fn a_batch_keeps_the_order(steps in prop::collection::vec(0..3_u8, 0..60)) {
            let mut batch = Batch::<usize, [Option<usize>; 5]>::sized();
            let batch: &mut Batch<usize> = &mut batch;
            let mut model = VecDeque::new();
            for (number, step) in steps.into_iter().enumerate() {
                let full = model.len() == 5;
                match step {
                    0 => {
                        prop_assert_eq!(batch.push(number), if full { Err(number) } else { Ok(()) });
                        if !full {
                            model.push_back(number);
                        }
                    }
                    1 => {
                        prop_assert_eq!(batch.put_back(number), if full { Err(number) } else { Ok(()) });
                        if !full {
                            model.push_front(number);
                        }
                    }
                    _ => prop_assert_eq!(batch.pop(), model.pop_front()),
                }
                prop_assert_eq!(batch.first(), model.front());
                prop_assert_eq!(batch.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
                prop_assert_eq!((batch.len(), batch.room()), (model.len(), 5 - model.len()));
            }
        }
    }

    #[test]
    fn a_batch_without_room_takes_nothing() {
        let mut batch = Batch::<u8, [Option<u8>; 0]>::sized();
        assert_eq!((batch.push(1), batch.put_back(1), batch.pop(), batch.room()), (Err(1), Err(1), None, 0));
    }
}
