//! Where a reservation keeps what it holds: one block of its heap, taken first and given back last.
//!
//! ```text
//! kind 0 │ kind 1 │ … │ its pieces, one word each … │ those of kind 1 … │ …
//! ```
//!
//! Invariant: `memory` is a live block of `heap` with the layout of [`parts`], of which nobody else knows; every kind and
//! every piece in it is initialised.

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
    memory: NonNull<u8>,
    kinds: usize,
    pieces: usize,
}

impl<'a, A: BlockAlloc> Table<'a, A> {
    /// A table with these lines and room for all their pieces, of which none is there yet.
    pub(super) fn new(
        heap: &'a A,
        lines: impl Iterator<Item = (Wanted, usize)> + Clone,
    ) -> Result<Self, AllocError> {
        let kinds = lines.clone().count();
        let pieces = lines.clone().try_fold(0usize, |sum, (_, count)| sum.checked_add(count));
        let (pieces, (layout, _)) =
            pieces.and_then(|pieces| Some((pieces, parts(kinds, pieces)?))).ok_or(TOO_MANY)?;
        let memory = heap.allocate(layout)?;
        let table = Self { heap, memory, kinds, pieces };
        table.initialise(lines);
        Ok(table)
    }

    fn initialise(&self, lines: impl Iterator<Item = (Wanted, usize)>) {
        let mut first = 0;
        for (index, (wanted, reserved)) in lines.take(self.kinds).enumerate() {
            // SAFETY: the block has room for so many kinds, and `index` is less.
            let place = unsafe { self.memory.cast::<Kind>().add(index) };
            // SAFETY: as above; nobody refers to the block yet.
            unsafe { place.write(Kind { wanted, reserved, held: 0, first }) };
            first += reserved;
        }
        for index in 0..self.pieces {
            // SAFETY: the block has room for so many pieces, and `index` is less.
            let place = unsafe { self.first_piece().add(index) };
            // SAFETY: as above; nobody refers to the block yet.
            unsafe { place.write(ptr::null_mut()) };
        }
    }

    /// The lines, and the pieces of all of them.
    pub(super) fn parts(&mut self) -> (&mut [Kind], &mut [Piece]) {
        let kinds = NonNull::slice_from_raw_parts(self.memory.cast::<Kind>(), self.kinds);
        let mut pieces = NonNull::slice_from_raw_parts(self.first_piece(), self.pieces);
        let mut kinds = kinds;
        // SAFETY: all of them are initialised, and the table is borrowed as long as the slice.
        let kinds = unsafe { kinds.as_mut() };
        // SAFETY: as above; the two parts are apart.
        let pieces = unsafe { pieces.as_mut() };
        (kinds, pieces)
    }

    /// The lines.
    pub(super) fn kinds(&self) -> &[Kind] {
        let kinds = NonNull::slice_from_raw_parts(self.memory.cast::<Kind>(), self.kinds);
        // SAFETY: all of them are initialised, and the table is borrowed as long as the slice.
        unsafe { kinds.as_ref() }
    }

    fn first_piece(&self) -> NonNull<Piece> {
        let offset = parts(self.kinds, self.pieces).map_or(0, |(_, offset)| offset);
        // SAFETY: the block has this layout, so the offset is inside it or at its end.
        unsafe { self.memory.add(offset) }.cast()
    }
}

impl<A: BlockAlloc> Drop for Table<'_, A> {
    fn drop(&mut self) {
        if let Some((layout, _)) = parts(self.kinds, self.pieces) {
            // SAFETY: the block is the table's alone, with this layout. One that the heap refuses is leaked.
            let _ = unsafe { self.heap.free(self.memory, layout) };
        }
    }
}

/// No address space holds so many.
const TOO_MANY: AllocError = AllocError::BadRequest { size: usize::MAX, align: align_of::<Kind>() };

/// The layout of a table, and where its pieces begin.
fn parts(kinds: usize, pieces: usize) -> Option<(Layout, usize)> {
    let kinds = Layout::array::<Kind>(kinds).ok()?;
    kinds.extend(Layout::array::<Piece>(pieces).ok()?).ok()
}
