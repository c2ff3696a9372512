//! Size classes: which block serves a layout, and how a slab of such blocks is laid out.
//!
//! There are 36 classes, four steps a doubling: 8, 16, … 64, then 80, 96, 112, 128, 160, … 8192 bytes. A block is
//! aligned to the largest power of two that divides its size, so a power-of-two class is naturally aligned, and a layout
//! whose alignment exceeds its size is served by the class of its size rounded up to the alignment: in each doubling
//! the rounded size either is a multiple of the step or is a class itself.
//!
//! A slab is a power of two of frames, naturally aligned, at most [`SLAB_LIMIT`] bytes: the smallest that holds eight
//! blocks and wastes at most 1/16. Only 8192 bytes needs the limit with seven blocks and 1/8. The header (see
//! [`super::header`]) lies at the base, also of the large classes, and the last block ends with the slab: where blocks are
//! not powers of two the header fills what would be a remainder, and where they are it costs one block.

use core::alloc::Layout;

use super::header;
use super::per_class::PerClass;

/// Number of size classes.
pub const CLASSES: usize = 36;

/// The largest block in bytes that comes from a slab.
pub(crate) const LARGEST: usize = 8192;

/// The largest slab in bytes.
pub(crate) const SLAB_LIMIT: usize = 64 << 10;

/// Most blocks of a slab: the header's bitmap has one word of summary.
const BLOCK_LIMIT: usize = 64 * 64;

/// A size class, by the byte that the heap's page map has for its slabs: [`FIRST`](Self::FIRST) + its number, which is below
/// [`CLASSES`]. A whole word, because it is an index on every way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(usize);

impl Class {
    /// The byte of the smallest class.
    pub(crate) const FIRST: u8 = 2;

    const SMALLEST: Self = Self(Self::FIRST as usize);

    /// The class that serves `layout`; `None` if it is empty or needs more than [`LARGEST`] bytes.
    #[inline]
    pub(crate) const fn of(layout: Layout) -> Option<Self> {
        if layout.align() > GRAIN {
            return Self::over_aligned(layout);
        }
        let last = layout.size().wrapping_sub(1);
        if last >= LARGEST {
            return None;
        }
        Some(Self::by_size(last))
    }

    /// The class of blocks for `last` + 1 bytes; `last` is below [`LARGEST`].
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the caller compared")]
    const fn by_size(last: usize) -> Self {
        Self(BY_SIZE[last / GRAIN] as usize)
    }

    /// The class that serves a layout whose alignment its size may have to be rounded up to.
    #[cold]
    const fn over_aligned(layout: Layout) -> Option<Self> {
        let need = bytes_needed(layout);
        if need.wrapping_sub(1) < LARGEST { Some(Self::fitting(need)) } else { None }
    }

    /// Class number `index`; `None` beyond the last.
    #[inline]
    pub(crate) const fn new(index: u8) -> Option<Self> {
        if (index as usize) < CLASSES { Some(Self(index as usize + Self::FIRST as usize)) } else { None }
    }

    /// Every class, smallest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::new)
    }

    /// The smallest class of at least `need` bytes, 1 to [`LARGEST`]: the position of the highest bit gives the
    /// doubling, the two bits below it the step.
    const fn fitting(need: usize) -> Self {
        let last = need - 1;
        let doubling = (last | 32).ilog2();
        Self((doubling as usize - 5) * 4 + (last >> (doubling - 2)) + Self::FIRST as usize)
    }

    /// Its number.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 - Self::FIRST as usize
    }

    /// The byte that the page map has for its slabs.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most the 37 of the last class")]
    pub(crate) const fn mark(self) -> u8 {
        self.0 as u8
    }

    /// The layout of its blocks.
    pub(crate) const fn layout(self) -> Layout {
        match Layout::from_size_align(self.size(), 8) {
            Ok(layout) => layout,
            Err(_) => Layout::new::<u64>(),
        }
    }

    /// Bytes of a block.
    #[inline]
    pub(crate) const fn size(self) -> usize {
        let index = self.index();
        if index < 4 { (index + 1) * 8 } else { (index % 4 + 5) << (index / 4 + 2) }
    }
}

/// Every class is a multiple of it, and aligned to it.
const GRAIN: usize = 8;

/// The class by size: three instructions where [`Class::fitting`] takes nine.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time; the loop stays within the array")]
static BY_SIZE: [u8; LARGEST / GRAIN] = {
    let mut table = [0; LARGEST / GRAIN];
    let mut index = 0;
    while index < table.len() {
        table[index] = Class::fitting((index + 1) * GRAIN).mark();
        index += 1;
    }
    table
};

