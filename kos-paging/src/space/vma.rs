//! Mappings: ranges of a program's addresses with like rights, and what backs them.

use core::fmt;

use bitflags::bitflags;

use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;

/// What a mapping is for. The space treats [`Kernel`](Self::Kernel) mappings as out of reach for user mode; the other
/// kinds are for who reads the list and for what is counted as shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Kind {
    /// Grows by `brk` or by a program's allocator.
    Heap,
    /// A stack.
    Stack,
    /// Memory that several programs share.
    Shared,
    /// A file.
    Mapped,
    /// For the kernel alone.
    Kernel,
    /// Anything else of a program.
    #[default]
    User,
    /// Can be had again by whoever made it.
    Cache,
    /// Between a program and a device or the kernel.
    Buffer,
}

bitflags! {
    /// How a mapping behaves.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Behaviour: u8 {
        /// Writes go to the object and are seen by all who map it. Without it they stay private.
        const SHARED = 1 << 0;
        /// A child does not get it.
        const DONT_FORK = 1 << 1;
        /// Huge pages are wanted, also where the configuration does not give them unasked.
        const HUGE = 1 << 2;
        /// No huge pages.
        const NO_HUGE = 1 << 3;
        /// A fault below it makes it longer, down to the guard gap.
        const GROWS_DOWN = 1 << 4;
    }
}

/// What a mapping shows: an object from a byte offset on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backing<O> {
    /// The object.
    pub object: O,
    /// The offset of the mapping's first byte in it, a multiple of the page size.
    pub offset: u64,
}

/// A mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vma<O> {
    /// Its addresses.
    pub range: VirtRange,
    /// What may be done: of `READ`, `WRITE`, `EXECUTE`; none is a mapping that may not be touched.
    pub rights: Flags,
    /// The rights that it can get at most.
    pub limit: Flags,
    /// What it is for.
    pub kind: Kind,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// What it shows; `None` is memory that begins as zeros.
    pub backing: Option<Backing<O>>,
}

impl<O> Vma<O> {
    /// Its first address, as a number.
    pub(crate) const fn first(&self) -> u64 {
        self.range.first().get()
    }

    /// Its last address, as a number.
    pub(crate) const fn last(&self) -> u64 {
        self.range.last().get()
    }

    /// Whether it allows an access. What may be written or run may be read: no MMU that we know tells them apart for all.
    pub(crate) fn grants(&self, access: Flags) -> bool {
        let implied = if self.rights.is_empty() { Flags::empty() } else { Flags::READ };
        (self.rights | implied).contains(access)
    }

    /// Whether others see what is written here.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.behaviour.contains(Behaviour::SHARED)
    }

    /// The offset in the object of the byte at `at`, which the mapping holds; 0 without an object.
    pub(crate) fn offset_of(&self, at: u64) -> u64 {
        self.backing.as_ref().map_or(0, |backing| backing.offset + (at - self.first()))
    }
}

impl<O: Clone> Vma<O> {
    /// The part of it from `first` to `last`.
    pub(crate) fn part(&self, first: u64, last: u64) -> Self {
        let offset = self.offset_of(first);
        let backing = self.backing.as_ref().map(|backing| Backing { object: backing.object.clone(), offset });
        Self { range: range(first, last), backing, ..self.clone() }
    }
}

impl<O: PartialEq> Vma<O> {
    /// Whether `next` is like this one and goes on where it ends, in memory and in the object.
    pub(crate) fn continues_in(&self, next: &Self) -> bool {
        let follows = self.last().checked_add(1) == Some(next.first());
        let alike = self.rights == next.rights
            && self.limit == next.limit
            && self.kind == next.kind
            && self.behaviour == next.behaviour;
        let object = match (&self.backing, &next.backing) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                one.object == other.object && one.offset + self.range.bytes() == other.offset
            }
            _ => false,
        };
        follows && alike && object
    }
}

impl<O> fmt::Display for Vma<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = |flag: Flags, name: char| if self.rights.contains(flag) { name } else { '-' };
        let (read, write, run) =
            (right(Flags::READ, 'r'), right(Flags::WRITE, 'w'), right(Flags::EXECUTE, 'x'));
        let sharing = if self.is_shared() { 's' } else { 'p' };
        write!(f, "{:#x}-{:#x} {read}{write}{run}{sharing} {:?}", self.first(), self.last(), self.kind)
    }
}

/// A range by its first and last byte, in order.
pub(crate) const fn range(first: u64, last: u64) -> VirtRange {
    VirtRange::ordered(VirtAddr::new(first), VirtAddr::new(last))
}
