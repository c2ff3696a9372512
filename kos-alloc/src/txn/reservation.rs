//! First what may fail, then what cannot: [`Reservation`].
//!
//! Invariant: the first `held` pieces of a kind are live blocks (or frames) of `heap` for what the kind wants, of which
//! nobody else knows. A piece that is popped is no longer among them, so it is handed out or freed once.

use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use super::boxed::BlockBox;
use super::table::{Kind, Piece, Table, Wanted};
use crate::error::AllocError;
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// Blocks and frames that are already there, for code that must not fail.
///
/// A transaction makes failure harmless; a reservation makes it impossible. It splits the work in two: **reserve**, where
/// failing is cheap because nothing has happened yet, then **take**, where it cannot happen any more:
///
/// ```
/// # use kos_alloc::testing::FakeHeap;
/// # use core::alloc::Layout;
/// # use kos_alloc::{AllocError, FrameRequest};
/// # use kos_alloc::txn::Reservation;
/// # let heap = FakeHeap::new();
/// # fn mask_interrupts() {}
/// # struct Thread;
/// const STACK: FrameRequest = FrameRequest::new(4);
/// // May fail, and then holds nothing. (On a `KernelHeap`: `heap.reserve(…)`.)
/// let mut reserved = Reservation::new(&heap, &[(Layout::new::<Thread>(), 1)], &[(STACK, 2)])?;
/// mask_interrupts();
/// // Cannot fail: no lock, no call into the heap.
/// let stack = reserved.take_frames(&STACK).expect("two were reserved");
/// let thread = reserved.take_box(Thread).expect("one was reserved");
/// drop(reserved); // the other stack goes back
/// # drop(thread);
/// # unsafe { kos_alloc::FrameAlloc::free(kos_alloc::BlockAlloc::frames(&heap), stack) }.unwrap();
/// # Ok::<(), AllocError>(())
/// ```
///
/// Taking is a search among the lines of the reservation, however many pieces each has, and one load. It may be done with
/// interrupts masked, in an interrupt handler (the reservation is [`Send`]) and in one that cannot be masked. Dropping gives
/// back what was not taken, by calls into the heap. What was taken is freed like any block of the heap.
///
/// The pieces are listed in one more block of the heap, a word each; the first phase takes that too.
#[must_use = "dropping a reservation gives everything back"]
pub struct Reservation<'a, A: BlockAlloc> {
    heap: &'a A,
    table: Table<'a, A>,
}

// SAFETY: the pieces and the table belong to the reservation alone, and the heap may be shared.
unsafe impl<A: BlockAlloc> Send for Reservation<'_, A> {}

/// Why nothing was taken: the caller asks for what he has not reserved. The reservation is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeError {
    /// No line of the reservation is exactly this.
    NotReserved,
    /// All of them were taken.
    UsedUp {
        /// How many there were.
        reserved: usize,
    },
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReserved => f.write_str("this was not reserved"),
            Self::UsedUp { reserved } => write!(f, "all {reserved} that were reserved are taken"),
        }
    }
}

impl core::error::Error for TakeError {}

impl<'a, A: BlockAlloc> Reservation<'a, A> {
    /// Reserves so many blocks of each layout and so many runs of frames of each request. Takes the time of that many
    /// allocations.
    ///
    /// # Errors
    ///
    /// [`AllocError`], with [`AllocError::Frames`] for the frames; nothing is held then.
    pub fn new(
        heap: &'a A,
        blocks: &[(Layout, usize)],
        frames: &[(FrameRequest, usize)],
    ) -> Result<Self, AllocError> {
        let blocks = blocks.iter().map(|(layout, count)| (Wanted::Block(*layout), *count));
        let frames = frames.iter().map(|(request, count)| (Wanted::Frames(*request), *count));
        let mut reservation = Self { heap, table: Table::new(heap, blocks.chain(frames))? };
        reservation.fill()?;
        Ok(reservation)
    }

