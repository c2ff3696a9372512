//! Fake physical memory: frames for tables, counted, junk-filled, forgotten when freed.
#![expect(unsafe_code, reason = "claims frames of its own memory and hands out pointers into it")]

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::addr::PhysAddr;
use crate::ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper};

/// What a frame holds before it is handed out and after it came back: present, and wrong everywhere.
const JUNK: u64 = 0xa5a5_a5a5_a5a5_a5a5;
const PAGE: u64 = 4096;
const WORDS: usize = 512;

#[repr(align(4096))]
struct Page([AtomicU64; WORDS]);

/// The bytes of all frames in use, by address.
pub type Image = BTreeMap<u64, Vec<u64>>;

/// Physical memory from [`Arena::BASE`]; hands out its highest frames first.
///
/// Its frames are of one length; a request for a shorter one is served with a whole one.
/// Only frames in use can be seen: a table that is read after it was freed is an error, not luck.
pub struct Arena {
    pages: Box<[Page]>,
    order: u8,
    free: RefCell<Vec<usize>>,
    used: RefCell<Vec<bool>>,
}

impl Arena {
    /// The address of its first frame.
    pub const BASE: u64 = 0x0040_0000;

    /// An arena of `frames` frames of 4 KiB.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        Self::of_order(frames, 0)
    }

    /// An arena of `frames` frames of `4096 << order` bytes.
    #[must_use]
    pub fn of_order(frames: usize, order: u8) -> Self {
        let page = |_| Page([const { AtomicU64::new(JUNK) }; WORDS]);
        Self {
            pages: (0..frames << order).map(page).collect(),
            order,
            free: RefCell::new((0..frames).collect()),
            used: RefCell::new(alloc::vec![false; frames]),
        }
    }

    /// Frames handed out and not given back.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.borrow().iter().map(|used| u64::from(*used)).sum()
    }

    /// Frames left.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.used.borrow().len() as u64 - self.used()
    }

    /// `1 << order` frames in a row as one, aligned to its length; they come back one by one.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] if no such row is free.
    pub fn block(&self, order: u8) -> Result<Frame, OutOfFrames> {
        let (mut used, count) = (self.used.borrow_mut(), 1_usize << order);
        let aligned = |first: &usize| self.address(*first).is_multiple_of(self.frame() << order);
        let mut starts = (0..used.len()).filter(aligned);
        let is_free = |first: &usize| {
            used.get(*first..first + count).is_some_and(|frames| frames.iter().all(|used| !used))
        };
        let first = starts.find(is_free).ok_or(OutOfFrames)?;
        used.iter_mut().skip(first).take(count).for_each(|used| *used = true);
        self.free.borrow_mut().retain(|index| !(first..first + count).contains(index));
        // SAFETY: the frames were free, lie in this arena's memory and are handed out once until they come back.
        Ok(unsafe { Frame::of_order(PhysAddr::new(self.address(first)), self.order + order) })
    }

    /// The content of every frame in use.
    #[must_use]
    pub fn image(&self) -> Image {
        let words = |pages: &[Page]| {
            pages.iter().flat_map(|page| &page.0).map(|word| word.load(Ordering::Relaxed)).collect()
        };
        let used = self.used.borrow();
        let frames = self.pages.chunks(1 << self.order).zip(used.iter()).enumerate();
        frames
            .filter(|(_, (_, used))| **used)
            .map(|(index, (pages, _))| (self.address(index), words(pages)))
            .collect()
    }

    /// Reads `bytes` bytes, 4 or 8, at an address aligned to them; `None` if that is in no frame in use.
    #[must_use]
    pub fn read(&self, at: u64, bytes: u64) -> Option<u64> {
        let word = self.word(at)?.load(Ordering::Relaxed);
        if bytes == 8 {
            return Some(word);
        }
        let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
        let half = if at.is_multiple_of(8) { [a, b, c, d] } else { [e, f, g, h] };
        Some(u32::from_ne_bytes(half).into())
    }

    /// Sets bits of the entry at an address, as an MMU does, or a test that damages a table.
    pub fn set_bits(&self, at: u64, bytes: u64, bits: u64) {
        let low = if bytes == 8 || at.is_multiple_of(8) == cfg!(target_endian = "little") {
            bits
        } else {
            bits << 32
        };
        if let Some(word) = self.word(at) {
            word.fetch_or(low, Ordering::Relaxed);
        }
    }

    /// Replaces an 8-byte word: for tests that damage a table.
    pub fn write(&self, at: u64, word: u64) {
        if let Some(place) = self.word(at) {
            place.store(word, Ordering::Relaxed);
        }
    }

    fn index(&self, at: u64) -> Option<usize> {
        let index = usize::try_from(at.checked_sub(Self::BASE)? / self.frame()).ok()?;
        self.used.borrow().get(index)?.then_some(index)
    }

    /// The page of an address in a frame in use.
    fn page(&self, at: u64) -> Option<&Page> {
        self.index(at)?;
        self.pages.get(usize::try_from((at - Self::BASE) / PAGE).ok()?)
    }

    fn word(&self, at: u64) -> Option<&AtomicU64> {
        self.page(at)?.0.get(usize::try_from(at % PAGE / 8).ok()?)
    }

    fn fill(&self, index: usize) {
        let pages = self.pages.chunks(1 << self.order).nth(index);
        for word in pages.into_iter().flatten().flat_map(|page| &page.0) {
            word.store(JUNK, Ordering::Relaxed);
        }
    }

    /// Bytes of a frame.
    const fn frame(&self) -> u64 {
        PAGE << self.order
    }

    const fn address(&self, index: usize) -> u64 {
        Self::BASE + index as u64 * self.frame()
    }
}

impl core::fmt::Debug for Arena {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Arena")
            .field("frames", &self.used.borrow().len())
            .field("used", &self.used())
            .finish()
    }
}

impl FrameSource for Arena {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        let mut free = self.free.borrow_mut();
        let fits = request.order <= self.order;
        let within = |index: &usize| self.address(*index) + self.frame() - 1 <= request.highest.get();
        let place = free.iter().rposition(|index| fits && within(index)).ok_or(OutOfFrames)?;
        let index = free.remove(place);
        if let Some(used) = self.used.borrow_mut().get_mut(index) {
            *used = true;
        }
        // SAFETY: the frame was free, lies in this arena's memory and is handed out once until it comes back.
        Ok(unsafe { Frame::of_order(PhysAddr::new(self.address(index)), request.order) })
    }

    fn free(&self, frame: Frame) {
        let index = self.index(frame.address().get());
        #[expect(clippy::panic, reason = "a fake that tells the test about a foreign or double free")]
        let Some(index) = index else { panic!("{} is not in use", frame.address()) };
        self.fill(index);
        if let Some(used) = self.used.borrow_mut().get_mut(index) {
            *used = false;
        }
        self.free.borrow_mut().push(index);
    }
}

// SAFETY: the pages are atomics, aligned to 4096, that live as long as the arena and move never; each frame is its own.
unsafe impl PhysMapper for Arena {
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        let last = frame.get().checked_add(bytes as u64 - 1)?;
        if self.index(frame.get())? != self.index(last)? || !frame.is_aligned(PAGE) {
            return None;
        }
        let first = usize::try_from((frame.get() - Self::BASE) / PAGE).ok()?;
        let pages = self.pages.get(first..first + bytes.div_ceil(4096))?;
        Some(NonNull::from(pages).cast())
    }
}
