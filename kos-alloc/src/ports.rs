//! Every trait that an integrator implements, and nothing else.
//!
//! | port | who implements it | used by |
//! |---|---|---|
//! | [`Env`] | the kernel, once a machine | everything that locks or touches memory |
//! | [`FrameAlloc`] | this crate's [`Frames`](crate::Frames), or your own frame allocator | [`KernelHeap`](crate::KernelHeap) |
//! | [`BlockAlloc`] | this crate's [`KernelHeap`](crate::KernelHeap), or your own heap | transactions and reservations |
//! | [`Inventory`] | [`Frames`](crate::Frames), or your own frame allocator | the reports of [`health`](crate::health) |
//! | [`Construct`] | a function that makes an object | [`ObjectCache`](crate::ObjectCache) |
//! | [`Reclaim`] | whoever keeps memory that he can do without: a page cache, a dentry cache | [`Reclaiming`](crate::Reclaiming), the last resort before `NoMemory` |

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::error::{AllocError, Corruption, FrameError, FreeError, Violation};
use crate::health::ZoneUsage;
use crate::types::{CpuIndex, DirectMap, FrameRange, FrameRequest, Pfn};

/// What a kernel lends to its allocators: a lock, the interrupt mask, the CPU's number and the direct map.
///
/// The lock and the mask are two parameters, because each kernel has its own of both. A heap whose lock does not mask
/// interrupts deadlocks as soon as an interrupt handler allocates; so every critical section of this crate first takes
/// [`irq_save`](Self::irq_save) and then the lock.
///
/// Every method may be called in interrupt context and with interrupts masked, must return in constant time, and must
/// not allocate, block or call back into the crate.
///
/// # Safety
///
/// A wrong implementation breaks memory safety, so it promises:
/// - [`Lock`](Self::Lock) gives mutual exclusion between all CPUs that share the allocator;
/// - while a value of [`Irq`](Self::Irq) lives, no interrupt handler that uses the allocator runs on this CPU, but of those
///   for which [`in_nmi`](Self::in_nmi) answers yes;
/// - [`cpu`](Self::cpu) names the CPU on which it is called, by a number below [`cpus`](Self::cpus), which never changes:
///   the heap finds the memory of a CPU by it, without comparing;
/// - every frame of [`direct_map`](Self::direct_map) is readable and writable memory at the address that the map
///   computes for it, for as long as the allocator lives, and nobody else uses frames that the allocator manages.
pub unsafe trait Env: Sync {
    /// log2 of the size of a frame in bytes.
    const PAGE_SHIFT: u32 = 12;

    /// The kernel's spin lock (or a no-op lock where there is one CPU and the mask suffices).
    type Lock: lock_api::RawMutex + Send + Sync;

    /// Masks interrupts while it lives; dropping it restores the state found. Nests in stack order.
    type Irq;

    /// Masks interrupts on this CPU and remembers whether they were enabled.
    fn irq_save(&self) -> Self::Irq;

    /// Number of CPUs that may ever call, at least 1.
    fn cpus(&self) -> usize {
        1
    }

    /// The calling CPU, less than [`cpus`](Self::cpus); `None` where there is none yet (early boot, a foreign thread).
    /// Called with interrupts masked, so that the answer stays true.
    fn cpu(&self) -> Option<CpuIndex>;

    /// Whether the caller may have interrupted a critical section of its own CPU, because the mask does not hold it off:
    /// a non-maskable interrupt, a machine check. Such a caller never waits for a lock.
    fn in_nmi(&self) -> bool {
        false
    }

    /// Asks `cpu` to call [`drain_local`](crate::KernelHeap::drain_local) soon, because memory ran out; by an
    /// inter-processor interrupt, say. Called without a lock. Nothing is lost if it does nothing: the CPU is also asked
    /// through a flag that it sees when next it exchanges a magazine.
    fn kick(&self, cpu: CpuIndex) {
        let _ = cpu;
    }

    /// Where physical memory is mapped.
    fn direct_map(&self) -> DirectMap;

    /// A number that an attacker cannot guess; it keys the checks of the heap's metadata. Must not change.
    fn secret(&self) -> u64;

