//! A storm on the heap: the kernel allocates and frees as fast as it can while each tick of a fast timer does the same in
//! interrupt context. A heap whose locks do not mask interrupts stands still here for good; one whose critical sections are
//! open loses blocks or gives them twice.
//!
//! Blocks carry stamps, which are checked before they go back. A [`Mailbox`] hands blocks from one side to the other, so that
//! each also frees what the other allocated.

use core::alloc::Layout;
use core::ops::AddAssign;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kos_alloc::{CpuIndex, Locked};

use crate::Kernel;
use crate::kernel::Heap;
use crate::owned::{Block, HeapBlock, Mailbox};
use crate::platform::{DeviceError, Platform};
use crate::time::Duration;

/// How often the timer ticks in a storm.
pub(crate) const TICKS_PER_SECOND: u32 = 10_000;
/// Blocks that the kernel holds at most.
const SLOTS: usize = 64;
/// The kernel looks into the mailbox after so many operations.
const POST_INTERVAL: u64 = 32;
/// Blocks that the handler holds at most, and what it does in a tick, besides giving all of them back.
const TICK_SLOTS: usize = 4;
const TICK_STEPS: usize = 8;
/// The stamp of a block in the mailbox.
const POST_STAMP: u8 = 0x3c;
/// Operations after which a timer that was started has not ticked is given up.
const PATIENCE: u64 = 100_000_000;

/// The timer's side of a storm.
#[derive(Debug)]
pub(crate) struct Storm<P: Platform> {
    raging: AtomicBool,
    mailbox: Mailbox,
    ticks: Locked<P::Env, (u64, Counts)>,
}

/// What one side did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Allocations and frees.
    pub(crate) operations: u64,
    /// Blocks freed that the other side had allocated.
    pub(crate) received: u64,
    /// Allocations that found no memory.
    pub(crate) refused: u64,
    /// Blocks whose stamp was overwritten.
    pub(crate) damaged: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.received += other.received;
        self.refused += other.refused;
        self.damaged += other.damaged;
    }
}

/// What a storm did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// The kernel's side.
    pub(crate) kernel: Counts,
    /// The handler's side.
    pub(crate) handler: Counts,
    /// Ticks that came.
    pub(crate) ticks: u64,
    /// How long it took.
    pub(crate) took: Duration,
    /// Why no tick could come.
    pub(crate) calm: Option<DeviceError>,
}

impl<P: Platform> Storm<P> {
    pub(crate) fn new(env: P::Env) -> Self {
        let ticks = Locked::new(env, (0, Counts::default()));
        Self { raging: AtomicBool::new(false), mailbox: Mailbox::default(), ticks }
    }

    /// A tick, in interrupt context.
    pub(crate) fn tick(&self, heap: &Heap<P>) {
        if !self.raging.load(Relaxed) {
            return;
        }
        let seed = self.ticks.with(|(ticks, _)| *ticks);
        let mut side = Side::<P, TICK_SLOTS>::new(heap, seed);
        (0..TICK_STEPS).for_each(|_| side.step());
        side.post(&self.mailbox);
        let done = side.finish();
        self.ticks.with(|(ticks, counts)| {
            *ticks += 1;
            *counts += done;
        });
    }
}

/// Does `operations` allocations and frees, and goes on until `ticks` ticks came.
pub(crate) fn rage<P: Platform>(kernel: &Kernel<P>, operations: u64, ticks: u64) -> Report {
    let (heap, storm, platform) = (kernel.heap(), &kernel.storm, kernel.platform());
    storm.ticks.with(|counts| *counts = Default::default());
    let ticked = || storm.ticks.with(|(ticks, _)| *ticks);
    let start = platform.now();
    storm.raging.store(true, Relaxed);
    let calm = platform.set_tick_rate(TICKS_PER_SECOND).err();
    let ticks = if calm.is_none() { ticks } else { 0 };
    let mut side = Side::<P, SLOTS>::new(heap, operations);
    while side.counts.operations < operations || (ticked() < ticks && side.counts.operations < PATIENCE) {
        side.step();
        if side.counts.operations.is_multiple_of(POST_INTERVAL) {
            side.post(&storm.mailbox);
        }
    }
    if let Some(usual) = kernel.timer.filter(|_| calm.is_none()) {
        // The rate that this timer started with is possible.
        let _ = platform.set_tick_rate(usual.ticks_per_second);
    }
    storm.raging.store(false, Relaxed);
    drop(storm.mailbox.exchange(heap, None));
    let took = platform.now().checked_duration_since(start).unwrap_or(Duration::from_nanos(0));
    let kernel = side.finish();
    let (ticks, handler) = storm.ticks.with(|counts| *counts);
    Report { kernel, handler, ticks, took, calm }
}

