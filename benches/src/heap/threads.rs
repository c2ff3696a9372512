//! What do two threads cost each other? Each on its own blocks, and one freeing what the other allocated.
//!
//! The threads start and end within the measured time: the same for every subject, and little beside the work. On a
//! machine with other work these figures scatter more than all others.

use core::alloc::{GlobalAlloc, Layout};
use core::hint;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::alloc::System;
use std::thread;

use kos_alloc::{Frames, KernelHeap, Mode};
use mimalloc::MiMalloc;
use talc::TalcLock;
use talc::source::Manual;

use super::layout;
use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::kos::{self, Host};
use crate::lock::Spin;
use crate::peers::peer;

/// Blocks of one step.
const BLOCKS: usize = 1 << 16;

/// Bytes of each.
const BYTES: usize = 64;

/// Blocks that a thread has at one time, or that lie between the two.
const HELD: usize = 256;

/// What the two threads do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Each allocates and frees blocks of its own.
    Own,
    /// The first allocates, the second frees.
    Cross,
}

/// The question for `job`.
pub(crate) fn question(name: &'static str, job: Job) -> Question {
    let what = match job {
        Job::Own => {
            format!("Two threads; each allocates {HELD} blocks of {BYTES} bytes, frees them, and again.")
        }
        Job::Cross => format!(
            "One thread allocates blocks of {BYTES} bytes, a second frees them; {HELD} at most lie between the two."
        ),
    };
    Question {
        name,
        what,
        operation: "allocation and free",
        operations: BLOCKS,
        shape: Shape::Repeated { counted: 1 },
        subjects: vec![
            subject::<Kos>("kos-alloc KernelHeap Hybrid", "checks every free", job),
            subject::<Talc>(&format!("{} TalcLock, spin lock", peer("talc")), "", job),
            subject::<LinkedList>(&format!("{}, spin lock", peer("linked_list_allocator")), "", job),
            subject::<Global<MiMalloc>>(&peer("mimalloc"), "memory of the OS", job),
            subject::<Global<System>>("host malloc", "memory of the OS", job),
        ],
    }
}

fn subject<A: Shared>(name: &str, note: &'static str, job: Job) -> Subject {
    let make = Box::new(move || -> Box<dyn Body> { Box::new(Threads { heap: A::new(), job }) });
    // callgrind runs one thread at a time: its counts would say nothing of the other.
    Subject { name: name.to_owned(), promise: Promise::Shared, note, counted: false, make }
}

/// A heap that two threads use at once.
trait Shared: Sync + 'static {
    fn new() -> Self;

    fn allocator(&self) -> &impl GlobalAlloc;

    #[inline]
    fn allocate(&self) -> NonNull<u8> {
        // SAFETY: the layout is not empty.
        must(NonNull::new(unsafe { self.allocator().alloc(layout(BYTES)) }))
    }

    /// # Safety
    ///
    /// The block came from [`allocate`](Self::allocate) and was not freed since.
    #[inline]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.allocator().dealloc(block.as_ptr(), layout(BYTES)) };
    }
}

struct Threads<A> {
    heap: A,
    job: Job,
}

impl<A: Shared> Body for Threads<A> {
    fn run(&mut self, steps: usize) {
        let (heap, blocks) = (&self.heap, steps * BLOCKS);
        let ring = Ring::new();
        let work = |cpu: usize| {
            kos::enter(cpu);
            match (self.job, cpu) {
                (Job::Own, _) => own(heap, blocks / kos::CPUS),
                (Job::Cross, 0) => (0..blocks).for_each(|at| ring.put(at, heap.allocate())),
                // SAFETY: the other thread allocated the block and forgot it.
                (Job::Cross, _) => (0..blocks).for_each(|at| unsafe { heap.free(ring.take(at)) }),
            }
        };
        thread::scope(|scope| (0..kos::CPUS).for_each(|cpu| drop(scope.spawn(move || work(cpu)))));
    }
}

/// Allocates and frees `blocks` blocks, so many at a time that no cache of a heap holds them all.
fn own(heap: &impl Shared, blocks: usize) {
    let mut held = [NonNull::dangling(); HELD];
    for _ in 0..blocks / HELD {
        held.fill_with(|| heap.allocate());
        for block in held {
            // SAFETY: allocated above, freed once.
            unsafe { heap.free(block) };
        }
    }
}

/// Blocks on the way from one thread to the other; null where there is none.
struct Ring([AtomicPtr<u8>; HELD]);

impl Ring {
    const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; HELD])
    }

    fn put(&self, at: usize, block: NonNull<u8>) {
        let slot = must(self.0.get(at % HELD));
        wait_until(|| slot.load(Ordering::Acquire).is_null());
        slot.store(block.as_ptr(), Ordering::Release);
    }

    fn take(&self, at: usize) -> NonNull<u8> {
        let slot = must(self.0.get(at % HELD));
        wait_until(|| !slot.load(Ordering::Acquire).is_null());
        must(NonNull::new(slot.swap(ptr::null_mut(), Ordering::AcqRel)))
    }
}

fn wait_until(ready: impl Fn() -> bool) {
    let mut tries = 0_u32;
    while !ready() {
        tries += 1;
        if tries.is_multiple_of(256) {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}

/// Ours; a CPU for each thread.
struct Kos {
    heap: KernelHeap<Host<Spin>, Frames<Host<Spin>>>,
    _arena: Arena,
}

impl Shared for Kos {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let (heap, _) = kos::heap(&arena, Mode::Hybrid);
        Self { heap, _arena: arena }
    }

    fn allocator(&self) -> &impl GlobalAlloc {
        &self.heap
    }
}

/// talc behind the spin lock.
struct Talc {
    heap: TalcLock<Spin, Manual>,
    _arena: Arena,
}

impl Shared for Talc {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let heap = TalcLock::new(Manual);
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        must(unsafe { heap.lock().claim(arena.start().as_ptr(), arena.bytes()) });
        Self { heap, _arena: arena }
    }

    fn allocator(&self) -> &impl GlobalAlloc {
        &self.heap
    }
}

/// linked_list_allocator behind the spin lock.
struct LinkedList {
    heap: Behind<linked_list_allocator::Heap>,
    _arena: Arena,
}

/// A list of holes behind the lock that ours has.
struct Behind<H>(lock_api::Mutex<Spin, H>);

// SAFETY: blocks are unique until freed; the lock lets one thread at a time in.
unsafe impl GlobalAlloc for Behind<linked_list_allocator::Heap> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.lock().deallocate(block, layout) };
    }
}

impl Shared for LinkedList {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut heap = linked_list_allocator::Heap::empty();
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        unsafe { heap.init(arena.start().as_ptr(), arena.bytes()) };
        Self { heap: Behind(lock_api::Mutex::new(heap)), _arena: arena }
    }

    fn allocator(&self) -> &impl GlobalAlloc {
        &self.heap
    }
}

/// An allocator that owns its memory.
struct Global<A>(A);

impl Shared for Global<MiMalloc> {
    fn new() -> Self {
        Self(MiMalloc)
    }

    fn allocator(&self) -> &impl GlobalAlloc {
        &self.0
    }
}

impl Shared for Global<System> {
    fn new() -> Self {
        Self(System)
    }

    fn allocator(&self) -> &impl GlobalAlloc {
        &self.0
    }
}
