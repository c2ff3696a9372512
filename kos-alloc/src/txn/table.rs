//! Where a reservation keeps what it holds: one block of its heap, taken first and given back last.
//!
//! ```text
//! kind 0 │ kind 1 │ … │ its pieces, one word each … │ those of kind 1 … │ …
//! ```
//!
//! Invariant: kinds and pieces are initialised and lie in one live block of `heap` with this layout, of which nobody else
//! knows.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::error::AllocError;
use crate::ports::BlockAlloc;
use crate::types::FrameRequest;

/// What one line of a reservation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Block(Layout),
    Frames(FrameRequest),
}

/// One line of a reservation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) wanted: Wanted,
    /// How many pieces were reserved.
    pub(super) reserved: usize,
    /// How many are still here; they are the first ones of the kind's.
    pub(super) held: usize,
    /// The first of its pieces.
    pub(super) first: usize,
}

/// The address of a block, or, without provenance, the number of the first frame.
pub(super) type Piece = *mut u8;

/// The lines and the pieces.
pub(super) struct Table<'a, A: BlockAlloc> {
    heap: &'a A,
    layout: Layout,
    /// At the start of the block.
    kinds: NonNull<[Kind]>,
    /// Behind them.
    pieces: NonNull<[Piece]>,
}

impl<'a, A: BlockAlloc> Table<'a, A> {
    /// A table with these lines and room for all their pieces, of which none is there yet.
    pub(super) fn new(
        heap: &'a A,
        lines: impl Iterator<Item = (Wanted, usize)> + Clone,
    ) -> Result<Self, AllocError> {
        let kinds = lines.clone().count();
        let pieces = lines.clone().try_fold(0usize, |sum, (_, count)| sum.checked_add(count));
        let pieces = pieces.ok_or(TOO_MANY)?;
        let (layout, offset) = parts(kinds, pieces).ok_or(TOO_MANY)?;
        let memory = heap.allocate(layout)?;
        // SAFETY: the block has the layout of `parts`, so the offset is inside it or at its end.
        let behind = unsafe { memory.add(offset) };
        let kinds = NonNull::slice_from_raw_parts(memory.cast(), kinds);
        let pieces = NonNull::slice_from_raw_parts(behind.cast(), pieces);
        initialise(kinds, pieces, lines);
        Ok(Self { heap, layout, kinds, pieces })
    }

    /// The lines, and the pieces of all of them.
    pub(super) const fn parts(&mut self) -> (&mut [Kind], &mut [Piece]) {
        // SAFETY: all kinds are initialised, and the table, which owns them, is borrowed as long as the slice.
        let kinds = unsafe { self.kinds.as_mut() };
        // SAFETY: so are all pieces, which lie behind the kinds.
        let pieces = unsafe { self.pieces.as_mut() };
        (kinds, pieces)
    }

    /// The lines.
    pub(super) const fn kinds(&self) -> &[Kind] {
        // SAFETY: all of them are initialised, and the table, which owns them, is borrowed as long as the slice.
        unsafe { self.kinds.as_ref() }
    }
}

impl<A: BlockAlloc> Drop for Table<'_, A> {
    fn drop(&mut self) {
        // SAFETY: the block is the table's alone, with this layout. One that the heap refuses is leaked.
        let _ = unsafe { self.heap.free(self.kinds.cast(), self.layout) };
    }
}

/// Writes the lines, and pieces that are none, into a block that has room for both and is nobody else's.
fn initialise(
    kinds: NonNull<[Kind]>,
    pieces: NonNull<[Piece]>,
    lines: impl Iterator<Item = (Wanted, usize)>,
) {
    let mut first = 0;
    for (index, (wanted, reserved)) in lines.take(kinds.len()).enumerate() {
        // SAFETY: the index is less than the number of kinds, for which there is room.
        let place = unsafe { kinds.cast::<Kind>().add(index) };
        // SAFETY: the place is inside the block and aligned, and nobody refers to it yet.
        unsafe { place.write(Kind { wanted, reserved, held: 0, first }) };
        first += reserved;
    }
    for index in 0..pieces.len() {
        // SAFETY: the index is less than the number of pieces, for which there is room.
        let place = unsafe { pieces.cast::<Piece>().add(index) };
        // SAFETY: the place is inside the block and aligned, and nobody refers to it yet.
        unsafe { place.write(ptr::null_mut()) };
    }
}

/// No address space holds so many.
const TOO_MANY: AllocError = AllocError::BadRequest { size: usize::MAX, align: align_of::<Kind>() };

/// The layout of a table, and where its pieces begin.
fn parts(kinds: usize, pieces: usize) -> Option<(Layout, usize)> {
    let kinds = Layout::array::<Kind>(kinds).ok()?;
    kinds.extend(Layout::array::<Piece>(pieces).ok()?).ok()
}
