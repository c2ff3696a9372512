//! Every trait that an integrator implements, and nothing else.
//!
//! | port | who implements it | used by |
//! |---|---|---|
//! | [`Env`] | the kernel, once a machine | everything that locks or touches memory |
//! | [`FrameAlloc`] | this crate's [`Frames`](crate::Frames), or your own frame allocator | [`KernelHeap`](crate::KernelHeap) |

use crate::error::{FrameError, FreeError, Violation};
use crate::types::{CpuIndex, DirectMap, FrameRange, FrameRequest};

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
/// - while a value of [`Irq`](Self::Irq) lives, no interrupt handler that uses the allocator runs on this CPU;
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

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { (**self).free(range) }
    }
}
