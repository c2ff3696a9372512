//! Several lent ranges as one heap: [`Tiny`].
//!
//! Invariant, on which the unsafe code rests: `first` and the `next` of each chunk name chunks that `lend` made and
//! `take_empty` has not taken out, each once; nothing else has a pointer to one.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use rlsf::GRANULARITY;

use super::chunk::Chunk;
use super::live::LiveMap;
use super::{LendError, TinyStats};
use crate::error::{AllocError, Corruption, FreeError};
use crate::types::Pfn;

type Link<const DOUBLINGS: usize, const STEPS: usize> = Option<NonNull<Chunk<DOUBLINGS, STEPS>>>;

/// A TLSF heap over lent ranges, without a lock.
///
/// To allocate, free and resize takes constant time, whatever the blocks; but it looks at one range after the other, of
/// which there should be few. A wrong free is a [`FreeError`] and changes nothing: to say what is wrong with it reads the
/// live map backwards to the next live block, a word for each KiB. What lies between blocks is rlsf's: who writes beyond
/// his block breaks the heap.
///
/// It does not give the ranges back when it is dropped; blocks that live then stay as they are.
pub struct Tiny<const DOUBLINGS: usize = 16, const STEPS: usize = 8> {
    first: Link<DOUBLINGS, STEPS>,
    peak: usize,
    live: usize,
    failed: usize,
    refused: usize,
}

/// A range that is ready for a heap.
#[derive(Debug)]
#[must_use]
pub struct Prepared<const DOUBLINGS: usize, const STEPS: usize>(NonNull<Chunk<DOUBLINGS, STEPS>>);

// SAFETY: the range is its own, and moves with it.
unsafe impl<const DOUBLINGS: usize, const STEPS: usize> Send for Prepared<DOUBLINGS, STEPS> {}

// SAFETY: the chunks are the heap's own memory, and move with it.
unsafe impl<const DOUBLINGS: usize, const STEPS: usize> Send for Tiny<DOUBLINGS, STEPS> {}

impl<const DOUBLINGS: usize, const STEPS: usize> Tiny<DOUBLINGS, STEPS> {
    /// Bytes that a range may have for its blocks.
    pub const MAX_RANGE: usize = Chunk::<DOUBLINGS, STEPS>::MAX_POOL;

