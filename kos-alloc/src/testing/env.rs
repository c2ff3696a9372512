//! A host process as environment: [`HostEnv`].
//!
//! The faults that hang a kernel panic here: a lock taken with interrupts enabled, a lock taken twice by one thread,
//! interrupt guards dropped out of order.

use core::alloc::Layout;
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use alloc::vec::Vec;

use crate::error::Violation;
use crate::ports::Env;
use crate::types::{CpuIndex, DirectMap, FrameRange, Pfn};

/// The arena's address and the physical address it stands for are congruent modulo this, so that alignment up to it
/// can be tested.
const CONGRUENCE: usize = 2 << 20;

/// What fresh memory holds: never zero, so that nobody relies on it.
const JUNK: u8 = 0xa5;

std::thread_local! {
    /// Guards alive on this thread; its address names the thread.
    static MASK_DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The CPU that this thread plays, if it was told.
    static CPU: Cell<Option<CpuIndex>> = const { Cell::new(None) };
    static IN_NMI: Cell<bool> = const { Cell::new(false) };
}

fn this_thread() -> *mut Cell<usize> {
    MASK_DEPTH.with(|depth| ptr::from_ref(depth).cast_mut())
}

/// The environment of a host test: an arena as physical memory, a spinning lock, a counted interrupt mask.
#[derive(Debug)]
pub struct HostEnv {
    arena: NonNull<u8>,
    layout: Layout,
    map: DirectMap,
    masked: AtomicUsize,
    sections: AtomicUsize,
    violations: Mutex<Vec<Violation>>,
    /// Kicks of each CPU.
    kicks: Vec<AtomicUsize>,
    /// Names the thread that plays CPU 0 without being told.
    home: AtomicPtr<Cell<usize>>,
}

// SAFETY: the arena is plain memory that is only reached through the direct map, whose users answer for themselves.
unsafe impl Send for HostEnv {}
// SAFETY: as above; everything else is atomic or locked.
unsafe impl Sync for HostEnv {}

impl HostEnv {
    /// An environment of one CPU with memory behind `frames`, filled with junk. Alignment up to 2 MiB carries over from
    /// frame numbers to addresses. The calling thread is the CPU; others have no number, unless they [`bind`](Self::bind)
    /// themselves.
    ///
    /// # Panics
    ///
    /// If the host has not so much memory.
    #[must_use]
    pub fn new(frames: FrameRange) -> Self {
        Self::with_cpus(frames, 1)
    }

    /// As [`new`](Self::new), of `cpus` CPUs, each of which is the threads that are bound to it, one at a time.
    ///
    /// # Panics
    ///
    /// If the host has not so much memory.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test helper; the sizes come from who wrote the test")]
    pub fn with_cpus(frames: FrameRange, cpus: usize) -> Self {
        let lead = (frames.start().0 % (CONGRUENCE >> Self::PAGE_SHIFT)) << Self::PAGE_SHIFT;
        let size =
            frames.count().checked_mul(1 << Self::PAGE_SHIFT).and_then(|bytes| bytes.checked_add(lead));
        let layout =
            Layout::from_size_align(size.expect("arena size").max(1), CONGRUENCE).expect("arena layout");
        // SAFETY: the size is at least 1.
        let arena = NonNull::new(unsafe { alloc::alloc::alloc(layout) }).expect("memory for the arena");
        // SAFETY: `lead` is within the arena.
        let base = unsafe { arena.add(lead) };
        let map = DirectMap::new(base, frames);
        let mut env = Self {
            arena,
            layout,
            map,
            masked: AtomicUsize::new(0),
            sections: AtomicUsize::new(0),
            violations: Mutex::new(Vec::new()),
            kicks: (0..cpus).map(|_| AtomicUsize::new(0)).collect(),
            home: AtomicPtr::new(this_thread()),
        };
        env.reset();
        env
    }

    /// Makes it as if new: the memory is junk, nothing was masked or told. Much cheaper than another environment.
    pub fn reset(&mut self) {
        // SAFETY: the arena has so many bytes, and nobody borrows the environment that they belong to.
        unsafe { self.arena.write_bytes(JUNK, self.layout.size()) };
        *self.masked.get_mut() = 0;
        *self.sections.get_mut() = 0;
        self.kicks.iter_mut().for_each(|kicks| *kicks.get_mut() = 0);
        self.take_violations();
    }

    /// An environment without memory, which suffices for a frame allocator.
    #[must_use]
    pub fn without_memory() -> Self {
        Self::new(FrameRange::EMPTY)
    }

    /// How often interrupts were masked.
    pub fn masked(&self) -> usize {
        self.masked.load(Ordering::Relaxed)
    }

    /// How often interrupts were masked that were not masked already.
    pub fn sections(&self) -> usize {
        self.sections.load(Ordering::Relaxed)
    }

    /// Lets the calling thread play `cpu` in every environment from now on; `None`: none, or CPU 0 of those that it made.
    pub fn bind(cpu: Option<CpuIndex>) {
        CPU.set(cpu);
    }

    /// Runs `work` as if it had come by a non-maskable interrupt.
    pub fn nmi<R>(work: impl FnOnce() -> R) -> R {
        let before = IN_NMI.replace(true);
        let result = work();
        IN_NMI.set(before);
        result
    }

