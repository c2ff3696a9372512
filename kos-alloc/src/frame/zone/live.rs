//! Which frames somebody owns: [`Live`].
//!
//! One bit a frame, set while it is handed out; clear while it is free, in the buddy or in a CPU's cache. So a free is
//! checked, and a second free of the same frame found, without the zone's lock, wherever the frame went in between. A bit
//! is changed by whoever owns the frame; its neighbours in the word belong to others, so that takes an atomic operation.
//!
//! The bits cover one *window* of frame numbers: the whole zone, unless holes make up more than a fifth of its span; then
//! its largest region. Frames outside have no bit, never rest in a cache, and are checked by the buddy alone.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::super::region::Managed;
use crate::types::{FrameRange, Pfn};

const WORD: usize = usize::BITS as usize;

/// The window begins at a multiple of it, so that blocks of a cache up to it begin with a word.
const ALIGN: usize = 512;

/// The bits of one zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live<'m> {
    window: FrameRange,
    words: &'m [AtomicUsize],
}

impl<'m> Live<'m> {
    /// No frame has a bit.
    pub(super) const NONE: Self = Self { window: FrameRange::EMPTY, words: &[] };

    /// Words of storage for a zone with `managed` frames.
    pub(super) const fn storage_words(managed: usize) -> usize {
        managed.saturating_add(managed / 4).saturating_add(ALIGN).div_ceil(64)
    }

    /// No frame of `managed` is live; `words` are 0 and as many as [`storage_words`](Self::storage_words) said.
    pub(super) fn new(managed: Managed<'_>, words: &'m [AtomicUsize]) -> Self {
        let largest = managed.max_by_key(FrameRange::count).unwrap_or(FrameRange::EMPTY);
        let span = managed.reduce(|first, last| FrameRange::between(first.start(), last.end()));
        let count: usize = managed.map(|range| range.count()).sum();
        let dense = span.filter(|span| span.count() <= count.saturating_add(count / 4));
        let covered = dense.unwrap_or(largest);
        let start = Pfn(covered.start().0 & !(ALIGN - 1));
        Self { window: FrameRange::between(start, covered.end()), words }
    }

    /// The frames that have a bit.
    pub(super) const fn window(&self) -> FrameRange {
        self.window
    }

    /// Marks `range` as handed out; its owner is the caller, and none of it was.
    #[inline]
    pub(super) fn set(&self, range: FrameRange) {
        match self.single(range) {
            Some((word, mask)) => {
                word.fetch_or(mask, Ordering::Relaxed);
            }
            None => self.set_all(range),
        }
    }

    #[inline(never)]
    fn set_all(&self, range: FrameRange) {
        self.each(range, |word, mask| {
            word.fetch_or(mask, Ordering::Relaxed);
            true
        });
    }

    /// Marks `range` as free, if all of it was handed out, else changes nothing.
    #[inline]
    pub(super) fn clear(&self, range: FrameRange) -> bool {
        let Some((word, mask)) = self.single(range) else { return self.clear_all(range) };
        if word.load(Ordering::Relaxed) & mask != mask {
            return false;
        }
        let found = word.fetch_and(!mask, Ordering::Relaxed) & mask;
        if found != mask {
            // Somebody else freed a part of it at the same time.
            word.fetch_or(found, Ordering::Relaxed);
        }
        found == mask
    }

    #[inline(never)]
    fn clear_all(&self, range: FrameRange) -> bool {
        let all = |word: &AtomicUsize, mask| word.load(Ordering::Relaxed) & mask == mask;
        if self.each(range, all) != range.end() {
            return false;
        }
        let done = self.each(range, |word, mask| {
            let found = word.fetch_and(!mask, Ordering::Relaxed) & mask;
            if found != mask {
                word.fetch_or(found, Ordering::Relaxed);
            }
            found == mask
        });
        // Somebody else freed a part of it at the same time.
        if done != range.end() {
            self.set(FrameRange::between(range.start(), done));
        }
        done == range.end()
    }

    /// Whether any frame of `range` is known to be handed out.
    pub(super) fn any(&self, range: FrameRange) -> bool {
        self.each(range, |word, mask| word.load(Ordering::Relaxed) & mask == 0) != range.end()
    }

    /// Frames with a bit that are handed out.
    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
    }

    /// The word with all bits of `range` and the mask of those, if they lie in one word.
    #[inline]
    fn single(&self, range: FrameRange) -> Option<(&'m AtomicUsize, usize)> {
        let index = range.start().0.wrapping_sub(self.window.start().0);
        let bit = index % WORD;
        if index >= self.window.count() || range.is_empty() || range.count() > WORD - bit {
            return None;
        }
        let mask = (!0 >> (WORD - range.count())) << bit;
        (range.end() <= self.window.end()).then_some((self.words.get(index / WORD)?, mask))
    }

    /// Calls `work` with each word that has bits of `range`, and the mask of those, until it says no. The first frame
    /// for which it did, else the end of the range. Frames outside the window are passed over.
    #[inline]
    fn each(&self, range: FrameRange, mut work: impl FnMut(&AtomicUsize, usize) -> bool) -> Pfn {
        let part = range.intersection(&self.window);
        let (mut at, end) = (part.start().0, part.end().0);
        while at < end {
            let index = at - self.window.start().0;
            let bits = (WORD - index % WORD).min(end - at);
            let mask = (!0 >> (WORD - bits)) << (index % WORD);
            let Some(word) = self.words.get(index / WORD) else { break };
            if !work(word, mask) {
                return Pfn(at);
            }
            at += bits;
        }
        range.end()
    }
}
