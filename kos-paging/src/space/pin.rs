//! Pins: pages that stay where they are while a device works on them.

use core::sync::atomic::Ordering;

use super::Space;
use super::error::PinError;
use super::fault::{Fault, FaultOutcome, PagerError};
use super::frame_meta::{FrameMeta, unpin};
use super::memory;
use super::ports::SpaceEnv;
use crate::addr::{PhysAddr, VirtAddr};
use crate::attrs::Flags;

/// A page that is pinned until this is dropped, whatever becomes of the mapping.
///
/// A fork gives the child a copy, a write of the program goes to this very page. Unmapping it takes it out of the
/// space; the frame is freed with the last pin.
#[derive(Debug)]
#[must_use = "the page is unpinned when this is dropped"]
pub struct Pinned<E: SpaceEnv> {
    env: E,
    phys: PhysAddr,
}

impl<E: SpaceEnv> Pinned<E> {
    /// Where the page is: for the device.
    #[must_use]
    pub const fn address(&self) -> PhysAddr {
        self.phys
    }

    /// The number at `offset` in the page, a multiple of 4, loaded in one step; `None` if there is none. Takes no lock and never
    /// sleeps: the word of a futex, compared under the lock of its queue.
    #[must_use]
    pub fn load_u32(&self, offset: u64) -> Option<u32> {
        let at = PhysAddr::new(
            self.phys.get().checked_add(offset).filter(|_| offset < super::pt::page_bytes::<E>())?,
        );
        memory::with_u32(&self.env, at, |number| number.load(Ordering::SeqCst))
    }
}

impl<E: SpaceEnv> Drop for Pinned<E> {
    fn drop(&mut self) {
        unpin(&self.env, self.phys);
    }
}

impl<E: SpaceEnv> Space<E> {
    /// Pins the page that holds `at`, after the fault of a read, or of a write if the mapping is private and writable or
    /// `write` says so: a page that is shared since a fork is copied now, not under the device.
    ///
    /// # Errors
    ///
    /// [`PinError`]; nothing is pinned.
    pub fn pin(&self, at: VirtAddr, write: bool) -> Result<Pinned<E>, PinError<PagerError<E>>> {
        loop {
            let state = self.state.lock();
            let vma = state.set.find(at.get());
            let own = vma.is_some_and(|vma| !vma.is_shared() && vma.rights.contains(Flags::WRITE));
            let access = if write || own { Flags::WRITE } else { Flags::READ };
            let fault = Fault { va: at, access, user: true };
            if let Some(phys) = state.allowed_page(fault) {
                let phys = PhysAddr::new(phys.get() - phys.get() % super::pt::page_bytes::<E>());
                let pinned = state.env.meta(phys).is_some_and(FrameMeta::try_pin);
                return if pinned {
                    Ok(Pinned { env: self.env.clone(), phys })
                } else {
                    Err(PinError::NotPinnable)
                };
            }
            drop(state);
            if let FaultOutcome::Wait(token) = self.handle_fault(fault).map_err(PinError::Fault)? {
                return Err(PinError::Wait(token));
            }
        }
    }

    /// Pins the page of `first` and those that follow it, one for each place of `out`, or none.
    ///
    /// # Errors
    ///
    /// [`PinError`]; `out` is empty then.
    pub fn pin_pages(
        &self,
        first: VirtAddr,
        write: bool,
        out: &mut [Option<Pinned<E>>],
    ) -> Result<(), PinError<PagerError<E>>> {
        let page = super::pt::page_bytes::<E>();
        let mut at = Some(first);
        for index in 0..out.len() {
            let here = at.ok_or(PinError::Fault(super::error::FaultError::NoMapping));
            let pinned =
                here.and_then(|here| self.pin(here, write)).inspect_err(|_| out.fill_with(|| None))?;
            out.iter_mut().skip(index).take(1).for_each(|place| *place = None);
            if let Some(place) = out.get_mut(index) {
                *place = Some(pinned);
            }
            at = at.and_then(|at| at.checked_add(page));
        }
        Ok(())
    }
}