/// Does `operations` allocations and frees on the calling CPU, blocks of the other CPUs among them; returns how many were
/// overwritten. For all CPUs at once.
pub(crate) fn crowd<P: Platform>(kernel: &Kernel<P>, cpu: CpuIndex, operations: u64) -> u64 {
    let (heap, mailbox) = (kernel.heap(), &kernel.storm.mailbox);
    let mut side = Side::<P, SLOTS>::new(heap, cpu.0 as u64);
    while side.counts.operations < operations {
        side.step();
        if side.counts.operations.is_multiple_of(POST_INTERVAL) {
            side.post(mailbox);
        }
    }
    // What is left in the mailbox is somebody's: whoever comes last finds it.
    let left = mailbox.exchange(heap, None);
    let damaged = left.is_some_and(|block| !Stamped::<P> { block, stamp: POST_STAMP }.intact());
    side.finish().damaged + u64::from(damaged)
}

/// One side: a few blocks, and what it counted.
struct Side<'k, P: Platform, const N: usize> {
    heap: &'k Heap<P>,
    slots: [Option<Stamped<'k, P>>; N],
    random: u64,
    counts: Counts,
}

impl<'k, P: Platform, const N: usize> Side<'k, P, N> {
    fn new(heap: &'k Heap<P>, seed: u64) -> Self {
        let random = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { heap, slots: [const { None }; N], random, counts: Counts::default() }
    }

    /// Picks a slot: frees the block there, or puts a new one of any size to 2 KiB.
    fn step(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let [place, size, order, stamp, ..] = self.random.to_be_bytes();
        let Some(slot) = self.slots.get_mut(usize::from(place) % N) else { return };
        match slot.take() {
            Some(stamped) => self.counts.damaged += u64::from(!stamped.intact()),
            None => {
                // Each doubling is as likely as the next, and within it each size.
                let bytes = (8 + usize::from(size % 8)) << (order % 8);
                let layout = Layout::from_size_align(bytes, 8).unwrap_or(Mailbox::LAYOUT);
                *slot = Stamped::new(self.heap, layout, stamp);
                self.counts.refused += u64::from(slot.is_none());
            }
        }
        self.counts.operations += 1;
    }

    /// Puts a block into the mailbox and frees the one that it finds there.
    fn post(&mut self, mailbox: &Mailbox) {
        let sent = Stamped::<P>::new(self.heap, Mailbox::LAYOUT, POST_STAMP);
        self.counts.refused += u64::from(sent.is_none());
        let received = mailbox.exchange(self.heap, sent.map(|stamped| stamped.block));
        self.counts.operations += 1;
        if let Some(block) = received {
            self.counts.operations += 1;
            self.counts.received += 1;
            self.counts.damaged += u64::from(!Stamped::<P> { block, stamp: POST_STAMP }.intact());
        }
    }

    /// Gives all blocks back.
    fn finish(mut self) -> Counts {
        for stamped in self.slots.iter_mut().filter_map(Option::take) {
            self.counts.operations += 1;
            self.counts.damaged += u64::from(!stamped.intact());
        }
        self.counts
    }
}

/// A block with a stamp at both ends.
struct Stamped<'k, P: Platform> {
    block: HeapBlock<'k, P>,
    stamp: u8,
}

impl<'k, P: Platform> Stamped<'k, P> {
    fn new(heap: &'k Heap<P>, layout: Layout, stamp: u8) -> Option<Self> {
        let mut block = Block::new(heap, layout).ok()?;
        if let [first, .., last] = block.bytes() {
            (*first, *last) = (stamp, !stamp);
        }
        Some(Self { block, stamp })
    }

    /// Whether the stamp is as it was; frees the block.
    fn intact(mut self) -> bool {
        matches!(self.block.bytes(), [first, .., last] if (*first, *last) == (self.stamp, !self.stamp))
    }
}