    /// A reserved block.
    ///
    /// # Errors
    ///
    /// [`TakeError`] if no block of this layout is (or is still) reserved.
    pub fn take(&mut self, layout: Layout) -> Result<NonNull<u8>, TakeError> {
        let piece = self.take_piece(Wanted::Block(layout))?;
        NonNull::new(piece).ok_or(TakeError::NotReserved)
    }

    /// A box of `value` in a reserved block of the layout of `T`.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take); the value is dropped then.
    pub fn take_box<T>(&mut self, value: T) -> Result<BlockBox<'a, A, T>, TakeError> {
        let block = self.take(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the block was reserved for the layout of `T`, and is nobody's but the caller's.
        unsafe { block.write(value) };
        // SAFETY: as above; the value was just written.
        Ok(unsafe { BlockBox::from_raw(self.heap, block) })
    }

    /// A reserved run of frames.
    ///
    /// # Errors
    ///
    /// [`TakeError`] if no run for an equal request is (or is still) reserved.
    pub fn take_frames(&mut self, request: &FrameRequest) -> Result<FrameRange, TakeError> {
        let piece = self.take_piece(Wanted::Frames(*request))?;
        run(piece, request).ok_or(TakeError::NotReserved)
    }

    fn take_piece(&mut self, wanted: Wanted) -> Result<Piece, TakeError> {
        let (kinds, pieces) = self.table.parts();
        let mut reserved = 0;
        for kind in kinds.iter_mut().filter(|kind| kind.wanted == wanted) {
            if let Some(piece) = kind.pop(pieces) {
                return Ok(piece);
            }
            reserved += kind.reserved;
        }
        Err(if reserved == 0 { TakeError::NotReserved } else { TakeError::UsedUp { reserved } })
    }

    fn fill(&mut self) -> Result<(), AllocError> {
        let (kinds, pieces) = self.table.parts();
        for kind in kinds {
            while kind.held < kind.reserved {
                kind.push(pieces, obtain(self.heap, &kind.wanted)?);
            }
        }
        Ok(())
    }
}

impl<A: BlockAlloc> Drop for Reservation<'_, A> {
    /// Gives back what was not taken, the last first. What the heap refuses is leaked.
    fn drop(&mut self) {
        let (kinds, pieces) = self.table.parts();
        for kind in kinds.iter_mut().rev() {
            while let Some(piece) = kind.pop(pieces) {
                give_back(self.heap, &kind.wanted, piece);
            }
        }
    }
}

impl<A: BlockAlloc> fmt::Debug for Reservation<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table.kinds()).finish()
    }
}

impl Kind {
    fn push(&mut self, pieces: &mut [Piece], piece: Piece) {
        if let Some(place) = pieces.get_mut(self.first + self.held) {
            *place = piece;
            self.held += 1;
        }
    }

    fn pop(&mut self, pieces: &[Piece]) -> Option<Piece> {
        self.held = self.held.checked_sub(1)?;
        pieces.get(self.first + self.held).copied()
    }
}

fn obtain<A: BlockAlloc>(heap: &A, wanted: &Wanted) -> Result<Piece, AllocError> {
    match wanted {
        Wanted::Block(layout) => heap.allocate(*layout).map(NonNull::as_ptr),
        Wanted::Frames(request) => {
            let range = heap.frames().allocate(request)?;
            Ok(ptr::without_provenance_mut(range.start().0))
        }
    }
}

/// Frees a piece that was popped: from here on nobody knows of it.
fn give_back<A: BlockAlloc>(heap: &A, wanted: &Wanted, piece: Piece) {
    match wanted {
        Wanted::Block(layout) => {
            let Some(block) = NonNull::new(piece) else { return };
            // SAFETY: the block was allocated for the reservation with this layout, and was not taken.
            let _ = unsafe { heap.free(block, *layout) };
        }
        Wanted::Frames(request) => {
            let Some(range) = run(piece, request) else { return };
            // SAFETY: the frames were allocated for the reservation, and were not taken.
            let _ = unsafe { heap.frames().free(range) };
        }
    }
}

/// The frames that a piece stands for.
fn run(piece: Piece, request: &FrameRequest) -> Option<FrameRange> {
    FrameRange::new(Pfn(piece.addr()), request.count)
}
