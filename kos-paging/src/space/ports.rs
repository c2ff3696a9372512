//! What an integrator implements for address spaces, beside the ports of the tables.
//!
//! | port | what it is |
//! |---|---|
//! | [`FrameTable`] | the counts of each frame, and the frame of zeros |
//! | [`Pager`] | what a mapping shows: a file, a device's memory, an object that programs share |
//! | [`SpaceEnv`] | one handle that bundles all of them, with the format and the lock |
#![expect(
    unsafe_code,
    reason = "two ports can break memory safety: their traits say so; no code here acts on it"
)]

use core::error::Error;
use core::ops::Deref;

use super::frame_meta::{FrameMeta, FrameRef};
use crate::addr::PhysAddr;
use crate::error::CreateError;
use crate::format::Format;
use crate::mode::Mode;
use crate::ports::{Frame, FrameSource, OutOfFrames, PhysMapper, TlbFlush};
use crate::table::Table;

/// Finds the counts of a frame.
///
/// O(1), without a lock; called under the lock of a space and in drops of pins.
///
/// # Safety
///
/// The answer for a frame is always the same, and no two frames share one. `None` for whatever the paired
/// [`FrameSource`] does not own: such frames are mapped, but never freed. The frame of zeros holds zeros, is never
/// written and has no counts. A wrong implementation frees frames that are in use.
pub unsafe trait FrameTable {
    /// The counts of the frame at `phys`; `None` if the frame is not the source's.
    fn meta(&self, phys: PhysAddr) -> Option<&FrameMeta>;

    /// A page of zeros that all spaces share; without it a read of fresh memory takes a frame.
    fn zero_page(&self) -> Option<PhysAddr> {
        None
    }

    /// `order` of the frame of one page: 0 for pages of 4 KiB.
    fn page_order(&self) -> u8 {
        0
    }

    /// A block of frames for one huge page; its pages come back **one by one** through [`FrameSource::free`].
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`]: small pages are used instead. An allocator that cannot take blocks back in pieces leaves this as
    /// it is.
    fn huge(&self, order: u8) -> Result<Frame, OutOfFrames> {
        let _ = order;
        Err(OutOfFrames)
    }
}

/// A number by which somebody who waits is woken: the integrator's own meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

/// A space, as objects know it: the integrator's own number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpaceId(pub u64);

/// What a pager has for a page.
#[derive(Debug)]
pub enum PageIn {
    /// No frame to share: [`Pager::fill`] shall put the content into a fresh one, private to who asked.
    Fill,
    /// This frame, which the pager keeps a reference to as well.
    Shared(FrameRef),
    /// Not yet: ask again when the token was woken.
    Wait(Token),
}

/// What a mapping shows. Cloned into each mapping: a reference or a counted pointer. Equal values are the same object.
///
/// [`page_in`](Self::page_in), [`fill`](Self::fill) and [`make_writable`](Self::make_writable) are called **without a lock** of the crate and
/// may take as long as a disk takes; the others under the lock of a space: they must not block, nor call a space.
pub trait Pager {
    /// Why a page could not be had.
    type Error: Error;

    /// The length in bytes: a page that begins at or behind it does not exist.
    fn bytes(&self) -> u64;

    /// The page at `offset`, a multiple of the page size. Mappings that share writes take frames only.
    ///
    /// # Errors
    ///
    /// The pager's own: the program gets a bus error with this cause.
    fn page_in(&self, offset: u64) -> Result<PageIn, Self::Error>;

    /// Puts the page at `offset` into a fresh page of zeros, after [`PageIn::Fill`].
    ///
    /// # Errors
    ///
    /// The pager's own.
    fn fill(&self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error> {
        let _ = (offset, into);
        Ok(())
    }

    /// Called before a page is first mapped for shared writing: room on the disk, a dirty mark.
    ///
    /// # Errors
    ///
    /// The pager's own: the write becomes a bus error.
    fn make_writable(&self, offset: u64) -> Result<(), Self::Error>;

    /// The page at `offset` if it is in memory: mapped around a fault, so that the neighbours need none.
    fn resident(&self, offset: u64) -> Option<FrameRef> {
        let _ = offset;
        None
    }

    /// Changes whenever a page that was given is no longer the object's: what was asked before is then asked again.
    fn version(&self) -> u64 {
        0
    }

    /// A space maps `pages` more pages: where [`truncate`](crate::object::MemoryObject::truncate) will have to look.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`]: nothing is mapped.
    fn attach(&self, space: SpaceId, pages: u64) -> Result<(), OutOfFrames> {
        let _ = (space, pages);
        Ok(())
    }

    /// A space maps `pages` fewer pages.
    fn detach(&self, space: SpaceId, pages: u64) {
        let _ = (space, pages);
    }
}

/// A reference or a counted pointer to a pager.
impl<D: Deref<Target: Pager>> Pager for D {
    type Error = <D::Target as Pager>::Error;

    fn bytes(&self) -> u64 {
        (**self).bytes()
    }

    fn page_in(&self, offset: u64) -> Result<PageIn, Self::Error> {
        (**self).page_in(offset)
    }

    fn fill(&self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error> {
        (**self).fill(offset, into)
    }

    fn make_writable(&self, offset: u64) -> Result<(), Self::Error> {
        (**self).make_writable(offset)
    }

    fn resident(&self, offset: u64) -> Option<FrameRef> {
        (**self).resident(offset)
    }

    fn version(&self) -> u64 {
        (**self).version()
    }

    fn attach(&self, space: SpaceId, pages: u64) -> Result<(), OutOfFrames> {
        (**self).attach(space, pages)
    }

    fn detach(&self, space: SpaceId, pages: u64) {
        (**self).detach(space, pages);
    }
}

/// A table and who flushes it.
pub type NewTable<E> = (Table<<E as SpaceEnv>::Format, E, <E as SpaceEnv>::Mode>, <E as SpaceEnv>::Tlb);

/// All that an address space needs, in one handle: cloned into each space, its table and its pins, so a reference or a
/// counted pointer.
pub trait SpaceEnv: FrameSource + PhysMapper + FrameTable + Clone {
    /// The MMU.
    type Format: Format;
    /// [`Live<C>`](crate::Live), for several CPUs, or [`Exclusive`](crate::Exclusive) for one.
    type Mode: Mode;
    /// Flushes one space: who has it loaded, by its [`TlbContext`](crate::TlbContext). A counted pointer.
    type Tlb: TlbFlush + Clone;
    /// The lock of a space. It must not mask interrupts: a flush waits for other CPUs under it.
    type Lock: lock_api::RawMutex;
    /// What mappings show.
    type Object: Pager + Clone + PartialEq;

    /// A fresh table for the space with this number, with whatever the kernel maps in every space; and its flusher.
    ///
    /// # Errors
    ///
    /// [`CreateError`]; the space is not made then.
    fn new_table(&self, id: SpaceId) -> Result<NewTable<Self>, CreateError>;
}