    /// Told of a wrong free that has no caller to return an error to (through `GlobalAlloc`). Called without a lock;
    /// may log or panic. The block stays allocated.
    fn violation(&self, violation: &Violation) {
        let _ = violation;
    }
}

// SAFETY: every promise is the referenced environment's own.
unsafe impl<E: Env> Env for &E {
    const PAGE_SHIFT: u32 = E::PAGE_SHIFT;
    type Lock = E::Lock;
    type Irq = E::Irq;

    fn irq_save(&self) -> E::Irq {
        (**self).irq_save()
    }

    fn cpus(&self) -> usize {
        (**self).cpus()
    }

    fn cpu(&self) -> Option<CpuIndex> {
        (**self).cpu()
    }

    fn in_nmi(&self) -> bool {
        (**self).in_nmi()
    }

    fn kick(&self, cpu: CpuIndex) {
        (**self).kick(cpu);
    }

    fn direct_map(&self) -> DirectMap {
        (**self).direct_map()
    }

    fn secret(&self) -> u64 {
        (**self).secret()
    }

    fn violation(&self, violation: &Violation) {
        (**self).violation(violation);
    }
}

/// A source of physical frames.
///
/// May be called in interrupt context and from several CPUs; neither blocks nor calls back.
///
/// # Safety
///
/// A range that was handed out is owned by the caller alone until he frees it: no second caller gets any frame of it.
pub unsafe trait FrameAlloc: Sync {
    /// The smallest range that holds every frame that this source may ever hand out.
    fn span(&self) -> FrameRange;

    /// Hands out `request.count` adjacent frames whose first frame number is a multiple of `request.align`. Their
    /// content is undefined.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; nothing is allocated then.
    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError>;

    /// `count` adjacent frames whose numbers are all below `limit`: what a device with short addresses needs.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; nothing is allocated then.
    fn allocate_below(&self, count: usize, limit: Pfn) -> Result<FrameRange, FrameError> {
        self.allocate(&FrameRequest::new(count).below(limit))
    }

    /// Hands out exactly `range`: the frames behind a block that is to grow, or those that a device insists on. A source
    /// need not be able to: unless it says otherwise all its frames are in use.
    ///
    /// # Errors
    ///
    /// [`FrameError::NotManaged`] for an empty range or one with a frame that is not the source's,
    /// [`FrameError::InUse`]; nothing is allocated then.
    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        Err(FrameError::InUse(range))
    }

    /// Takes back frames: a whole range as it was handed out, or any part of one.
    ///
    /// # Errors
    ///
    /// [`FreeError`] with the range, if any frame of it is free already or is not managed; nothing changes then.
    ///
    /// # Safety
    ///
    /// The caller owns the frames and nobody uses them any more.
    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>>;
}

// SAFETY: the referenced allocator keeps the promise.
unsafe impl<F: FrameAlloc> FrameAlloc for &F {
    fn span(&self) -> FrameRange {
        (**self).span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        (**self).allocate(request)
    }

    fn allocate_below(&self, count: usize, limit: Pfn) -> Result<FrameRange, FrameError> {
        (**self).allocate_below(count, limit)
    }

    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        (**self).allocate_at(range)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { (**self).free(range) }
    }
}

/// A source of blocks of bytes, and of the frames below them: what a transaction works on.
///
/// # Safety
///
/// A block that was handed out is owned by the caller alone until he frees it, holds at least `layout.size()` bytes and is
/// aligned to `layout.align()`.
pub unsafe trait BlockAlloc: Sync {
    /// Where whole frames come from.
    type Frames: FrameAlloc;

    /// A block with any content; for 0 bytes an aligned pointer that may not be read through.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing is allocated then.
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError>;

    /// Takes a block back. Nothing is done for a layout of 0 bytes.
    ///
    /// # Errors
    ///
    /// [`FreeError`] with the pointer, if it is no live block of that layout; nothing changes then.
    ///
    /// # Safety
    ///
    /// The caller owns the block and nobody uses it any more.
    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>>;

    /// The source of whole frames.
    fn frames(&self) -> &Self::Frames;
}

