//! The tiny heap behind the kernel's lock: [`SimpleHeap`].

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::{LendError, Tiny, TinyStats};
use crate::error::{AllocError, Corruption, FreeError, ReallocError, Violation};
use crate::ports::Env;
use crate::sync::Locked;

/// A heap over lent memory for a machine with little of it, safe in interrupt handlers.
///
/// As [`Tiny`], each operation under the lock of `E` with interrupts masked. Needs neither frames nor a direct map: an
/// [`Env`] of a machine without them names an empty one. 4 KiB will do, with `SimpleHeap<_, 8, 4>`.
#[derive(Debug)]
pub struct SimpleHeap<E: Env, const DOUBLINGS: usize = 16, const STEPS: usize = 8> {
    tiny: Locked<E, Tiny<DOUBLINGS, STEPS>>,
}

impl<E: Env, const DOUBLINGS: usize, const STEPS: usize> SimpleHeap<E, DOUBLINGS, STEPS> {
    /// A heap without memory; every allocation fails until some was lent.
    #[must_use]
    pub const fn new(env: E) -> Self {
        Self { tiny: Locked::new(env, Tiny::new()) }
    }

    /// The environment.
    pub const fn env(&self) -> &E {
        self.tiny.env()
    }

    /// Takes `memory` for blocks, for ever.
    ///
    /// # Errors
    ///
    /// [`LendError`]; nothing changed then.
    pub fn lend(&self, memory: &'static mut [MaybeUninit<u8>]) -> Result<(), LendError> {
        let bytes = memory.len();
        let range = NonNull::slice_from_raw_parts(NonNull::from(memory).cast(), bytes);
        // SAFETY: the reference is the only one, and is given up.
        unsafe { self.lend_range(range) }
    }

    /// As [`lend`](Self::lend), for memory that no reference names.
    ///
    /// # Errors
    ///
    /// As [`lend`](Self::lend).
    ///
    /// # Safety
    ///
    /// The range is writable memory that nobody else uses, until [`take_empty`](Self::take_empty) returns it.
    pub unsafe fn lend_range(&self, range: NonNull<[u8]>) -> Result<(), LendError> {
        // SAFETY: passed on from the caller.
        let range = unsafe { Tiny::prepare(range) }?;
        self.tiny.with(|tiny| tiny.adopt(range));
        Ok(())
    }

    /// Takes back a range none of whose blocks is live, as it was lent; `None` if there is none.
    pub fn take_empty(&self) -> Option<NonNull<[u8]>> {
        self.tiny.with(Tiny::take_empty)
    }

    /// As [`Tiny::allocate`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.tiny.with(|tiny| tiny.allocate(layout))
    }

    /// As [`allocate`](Self::allocate), with every byte of the layout 0, without holding the lock for it.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate).
    pub fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let block = self.allocate(layout)?;
        // SAFETY: the block was just allocated with so many bytes; for none the pointer may dangle.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(block)
    }

    /// As [`Tiny::free`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        // SAFETY: passed on from the caller.
        self.tiny.with(|tiny| unsafe { tiny.free(ptr, layout) })
    }

    /// As [`Tiny::free_without_layout`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn free_without_layout(&self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        // SAFETY: passed on from the caller.
        self.tiny.with(|tiny| unsafe { tiny.free_without_layout(ptr) })
    }

    /// Makes the block at `ptr`, of layout `old`, one of `new_size` bytes and the same alignment: where it lies if what
    /// is behind it suffices, else its content moves, without holding the lock. A `new_size` of 0 frees it.
    ///
    /// # Errors
    ///
    /// [`ReallocError`]: `ptr` and `old` are refused as [`free`](Self::free) does, or there is no new block. The old one
    /// is whole and live then.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free), unless an error or the same pointer comes back.
    pub unsafe fn reallocate(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, ReallocError> {
        let Ok(new) = Layout::from_size_align(new_size, old.align()) else {
            let error = AllocError::BadRequest { size: new_size, align: old.align() };
            return Err(ReallocError::Allocate(error));
        };
        if old.size() != 0 && new_size != 0 {
            // SAFETY: passed on from the caller.
            let resized = self.tiny.with(|tiny| unsafe { tiny.resize(ptr, old, new_size) });
            if resized.map_err(ReallocError::Free)? {
                return Ok(ptr);
            }
        }
        let block = self.allocate(new).map_err(ReallocError::Allocate)?;
        // SAFETY: the old block has `old.size()` bytes, the new one `new_size`, and they are two.
        unsafe { ptr::copy_nonoverlapping(ptr.as_ptr(), block.as_ptr(), old.size().min(new_size)) };
        // SAFETY: passed on from the caller.
        if let Err(error) = unsafe { self.free(ptr, old) } {
            // SAFETY: the new block is live and nobody knows of it.
            let _ = unsafe { self.free(block, new) };
            return Err(ReallocError::Free(error));
        }
        Ok(block)
    }

    /// As [`Tiny::usable_size`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn usable_size(&self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        self.tiny.with(|tiny| tiny.usable_size(ptr))
    }

    /// The counters, all of one moment.
    pub fn stats(&self) -> TinyStats {
        self.tiny.with(|tiny| tiny.stats())
    }

    /// As [`Tiny::check`], with interrupts masked for the whole walk.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn check(&self) -> Result<(), Corruption> {
        self.tiny.with(|tiny| tiny.check())
    }

    #[cold]
    fn tell(&self, error: FreeError<NonNull<u8>>, layout: Layout) {
        let cpu = {
            let _masked = self.env().irq_save();
            self.env().cpu()
        };
        self.env().violation(&Violation { error, layout, cpu });
    }
}

/// Never panics: failure is null, and a wrong free goes to [`Env::violation`].
// SAFETY: blocks are unique, aligned and as large as asked until freed; none is freed by anything but its free.
unsafe impl<E: Env, const DOUBLINGS: usize, const STEPS: usize> GlobalAlloc
    for SimpleHeap<E, DOUBLINGS, STEPS>
{
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.allocate_zeroed(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some(ptr) = NonNull::new(ptr) else { return };
        // SAFETY: the caller promises that nobody uses the block.
        if let Err(error) = unsafe { self.free(ptr, layout) } {
            self.tell(error, layout);
        }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(old) = NonNull::new(ptr) else { return ptr::null_mut() };
        // SAFETY: the caller promises that nobody uses the old block, unless null comes back.
        match unsafe { self.reallocate(old, layout, new_size) } {
            Ok(new) => new.as_ptr(),
            Err(ReallocError::Allocate(_)) => ptr::null_mut(),
            Err(ReallocError::Free(error)) => {
                self.tell(error, layout);
                ptr::null_mut()
            }
        }
    }
}