    /// A heap without memory; every allocation fails until a range was lent.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None, peak: 0, live: 0, failed: 0, refused: 0 }
    }

    /// Takes `range` for blocks, as long as it is not [taken back](Self::take_empty). Any start and length will do.
    ///
    /// # Errors
    ///
    /// [`LendError`]; the range stays the caller's.
    ///
    /// # Safety
    ///
    /// The range is writable memory that nobody else uses, for as long as a block of it or the heap itself is used.
    pub unsafe fn lend(&mut self, range: NonNull<[u8]>) -> Result<(), LendError> {
        // SAFETY: passed on from the caller.
        self.adopt(unsafe { Self::prepare(range) }?);
        Ok(())
    }

    /// The first half of [`lend`](Self::lend), which writes the books of the range: time in proportion to its length, and
    /// no need of the heap. The range comes back by [`adopt`](Self::adopt) and [`take_empty`](Self::take_empty).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn prepare(range: NonNull<[u8]>) -> Result<Prepared<DOUBLINGS, STEPS>, LendError> {
        // SAFETY: passed on from the caller.
        unsafe { Chunk::create(range) }.map(Prepared)
    }

    /// The other half of [`lend`](Self::lend).
    pub fn adopt(&mut self, range: Prepared<DOUBLINGS, STEPS>) {
        // Behind the others, so that the oldest chunks fill and the youngest empty.
        *self.link(|_| false) = Some(range.0);
    }

    /// Bytes of a range that is sure to hold one block of `layout`, wherever it starts; `None` if there is none.
    #[must_use]
    pub fn range_for(layout: Layout) -> Option<usize> {
        let block = layout.size().checked_add(layout.align())?.checked_add(2 * GRANULARITY)?;
        // A search passes over what is less than a step larger than asked; behind is the sentinel.
        let pool = block.checked_add(block / STEPS)?.checked_add(2 * GRANULARITY)?;
        let map = pool / LiveMap::BYTES_PER_BYTE + 2 * size_of::<usize>();
        let head = size_of::<Chunk<DOUBLINGS, STEPS>>() + 2 * GRANULARITY;
        pool.checked_add(map + head).filter(|_| pool <= Self::MAX_RANGE)
    }

    /// Takes back a range none of whose blocks is live, as it was lent; `None` if there is none.
    pub fn take_empty(&mut self) -> Option<NonNull<[u8]>> {
        self.take_empty_if(|_| true)
    }

    /// Number of ranges none of whose blocks is live.
    pub fn empties(&self) -> usize {
        self.chunks().filter(|chunk| chunk.is_empty()).count()
    }

    /// As [`take_empty`](Self::take_empty), one that is `wanted`.
    pub fn take_empty_if(&mut self, wanted: impl Fn(NonNull<[u8]>) -> bool) -> Option<NonNull<[u8]>> {
        let link = self.link(|chunk| chunk.is_empty() && wanted(chunk.lent()));
        // SAFETY: the list names chunks that exist; from here on it does not name this one.
        let chunk = unsafe { (*link)?.as_ref() };
        *link = chunk.next;
        Some(chunk.lent())
    }

    /// A block of at least `layout.size()` bytes, aligned to `layout.align()`, with any content. For 0 bytes an aligned
    /// pointer that may not be read through.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: `NotReady` before memory was lent, `BadRequest` for what no range can hold, else `NoMemory`, whose
    /// `largest_free` is an upper bound. Nothing changed then but the count of failures.
    pub fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if layout.size() == 0 {
            return Ok(layout.dangling_ptr());
        }
        let block = self.chunks_mut().find_map(|chunk| chunk.allocate(layout));
        let Some((block, bytes)) = block else { return Err(self.fail(layout)) };
        self.grow(bytes);
        Ok(block)
    }

    /// Gives a block back. Nothing is done for a layout of 0 bytes.
    ///
    /// # Errors
    ///
    /// [`FreeError`] if `ptr` is not a live block of this heap that such a layout gets; nothing changed then:
    /// - [`DoubleFree`](FreeError::DoubleFree): a block can start there, but none that is live does;
    /// - [`Interior`](FreeError::Interior): it points into a live block;
    /// - [`WrongSize`](FreeError::WrongSize): another size or alignment, as far as they make a difference to the block;
    /// - [`NotManaged`](FreeError::NotManaged): everything else.
    ///
    /// # Safety
    ///
    /// If `ptr` is a live block of this heap, nobody uses it any more. (A pointer that is none is safe: it is refused.)
    pub unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        if layout.size() == 0 {
            return Ok(());
        }
        let freed = self.at(ptr, |chunk| chunk.free(ptr, layout))?;
        self.live -= freed;
        Ok(())
    }

    /// Gives a block back whose layout the caller does not know; says how many bytes it had.
    ///
    /// # Errors
    ///
    /// As [`free`](Self::free), and [`LayoutRequired`](FreeError::LayoutRequired) for a block that was aligned to four
    /// words or more, unless it has the size of its alignment.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    pub unsafe fn free_without_layout(&mut self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        let freed = self.at(ptr, |chunk| chunk.free_without_layout(ptr))?;
        self.live -= freed;
        Ok(freed)
    }

    /// Makes the block at `ptr`, of layout `old`, one of `new_size` bytes without moving it; says whether it could.
    /// Neither size may be 0.
    ///
    /// # Errors
    ///
    /// `ptr` and `old` are refused as [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// If `ptr` is a live block of this heap, nobody uses what is beyond `new_size` bytes any more.
    pub unsafe fn resize(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new_size: usize,
    ) -> Result<bool, FreeError<NonNull<u8>>> {
        let Ok(new) = Layout::from_size_align(new_size, old.align()) else { return Ok(false) };
        let Some(more) = self.at(ptr, |chunk| chunk.resize(ptr, old, new))? else { return Ok(false) };
        self.grow(more);
        Ok(true)
    }

    /// Bytes that the live block at `ptr` has, at least as many as were asked.
    ///
    /// # Errors
    ///
    /// As [`free`](Self::free).
    pub fn usable_size(&self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        let chunk = self.chunks().find(|chunk| chunk.covers(ptr.addr().get()));
        chunk.ok_or(self.foreign(ptr))?.usable_size(ptr)
    }

    /// The counters.
    pub fn stats(&self) -> TinyStats {
        let Self { peak, failed, refused, .. } = *self;
        let mut stats = TinyStats { peak, failed, refused, ..TinyStats::default() };
        self.chunks().for_each(|chunk| chunk.count(&mut stats));
        stats
    }

    /// Walks every block: whether bits, headers and counters agree. For tests and diagnosis.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found; its frame is the chunk's address in units of 4 KiB.
    pub fn check(&self) -> Result<(), Corruption> {
        let mut live = 0;
        for chunk in self.chunks() {
            let frame = Pfn(chunk.lent().addr().get() >> 12);
            live += chunk.check().map_err(|what| Corruption { what, frame })?;
        }
        if live != self.live {
            return Err(Corruption {
                what: "the chunks of the tiny heap have not as many live bytes as it",
                frame: Pfn(0),
            });
        }
        Ok(())
    }

    fn grow(&mut self, more: usize) {
        self.live = self.live.wrapping_add(more);
        self.peak = self.peak.max(self.live);
    }

    /// Runs `work` on the chunk in which `ptr` lies, and counts what it refuses.
    fn at<R>(
        &mut self,
        ptr: NonNull<u8>,
        work: impl FnOnce(&mut Chunk<DOUBLINGS, STEPS>) -> Result<R, FreeError<NonNull<u8>>>,
    ) -> Result<R, FreeError<NonNull<u8>>> {
        let chunk = self.chunks_mut().find(|chunk| chunk.covers(ptr.addr().get()));
        let done = match chunk {
            Some(chunk) => work(chunk),
            None => Err(self.foreign(ptr)),
        };
        self.refused += usize::from(done.is_err());
        done
    }

    const fn foreign(&self, ptr: NonNull<u8>) -> FreeError<NonNull<u8>> {
        if self.first.is_some() { FreeError::NotManaged(ptr) } else { FreeError::NotReady(ptr) }
    }

    #[cold]
    fn fail(&mut self, layout: Layout) -> AllocError {
        self.failed += 1;
        let (size, align) = (layout.size(), layout.align());
        let Some(largest_free) = self.chunks().map(Chunk::free_bytes).max() else {
            return AllocError::NotReady;
        };
        if size.saturating_add(align) > Self::MAX_RANGE {
            return AllocError::BadRequest { size, align };
        }
        AllocError::NoMemory { requested: size, largest_free }
    }
}

