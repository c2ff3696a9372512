//! How a message lies in its blocks: [`Block`], `Frame`.
//!
//! A message is a chain of blocks. The first begins with the frame, [`HEADER`] bytes; the message's own bytes follow, through all of
//! them, without a gap. Its capabilities lie in a chain of places of their own.

use core::fmt;

/// No block, no place, no message.
pub(super) const NONE: u32 = u32::MAX;
/// Bytes of a frame.
pub(super) const HEADER: usize = 24;
/// Bytes of a block that a message can use.
pub(super) const DATA: usize = 124;

/// 128 bytes of a channel's memory. A message takes one for its first 100 bytes, and one more for every 124.
#[derive(Clone)]
pub struct Block {
    pub(super) next: u32,
    pub(super) bytes: [u8; DATA],
}

impl Block {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: NONE, bytes: [0; DATA] }
    }

    /// Blocks that a message of `len` bytes takes.
    #[must_use]
    pub const fn count_for(len: usize) -> usize {
        len.saturating_add(HEADER).div_ceil(DATA)
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("next", &self.next).finish_non_exhaustive()
    }
}

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The first block of the message behind it.
    pub(super) next: u32,
    /// Its own bytes.
    pub(super) len: u32,
    /// The place of its first capability.
    pub(super) first_cap: u32,
    pub(super) caps: u32,
    /// The call that it begins; 0 is none.
    pub(super) txid: u64,
}

impl Frame {
    #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub(super) fn write(&self, block: &mut Block) {
        let Self { next, len, first_cap, caps, txid } = *self;
        let words = [next, len, first_cap, caps, txid as u32, (txid >> 32) as u32];
        let (places, _) = block.bytes.as_chunks_mut();
        places.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_le_bytes());
    }

    pub(super) fn read(block: &Block) -> Self {
        let (words, _) = block.bytes.as_chunks();
        let mut words = words.iter().map(|&word| u32::from_le_bytes(word));
        let mut next = || words.next().unwrap_or(NONE);
        let [link, len, first_cap, caps, low, high] = [(); 6].map(|()| next());
        Self { next: link, len, first_cap, caps, txid: u64::from(high) << 32 | u64::from(low) }
    }
}

/// Copies as much as there is and fits.
pub(super) fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}
