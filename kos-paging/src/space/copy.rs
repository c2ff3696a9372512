//! User memory for system calls: copies that resolve their faults and tell how far they came.
//!
//! The bytes go through the kernel's own view of the frames ([`PhysMapper`](crate::PhysMapper)), a page at a time under
//! the lock of the space: a pointer of a program is never followed, so that no access can fault, and none of SMAP, PAN
//! or a table of fix-ups is needed. Rights are those of the mapping.

use core::sync::atomic::{AtomicU32, Ordering};

use super::Space;
use super::error::{CopyCause, CopyError, FaultError};
use super::fault::{Fault, FaultOutcome, PagerError};
use super::memory;
use super::ports::SpaceEnv;
use super::pt::{page_bytes, page_of};
use crate::addr::{PhysAddr, VirtAddr};
use crate::attrs::Flags;

type CopyResult<T, E> = Result<T, CopyError<PagerError<E>>>;

impl<E: SpaceEnv> Space<E> {
    /// Copies from user memory at `from`.
    ///
    /// # Errors
    ///
    /// [`CopyError`] tells how many bytes were copied, and why it stopped.
    pub fn copy_in(&self, from: VirtAddr, to: &mut [u8]) -> CopyResult<(), E> {
        self.pages(from, to.len(), Flags::READ, |env, phys, done, bytes| {
            to.get_mut(done..done + bytes).map_or(0, |to| memory::read(env, phys, to))
        })
    }

    /// Copies to user memory at `to`.
    ///
    /// # Errors
    ///
    /// [`CopyError`] tells how many bytes were copied, and why it stopped.
    pub fn copy_out(&self, to: VirtAddr, from: &[u8]) -> CopyResult<(), E> {
        self.pages(to, from.len(), Flags::WRITE, |env, phys, done, bytes| {
            from.get(done..done + bytes).map_or(0, |from| memory::write(env, phys, from))
        })
    }

    /// Writes `bytes` times the same byte to user memory.
    ///
    /// # Errors
    ///
    /// [`CopyError`] tells how many bytes were written, and why it stopped.
    pub fn fill(&self, to: VirtAddr, bytes: usize, byte: u8) -> CopyResult<(), E> {
        self.pages(to, bytes, Flags::WRITE, |env, phys, _, bytes| memory::fill(env, phys, bytes, byte))
    }

    /// Copies a string that ends with a zero byte, which is not copied; its length.
    ///
    /// # Errors
    ///
    /// [`CopyError`]; with [`CopyCause::TooLong`] if `to` has no room for the string and its end.
    pub fn copy_string(&self, from: VirtAddr, to: &mut [u8]) -> CopyResult<usize, E> {
        let mut found = None;
        let room = to.len();
        self.pages(from, room, Flags::READ, |env, phys, done, bytes| {
            let Some(part) = to.get_mut(done..done + bytes) else { return 0 };
            let read = memory::read(env, phys, part);
            found = part.iter().take(read).position(|byte| *byte == 0).map(|end| done + end);
            if found.is_some() { STOP } else { read }
        })?;
        let at = VirtAddr::new(from.get().wrapping_add(room as u64));
        found.ok_or(CopyError { done: room, at, cause: CopyCause::TooLong })
    }

    /// Works on a number in user memory, atomically for programs too: the word of a futex.
    ///
    /// # Errors
    ///
    /// [`CopyError`]; with [`CopyCause::Misaligned`] if `at` is no multiple of 4.
    pub fn with_u32<R>(
        &self,
        at: VirtAddr,
        write: bool,
        work: impl FnOnce(&AtomicU32) -> R,
    ) -> CopyResult<R, E> {
        if !at.is_aligned(4) {
            return Err(CopyError { done: 0, at, cause: CopyCause::Misaligned });
        }
        let access = if write { Flags::READ | Flags::WRITE } else { Flags::READ };
        let mut work = Some(work);
        let mut result = None;
        self.pages(at, 4, access, |env, phys, _, _| {
            let Some(work) = work.take() else { return 0 };
            result = memory::with_u32(env, phys, work);
            if result.is_some() { 4 } else { 0 }
        })?;
        result.ok_or(CopyError { done: 0, at, cause: CopyCause::Fault(FaultError::NoMapping) })
    }

