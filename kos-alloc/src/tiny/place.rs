//! How a lent range is cut: [`Place`].
//!
//! ```text
//! lent range │ head │ live map │ pool │
//! ```

use core::ptr::NonNull;

use rlsf::GRANULARITY;

use super::live::LiveMap;

/// Where the parts of a range lie: offsets, each aligned in memory as its part must be, none overlapping another.
#[derive(Debug)]
pub(crate) struct Place {
    head: usize,
    words: usize,
    word_count: usize,
    pool: usize,
    pub(crate) pool_bytes: usize,
}

impl Place {
    /// Least bytes of a pool: a block and the sentinel.
    const MIN_POOL: usize = 2 * GRANULARITY;

    /// The cut of `lent` with a `Head` in front.
    ///
    /// # Errors
    ///
    /// If there is no room for a block: how many bytes would do.
    pub(crate) fn of<Head>(lent: NonNull<[u8]>) -> Result<Self, usize> {
        let start = lent.cast::<u8>().addr().get();
        let given = lent.len();
        // A range that exists ends before the last address, so no sum of an address in it and a head wraps.
        let align_up = |offset: usize, align: usize| (start + offset).next_multiple_of(align) - start;
        let head = align_up(0, align_of::<Head>().max(align_of::<usize>()));
        let words = align_up(head + size_of::<Head>(), align_of::<usize>());
        let rest = given.checked_sub(words).ok_or(words + GRANULARITY + Self::MIN_POOL)?;
        let word_count = LiveMap::words_for(rest).max(1);
        let pool = align_up(words + word_count * size_of::<usize>(), GRANULARITY);
        let pool_bytes = given.saturating_sub(pool) & !(GRANULARITY - 1);
        if pool_bytes < Self::MIN_POOL {
            return Err(pool + Self::MIN_POOL);
        }
        Ok(Self { head, words, word_count, pool, pool_bytes })
    }

    /// The place of the head, not written yet, and the map of the pool, nothing live.
    ///
    /// # Safety
    ///
    /// `lent` is what this is the cut of: writable memory that nobody else uses, for as long as the map is used.
    pub(crate) unsafe fn carve<Head>(&self, lent: NonNull<[u8]>) -> (NonNull<Head>, LiveMap) {
        let base = lent.cast::<u8>();
        // SAFETY: `of` keeps every offset within the range; here and below.
        let head = unsafe { base.add(self.head) };
        // SAFETY: as above.
        let words = unsafe { base.add(self.words) };
        // SAFETY: as above.
        let pool = unsafe { base.add(self.pool) };
        // SAFETY: the words are aligned, in the range, and apart from head and pool; the caller answers for the rest.
        let live = unsafe { LiveMap::new(words.cast(), self.word_count, pool, self.pool_bytes) };
        (head.cast(), live)
    }
}
