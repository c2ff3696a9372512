//! Blocks of one size out of a lent buffer: [`Pool`].
//!
//! | item | what it is |
//! |---|---|
//! | [`Pool`] | the blocks and a bit for each, for one owner |
//! | [`SharedPool`] | a pool behind the kernel's lock, for all CPUs |
//! | [`PoolEmpty`] | there is no free block |
//! | [`InitError`] | why there is no pool |
//!
//! The buffer holds the books first, then the blocks. A bit a block says whether it is free, with summaries 64 to 1 above,
//! so that the lowest free block and the check of a free are a few words each, however many blocks there are. Free blocks
//! are never read or written, nor is a pointer that comes back: what it names is decided by its address alone.
//!
//! Invariant: a block is handed out if and only if its bit is clear.

#[expect(unsafe_code, reason = "cuts the lent buffer up and derives the pointers to its blocks")]
mod carve;
mod error;
#[expect(unsafe_code, reason = "passes on what the caller of `free` promises")]
mod shared;
#[cfg(test)]
#[expect(unsafe_code, reason = "frees blocks, rightly and wrongly, and writes to them")]
mod tests;

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use self::carve::Blocks;
pub use self::error::{InitError, PoolEmpty};
pub use self::shared::SharedPool;
use crate::error::{Corruption, FreeError};
use crate::frame::Tree;
use crate::types::Pfn;

/// The smallest block in bytes.
pub const MIN_BLOCK: usize = 16;

/// The largest block in bytes.
pub const MAX_BLOCK: usize = 1 << 20;

/// Blocks of one layout, 16 B to 1 MiB, out of a lent buffer.
///
/// Allocating and freeing take constant time and touch no block; they may be called in any context. [`SharedPool`] adds
/// the lock.
///
/// ```
/// use core::alloc::Layout;
/// use core::mem::MaybeUninit;
/// use kos_alloc::{Pool, PoolEmpty};
///
/// const PACKET: Layout = Layout::new::<[u64; 192]>();
/// let mut buffer = [MaybeUninit::uninit(); Pool::bytes_for(PACKET, 4)];
/// let mut pool = Pool::new(&mut buffer, PACKET)?;
/// let packets = [(); 4].map(|()| pool.allocate().unwrap());
/// assert_eq!(pool.allocate(), Err(PoolEmpty { capacity: 4 }));
/// // SAFETY: the first is a live block; what is no longer one is refused.
/// let frees = [packets[0]; 2].map(|packet| unsafe { pool.free(packet) });
/// assert!(frees[0].is_ok() && frees[1].is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool<'m> {
    blocks: Blocks<'m>,
    words: &'m mut [u64],
    /// A set bit is a free block.
    free: Tree,
    stats: PoolStats,
}

/// The counters of one [`Pool`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Bytes of a block.
    pub block: usize,
    /// Blocks, free or not.
    pub capacity: usize,
    /// Blocks handed out.
    pub live: usize,
    /// The most blocks that were handed out at one time.
    pub peak: usize,
    /// Allocations that found no block.
    pub failed: usize,
    /// Frees that were refused.
    pub refused: usize,
}

impl<'m> Pool<'m> {
    /// Bytes of a buffer, wherever it lies, that holds `capacity` blocks of `block` and the books.
    #[must_use]
    pub const fn bytes_for(block: Layout, capacity: usize) -> usize {
        carve::bytes_for(block, capacity)
    }

    /// Cuts `memory` into as many blocks as it has room for. Takes time in proportion to their number.
    ///
    /// # Errors
    ///
    /// [`InitError`] if a block is too small or too large, or the buffer does not hold one.
    pub fn new(memory: &'m mut [MaybeUninit<u8>], block: Layout) -> Result<Self, InitError> {
        let (blocks, words) = Blocks::carve(memory, block)?;
        let capacity = blocks.count();
        let free = Tree::new(0, capacity).ok_or(InitError::BlockSize { size: block.size() })?;
        free.fill(words, 0, capacity, true);
        let stats = PoolStats { block: blocks.stride(), capacity, ..PoolStats::default() };
        Ok(Self { blocks, words, free, stats })
    }

    /// A block with any content.
    ///
    /// # Errors
    ///
    /// [`PoolEmpty`] if all are handed out.
    pub fn allocate(&mut self) -> Result<NonNull<u8>, PoolEmpty> {
        let index = self.free.next(self.words, 0);
        let taken = index.and_then(|index| Some((index, self.blocks.address(index)?)));
        let Some((index, block)) = taken else {
            self.stats.failed += 1;
            return Err(PoolEmpty { capacity: self.stats.capacity });
        };
        self.free.clear(self.words, index);
        self.stats.live += 1;
        self.stats.peak = self.stats.peak.max(self.stats.live);
        Ok(block)
    }

    /// Takes a block back.
    ///
    /// # Errors
    ///
    /// [`FreeError`] with the pointer: `NotManaged` if it points to no block of this pool, `Interior` if into one,
    /// `DoubleFree` if the block is free already. Nothing changes then.
    ///
    /// # Safety
    ///
    /// Whoever was given the block does not use it any more.
    #[expect(unsafe_code, reason = "the caller promises that the block is unused")]
    pub unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError<NonNull<u8>>> {
        match self.find_live(block) {
            Ok(index) => {
                self.free.set(self.words, index);
                self.stats.live -= 1;
                Ok(())
            }
            Err(error) => {
                self.stats.refused += 1;
                Err(error)
            }
        }
    }

    /// The number of the live block at `at`.
    fn find_live(&self, at: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        let (index, block) = self.blocks.locate(at).ok_or(FreeError::NotManaged(at))?;
        if block != at {
            Err(FreeError::Interior { at, block })
        } else if self.free.get(self.words, index) {
            Err(FreeError::DoubleFree(at))
        } else {
            Ok(index)
        }
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> PoolStats {
        self.stats
    }

    /// Walks every invariant, in time proportional to the number of blocks: for tests and self-tests.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found; the number of the block stands in place of a frame.
    pub fn check(&self) -> Result<(), Corruption> {
        let corrupt = |what, block| Corruption { what, frame: Pfn(block) };
        self.free
            .check(self.words)
            .map_err(|block| corrupt("a summary of the pool must tell its words", block))?;
        let next = |&block: &usize| self.free.next(self.words, block + 1);
        let free = core::iter::successors(self.free.next(self.words, 0), next).count();
        if free + self.stats.live == self.stats.capacity {
            Ok(())
        } else {
            Err(corrupt("free and live blocks must be all blocks of the pool", free))
        }
    }
}
