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
const FRAME: u64 = 4096;
const WORDS: usize = 512;

#[repr(align(4096))]
struct Page([AtomicU64; WORDS]);

/// The bytes of all frames in use, by address.
pub type Image = BTreeMap<u64, Vec<u64>>;

/// Physical memory from [`Arena::BASE`]; hands out its highest frames first.
///
/// Only frames in use can be seen: a table that is read after it was freed is an error, not luck.
pub struct Arena {
    pages: Box<[Page]>,
    free: RefCell<Vec<usize>>,
    used: RefCell<Vec<bool>>,
}

impl Arena {
    /// The address of its first frame.
    pub const BASE: u64 = 0x0040_0000;

    /// An arena of `frames` frames.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        let page = |_| Page([const { AtomicU64::new(JUNK) }; WORDS]);
        Self {
            pages: (0..frames).map(page).collect(),
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
        self.pages.len() as u64 - self.used()
    }

    /// The content of every frame in use.
    #[must_use]
    pub fn image(&self) -> Image {
        let words = |page: &Page| page.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let used = self.used.borrow();
        let frames = self.pages.iter().zip(used.iter()).enumerate();
        frames
            .filter(|(_, (_, used))| **used)
            .map(|(index, (page, _))| (address(index), words(page)))
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
        let index = usize::try_from(at.checked_sub(Self::BASE)? / FRAME).ok()?;
        self.used.borrow().get(index)?.then_some(index)
    }

    fn word(&self, at: u64) -> Option<&AtomicU64> {
        let page = self.pages.get(self.index(at)?)?;
        page.0.get(usize::try_from(at % FRAME / 8).ok()?)
    }

    fn fill(&self, index: usize) {
        for word in self.pages.get(index).into_iter().flat_map(|page| &page.0) {
            word.store(JUNK, Ordering::Relaxed);
        }
    }
}

const fn address(index: usize) -> u64 {
    Arena::BASE + index as u64 * FRAME
}

impl core::fmt::Debug for Arena {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Arena").field("frames", &self.pages.len()).field("used", &self.used()).finish()
    }
}

impl FrameSource for Arena {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        let mut free = self.free.borrow_mut();
        let within = |index: &usize| address(*index) + FRAME - 1 <= request.highest.get();
        let place = free.iter().rposition(within).ok_or(OutOfFrames)?;
        let index = free.remove(place);
        if let Some(used) = self.used.borrow_mut().get_mut(index) {
            *used = true;
        }
        // SAFETY: the frame was free, lies in this arena's memory and is handed out once until it comes back.
        Ok(unsafe { Frame::new(PhysAddr::new(address(index))) })
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
    fn table(&self, frame: PhysAddr) -> Option<NonNull<u8>> {
        let page = self.pages.get(self.index(frame.get())?)?;
        Some(NonNull::from(page).cast())
    }
}