// SAFETY: the referenced allocator keeps the promise.
unsafe impl<A: BlockAlloc> BlockAlloc for &A {
    type Frames = A::Frames;

    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        (**self).allocate(layout)
    }

    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { (**self).free(block, layout) }
    }

    fn frames(&self) -> &A::Frames {
        (**self).frames()
    }
}

/// A source of frames that tells what it holds, zone by zone.
///
/// For reports and diagnosis: a snapshot of one zone is of one moment, those of two need not be.
pub trait Inventory {
    /// Zone number `index`, from the lowest frames; `None` beyond the last. A source without zones is one zone.
    fn zone(&self, index: usize) -> Option<ZoneUsage>;

    /// The lowest free block that starts at `from` or above; blocks that rest in CPU caches are not reported.
    fn next_free(&self, from: Pfn) -> Option<FrameRange>;

    /// Walks every invariant; takes time in proportion to the memory managed.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    fn check(&self) -> Result<(), Corruption>;
}

impl<I: Inventory> Inventory for &I {
    fn zone(&self, index: usize) -> Option<ZoneUsage> {
        (**self).zone(index)
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        (**self).next_free(from)
    }

    fn check(&self) -> Result<(), Corruption> {
        (**self).check()
    }
}

/// How the objects of an [`ObjectCache`](crate::ObjectCache) come to be, and what happens to one between two users.
///
/// Both are called with no lock of this crate held, and may allocate, also from the cache itself. A function that makes an
/// object is enough:
///
/// ```
/// # use kos_alloc::{AllocError, Construct};
/// fn inode() -> Result<[u64; 32], AllocError> {
///     Ok([0; 32])
/// }
/// fn takes(_: impl Construct<[u64; 32]>) {}
/// takes(inode);
/// ```
pub trait Construct<T>: Sync {
    /// A new object, in the state in which users expect it. Called for each place of a slab when the slab is made; a
    /// panic leaks what was made of the slab.
    ///
    /// # Errors
    ///
    /// [`AllocError`] for want of what the object is made of; the slab gets fewer objects then.
    fn construct(&self) -> Result<T, AllocError>;

    /// Puts an object that its user is done with into the state in which the next one expects it. Unless it says
    /// otherwise that is the state in which the last one left it.
    fn reset(&self, object: &mut T) {
        let _ = object;
    }
}

impl<T, C: Fn() -> Result<T, AllocError> + Sync> Construct<T> for C {
    fn construct(&self) -> Result<T, AllocError> {
        self()
    }
}

/// Somebody who keeps memory that he can do without. Asked when memory ends, before an allocation fails.
///
/// Called with no lock of this crate held and interrupts as the allocating caller has them; may free, and may allocate
/// (such an allocation asks nobody again). Is not called again on the same CPU before it has returned; other CPUs that run
/// short may call it at the same time. An allocation made with a lock held that it takes says
/// [`NO_RECLAIM`](crate::FrameFlags::NO_RECLAIM).
pub trait Reclaim: Sync {
    /// Frames that could be given back now, more or less. 0: it is not asked to.
    fn count(&self) -> usize;

    /// Gives back `frames` frames, or what it can; says how many. 0 ends the asking.
    fn reclaim(&self, frames: usize) -> usize;
}

/// Nobody.
impl Reclaim for () {
    fn count(&self) -> usize {
        0
    }

    fn reclaim(&self, _: usize) -> usize {
        0
    }
}

impl<R: Reclaim> Reclaim for &R {
    fn count(&self) -> usize {
        (**self).count()
    }

    fn reclaim(&self, frames: usize) -> usize {
        (**self).reclaim(frames)
    }
}

/// One after the other, the second for what the first left. Tuples of tuples make longer chains.
impl<A: Reclaim, B: Reclaim> Reclaim for (A, B) {
    fn count(&self) -> usize {
        self.0.count().saturating_add(self.1.count())
    }

    fn reclaim(&self, frames: usize) -> usize {
        let first = self.0.reclaim(frames);
        let rest = frames.saturating_sub(first);
        if rest == 0 { first } else { first.saturating_add(self.1.reclaim(rest)) }
    }
}
