//! What the hosted tests share: [`MappedStack`], and [`cpus`] that are threads.
#![allow(dead_code, reason = "each test program uses what it needs")]
#![expect(clippy::unwrap_used, reason = "a test must not go on without its machine")]

#[cfg(target_arch = "x86_64")]
pub(crate) mod cpus;

use core::ffi::c_void;
use core::ops::Range;
use core::ptr;
use core::ptr::NonNull;

use kos_sched::KernelStack;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// A stack with a page below it that nobody can touch.
#[derive(Debug)]
pub(crate) struct MappedStack {
    guard: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: it owns its mapping.
unsafe impl Send for MappedStack {}

// SAFETY: a shared one only tells its bounds.
unsafe impl Sync for MappedStack {}

impl MappedStack {
    /// A stack of `bytes`, a multiple of the page size.
    pub(crate) fn new(bytes: usize) -> Self {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, wherever there is room.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), PAGE + bytes, rights, MapFlags::PRIVATE) };
        let guard = NonNull::new(mapped.unwrap()).unwrap();
        // SAFETY: the first page of the mapping, which nobody uses.
        unsafe { mprotect(guard.as_ptr(), PAGE, MprotectFlags::empty()) }.unwrap();
        guard.as_ptr().expose_provenance();
        Self { guard, bytes }
    }
}

impl Drop for MappedStack {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with that length; who drops a stack runs on another.
        unsafe { munmap(self.guard.as_ptr(), PAGE + self.bytes) }.unwrap();
    }
}

// SAFETY: mapped, owned, page-aligned and exposed in `new`; the page below has no rights.
unsafe impl KernelStack for MappedStack {
    const GUARD: usize = PAGE;

    fn bounds(&self) -> Range<usize> {
        let low = self.guard.as_ptr().addr() + PAGE;
        low..low + self.bytes
    }
}
