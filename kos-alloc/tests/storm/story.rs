//! What thread and handler do: [`Storm`]. Each allocates and frees, and swaps blocks with the other through a mailbox, so
//! that each frees what the other allocated.

use core::alloc::Layout;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use kos_alloc::frame::Config;
use kos_alloc::{AllocError, Buddy, Env, Frames, FreeError, HeapConfig, KernelHeap, Mode};

use super::host::{Handler, Host, Rain, attach};

type Heap = KernelHeap<&'static Host, Frames<&'static Host>>;

/// Sizes of blocks: multiples of 8 with room for the three words of [`sign`]. Those of slabs, then those of whole frames.
const SIZES: [usize; 12] = [24, 32, 64, 96, 200, 512, 1024, 2048, 4096, 8192, 9000, 20_000];
/// The sizes that an NMI may ask for.
const SLAB_SIZES: usize = 10;
/// Sizes in use at a time; they wander, so that slabs come and go.
const PALETTE: usize = 4;
/// Handlers that a storm waits for, if it can.
const ENOUGH: usize = 200;
/// Operations after which it waits no longer.
const PATIENCE: usize = 20_000_000;
/// Operations of one handler.
const HANDLER_OPS: usize = 3;

/// What came of the calls of one side.
#[derive(Default)]
struct Tally {
    allocated: AtomicUsize,
    freed: AtomicUsize,
    no_memory: AtomicUsize,
    /// Allocations, and frees, that would have had to wait.
    would_block: AtomicUsize,
    refused: AtomicUsize,
    /// Other errors, and blocks whose content was not what their owner wrote.
    wrong: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

/// The blocks of thread or handler.
struct Side {
    places: Vec<AtomicPtr<u8>>,
    sizes: &'static [usize],
    dice: AtomicUsize,
    steps: AtomicUsize,
    tally: Tally,
}

impl Side {
    fn new(places: usize, sizes: &'static [usize]) -> Self {
        let (dice, steps, tally) = (AtomicUsize::new(places), AtomicUsize::new(0), Tally::default());
        Self { places: empty(places), sizes, dice, steps, tally }
    }

    fn roll(&self) -> usize {
        let dice = read(&self.dice).wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.dice.store(dice, Ordering::Relaxed);
        dice >> (usize::BITS / 2)
    }