/// Bytes that a block must have so that a multiple of its size can be aligned as `layout` asks.
#[inline]
pub(crate) const fn bytes_needed(layout: Layout) -> usize {
    // A `Layout` promises that this sum is at most `isize::MAX`.
    (layout.size() + (layout.align() - 1)) & !(layout.align() - 1)
}

/// How the slabs of a class are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of a block.
    pub(crate) size: u32,
    /// Bytes of a slab, a power of two.
    pub(crate) slab: u32,
    /// Offset of block 0 in the slab.
    pub(crate) first: u32,
    /// Blocks in the slab.
    pub(crate) blocks: u32,
    /// 64-bit words of the slab's bitmap.
    pub(crate) words: u32,
    /// 2^32 / `size`, rounded up.
    reciprocal: u32,
}

/// What tells the starts of a class's blocks from other addresses in a slab: the part of a [`Geometry`] that every free
/// needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The bits of an address that are those of its slab's base.
    base: usize,
    /// Offset of block 0.
    first: u32,
    /// 2^32 / the size of a block, rounded up.
    reciprocal: u32,
}

impl Shape {
    /// The base of the slab in which `address` lies.
    #[inline]
    pub(crate) const fn base_of(&self, address: usize) -> usize {
        address & self.base
    }

    /// Whether a block starts at `offset` bytes from the slab's base.
    ///
    /// `within` = q * `size` + r, and `size` * `reciprocal` = 2^32 + e with e < `size`; so the product, modulo 2^32, is
    /// q * e + r * `reciprocal`: less than the reciprocal only if r is 0. Behind the last block nothing remains.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a slab has at most 64 KiB")]
    pub(crate) const fn is_start(&self, offset: usize) -> bool {
        match (offset as u32).checked_sub(self.first) {
            Some(within) => within.wrapping_mul(self.reciprocal) < self.reciprocal,
            None => false,
        }
    }
}

impl Geometry {
    /// The layout of `class` with frames of `frame` bytes. The last block ends with the slab.
    pub(crate) const fn new(class: Class, frame: usize) -> Self {
        let size = class.size();
        let geometry = Self::fitting(size, size & size.wrapping_neg(), frame);
        Self { first: geometry.slab - geometry.blocks * geometry.size, ..geometry }
    }

    /// What every free needs of it.
    pub(crate) const fn shape(&self) -> Shape {
        Shape { base: !(self.slab as usize - 1), first: self.first, reciprocal: self.reciprocal }
    }

    /// The layout of blocks of `size` bytes, 8 to [`SLAB_LIMIT`] and a multiple of `align`. No block if a slab is too
    /// small for one.
    pub(crate) const fn fitting(size: usize, align: usize, frame: usize) -> Self {
        let mut slab = frame;
        loop {
            let geometry = Self::with_slab(size, align, slab);
            if slab >= SLAB_LIMIT || (geometry.blocks >= 8 && geometry.overhead() <= slab / 16) {
                return geometry;
            }
            slab *= 2;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "every number is at most the slab's 64 KiB or 2^32 / 8"
    )]
    const fn with_slab(size: usize, align: usize, slab: usize) -> Self {
        let words = at_most(slab / size, BLOCK_LIMIT).div_ceil(64);
        let first = header::bytes(words).next_multiple_of(align);
        Self {
            size: size as u32,
            slab: slab as u32,
            first: first as u32,
            blocks: at_most(slab.saturating_sub(first) / size, BLOCK_LIMIT) as u32,
            words: words as u32,
            reciprocal: (1u64 << 32).div_ceil(size as u64) as u32,
        }
    }

    /// The same with fewer blocks.
    pub(crate) const fn with_blocks(self, blocks: u32) -> Self {
        Self { blocks, ..self }
    }

    /// Bytes of a slab that can never be a block.
    pub(crate) const fn overhead(&self) -> usize {
        (self.slab - self.blocks * self.size) as usize
    }

    /// The offset of `address` in its slab.
    #[inline]
    pub(crate) const fn offset_in_slab(&self, address: usize) -> usize {
        address & (self.slab as usize - 1)
    }

