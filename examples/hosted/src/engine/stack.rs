//! [`HostStack`]: memory of the host for a stack, with a page below it that nobody may touch.
#![expect(unsafe_code, reason = "maps memory; the port promises that it is a stack")]

use core::ops::Range;
use core::ptr::{self, NonNull};
use std::io;

use kos_sched::KernelStack;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

/// Bytes of the stack on which a CPU begins. They cost nothing until they are touched.
pub(crate) const CPU_STACK: usize = 1 << 20;

/// Bytes that fault below the stack.
const GUARD: usize = 4096;

/// A stack. The mapping is its own from [`HostStack::new`] to drop.
#[derive(Debug)]
pub(crate) struct HostStack {
    mapping: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for HostStack {}
// SAFETY: as above; a shared stack gives out its addresses only.
unsafe impl Sync for HostStack {}

impl HostStack {
    /// A stack of `bytes` bytes, rounded up to pages.
    ///
    /// # Errors
    /// The host has not so much address space.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let bytes = bytes.checked_next_multiple_of(GUARD).and_then(|bytes| bytes.checked_add(GUARD));
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the host's choice touches no existing memory.
        let mapping = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags)
        }?;
        let mapping = NonNull::new(mapping.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let stack = Self { mapping, bytes };
        // SAFETY: the first page of the mapping, which nobody uses yet.
        unsafe { rustix::mm::mprotect(mapping.as_ptr().cast(), GUARD, MprotectFlags::empty()) }?;
        Ok(stack)
    }
}

impl Drop for HostStack {
    fn drop(&mut self) {
        // SAFETY: the mapping is this stack's own, and who drops it runs on another.
        let unmapped = unsafe { rustix::mm::munmap(self.mapping.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping does not fail");
    }
}

// SAFETY: the range is mapped, writable, page-aligned and this value's own until it is dropped; the page below faults.
unsafe impl KernelStack for HostStack {
    const GUARD: usize = GUARD;

    fn bounds(&self) -> Range<usize> {
        let start = self.mapping.as_ptr().expose_provenance();
        start + GUARD..start + self.bytes
    }
}
