//! Frames in memory that they own: [`BufferFrame`].
//!
//! Invariant: `start <= end <= buffer.as_ref().len()`, as long as the buffer keeps its length.

use crate::dev::Meta;
use crate::ports::Frame;
use crate::wire::NoRoom;

/// Memory of a frame: a pool without a pool.
pub trait Buffer: AsRef<[u8]> + AsMut<[u8]> + Sized {
    /// Memory of at least `bytes` bytes; `None` if there is none, or none so large.
    fn allocate(bytes: usize) -> Option<Self>;
}

impl<const N: usize> Buffer for [u8; N] {
    fn allocate(bytes: usize) -> Option<Self> {
        (bytes <= N).then_some([0; N])
    }
}

#[cfg(feature = "alloc")]
impl Buffer for alloc::vec::Vec<u8> {
    fn allocate(bytes: usize) -> Option<Self> {
        let mut memory = Self::new();
        memory.try_reserve_exact(bytes).ok()?;
        memory.resize(bytes, 0);
        Some(memory)
    }
}

/// A frame in a buffer of its own, or a borrowed one.
#[derive(Clone, Debug)]
pub struct BufferFrame<B> {
    buffer: B,
    start: usize,
    end: usize,
    meta: Meta,
}

/// A frame that is moved as a whole; for tests and small users.
pub type ArrayFrame<const N: usize> = BufferFrame<[u8; N]>;

/// A frame on the heap.
#[cfg(feature = "alloc")]
pub type HeapFrame = BufferFrame<alloc::vec::Vec<u8>>;

impl<B: AsRef<[u8]>> BufferFrame<B> {
    /// A frame of all bytes of `buffer`.
    pub fn new(buffer: B) -> Self {
        let end = buffer.as_ref().len();
        Self { buffer, start: 0, end, meta: Meta::default() }
    }

    /// A frame of the bytes of `buffer` behind the first `headroom`; empty if there are none.
    #[must_use]
    pub fn with_headroom(buffer: B, headroom: usize) -> Self {
        let mut frame = Self::new(buffer);
        frame.start = headroom.min(frame.end);
        frame
    }

    /// The memory; what stands in it outside of the frame means nothing.
    pub fn into_buffer(self) -> B {
        self.buffer
    }
}

impl<B: Buffer> BufferFrame<B> {
    /// A frame of `bytes` bytes, in new memory; `None` if there is none.
    #[must_use]
    pub fn allocate(bytes: usize) -> Option<Self> {
        let mut frame = Self::new(B::allocate(bytes)?);
        frame.end = bytes;
        Some(frame)
    }
}

impl<B: AsRef<[u8]>> BufferFrame<B> {
    /// The same memory as a frame of `bytes` bytes, of which what stands in them means nothing; `None` if it has fewer.
    #[must_use]
    pub fn reused(self, bytes: usize) -> Option<Self> {
        let fits = bytes <= self.buffer.as_ref().len();
        fits.then(|| Self { start: 0, end: bytes, meta: Meta::default(), ..self })
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Frame for BufferFrame<B> {
    fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().get(self.start..self.end).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().get_mut(self.start..self.end).unwrap_or_default()
    }

    fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start.saturating_add(length));
    }

    fn trim_front(&mut self, count: usize) -> Result<(), NoRoom> {
        let got = self.end - self.start;
        if count > got {
            return Err(NoRoom { needed: count, got });
        }
        self.start += count;
        Ok(())
    }

    fn grow_front(&mut self, count: usize) -> Result<(), NoRoom> {
        self.start = self.start.checked_sub(count).ok_or(NoRoom { needed: count, got: self.start })?;
        Ok(())
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::{ArrayFrame, BufferFrame};
    use crate::ports::Frame as _;
    use crate::wire::NoRoom;

    #[test]
    fn a_frame_gives_and_takes_at_its_front() {
        let mut frame = BufferFrame::with_headroom(*b"headbody", 4);
        assert_eq!(frame.bytes(), b"body");
        frame.grow_front(4).unwrap();
        assert_eq!(frame.bytes(), b"headbody");
        assert_eq!(frame.grow_front(1), Err(NoRoom { needed: 1, got: 0 }));
        frame.trim_front(6).unwrap();
        frame.truncate(1);
        assert_eq!(frame.bytes(), b"d");
        assert_eq!(frame.trim_front(2), Err(NoRoom { needed: 2, got: 1 }));
        frame.truncate(usize::MAX);
        assert_eq!(frame.bytes_mut(), b"d");
    }

    #[test]
    fn a_frame_is_no_longer_than_its_memory() {
        assert!(ArrayFrame::<60>::allocate(61).is_none());
        assert_eq!(ArrayFrame::<60>::allocate(14).unwrap().bytes(), [0; 14]);
    }
}
