//! Storage on the heap: [`HeapStorage`]. Each growth can fail, and what is there never moves.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::borrow::{Borrow, BorrowMut};
use core::fmt::Debug;
use core::marker::PhantomData;

use super::memory::{Memory, TcpMemory};
use super::{INTERFACES, NoBuffers, NoSlots, RestSlot, Slot, Storage};
use crate::dev::{BATCH, Batch};
use crate::ip::RouteSlot;
use crate::ip::reassembly::ReassemblySlot;
use crate::link::neighbour;
use crate::stack::InterfaceSlot;
use crate::tcp::congestion::{CongestionControl, Cubic};
use crate::tcp::{Gap, MAX_GAPS, Sent, SynRecord};

/// Routes at most.
const ROUTES: usize = 64;
/// Connections at most that what is left of them is kept for a minute.
const RESTS: u32 = 4096;
/// Datagrams that may come in pieces at once.
const PIECES: usize = 8;
/// Slots of one growth: a power of two.
const CHUNK: u32 = 1024;
/// Connections whose memory is kept when they are no more.
const SPARE: usize = 8;
/// The least bytes of a segment that a record is kept for.
const SEGMENT: usize = 512;

/// Vectors of the global allocator.
#[derive(Debug)]
pub struct Heap<C>(PhantomData<C>);

impl<C: CongestionControl + Debug> Memory for Heap<C> {
    type Bytes = Vec<u8>;
    type Sent = Vec<Sent>;
    type Gaps = Vec<Gap>;
    type Records = Vec<Option<SynRecord>>;
    type Congestion = C;
}

type FullBatch<F> = Batch<F, [Option<F>; BATCH]>;

/// A batch on the heap.
#[derive(Debug)]
pub struct HeapBatch<F>(Box<[FullBatch<F>; 1]>);

impl<F> HeapBatch<F> {
    fn new() -> Option<Self> {
        let batch = allocate(1, Batch::new).ok()?;
        batch.into_boxed_slice().try_into().ok().map(Self)
    }
}

impl<F> Borrow<Batch<F>> for HeapBatch<F> {
    fn borrow(&self) -> &Batch<F> {
        let [batch] = &*self.0;
        batch
    }
}

impl<F> BorrowMut<Batch<F>> for HeapBatch<F> {
    fn borrow_mut(&mut self) -> &mut Batch<F> {
        let [batch] = &mut *self.0;
        batch
    }
}

/// Memory of the global allocator, up to limits.
#[derive(Debug)]
pub struct HeapStorage<F, C: CongestionControl + Debug = Cubic> {
    chunks: Vec<Box<[Slot<Heap<C>>]>>,
    slots: u32,
    limit: u32,
    neighbours: usize,
    /// Memory of connections that are no more, for the next ones.
    spare: Vec<TcpMemory<Heap<C>>>,
    _frames: PhantomData<F>,
}

impl<F, C: CongestionControl + Debug> HeapStorage<F, C> {
    /// For up to `sockets` sockets, and `neighbours` neighbours of each interface.
    #[must_use]
    pub const fn new(sockets: u32, neighbours: usize) -> Self {
        Self {
            chunks: Vec::new(),
            slots: 0,
            limit: sockets,
            neighbours,
            spare: Vec::new(),
            _frames: PhantomData,
        }
    }
}

fn allocate<T>(count: usize, make: impl Fn() -> T) -> Result<Vec<T>, NoBuffers> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(count).map_err(|_| NoBuffers)?;
    memory.extend(core::iter::repeat_with(make).take(count));
    Ok(memory)
}

fn zeroes(count: usize) -> Result<Vec<u8>, NoBuffers> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(count).map_err(|_| NoBuffers)?;
    memory.resize(count, 0);
    Ok(memory)
}

impl<F, C: CongestionControl + Debug> Storage<F> for HeapStorage<F, C> {
    type Memory = Heap<C>;
    type Routes = Vec<RouteSlot>;
    type Rests = Vec<RestSlot>;
    type Neighbours = Vec<neighbour::Slot<F>>;
    type Pieces = Vec<ReassemblySlot>;
    type Batch = HeapBatch<F>;
    type Interfaces = Vec<InterfaceSlot<F, Self::Neighbours, Self::Batch>>;

    fn slots(&self) -> u32 {
        self.slots
    }

    fn slot(&self, index: u32) -> Option<&Slot<Self::Memory>> {
        let (chunk, place) = (index / CHUNK, index % CHUNK);
        self.chunks.get(usize::try_from(chunk).ok()?)?.get(usize::try_from(place).ok()?)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Memory>> {
        let (chunk, place) = (index / CHUNK, index % CHUNK);
        self.chunks.get_mut(usize::try_from(chunk).ok()?)?.get_mut(usize::try_from(place).ok()?)
    }

    fn grow(&mut self) -> Result<(), NoSlots> {
        let more = CHUNK.min(self.limit - self.slots);
        let count = usize::try_from(more).ok().filter(|&count| count > 0).ok_or(NoSlots)?;
        self.chunks.try_reserve(1).map_err(|_| NoSlots)?;
        let chunk = allocate(count, Slot::new).map_err(|NoBuffers| NoSlots)?;
        self.chunks.push(chunk.into_boxed_slice());
        self.slots += more;
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, NoBuffers> {
        zeroes(length)
    }

    fn connection(&mut self, send: usize, receive: usize) -> Result<TcpMemory<Self::Memory>, NoBuffers> {
        // What stands in it is never read: places say what was written.
        let fits =
            |memory: &mut TcpMemory<Heap<C>>| memory.send.len() == send && memory.receive.len() == receive;
        if let Some(memory) = self.spare.pop_if(fits) {
            return Ok(memory);
        }
        Ok(TcpMemory {
            send: zeroes(send)?,
            receive: zeroes(receive)?,
            sent: allocate((send / SEGMENT).clamp(16, 4096), || Sent::EMPTY)?,
            gaps: allocate(MAX_GAPS, Gap::default)?,
        })
    }

    fn records(&mut self, count: usize) -> Vec<Option<SynRecord>> {
        allocate(count, || None).unwrap_or_default()
    }

    fn give_back_records(&mut self, records: Vec<Option<SynRecord>>) {
        drop(records);
    }

    fn give_back(&mut self, bytes: Vec<u8>) {
        drop(bytes);
    }

    fn give_back_connection(&mut self, memory: TcpMemory<Self::Memory>) {
        if self.spare.len() < SPARE && self.spare.try_reserve(1).is_ok() {
            self.spare.push(memory);
        }
    }

    fn trim(&mut self) {
        self.spare = Vec::new();
    }

    fn reassembly(&mut self) -> Option<(Vec<ReassemblySlot>, Vec<u8>)> {
        Some((allocate(PIECES, || ReassemblySlot::EMPTY).ok()?, zeroes(PIECES << 16).ok()?))
    }

    fn neighbours(&mut self) -> Option<Self::Neighbours> {
        allocate(self.neighbours, neighbour::Slot::new).ok()
    }

    fn interfaces(&mut self) -> Self::Interfaces {
        allocate(INTERFACES, InterfaceSlot::new).unwrap_or_default()
    }

    fn rests(&mut self) -> Vec<RestSlot> {
        let count = usize::try_from(self.limit.min(RESTS)).unwrap_or(0);
        allocate(count, || RestSlot::EMPTY).unwrap_or_default()
    }

    fn routes(&mut self) -> Vec<RouteSlot> {
        allocate(ROUTES, || RouteSlot::EMPTY).unwrap_or_default()
    }

    fn batch(&mut self) -> Option<Self::Batch> {
        HeapBatch::new()
    }
}
