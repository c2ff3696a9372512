//! Memory and addresses for `virtio-drivers`: frames of the kernel, and the direct map, in which all of the heap lies. So every block
//! of the heap is contiguous for devices, too.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use kos_alloc::{FrameAlloc, FrameRange, FrameRequest, Pfn};
use kos_x86_64::layout::{DEVICES, DIRECT_MAP, PAGE};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::address::pointer;

/// This machine.
#[derive(Debug)]
pub(crate) struct MetalHal;

/// Frames that devices have.
static FRAMES: AtomicUsize = AtomicUsize::new(0);

/// How many.
pub(crate) fn frames() -> usize {
    FRAMES.load(Relaxed)
}

// SAFETY: what `dma_alloc` gives are frames of the kernel's that nobody else has, zeroed, at their place in the direct map.
unsafe impl Hal for MetalHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let frames =
            crate::kernel().and_then(|kernel| kernel.frames().allocate(&FrameRequest::new(pages)).ok());
        // Address 0 is how the crate is told that there is no memory.
        let Some(frames) = frames else { return (0, NonNull::dangling()) };
        FRAMES.fetch_add(pages, Relaxed);
        let physical = frames.start().0 as u64 * PAGE;
        let start: *mut u8 = pointer(DIRECT_MAP + physical);
        // SAFETY: the frames are in the direct map, and nobody else's.
        unsafe { start.write_bytes(0, pages << PAGE.trailing_zeros()) };
        (physical, NonNull::new(start).unwrap_or(NonNull::dangling()))
    }

    unsafe fn dma_dealloc(physical: PhysAddr, _: NonNull<u8>, pages: usize) -> i32 {
        let first = Pfn(usize::try_from(physical / PAGE).unwrap_or(usize::MAX));
        let frames = FrameRange::new(first, pages);
        let freed = crate::kernel().zip(frames).map(|(kernel, frames)| {
            // SAFETY: the caller gives back what `dma_alloc` gave.
            unsafe { kernel.frames().free(frames) }
        });
        if !matches!(freed, Some(Ok(()))) {
            return -1;
        }
        FRAMES.fetch_sub(pages, Relaxed);
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, _: usize) -> NonNull<u8> {
        // The memory of the device is in the tables; what would not be there was refused before.
        NonNull::new(pointer(DEVICES + physical)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        // Every buffer is a block of the heap.
        (buffer.cast::<u8>().as_ptr().expose_provenance() as u64).wrapping_sub(DIRECT_MAP)
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