    /// A size of these days.
    fn size(&self, roll: usize) -> usize {
        self.sizes[(read(&self.steps) / 1024 + roll % PALETTE) % self.sizes.len()]
    }
}

fn empty(count: usize) -> Vec<AtomicPtr<u8>> {
    (0..count).map(|_| AtomicPtr::new(ptr::null_mut())).collect()
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Where the last word of a block lies, in words.
const fn last(size: usize) -> usize {
    size / 8 - 1
}

/// Writes into a new block of `size` bytes whose it is: its size, and in its second and last word its address.
fn sign(block: NonNull<u8>, size: usize) {
    let (words, name) = (block.cast::<usize>(), block.addr().get());
    for (index, word) in [(0, size), (1, name), (last(size), !name)] {
        // SAFETY: the block has so many words.
        let place = unsafe { words.add(index) };
        // SAFETY: it is the caller's, and aligned to 8.
        unsafe { place.write(word) };
    }
}

/// The size of a block, if it is as [`sign`] left it.
fn signed(block: NonNull<u8>) -> Option<usize> {
    let (words, name) = (block.cast::<usize>(), block.addr().get());
    let word = |index| {
        // SAFETY: the block has that word: the first two in any case, the last if the first is its size.
        let place = unsafe { words.add(index) };
        // SAFETY: it is the caller's, aligned to 8, and was written by `sign`.
        unsafe { place.read() }
    };
    let size = Some(word(0)).filter(|size| SIZES.contains(size))?;
    (word(1) == name && word(last(size)) == !name).then_some(size)
}

/// A heap, and two who use it.
struct Storm {
    heap: Heap,
    nmi: bool,
    thread: Side,
    handler: Side,
    mailbox: Vec<AtomicPtr<u8>>,
    handlers: AtomicUsize,
}

impl Handler for Storm {
    fn interrupt(&self) {
        count(&self.handlers);
        (0..HANDLER_OPS).for_each(|_| self.step(&self.handler));
    }

    fn is_nmi(&self) -> bool {
        self.nmi
    }
}

impl Storm {
    /// A heap of `frames` frames, which lives for ever as a kernel's does.
    fn new(mode: Mode, nmi: bool, frames: usize) -> &'static Self {
        let host = Host::new(frames);
        let span = host.direct_map().frames();
        let words = Buddy::storage_words(Config::default(), &[span], &[]).unwrap();
        let storage = Vec::leak(vec![0; words]);
        let heap = KernelHeap::new(host, Frames::new(host));
        let buddy = Buddy::new(storage, Config::default(), &[span], &[]).unwrap();
        // SAFETY: the memory of the host is used through this allocator alone.
        assert!(unsafe { heap.frames().init(buddy) }.is_ok());
        heap.init(HeapConfig { mode, ..HeapConfig::default() }).unwrap();
        let handler = Side::new(16, if nmi { &SIZES[..SLAB_SIZES] } else { &SIZES });
        let thread = Side::new(256, &SIZES);
        let storm = Self { heap, nmi, thread, handler, mailbox: empty(8), handlers: AtomicUsize::new(0) };
        Box::leak(Box::new(storm))
    }

    /// One operation of `side`.
    fn step(&self, side: &Side) {
        count(&side.steps);
        let roll = side.roll();
        let place = &side.places[roll % side.places.len()];
        let roll = roll / side.places.len();
        match NonNull::new(place.load(Ordering::Relaxed)) {
            held if roll.is_multiple_of(4) && held.is_none_or(is_small) => {
                let other = &self.mailbox[roll / 4 % self.mailbox.len()];
                let got = other.swap(place.load(Ordering::Relaxed), Ordering::AcqRel);
                place.store(got, Ordering::Relaxed);
            }
            None => place.store(self.allocate(side, side.size(roll / 4)), Ordering::Relaxed),
            Some(block) => place.store(self.free(side, block), Ordering::Relaxed),
        }
    }

    fn allocate(&self, side: &Side, size: usize) -> *mut u8 {
        let outcome = match self.heap.allocate(layout(size)) {
            Ok(block) => {
                sign(block, size);
                count(&side.tally.allocated);
                return block.as_ptr();
            }
            Err(AllocError::WouldBlock) => &side.tally.would_block,
            Err(AllocError::NoMemory { .. }) => &side.tally.no_memory,
            Err(_) => &side.tally.wrong,
        };
        count(outcome);
        ptr::null_mut()
    }

    /// Frees `block`; what is not freed comes back.
    fn free(&self, side: &Side, block: NonNull<u8>) -> *mut u8 {
        let Some(size) = signed(block) else {
            count(&side.tally.wrong);
            return ptr::null_mut();
        };
        // SAFETY: it was allocated with that layout, and whoever had it gave it up.
        let outcome = match unsafe { self.heap.free(block, layout(size)) } {
            Ok(()) => {
                count(&side.tally.freed);
                return ptr::null_mut();
            }
            Err(FreeError::WouldBlock(_)) => &side.tally.refused,
            Err(_) => &side.tally.wrong,
        };
        count(outcome);
        block.as_ptr()
    }

    /// So many operations of the thread under signals, and more if hardly any came.
    fn rage(&'static self, operations: usize) {
        attach(Some(self));
        let rain = Rain::start();
        let most = operations.max(PATIENCE);
        let due = |done| done < operations || (done < most && read(&self.handlers) < ENOUGH);
        for done in (1..).take_while(|done| due(*done - 1)) {
            self.step(&self.thread);
            if done % 4096 == 0 {
                self.heap.shrink();
            }
            if done % 65_536 == 0 {
                assert_eq!(self.heap.check(), Ok(()));
            }
        }
        drop(rain);
        attach(None);
    }

    /// Frees what is left; everything must be home then.
    fn calm(&self) {
        let left = self.thread.places.iter().chain(&self.handler.places).chain(&self.mailbox);
        for block in left.filter_map(|place| NonNull::new(place.load(Ordering::Relaxed))) {
            assert!(self.free(&self.thread, block).is_null());
        }
        self.heap.shrink();
        let stats = self.heap.stats();
        assert_eq!(self.heap.check(), Ok(()));
        assert_eq!((stats.live_blocks(), stats.live, stats.requested, stats.stranded), (0, 0, 0, 0));
        assert_eq!((stats.leaked_blocks(), stats.lost_frames, self.heap.env().violations()), (0, 0, 0));
        assert_eq!(stats.frames, stats.page_map_frames + stats.cache_frames);
        let frames = self.heap.frames();
        assert_eq!((frames.check(), frames.stats().allocated()), (Ok(()), stats.frames));
        let sum = |field: fn(&Tally) -> &AtomicUsize| {
            [&self.thread, &self.handler].map(|side| read(field(&side.tally))).iter().sum::<usize>()
        };
        assert_eq!(sum(|tally| &tally.wrong), 0);
        assert_eq!(sum(|tally| &tally.allocated), sum(|tally| &tally.freed));
        assert_eq!(sum(|tally| &tally.would_block), stats.failed.would_block);
        assert_eq!(sum(|tally| &tally.refused), stats.refused.total());
    }
}

/// Whether an NMI can free it: blocks of whole frames it cannot.
fn is_small(block: NonNull<u8>) -> bool {
    signed(block).is_some_and(|size| size <= SIZES[SLAB_SIZES - 1])
}

/// A storm over a heap of `frames` frames.
fn storm(mode: Mode, nmi: bool, frames: usize, operations: usize) {
    let storm = Storm::new(mode, nmi, frames);
    storm.rage(operations);
    let [thread, handler] = [&storm.thread.tally, &storm.handler.tally];
    println!(
        "{mode:?}: {} handlers allocated {}, not {}+{}, freed {}, not {}; thread without memory {}",
        read(&storm.handlers),
        read(&handler.allocated),
        read(&handler.would_block),
        read(&handler.no_memory),
        read(&handler.freed),
        read(&handler.refused),
        read(&thread.no_memory),
    );
    assert!(read(&storm.handlers) > 0, "no signal came");
    assert_eq!((read(&thread.would_block), read(&thread.refused)), (0, 0), "the thread may wait");
    assert!(nmi || (read(&handler.would_block), read(&handler.refused)) == (0, 0), "as may interrupts");
    if read(&storm.handlers) >= ENOUGH {
        assert!(read(&handler.allocated) > 0 && read(&handler.freed) > read(&handler.refused));
    }
    storm.calm();
}

fn operations() -> usize {
    std::env::var("KOS_STORM_OPS").map_or(200_000, |text| text.parse().unwrap())
}

/// Interrupts that the mask holds off, on a machine short of memory.
#[test]
fn signals_allocate_while_the_heap_is_busy() {
    storm(Mode::Hybrid, false, 160, operations());
    storm(Mode::TwoTier, false, 160, operations() / 10);
}

/// Interrupts that nothing holds off.
#[test]
fn nmis_come_at_any_instant() {
    storm(Mode::Hybrid, true, 2048, operations());
    storm(Mode::TwoTier, true, 2048, operations() / 10);
}
