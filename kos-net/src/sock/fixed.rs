//! Storage in lent slices: [`FixedStorage`].

use core::fmt::Debug;
use core::marker::PhantomData;

use super::memory::{Memory, TcpMemory};
use super::{NoBuffers, NoSlots, RestSlot, Slot, Storage};
use crate::dev::Batch;
use crate::ip::RouteSlot;
use crate::ip::reassembly::ReassemblySlot;
use crate::link::neighbour;
use crate::stack::InterfaceSlot;
use crate::tcp::congestion::CongestionControl;
use crate::tcp::{Gap, Sent, SynRecord};

/// Lent slices.
#[derive(Debug)]
pub struct Lent<'a, C>(PhantomData<(&'a (), C)>);

impl<'a, C: CongestionControl + Debug> Memory for Lent<'a, C> {
    type Bytes = &'a mut [u8];
    type Sent = &'a mut [Sent];
    type Gaps = &'a mut [Gap];
    type Records = &'a mut [Option<SynRecord>];
    type Congestion = C;
}

/// Room for an interface in lent slices.
pub type LentInterface<'a, F> = InterfaceSlot<F, &'a mut [neighbour::Slot<F>], &'a mut Batch<F>>;

/// Memory that the integrator lends for good; nothing grows. What is lent of a list leaves an empty slice there.
///
/// `'a`: the bytes and records; `'s`, which may be shorter: the slots and lists that refer to them.
#[derive(Debug)]
pub struct FixedStorage<'s, 'a, F, C: CongestionControl + Debug> {
    /// One for each socket.
    pub slots: &'s mut [Slot<Lent<'a, C>>],
    /// Two for each socket but those that listen.
    pub buffers: &'s mut [&'a mut [u8]],
    /// One for each connection: a record for each segment that may be in flight.
    pub sent: &'s mut [&'a mut [Sent]],
    /// One for each connection: a record for each range that may come out of order.
    pub gaps: &'s mut [&'a mut [Gap]],
    /// One for each listener: a record for each handshake, in multiples of 8; without, all peers get cookies.
    pub records: &'s mut [&'a mut [Option<SynRecord>]],
    /// One for each datagram that comes in pieces; it takes an equal part of `piece_bytes`.
    pub pieces: &'a mut [ReassemblySlot],
    /// Their bytes; without, datagrams in pieces are dropped.
    pub piece_bytes: &'a mut [u8],
    /// One for each connection that was closed in the last minute: 64 bytes.
    pub rests: &'a mut [RestSlot],
    /// One for each network of ours, gateway, and what else is routed.
    pub routes: &'a mut [RouteSlot],
    /// One for each interface with neighbours.
    pub neighbours: &'s mut [&'a mut [neighbour::Slot<F>]],
    /// One for each interface.
    pub interfaces: &'s mut [LentInterface<'a, F>],
    /// One for each interface, and one for what comes: the last.
    pub batches: &'s mut [Option<&'a mut Batch<F>>],
}

/// Takes a slice of `lists`: the smallest that is long enough, else the longest.
fn take<'a, T>(lists: &mut [&'a mut [T]], length: usize) -> Result<&'a mut [T], NoBuffers> {
    let free = lists.iter_mut().filter(|list| !list.is_empty());
    let best = free.min_by_key(|list| {
        let short = list.len() < length;
        (short, if short { usize::MAX - list.len() } else { list.len() })
    });
    best.map(core::mem::take).ok_or(NoBuffers)
}

fn put<'a, T>(lists: &mut [&'a mut [T]], list: &'a mut [T]) {
    if let Some(place) = lists.iter_mut().find(|list| list.is_empty()) {
        *place = list;
    }
}

impl<'s, 'a, F, C: CongestionControl + Debug> Storage<F> for FixedStorage<'s, 'a, F, C> {
    type Memory = Lent<'a, C>;
    type Routes = &'a mut [RouteSlot];
    type Rests = &'a mut [RestSlot];
    type Neighbours = &'a mut [neighbour::Slot<F>];
    type Pieces = &'a mut [ReassemblySlot];
    type Batch = &'a mut Batch<F>;
    type Interfaces = &'s mut [LentInterface<'a, F>];

    fn slots(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn slot(&self, index: u32) -> Option<&Slot<Self::Memory>> {
        self.slots.get(usize::try_from(index).ok()?)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Memory>> {
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    fn grow(&mut self) -> Result<(), NoSlots> {
        Err(NoSlots)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a mut [u8], NoBuffers> {
        take(self.buffers, length)
    }

    fn connection(&mut self, send: usize, receive: usize) -> Result<TcpMemory<Self::Memory>, NoBuffers> {
        let memory: TcpMemory<Self::Memory> = TcpMemory {
            send: take(self.buffers, send).unwrap_or_default(),
            receive: take(self.buffers, receive).unwrap_or_default(),
            sent: take(self.sent, 0).unwrap_or_default(),
            gaps: take(self.gaps, 0).unwrap_or_default(),
        };
        if memory.send.is_empty() || memory.receive.is_empty() || memory.sent.is_empty() {
            self.give_back_connection(memory);
            return Err(NoBuffers);
        }
        Ok(memory)
    }

    fn records(&mut self, count: usize) -> &'a mut [Option<SynRecord>] {
        take(self.records, count).unwrap_or_default()
    }

    fn give_back_records(&mut self, records: &'a mut [Option<SynRecord>]) {
        records.fill(None);
        put(self.records, records);
    }

    fn give_back(&mut self, bytes: &'a mut [u8]) {
        put(self.buffers, bytes);
    }

    fn give_back_connection(&mut self, memory: TcpMemory<Self::Memory>) {
        put(self.buffers, memory.send);
        put(self.buffers, memory.receive);
        put(self.sent, memory.sent);
        put(self.gaps, memory.gaps);
    }

    fn reassembly(&mut self) -> Option<(Self::Pieces, &'a mut [u8])> {
        let (pieces, bytes) = (core::mem::take(&mut self.pieces), core::mem::take(&mut self.piece_bytes));
        (!bytes.is_empty()).then_some((pieces, bytes))
    }

    fn neighbours(&mut self) -> Option<Self::Neighbours> {
        take(self.neighbours, 0).ok()
    }

    fn interfaces(&mut self) -> Self::Interfaces {
        core::mem::take(&mut self.interfaces)
    }

    fn rests(&mut self) -> Self::Rests {
        core::mem::take(&mut self.rests)
    }

    fn routes(&mut self) -> Self::Routes {
        core::mem::take(&mut self.routes)
    }

    fn batch(&mut self) -> Option<Self::Batch> {
        self.batches.iter_mut().rev().find_map(Option::take)
    }
}
