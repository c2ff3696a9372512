//! Storage in lent slices: [`FixedStorage`].

use super::{NoBuffers, NoSlots, Slot, Storage};
use crate::link::neighbour;

/// Memory that the integrator lends for good; nothing grows.
#[derive(Debug)]
pub struct FixedStorage<'a, F> {
    slots: &'a mut [Slot<&'a mut [u8]>],
    buffers: &'a mut [&'a mut [u8]],
    neighbours: &'a mut [&'a mut [neighbour::Slot<F>]],
}

impl<'a, F> FixedStorage<'a, F> {
    /// As many sockets as `slots`; each UDP or ping socket takes two of `buffers`, each interface with neighbours one of
    /// `neighbours`.
    #[must_use]
    pub const fn new(
        slots: &'a mut [Slot<&'a mut [u8]>],
        buffers: &'a mut [&'a mut [u8]],
        neighbours: &'a mut [&'a mut [neighbour::Slot<F>]],
    ) -> Self {
        Self { slots, buffers, neighbours }
    }
}

impl<'a, F> Storage<F> for FixedStorage<'a, F> {
    type Bytes = &'a mut [u8];
    type Neighbours = &'a mut [neighbour::Slot<F>];

    fn slots(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn slot(&self, index: u32) -> Option<&Slot<Self::Bytes>> {
        self.slots.get(usize::try_from(index).ok()?)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Bytes>> {
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    fn grow(&mut self) -> Result<(), NoSlots> {
        Err(NoSlots)
    }

    /// The smallest that is large enough, or else the largest.
    fn bytes(&mut self, length: usize) -> Result<Self::Bytes, NoBuffers> {
        let free = self.buffers.iter_mut().filter(|buffer| !buffer.is_empty());
        let best = free.min_by_key(|buffer| {
            let short = buffer.len() < length;
            (short, if short { usize::MAX - buffer.len() } else { buffer.len() })
        });
        best.map(core::mem::take).ok_or(NoBuffers)
    }

    fn give_back(&mut self, bytes: Self::Bytes) {
        if let Some(place) = self.buffers.iter_mut().find(|buffer| buffer.is_empty()) {
            *place = bytes;
        }
    }

    fn neighbours(&mut self) -> Option<Self::Neighbours> {
        self.neighbours.iter_mut().find(|slots| !slots.is_empty()).map(core::mem::take)
    }
}