    /// The number at `at`.
    ///
    /// # Errors
    ///
    /// As for [`with_u32`](Self::with_u32).
    pub fn load_u32(&self, at: VirtAddr) -> CopyResult<u32, E> {
        self.with_u32(at, false, |number| number.load(Ordering::SeqCst))
    }

    /// Stores `new` at `at` if `current` is there; what was there.
    ///
    /// # Errors
    ///
    /// As for [`with_u32`](Self::with_u32).
    pub fn compare_exchange_u32(&self, at: VirtAddr, current: u32, new: u32) -> CopyResult<u32, E> {
        self.with_u32(at, true, |number| {
            match number.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(old) | Err(old) => old,
            }
        })
    }

    /// Where the number at `at` is in physical memory: the key of a futex that several spaces share. Resolves a fault.
    ///
    /// # Errors
    ///
    /// As for [`with_u32`](Self::with_u32).
    pub fn futex_key(&self, at: VirtAddr) -> CopyResult<PhysAddr, E> {
        let mut key = PhysAddr::new(0);
        self.pages(at, 4, Flags::READ | Flags::WRITE, |_, phys, _, bytes| {
            key = phys;
            bytes
        })?;
        Ok(key)
    }

    /// Does `work` on each page of a range, in order, with the page resident and allowed: `work` gets the physical address,
    /// the bytes done and the bytes of this page, and says how many it did.
    fn pages(
        &self,
        first: VirtAddr,
        bytes: usize,
        access: Flags,
        mut work: impl FnMut(&E, PhysAddr, usize, usize) -> usize,
    ) -> CopyResult<(), E> {
        let mut done = 0;
        while done < bytes {
            let stop = |done: usize, cause| CopyError {
                done,
                at: VirtAddr::new(first.get().saturating_add(done as u64)),
                cause,
            };
            let outside = || CopyCause::Fault(FaultError::NoMapping);
            let at = first.checked_add(done as u64).ok_or_else(|| stop(done, outside()))?;
            let page = page_bytes::<E>();
            let inside = usize::try_from(page - at.get() % page).unwrap_or(1).min(bytes - done);
            let did = self.page(at, access, |env, phys| work(env, phys, done, inside));
            match did.map_err(|cause| stop(done, cause))? {
                STOP => return Ok(()),
                did if did == inside => done += inside,
                did => return Err(stop(done + did, outside())),
            }
        }
        Ok(())
    }

    /// Does `work` on one page with the lock held, after as many faults as it takes.
    fn page<R>(
        &self,
        at: VirtAddr,
        access: Flags,
        work: impl FnOnce(&E, PhysAddr) -> R,
    ) -> Result<R, CopyCause<PagerError<E>>> {
        let fault = Fault { va: at, access, user: true };
        loop {
            let state = self.state.lock();
            if let Some(phys) = state.allowed_page(fault) {
                return Ok(work(&state.env, phys));
            }
            drop(state);
            if let FaultOutcome::Wait(token) = self.handle_fault(fault).map_err(CopyCause::Fault)? {
                return Err(CopyCause::Wait(token));
            }
        }
    }
}

/// What `work` says to end a copy early.
const STOP: usize = usize::MAX;

impl<E: SpaceEnv> super::state::State<E> {
    /// Where the byte is, if it is resident and the access allowed.
    pub(super) fn allowed_page(&self, fault: Fault) -> Option<PhysAddr> {
        let leaf = self.pt.look(fault.va.get()).ok()??;
        let allowed = leaf.attrs.flags.contains(fault.access | Flags::USER);
        allowed.then(|| page_of(&leaf, fault.va.get()))
    }
}
