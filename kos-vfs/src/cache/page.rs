//! [`Page`], what is known of a page, and [`Frames`], where its bytes are.
//!
//! Whoever copies bytes holds the lock of their frame. A reader takes it while he holds the lock of the table, without waiting,
//! and lets go of the table before he copies: so a page that somebody reads does not go, and nobody waits for a copy. A page is written
//! with the file's lock held, or before the table has it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use lock_api::{RwLock, RwLockReadGuard};

use crate::error::{FsError, NoMemory};
use crate::ports::{Env, PageSource};
use crate::tree::slots::NONE;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being filled: nobody finds it.
    Uninit,
    /// As the file system has it.
    Clean,
    /// To be written.
    Dirty,
    /// Being written; the file's lock is held.
    Writeback,
    /// Cut off while it was lent: nobody finds it, and it goes when it comes back.
    Detached,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    /// The file's slot in the table of inodes, and which of its pages.
    pub(super) file: u32,
    pub(super) index: u64,
    pub(super) state: State,
    /// How often it is lent or pinned, and how often of these it is lent for writing.
    pub(super) loans: u32,
    pub(super) writers: u32,
    /// The policy's mark.
    pub(super) touched: bool,
    /// Its neighbours among the file's pages that are written, or are not.
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl Page {
    pub(super) const fn new() -> Self {
        Self {
            file: NONE,
            index: 0,
            state: State::Uninit,
            loans: 0,
            writers: 0,
            touched: false,
            previous: NONE,
            next: NONE,
        }
    }

    pub(super) const fn is_dirty(&self) -> bool {
        matches!(self.state, State::Dirty | State::Writeback)
    }
}

/// The bytes of a page, wherever they are.
#[derive(Debug)]
pub(super) enum Frame {
    /// Nowhere.
    Empty,
    /// On the heap.
    Heap(Box<[u8]>),
    /// In a frame of the page source.
    Foreign(u64),
}

/// The bytes of one page, held.
pub(super) type Held<'c, E> = RwLockReadGuard<'c, <E as Env>::RwLock, Frame>;

/// The bytes of all pages, by slot.
#[derive(Debug)]
pub(super) struct Frames<E: Env> {
    slots: Vec<RwLock<E::RwLock, Frame>>,
    source: Option<Arc<dyn PageSource>>,
}

impl<E: Env> Frames<E> {
    pub(super) fn new(count: u32) -> Result<Self, NoMemory> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(count as usize)?;
        slots.extend((0..count).map(|_| RwLock::new(Frame::Empty)));
        Ok(Self { slots, source: None })
    }

    /// Frames are of `source` from now on. Called before there are any.
    pub(super) fn set_source(&mut self, source: Arc<dyn PageSource>) {
        self.source = Some(source);
    }

    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the table of pages")]
    fn slot(&self, slot: u32) -> &RwLock<E::RwLock, Frame> {
        &self.slots[slot as usize]
    }

    /// Sees to it that there are bytes, whatever is in them.
    pub(super) fn supply(&self, slot: u32) -> Result<(), NoMemory> {
        let mut frame = self.slot(slot).write();
        if matches!(*frame, Frame::Empty) {
            *frame = match &self.source {
                Some(source) => Frame::Foreign(source.allocate().ok_or(NoMemory)?),
                None => Frame::Heap(zeroes(PAGE)?.into_boxed_slice()),
            };
        }
        Ok(())
    }

    /// Gives the bytes back.
    pub(super) fn free(&self, slot: u32) {
        let frame = core::mem::replace(&mut *self.slot(slot).write(), Frame::Empty);
        if let (Frame::Foreign(frame), Some(source)) = (frame, &self.source) {
            source.free(frame);
        }
    }

    /// The number of its frame, if it has one.
    pub(super) fn number(&self, slot: u32) -> Option<u64> {
        match *self.slot(slot).read() {
            Frame::Foreign(frame) => Some(frame),
            _ => None,
        }
    }

    /// Whether nobody copies its bytes just now. The table's lock is held: nobody begins to.
    pub(super) fn is_idle(&self, slot: u32) -> bool {
        self.slot(slot).try_write().is_some()
    }

    /// Its bytes, unless somebody changes them just now.
    pub(super) fn try_hold(&self, slot: u32) -> Option<Held<'_, E>> {
        self.slot(slot).try_read()
    }

    /// Fills `out` from byte `at` of the page.
    pub(super) fn copy_held(&self, frame: &Frame, at: usize, out: &mut [u8]) {
        match (frame, &self.source) {
            (Frame::Heap(bytes), _) => {
                if let Some(bytes) = bytes.get(at..at + out.len()) {
                    out.copy_from_slice(bytes);
                }
            }
            (Frame::Foreign(frame), Some(source)) => source.copy_out(*frame, at, out),
            _ => {}
        }
    }

    /// Fills `out` from byte `at` of the page.
    pub(super) fn copy_out(&self, slot: u32, at: usize, out: &mut [u8]) {
        self.copy_held(&self.slot(slot).read(), at, out);
    }

    /// Copies `bytes` to byte `at` of the page.
    pub(super) fn copy_in(&self, slot: u32, at: usize, bytes: &[u8]) {
        match (&mut *self.slot(slot).write(), &self.source) {
            (Frame::Heap(place), _) => {
                if let Some(place) = place.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }
            (Frame::Foreign(frame), Some(source)) => source.copy_in(*frame, at, bytes),
            _ => {}
        }
    }

    /// Makes the page zero from byte `at` on.
    pub(super) fn zero_from(&self, slot: u32, at: usize) {
        const ZEROES: &[u8; PAGE] = &[0; PAGE];
        self.copy_in(slot, at, ZEROES.get(at..).unwrap_or_default());
    }

    /// Fills a page that nobody finds: `read` says how many bytes it has read; the rest becomes zero.
    pub(super) fn load(
        &self,
        slot: u32,
        read: impl FnOnce(&mut [u8]) -> Result<usize, FsError>,
    ) -> Result<(), FsError> {
        if let Frame::Heap(bytes) = &mut *self.slot(slot).write() {
            let count = read(bytes)?;
            bytes.iter_mut().skip(count).for_each(|byte| *byte = 0);
            return Ok(());
        }
        let mut bytes = zeroes(PAGE)?;
        let count = read(&mut bytes)?;
        bytes.iter_mut().skip(count).for_each(|byte| *byte = 0);
        self.copy_in(slot, 0, &bytes);
        Ok(())
    }
}

impl<E: Env> Drop for Frames<E> {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            for slot in &mut self.slots {
                if let Frame::Foreign(frame) = *slot.get_mut() {
                    source.free(frame);
                }
            }
        }
    }
}

/// A buffer of `count` bytes.
pub(super) fn zeroes(count: usize) -> Result<Vec<u8>, NoMemory> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count)?;
    bytes.resize(count, 0);
    Ok(bytes)
}
