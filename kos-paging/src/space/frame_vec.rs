//! A dense vector in frames: what an address space keeps its mappings in, without an allocator.
//!
//! Chunks of one frame each, found through a short table: the first few directly, the others by way of frames of
//! pointers. Growing is apart from filling ([`reserve`](FrameVec::reserve), [`push`](FrameVec::push)), so that an
//! operation takes its memory before it changes anything. Nothing here is freed by `drop`: see
//! [`clear`](FrameVec::clear).
//!
//! Invariants: every chunk below `capacity` is a frame of the `FrameSource`, owned by the vector alone; exactly the
//! elements below `len` are initialised.
#![expect(unsafe_code, reason = "keeps typed values in raw frames; all pointers stay in this file")]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::addr::PhysAddr;
use crate::ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper};

const FRAME: usize = 4096;
/// Chunks that need no table of pointers.
const DIRECT: usize = 8;
/// Tables of pointers.
const TABLES: usize = 8;
/// Pointers of a table.
const FAN: usize = FRAME / size_of::<Place>();

/// A frame in use: where it is, and where it is seen.
#[derive(Clone, Copy)]
struct Place {
    phys: PhysAddr,
    seen: NonNull<u8>,
}

/// A vector of `T` whose elements lie in frames.
pub(crate) struct FrameVec<T> {
    direct: [Option<Place>; DIRECT],
    tables: [Option<Place>; TABLES],
    len: usize,
    chunks: usize,
    elements: PhantomData<T>,
}

// SAFETY: the vector owns its frames and what is in them; which CPU looks at them does not matter.
unsafe impl<T: Send> Send for FrameVec<T> {}

impl<T> FrameVec<T> {
    /// Elements of one frame.
    const PER_CHUNK: usize = {
        assert!(
            size_of::<T>() > 0 && align_of::<T>() <= FRAME,
            "elements have a size and an alignment of a frame at most"
        );
        assert!(size_of::<T>() <= FRAME, "an element fits a frame");
        FRAME / size_of::<T>()
    };

    /// An empty vector.
    pub(crate) const fn new() -> Self {
        Self { direct: [None; DIRECT], tables: [None; TABLES], len: 0, chunks: 0, elements: PhantomData }
    }

    /// Number of elements.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Frames that the vector holds.
    pub(crate) fn frames(&self) -> usize {
        self.chunks + self.tables.iter().flatten().count()
    }

    /// Makes room for `more` elements, or changes nothing.
    pub(crate) fn reserve<P: FrameSource + PhysMapper>(
        &mut self,
        ports: &P,
        more: usize,
    ) -> Result<(), OutOfFrames> {
        while self.chunks * Self::PER_CHUNK < self.len.saturating_add(more) {
            if let Err(cause) = self.grow(ports) {
                self.trim(ports);
                return Err(cause);
            }
        }
        Ok(())
    }

    /// Gives back the frames that hold no element.
    pub(crate) fn trim<P: FrameSource>(&mut self, ports: &P) {
        while self.chunks > self.len.div_ceil(Self::PER_CHUNK) {
            self.shrink(ports);
        }
    }

    /// Appends an element; the room for it was reserved.
    ///
    /// # Panics
    ///
    /// If it was not, a fault of this crate.
    pub(crate) fn push(&mut self, element: T) -> usize {
        let index = self.len;
        let Some(slot) = self.slot(index) else {
            unreachable!("an operation reserved less room than it needs")
        };
        // SAFETY: the slot lies in a frame of ours, is aligned, and holds no element: it is not below `len`.
        unsafe { slot.write(element) };
        self.len += 1;
        index
    }

