//! Physical memory: one anonymous mapping, address 0 at its first multiple of [`ALIGN`], so that what is aligned physically is
//! aligned in this process too. Pages cost nothing until they are touched.
//!
//! Invariant: the mapping is live, readable, writable and exclusively this arena's from [`Arena::new`] to drop, and holds
//! `bytes` bytes from `base` on. It is reached in two ways: by the page tables through [`HostedPhys`], which keeps the arena alive; and by the kernel's allocators through
//! [`HostedEnv`], which does not. An allocator over that needs a source of frames, and the only one, the kernel's, is gone
//! before the arena: the kernel drops its machine last.
#![expect(unsafe_code, reason = "memory of the machine: mmap, and the two ports that show it")]

use alloc::sync::Arc;
use core::ptr::{self, NonNull};
use std::io;

use kos_alloc::{CpuIndex, DirectMap, Env, FrameRange, Pfn};
use kos_paging::{PhysAddr, PhysMapper};
use rustix::mm::{MapFlags, ProtFlags};

use crate::engine::{self, Interrupt, Masked};

/// Bytes of a frame.
pub const FRAME: u64 = 4096;

/// What the address of physical address 0 is a multiple of: a huge page. The host aligns mappings to its frames only.
pub const ALIGN: usize = 2 << 20;

/// The mapping.
#[derive(Debug)]
pub struct Arena {
    base: NonNull<u8>,
    bytes: usize,
    /// What the host gave, and its length: the arena with what alignment leaves over on both sides.
    mapping: NonNull<u8>,
    mapped: usize,
}

impl Arena {
    /// `bytes` of zeroed memory, rounded up to frames and to at least one.
    ///
    /// # Errors
    /// The host has not so much address space.
    pub fn new(bytes: u64) -> io::Result<Self> {
        let bytes =
            bytes.max(1).checked_next_multiple_of(FRAME).and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        let mapped = bytes.checked_add(ALIGN).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the host's choice touches no existing memory.
        let mapping = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), mapped, ProtFlags::READ | ProtFlags::WRITE, flags)
        }?;
        let mapping = NonNull::new(mapping.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let lead = mapping.addr().get().wrapping_neg() % ALIGN;
        // SAFETY: the lead is below `ALIGN`: the mapping holds `bytes` bytes behind it.
        let base = unsafe { mapping.add(lead) };
        Ok(Self { base, bytes, mapping, mapped })
    }

    /// The address at which physical address 0 appears.
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The allocators' view, on a machine with so many CPUs. `secret`: what keys their checks.
    #[must_use]
    pub const fn env(&self, cpus: usize, secret: u64) -> HostedEnv {
        HostedEnv { base: self.base, frames: self.bytes >> 12, cpus, secret }
    }

    /// A number that differs from process to process: where the host put the arena.
    #[must_use]
    pub fn secret(&self) -> u64 {
        (self.base.addr().get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Whether the byte at this physical address is memory.
    #[must_use]
    pub fn holds(&self, address: u64) -> bool {
        usize::try_from(address).is_ok_and(|address| address < self.bytes)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping is this arena's own, and by the invariant nobody uses it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.mapping.as_ptr().cast(), self.mapped) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping does not fail");
    }
}

// SAFETY: the arena is plain memory; who may touch which byte is settled by the kernel's allocators, not by threads.
unsafe impl Send for Arena {}
// SAFETY: as above; a shared arena gives out addresses only.
unsafe impl Sync for Arena {}

/// The allocators' environment: the arena, a spin lock, the CPUs and the interrupts of the machine's engine.
#[derive(Clone, Copy, Debug)]
pub struct HostedEnv {
    base: NonNull<u8>,
    frames: usize,
    cpus: usize,
    secret: u64,
}

// SAFETY: an address and a length; see `Arena`.
unsafe impl Send for HostedEnv {}
// SAFETY: an address and a length; see `Arena`.
unsafe impl Sync for HostedEnv {}

// SAFETY: the spin lock excludes. A guard holds off the interrupts of the CPU that made it, and the engine moves code from CPU
// to CPU only where none lives; a thread that is no CPU has none to hold off, and no number. Numbers are below the engine's
// count, which is `cpus`. The direct map is the arena, which outlives the kernel's allocators and is used by nobody else
// (invariant of this module).
unsafe impl Env for HostedEnv {
    type Lock = spin::mutex::SpinMutex<()>;
    type Irq = Masked;

    fn irq_save(&self) -> Masked {
        engine::mask()
    }

    fn cpus(&self) -> usize {
        self.cpus
    }

    fn cpu(&self) -> Option<CpuIndex> {
        engine::cpu().map(CpuIndex)
    }

    fn kick(&self, cpu: CpuIndex) {
        // A CPU that is off has nothing in its caches.
        engine::interrupt(cpu.0, Interrupt::Drain);
    }

    fn direct_map(&self) -> DirectMap {
        DirectMap::new(self.base, FrameRange::between(Pfn(0), Pfn(self.frames)))
    }

    fn secret(&self) -> u64 {
        self.secret
    }
}

/// The page tables' view of the arena.
#[derive(Clone, Debug)]
pub struct HostedPhys(pub Arc<Arena>);

// SAFETY: every frame that ends below the arena's end is valid bytes of the arena at a page-aligned address, disjoint from other
// frames; exclusive use of a frame is the allocators' matter.
unsafe impl PhysMapper for HostedPhys {
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        let offset = usize::try_from(frame.get()).ok()?;
        offset.checked_add(bytes).filter(|end| *end <= self.0.bytes)?;
        // SAFETY: the offset is within the mapping.
        Some(unsafe { self.0.base.add(offset) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host packs mappings closely, and odd ones between them move the next by a frame or three.
    #[test]
    fn address_zero_is_aligned_wherever_the_host_maps() {
        let between: Vec<_> =
            (0..64).map(|odd| (Arena::new(FRAME), Arena::new((2 * odd + 1) * FRAME))).collect();
        for arena in between.into_iter().flat_map(|(first, second)| [first, second]).map(Result::unwrap) {
            assert!(arena.base().addr().get().is_multiple_of(ALIGN), "{arena:?}");
            let (start, end) = (arena.mapping.addr().get(), arena.mapping.addr().get() + arena.mapped);
            let base = arena.base().addr().get();
            assert!(start <= base && base + arena.bytes <= end, "{arena:?}");
        }
    }

    #[test]
    fn an_arena_shows_its_last_byte() {
        let arena = Arena::new(5 * FRAME - 1).unwrap();
        assert!(arena.holds(5 * FRAME - 1) && !arena.holds(5 * FRAME));
        let memory = HostedPhys(Arc::new(arena));
        let last = memory.table(PhysAddr::new(4 * FRAME), 4096).unwrap();
        // SAFETY: the last frame of the arena, whose last byte is 4095.
        let last = unsafe { last.add(4095) };
        // SAFETY: a byte of the arena, which lives and which nobody else uses.
        unsafe { last.write(1) };
        assert_eq!(memory.table(PhysAddr::new(5 * FRAME), 4096), None);
    }

    #[test]
    fn a_thread_of_the_host_is_no_cpu() {
        let env = Arena::new(FRAME).unwrap().env(4, 0);
        let masked = env.irq_save();
        assert_eq!((env.cpu(), env.cpus()), (None, 4));
        drop(masked);
    }

    #[test]
    fn more_than_the_address_space_is_an_error() {
        for bytes in [u64::MAX, u64::MAX - FRAME, 1 << 62] {
            assert_eq!(Arena::new(bytes).unwrap_err().kind(), io::ErrorKind::OutOfMemory, "{bytes}");
        }
    }
}