    /// How often `cpu` was kicked.
    #[must_use]
    pub fn kicks(&self, cpu: CpuIndex) -> usize {
        self.kicks.get(cpu.0).map_or(0, |kicks| kicks.load(Ordering::Relaxed))
    }

    /// Whether the calling thread has interrupts masked, in any environment.
    #[must_use]
    pub fn is_masked() -> bool {
        MASK_DEPTH.get() > 0
    }

    /// The violations told since the last call.
    pub fn take_violations(&self) -> Vec<Violation> {
        core::mem::take(&mut *self.violations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The address of `frame` in the arena.
    #[must_use]
    pub fn address_of(&self, frame: Pfn) -> Option<NonNull<u8>> {
        let offset = self.map.offset_of(frame, Self::PAGE_SHIFT)?;
        // SAFETY: the offset is within the arena, because the frame is in the map.
        Some(unsafe { self.map.base().add(offset) })
    }
}

impl Drop for HostEnv {
    fn drop(&mut self) {
        // SAFETY: the arena was allocated with this layout.
        unsafe { alloc::alloc::dealloc(self.arena.as_ptr(), self.layout) };
    }
}

// SAFETY: the lock excludes, the arena lives as long as the environment, and host tests have no interrupts.
unsafe impl Env for HostEnv {
    type Lock = HostLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        self.masked.fetch_add(1, Ordering::Relaxed);
        self.sections.fetch_add(usize::from(!Self::is_masked()), Ordering::Relaxed);
        HostIrq::save()
    }

    fn cpus(&self) -> usize {
        self.kicks.len()
    }

    fn cpu(&self) -> Option<CpuIndex> {
        let at_home = self.home.load(Ordering::Relaxed) == this_thread();
        CPU.get().or(at_home.then_some(CpuIndex(0)))
    }

    fn in_nmi(&self) -> bool {
        IN_NMI.get()
    }

    fn kick(&self, cpu: CpuIndex) {
        self.kicks.get(cpu.0).inspect(|kicks| _ = kicks.fetch_add(1, Ordering::Relaxed));
    }

    fn direct_map(&self) -> DirectMap {
        self.map
    }

    fn secret(&self) -> u64 {
        0x5bd1_e995_9d1b_54a5
    }

    fn violation(&self, violation: &Violation) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(*violation);
    }
}

/// The interrupt guard of [`HostEnv`]: panics when guards are not dropped in stack order.
#[derive(Debug)]
pub struct HostIrq {
    depth: usize,
    on_this_thread: PhantomData<*mut ()>,
}

impl HostIrq {
    fn save() -> Self {
        let depth = MASK_DEPTH.get();
        MASK_DEPTH.set(depth + 1);
        Self { depth, on_this_thread: PhantomData }
    }
}

impl Drop for HostIrq {
    fn drop(&mut self) {
        let nested = MASK_DEPTH.replace(self.depth);
        // A panic on the way out of another panic would hide the first.
        if !std::thread::panicking() {
            assert_eq!(nested, self.depth + 1, "interrupt guards dropped out of order");
        }
    }
}

/// The lock of [`HostEnv`]: panics when it is taken unmasked or twice by one thread.
#[derive(Debug)]
pub struct HostLock {
    /// Names the thread that has the lock; null: free.
    owner: AtomicPtr<Cell<usize>>,
}

// SAFETY: one thread at a time replaces null by its own name.
unsafe impl lock_api::RawMutex for HostLock {
    const INIT: Self = Self { owner: AtomicPtr::new(ptr::null_mut()) };

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        assert_ne!(
            self.owner.load(Ordering::Relaxed),
            this_thread(),
            "lock taken twice: a kernel would hang"
        );
        while !self.try_lock() {
            assert!(!IN_NMI.get(), "an NMI waits for a lock: a kernel could hang");
            std::thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        assert!(MASK_DEPTH.get() > 0, "lock taken with interrupts enabled");
        let free = ptr::null_mut();
        self.owner.compare_exchange(free, this_thread(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        self.owner.store(ptr::null_mut(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use lock_api::RawMutex;

    use super::*;
    use crate::sync::Locked;

    #[test]
    #[should_panic(expected = "lock taken with interrupts enabled")]
    fn a_lock_without_the_mask_is_found() {
        let lock = HostLock::INIT;
        lock.lock();
    }

    #[test]
    #[should_panic(expected = "lock taken twice")]
    fn a_lock_taken_twice_is_found() {
        let locked = Locked::new(HostEnv::without_memory(), ());
        locked.with(|()| locked.with(|()| ()));
    }

    #[test]
    #[should_panic(expected = "interrupt guards dropped out of order")]
    fn guards_out_of_order_are_found() {
        let env = HostEnv::without_memory();
        let outer = env.irq_save();
        let _inner = env.irq_save();
        drop(outer);
    }

    #[test]
    fn addresses_are_aligned_like_frame_numbers() {
        let env = HostEnv::new(FrameRange::between(Pfn(0x1ff), Pfn(0x203)));
        let huge = env.address_of(Pfn(0x200)).unwrap();
        assert_eq!(huge.addr().get() % (2 << 20), 0);
        assert_eq!(env.address_of(Pfn(0x203)), None);
        assert_eq!(env.masked(), 0);
    }
}