    /// Takes the last element away.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let index = self.len.checked_sub(1)?;
        let slot = self.slot(index)?;
        self.len = index;
        // SAFETY: the slot held an element, which is forgotten here: it is not below `len` any more.
        Some(unsafe { slot.read() })
    }

    /// The element at `index`.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let slot = self.slot(index).filter(|_| index < self.len)?;
        // SAFETY: the element is initialised, and `&self` keeps it so.
        Some(unsafe { slot.as_ref() })
    }

    /// The element at `index`, to change it.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let mut slot = self.slot(index).filter(|_| index < self.len)?;
        // SAFETY: the element is initialised, and `&mut self` lends it to one caller alone.
        Some(unsafe { slot.as_mut() })
    }

    /// Works on two different elements at once.
    pub(crate) fn with_two(&mut self, one: usize, other: usize, work: impl FnOnce(&mut T, &mut T)) {
        let (Some(mut first), Some(mut second)) = (self.slot(one), self.slot(other)) else { return };
        if one == other || one.max(other) >= self.len {
            return;
        }
        // SAFETY: the element is initialised, and `&mut self` lends it to `work` alone.
        let first = unsafe { first.as_mut() };
        // SAFETY: as above; it is another element than the first.
        let second = unsafe { second.as_mut() };
        work(first, second);
    }

    /// Drops all elements and gives all frames back.
    pub(crate) fn clear<P: FrameSource>(&mut self, ports: &P) {
        while self.pop().is_some() {}
        self.trim(ports);
    }

    fn slot(&self, index: usize) -> Option<NonNull<T>> {
        let (chunk, place) = (index / Self::PER_CHUNK, index % Self::PER_CHUNK);
        let base = self.chunk(chunk)?.seen.cast::<T>();
        // SAFETY: `place` is below `PER_CHUNK`, so that the element lies in the frame.
        Some(unsafe { base.add(place) })
    }

    fn chunk(&self, chunk: usize) -> Option<Place> {
        if chunk >= self.chunks {
            return None;
        }
        if let Some(place) = self.direct.get(chunk) {
            return *place;
        }
        let entry = self.entry(chunk - DIRECT)?;
        // SAFETY: entries of chunks below `chunks` were written when the chunk came.
        Some(unsafe { entry.read() })
    }

    /// Where the table entry of a chunk beyond the direct ones stands.
    fn entry(&self, indirect: usize) -> Option<NonNull<Place>> {
        let table = self.tables.get(indirect / FAN).copied().flatten()?;
        // SAFETY: the index is below `FAN`, so that the entry lies in the table's frame.
        Some(unsafe { table.seen.cast::<Place>().add(indirect % FAN) })
    }

    fn grow<P: FrameSource + PhysMapper>(&mut self, ports: &P) -> Result<(), OutOfFrames> {
        if let Some(direct) = self.direct.get_mut(self.chunks) {
            *direct = Some(take(ports)?);
        } else {
            let indirect = self.chunks - DIRECT;
            let table = self.tables.get_mut(indirect / FAN).ok_or(OutOfFrames)?;
            if table.is_none() {
                *table = Some(take(ports)?);
            }
            let chunk = take(ports).inspect_err(|_| self.drop_table(ports))?;
            let Some(entry) = self.entry(indirect) else { unreachable!("the table was just made") };
            // SAFETY: the entry lies in a frame of ours, and no chunk is there yet.
            unsafe { entry.write(chunk) };
        }
        self.chunks += 1;
        Ok(())
    }

    fn shrink<P: FrameSource>(&mut self, ports: &P) {
        let Some(last) = self.chunks.checked_sub(1) else { return };
        let place = self.chunk(last);
        self.chunks = last;
        place.into_iter().for_each(|place| give(ports, place));
        if let Some(direct) = self.direct.get_mut(last) {
            *direct = None;
        }
        self.drop_table(ports);
    }

    /// Gives back the table that the next chunk would be the first of, if it is there.
    fn drop_table<P: FrameSource>(&mut self, ports: &P) {
        let Some(indirect) = self.chunks.checked_sub(DIRECT) else { return };
        if !indirect.is_multiple_of(FAN) {
            return;
        }
        if let Some(table) = self.tables.get_mut(indirect / FAN).and_then(Option::take) {
            give(ports, table);
        }
    }
}

/// A frame that can be seen.
fn take<P: FrameSource + PhysMapper>(ports: &P) -> Result<Place, OutOfFrames> {
    let frame = ports.allocate(FrameRequest::below(PhysAddr::new(u64::MAX)))?;
    match ports.table(frame.address(), 4096) {
        Some(seen) => Ok(Place { phys: frame.address(), seen }),
        None => {
            ports.free(frame);
            Err(OutOfFrames)
        }
    }
}

fn give<P: FrameSource>(ports: &P, place: Place) {
    // SAFETY: the vector owned the frame alone, and it forgets it now.
    let frame = unsafe { Frame::new(place.phys) };
    ports.free(frame);
}

impl<T> fmt::Debug for FrameVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameVec").field("len", &self.len).field("frames", &self.frames()).finish()
    }
}