impl<const DOUBLINGS: usize, const STEPS: usize> Tiny<DOUBLINGS, STEPS> {
    fn chunks(&self) -> impl Iterator<Item = &Chunk<DOUBLINGS, STEPS>> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            // SAFETY: the list names chunks that exist, and `self` is borrowed as long as they are.
            let chunk = unsafe { next?.as_ref() };
            next = chunk.next;
            Some(chunk)
        })
    }

    fn chunks_mut(&mut self) -> impl Iterator<Item = &mut Chunk<DOUBLINGS, STEPS>> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            // SAFETY: the list names each chunk once, and `self` is borrowed for the caller alone as long as they are.
            let chunk = unsafe { next?.as_mut() };
            next = chunk.next;
            Some(chunk)
        })
    }

    /// The link to the first chunk that `wanted` picks; the last link, which names none, if it picks none.
    fn link(&mut self, wanted: impl Fn(&Chunk<DOUBLINGS, STEPS>) -> bool) -> &mut Link<DOUBLINGS, STEPS> {
        let mut link = &mut self.first;
        while let Some(mut chunk) = *link {
            // SAFETY: as in `chunks_mut`; the chunks before it are not used any more.
            let chunk = unsafe { chunk.as_mut() };
            if wanted(chunk) {
                break;
            }
            link = &mut chunk.next;
        }
        link
    }
}

impl<const DOUBLINGS: usize, const STEPS: usize> Default for Tiny<DOUBLINGS, STEPS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const DOUBLINGS: usize, const STEPS: usize> fmt::Debug for Tiny<DOUBLINGS, STEPS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiny").field("stats", &self.stats()).finish()
    }
}
