//! Storage on the heap: [`HeapStorage`]. Each growth can fail, and what is there never moves.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{NoBuffers, NoSlots, Slot, Storage};
use crate::link::neighbour;

/// Slots of one growth: a power of two.
const CHUNK: u32 = 1024;

/// Memory of the global allocator, up to limits.
#[derive(Debug)]
pub struct HeapStorage<F> {
    chunks: Vec<Box<[Slot<Vec<u8>>]>>,
    limit: u32,
    neighbours: usize,
    _frames: core::marker::PhantomData<F>,
}

impl<F> HeapStorage<F> {
    /// For up to `sockets` sockets, and `neighbours` neighbours of each interface.
    #[must_use]
    pub const fn new(sockets: u32, neighbours: usize) -> Self {
        Self { chunks: Vec::new(), limit: sockets, neighbours, _frames: core::marker::PhantomData }
    }

    fn allocate<T>(count: usize, make: impl Fn() -> T) -> Result<Vec<T>, NoBuffers> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(count).map_err(|_| NoBuffers)?;
        memory.extend(core::iter::repeat_with(make).take(count));
        Ok(memory)
    }
}

impl<F> Storage<F> for HeapStorage<F> {
    type Bytes = Vec<u8>;
    type Neighbours = Vec<neighbour::Slot<F>>;

    fn slots(&self) -> u32 {
        self.chunks.iter().map(|chunk| u32::try_from(chunk.len()).unwrap_or(0)).sum()
    }

    fn slot(&self, index: u32) -> Option<&Slot<Self::Bytes>> {
        let (chunk, place) = (index / CHUNK, index % CHUNK);
        self.chunks.get(usize::try_from(chunk).ok()?)?.get(usize::try_from(place).ok()?)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Bytes>> {
        let (chunk, place) = (index / CHUNK, index % CHUNK);
        self.chunks.get_mut(usize::try_from(chunk).ok()?)?.get_mut(usize::try_from(place).ok()?)
    }

    fn grow(&mut self) -> Result<(), NoSlots> {
        let count = CHUNK.min(self.limit - self.slots());
        let count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(NoSlots)?;
        self.chunks.try_reserve(1).map_err(|_| NoSlots)?;
        let chunk = Self::allocate(count, Slot::new).map_err(|NoBuffers| NoSlots)?;
        self.chunks.push(chunk.into_boxed_slice());
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<Self::Bytes, NoBuffers> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(length).map_err(|_| NoBuffers)?;
        memory.resize(length, 0);
        Ok(memory)
    }

    fn give_back(&mut self, bytes: Self::Bytes) {
        drop(bytes);
    }

    fn neighbours(&mut self) -> Option<Self::Neighbours> {
        Self::allocate(self.neighbours, neighbour::Slot::new).ok()
    }
}
