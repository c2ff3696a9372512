//! Which blocks of a range are live: [`LiveMap`], one bit for every address at which a block can start.
//!
//! rlsf puts a block of small alignment half a granule behind a granule's start, and one of larger alignment on it; so
//! there is a bit for every half granule, [`STEP`]: 0.8 % of the range on a 64-bit machine, 1.6 % on a 32-bit one. A bit
//! a granule could not tell the start of a block from the header in front of it.

use core::ptr::NonNull;

/// Distance in bytes of the addresses at which a block can start, and the alignment that every block has: two words.
pub(crate) const STEP: usize = rlsf::GRANULARITY / 2;

const BITS: usize = usize::BITS as usize;

/// The bits of the bytes from `base`. Places are counted in steps from there.
#[derive(Debug)]
pub(crate) struct LiveMap {
    base: NonNull<u8>,
    steps: usize,
    words: &'static mut [usize],
}

impl LiveMap {
    /// Bytes of the range for each byte of the map.
    pub(crate) const BYTES_PER_BYTE: usize = STEP * 8;

    /// Words of the map of `bytes` bytes.
    pub(crate) const fn words_for(bytes: usize) -> usize {
        bytes.div_ceil(STEP * BITS)
    }

    /// The map of `bytes` bytes from `base`, nothing live, in `count` words at `words`, as many as
    /// [`words_for`](Self::words_for) says.
    ///
    /// # Safety
    ///
    /// The words are aligned and writable, and nobody else uses them for as long as the map is used.
    pub(crate) unsafe fn new(words: NonNull<usize>, count: usize, base: NonNull<u8>, bytes: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { words.write_bytes(0, count) };
        // SAFETY: as above, and every word is written now.
        let words = unsafe { NonNull::slice_from_raw_parts(words, count).as_mut() };
        let steps = (bytes / STEP).min(words.len() * BITS);
        Self { base, steps, words }
    }

    /// The range.
    pub(crate) const fn range(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base, self.bytes())
    }

    /// The first byte of the range.
    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes of the range.
    pub(crate) const fn bytes(&self) -> usize {
        self.steps * STEP
    }

    /// Whether `address` lies in the range.
    #[inline]
    pub(crate) fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.base.addr().get()) < self.bytes()
    }

    /// The step at or below `address`, which lies in the range.
    #[inline]
    pub(crate) fn step_below(&self, address: usize) -> usize {
        address.wrapping_sub(self.base.addr().get()) / STEP
    }

    /// The address of `step` relative to the range's first.
    #[inline]
    pub(crate) const fn offset(step: usize) -> usize {
        step * STEP
    }

    /// Whether a live block starts at `address`.
    #[inline]
    pub(crate) fn is_live(&self, address: usize) -> bool {
        address.is_multiple_of(STEP) && self.covers(address) && self.bit(self.step_below(address))
    }

    /// Says of a block that starts at `address` whether it is live.
    #[inline]
    pub(crate) fn set(&mut self, address: usize, live: bool) {
        let step = self.step_below(address);
        let Some(word) = self.words.get_mut(step / BITS) else { return };
        let bit = 1 << (step % BITS);
        *word = if live { *word | bit } else { *word & !bit };
    }

    /// The last live block that starts at or below `step`. Reads a word for each KiB between (each 256 B of 32 bits).
    pub(crate) fn last_to(&self, step: usize) -> Option<usize> {
        let mut index = step / BITS;
        let mut word = self.words.get(index)? & (usize::MAX >> (BITS - 1 - step % BITS));
        while word == 0 {
            index = index.checked_sub(1)?;
            word = *self.words.get(index)?;
        }
        Some(index * BITS + word.ilog2() as usize)
    }

    /// The first live block that starts at or above `step`. Reads as [`last_to`](Self::last_to), not beyond `limit`.
    pub(crate) fn first_from(&self, step: usize, limit: usize) -> Option<usize> {
        let mut index = step / BITS;
        let mut word = self.words.get(index)? & (usize::MAX << (step % BITS));
        while word == 0 && index < limit / BITS {
            index += 1;
            word = *self.words.get(index)?;
        }
        let found = index * BITS + word.trailing_zeros() as usize;
        (word != 0 && found < limit).then_some(found)
    }

    /// The steps at which live blocks start, lowest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        let next = |step: &usize| self.first_from(step + 1, self.steps);
        core::iter::successors(self.first_from(0, self.steps), next)
    }

    #[inline]
    fn bit(&self, step: usize) -> bool {
        self.words.get(step / BITS).is_some_and(|word| word >> (step % BITS) & 1 == 1)
    }
}
