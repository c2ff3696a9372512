//! A stack of free blocks: [`Magazine`], and a place in one: [`Place`].
//!
//! ```text
//! │ next  count  null │ entry 0 │ entry 1 │ …  up to the capacity of the class
//!                bottom                   limit
//! ```
//!
//! While a magazine is loaded its CPU only moves a place up and down in it, the *top*: that of the last block. Below the first
//! block it finds null. The count is right in every other magazine.
//!
//! Invariant, on which the unsafe code rests: a `Magazine` is only made by [`Magazine::carve`], of memory that is its own
//! for ever, or names a [`Head`] without room; the number in the head is at most the capacity; a `Place` is the bottom of a
//! magazine or one of its entries. Head and entries are atomics without order, so that anybody may look: who changes them is
//! the owner (see [`super`]), and one at a time.

use core::mem::{offset_of, size_of};
use core::ptr::{self, NonNull};

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The start of a magazine.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Head {
    next: AtomicPtr<Head>,
    count: AtomicUsize,
    /// Null for ever: what is found below the first block.
    bottom: Entry,
}

impl Head {
    /// Of a magazine without room and without a block.
    pub(super) fn new() -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
            count: AtomicUsize::new(0),
            bottom: Entry::new(ptr::null_mut()),
        }
    }
}

pub(super) type Entry = AtomicPtr<u8>;

/// A place in a magazine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Place(NonNull<Entry>);

impl Place {
    /// The place at `entry`.
    ///
    /// # Safety
    ///
    /// `entry` was a place's [`entry`](Self::entry).
    #[inline]
    pub(super) const unsafe fn at(entry: NonNull<Entry>) -> Self {
        Self(entry)
    }

    #[inline]
    pub(super) const fn entry(self) -> NonNull<Entry> {
        self.0
    }

    /// The block that is there; `None` at the bottom.
    #[inline]
    pub(super) fn block(self) -> Option<NonNull<u8>> {
        // SAFETY: `carve` wrote the entry, which lives for ever and is only used as an atomic; or it is a head's.
        NonNull::new(unsafe { self.0.as_ref() }.load(Ordering::Relaxed))
    }

    /// The next lower place.
    ///
    /// # Safety
    ///
    /// There is one: it is not the bottom.
    #[inline]
    pub(super) const unsafe fn below(self) -> Self {
        // SAFETY: below an entry is an entry, or the bottom, in the magazine's memory.
        Self(unsafe { self.0.sub(1) })
    }

    /// The next higher place, with `block` in it.
    ///
    /// # Safety
    ///
    /// There is one: it is not the limit. The magazine is the caller's.
    #[inline]
    pub(super) unsafe fn put_above(self, block: NonNull<u8>) -> Self {
        // SAFETY: the caller says that there is an entry above.
        let above = unsafe { self.0.add(1) };
        // SAFETY: as in `block`.
        unsafe { above.as_ref() }.store(block.as_ptr(), Ordering::Relaxed);
        Self(above)
    }
}

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
        for count in 1..=capacity {
            // SAFETY: so many entries fit, and the memory is the magazine's.
            unsafe { magazine.place(count).0.write(Entry::new(ptr::null_mut())) };
        }
        magazine
    }

    /// The magazine at `head`.
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

    /// Blocks in it, unless it is loaded.
    pub(super) fn len(self) -> usize {
        self.get().count.load(Ordering::Relaxed)
    }

    /// Blocks in it while `top` is its top. To whoever is not the owner the top may be of another magazine by now: he gets
    /// some number up to the `capacity`.
    pub(super) fn len_below(self, top: Place, capacity: usize) -> usize {
        let bytes = top.0.addr().get().wrapping_sub(self.place(0).0.addr().get());
        (bytes / size_of::<Entry>()).min(capacity)
    }

    /// The place of the last block.
    pub(super) fn top_place(self) -> Place {
        self.place(self.len())
    }

    /// The place with `count` blocks up to there: 0 for the bottom, the capacity for the limit.
    pub(super) fn place(self, count: usize) -> Place {
        // SAFETY: the bottom is the head's last field.
        let bottom = unsafe { self.0.byte_add(offset_of!(Head, bottom)) }.cast::<Entry>();
        // SAFETY: entries follow the head in the magazine's memory, and callers pass at most the capacity.
        Place(unsafe { bottom.add(count) })
    }

    pub(super) fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The block that was put in last, which stays in.
    pub(super) fn top(self) -> Option<NonNull<u8>> {
        self.top_place().block()
    }

    /// Takes the last block out.
    pub(super) fn drop_top(self) {
        self.cut(self.len().saturating_sub(1));
    }

    /// Takes all blocks out but the first `count`.
    pub(super) fn cut(self, count: usize) {
        self.get().count.store(count, Ordering::Relaxed);
    }

    /// Puts a block in. The caller has compared: there is room.
    pub(super) fn push(self, block: NonNull<u8>) {
        let count = self.len();
        // SAFETY: there is room, and who puts blocks in is the owner.
        unsafe { self.place(count).put_above(block) };
        self.cut(count + 1);
    }

    /// The blocks in it.
    pub(super) fn blocks(self) -> impl Iterator<Item = NonNull<u8>> {
        (1..=self.len()).filter_map(move |count| self.place(count).block())
    }

    /// The magazine behind it in a chain.
    pub(super) fn next(self) -> Option<Self> {
        NonNull::new(self.get().next.load(Ordering::Relaxed)).map(Self)
    }

    pub(super) fn set_next(self, next: Option<Self>) {
        let next = next.map_or(ptr::null_mut(), |next| next.0.as_ptr());
        self.get().next.store(next, Ordering::Relaxed);
    }

    fn get(&self) -> &Head {
        // SAFETY: the head lives for ever and only holds atomics.
        unsafe { self.0.as_ref() }
    }
}
