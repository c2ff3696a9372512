//! A stack of free blocks: [`Magazine`].
//!
//! ```text
//! │ next  count │ entry 0 │ entry 1 │ …  up to the capacity of the class
//! ```
//!
//! Invariant, on which the unsafe code rests: a `Magazine` is only made by [`Magazine::carve`], of memory that is its own
//! for ever, or names a [`Head`] without room; the number in the head is at most the capacity. Head and entries are
//! atomics without order, so that anybody may look: who changes them is the owner (see [`super`]), and one at a time.

use core::mem::size_of;
use core::ptr::NonNull;

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The start of a magazine.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Head {
    next: AtomicPtr<Head>,
    count: AtomicUsize,
}

impl Head {
    /// Of a magazine without room and without a block.
    pub(super) fn new() -> Self {
        Self { next: AtomicPtr::new(core::ptr::null_mut()), count: AtomicUsize::new(0) }
    }
}

type Entry = AtomicPtr<u8>;

/// A magazine, named by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Magazine(NonNull<Head>);

// SAFETY: it names memory that is the same for every CPU and only holds atomics.
unsafe impl Send for Magazine {}

impl Magazine {
    /// Bytes of a magazine for `capacity` blocks.
    pub(super) const fn bytes(capacity: usize) -> usize {
        (size_of::<Head>() + capacity * size_of::<Entry>()).next_multiple_of(64)
    }

    /// An empty magazine at `place`.
    ///
    /// # Safety
    ///
    /// `place` is [`bytes`](Self::bytes) of memory aligned to 64, which are the magazine's alone for ever.
    pub(super) unsafe fn carve(place: NonNull<u8>, capacity: usize) -> Self {
        let head = place.cast::<Head>();
        // SAFETY: the caller gives the memory.
        unsafe { head.write(Head::new()) };
        let magazine = Self(head);
        for index in 0..capacity {
            // SAFETY: so many entries fit, and the memory is the magazine's.
            unsafe { magazine.place_of(index).write(Entry::new(core::ptr::null_mut())) };
        }
        magazine
    }

    /// The magazine at `head`, null for none.
    ///
    /// # Safety
    ///
    /// `head` is of a magazine.
    #[inline]
    pub(super) unsafe fn at(head: NonNull<Head>) -> Self {
        Self(head)
    }

    #[inline]
    pub(super) const fn head(self) -> NonNull<Head> {
        self.0
    }

    /// Blocks in it.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.get().count.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The block that was put in last, which stays in.
    pub(super) fn top(self) -> Option<NonNull<u8>> {
        self.block_at(self.len().checked_sub(1)?)
    }

    /// The block at `index`, which is below the capacity.
    #[inline]
    pub(super) fn block_at(self, index: usize) -> Option<NonNull<u8>> {
        NonNull::new(self.entry(index).load(Ordering::Relaxed))
    }

    /// Takes the last block out.
    pub(super) fn drop_top(self) {
        self.cut(self.len().saturating_sub(1));
    }

    /// Takes all blocks out but the first `count`.
    #[inline]
    pub(super) fn cut(self, count: usize) {
        self.get().count.store(count, Ordering::Relaxed);
    }

    /// Puts a block in. The caller has compared: there is room.
    pub(super) fn push(self, block: NonNull<u8>) {
        self.put_at(self.len(), block);
    }

    /// As [`push`](Self::push), where the caller has read the number of blocks.
    #[inline]
    pub(super) fn put_at(self, count: usize, block: NonNull<u8>) {
        self.entry(count).store(block.as_ptr(), Ordering::Relaxed);
        self.get().count.store(count + 1, Ordering::Relaxed);
    }

    /// The blocks in it.
    pub(super) fn blocks(self) -> impl Iterator<Item = NonNull<u8>> {
        (0..self.len()).filter_map(move |index| self.block_at(index))
    }

    /// The magazine behind it in a chain.
    pub(super) fn next(self) -> Option<Self> {
        NonNull::new(self.get().next.load(Ordering::Relaxed)).map(Self)
    }

    pub(super) fn set_next(self, next: Option<Self>) {
        let next = next.map_or(core::ptr::null_mut(), |next| next.0.as_ptr());
        self.get().next.store(next, Ordering::Relaxed);
    }

    #[inline]
    fn get(&self) -> &Head {
        // SAFETY: the head lives for ever and only holds atomics.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn entry(&self, index: usize) -> &Entry {
        // SAFETY: callers pass less than the capacity; `carve` wrote the entry, which only is used as an atomic.
        unsafe { self.place_of(index).as_ref() }
    }

    /// Where entry number `index` lies.
    #[inline]
    fn place_of(self, index: usize) -> NonNull<Entry> {
        // SAFETY: the entries follow the head in the magazine's memory.
        let first = unsafe { self.0.add(1) }.cast::<Entry>();
        // SAFETY: callers pass less than the capacity.
        unsafe { first.add(index) }
    }
}
