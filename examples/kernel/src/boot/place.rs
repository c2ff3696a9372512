//! Boot memory as Rust values: [`BootMemory`] turns what the bump allocator gives into references.
//!
//! Invariant: each allocation is handed out once, lies in the direct map below the early limit, and is never taken back; so a
//! reference to it is unique, and valid as long as the machine. `'static` stands for "as long as the machine": the kernel's
//! values that hold such a reference are private to it and dropped before the machine.
#![expect(unsafe_code, reason = "makes references of physical memory that the bump allocator hands out")]

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use kos_alloc::boot::{BootAllocator, BootError, HandOver};
use kos_alloc::frame::zone::{Config, ZonesError};
use kos_alloc::{Env, Zones};
use kos_paging::PhysAddr;

use crate::glue::address::frame_of;
use crate::glue::inject::Injector;

/// The bump allocator, with a view of memory.
pub(super) struct BootMemory<'m, E: Env> {
    bump: BootAllocator<'m>,
    env: E,
}

impl<'m, E: Env> BootMemory<'m, E> {
    pub(super) const fn new(bump: BootAllocator<'m>, env: E) -> Self {
        Self { bump, env }
    }

    /// Zeroed words.
    pub(super) fn words(&mut self, count: usize) -> Result<&'static mut [u64], BootError> {
        let start = self.zeroed(array::<u64>(count)?)?.cast();
        // SAFETY: so many aligned words are zeroed and, by the module's invariant, nobody else's.
        Ok(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), count) })
    }

    /// Zeroed bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'static mut [u8], BootError> {
        let start = self.zeroed(array::<u8>(count)?)?;
        // SAFETY: so many bytes are zeroed and, by the module's invariant, nobody else's.
        Ok(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), count) })
    }

    /// Room for one value.
    pub(super) fn room<T>(&mut self) -> Result<&'static mut MaybeUninit<T>, BootError> {
        let mut room = self.zeroed(Layout::new::<T>())?.cast::<MaybeUninit<T>>();
        // SAFETY: the room is aligned, large enough and, by the module's invariant, nobody else's.
        Ok(unsafe { room.as_mut() })
    }

    /// Ends the boot allocator.
    pub(super) fn hand_over(self) -> HandOver<'m> {
        self.bump.hand_over()
    }

    fn zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, BootError> {
        let address = self.bump.allocate(layout)?;
        let map = self.env.direct_map();
        let shift = E::PAGE_SHIFT;
        let in_frame = usize::try_from(address & ((1 << shift) - 1)).unwrap_or(0);
        let frame = map.offset_of(frame_of(PhysAddr::new(address)), shift);
        let offset = frame.ok_or(BootError::NoMemory(layout))? + in_frame;
        // SAFETY: the memory map was cut to the frames of the direct map, so the allocation lies in it.
        let start = unsafe { map.base().add(offset) };
        // SAFETY: the allocation has so many bytes; they are mapped, being below the early limit.
        unsafe { start.write_bytes(0, layout.size()) };
        Ok(start)
    }
}

/// The frame allocator, in `room`, where heap and page table can share it. Its tables lie in `storage`.
///
/// # Errors
/// The zones refuse the frames.
pub(super) fn frames<E: Env>(
    room: &'static mut MaybeUninit<Injector<Zones<'static, E>>>,
    env: E,
    storage: &'static mut [u64],
    config: &Config<'_>,
    HandOver { free, .. }: &HandOver<'_>,
) -> Result<&'static Injector<Zones<'static, E>>, ZonesError> {
    let frames = room.write(Injector::new(Zones::new(env)));
    // SAFETY: the frames are what the boot allocator handed over as free: nobody uses them.
    unsafe { frames.inner().init(storage, config, free, &[]) }?;
    Ok(frames)
}

/// The layout of an array, which may be too large for any memory.
fn array<T>(count: usize) -> Result<Layout, BootError> {
    Layout::array::<T>(count).map_err(|_| BootError::NoMemory(Layout::new::<T>()))
}