    /// The block at or before `offset` bytes from the slab's base, and the offset of that block.
    ///
    /// The reciprocal is exact here, because `offset * size < 2^32`.
    #[inline]
    pub(crate) fn block_at(&self, offset: usize) -> Option<(usize, usize)> {
        let within = offset.checked_sub(self.first as usize)?;
        let quotient = (within as u64 * u64::from(self.reciprocal)) >> 32;
        let block = quotient as usize;
        (block < self.blocks as usize).then(|| (block, self.offset_of(block)))
    }

    /// The offset of `block` in the slab.
    #[inline]
    pub(crate) const fn offset_of(&self, block: usize) -> usize {
        self.first as usize + block * self.size as usize
    }
}

/// The geometry of every class, with frames of `frame` bytes.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time; the loop stays within the array")]
pub(crate) const fn geometries(frame: usize) -> PerClass<Geometry> {
    let mut index = 0;
    let mut geometries = [Geometry::new(Class::SMALLEST, frame); CLASSES];
    while let Some(class) = Class::new(index) {
        geometries[index as usize] = Geometry::new(class, frame);
        index += 1;
    }
    PerClass::new(geometries)
}

const fn at_most(value: usize, limit: usize) -> usize {
    if value < limit { value } else { limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> impl Iterator<Item = Class> {
        (0..u8::try_from(CLASSES).unwrap()).map(|index| Class::new(index).unwrap())
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn sizes_are_four_steps_a_doubling() {
        let sizes: alloc::vec::Vec<usize> = classes().map(Class::size).collect();
        assert_eq!(sizes[..12], [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128]);
        assert_eq!(sizes[32..], [5120, 6144, 7168, 8192]);
        assert!(sizes.is_sorted());
        assert_eq!(Class::new(36), None);
    }

    #[test]
    fn every_size_gets_the_smallest_class_that_holds_it() {
        for size in 1..=LARGEST {
            let smallest = classes().find(|class| class.size() >= size);
            assert_eq!(Class::of(layout(size, 1)), smallest, "{size} bytes");
        }
        assert_eq!(Class::of(layout(0, 1)), None);
        assert_eq!(Class::of(layout(LARGEST + 1, 1)), None);
        assert_eq!(Class::of(layout(isize::MAX.unsigned_abs(), 1)), None);
    }

    /// hermit-os/kernel#1968, #1982: a search for an aligned block among free ones is what this arithmetic replaces.
    #[test]
    fn over_aligned_blocks_stay_constant_time() {
        for align in (0..14).map(|power| 1usize << power) {
            for size in 1..=LARGEST {
                let Some(class) = Class::of(layout(size, align)) else {
                    assert!(size.next_multiple_of(align) > LARGEST);
                    continue;
                };
                assert!(class.size() >= size && class.size() % align == 0, "{size} aligned {align}");
            }
        }
        assert_eq!(Class::of(layout(64, 4096)).map(Class::size), Some(4096));
        assert_eq!(Class::of(layout(1, 1 << 40)), None);
    }

    #[test]
    fn slabs_are_small_full_and_waste_little() {
        for frame in [4 << 10, 16 << 10] {
            for class in classes() {
                let Geometry { slab, first, blocks, size, words, .. } = Geometry::new(class, frame);
                let (least, waste) = if class.size() == LARGEST { (7, slab / 8) } else { (8, slab / 16) };
                assert!(slab.is_power_of_two() && slab as usize <= SLAB_LIMIT);
                assert!(blocks >= least && words * 64 >= blocks, "{class:?}");
                assert!(slab - blocks * size <= waste, "{class:?} wastes {}", slab - blocks * size);
                assert!(first + blocks * size == slab && first as usize >= header::bytes(words as usize));
                assert_eq!(first % (1 << size.trailing_zeros()), 0, "block 0 of {class:?} is aligned");
            }
        }
        assert_eq!(Geometry::new(Class::SMALLEST, 64 << 10).blocks as usize, BLOCK_LIMIT);
    }

    #[test]
    fn the_reciprocal_divides_exactly() {
        for class in classes() {
            let geometry = Geometry::new(class, 4096);
            for offset in 0..geometry.slab as usize {
                let block = offset.checked_sub(geometry.first as usize).map(|within| within / class.size());
                let expected = block.filter(|&block| block < geometry.blocks as usize);
                assert_eq!(geometry.block_at(offset).map(|(block, _)| block), expected);
                let starts = expected.is_some_and(|block| geometry.offset_of(block) == offset);
                assert_eq!(geometry.shape().is_start(offset), starts, "{class:?} at {offset}");
            }
        }
    }
}
