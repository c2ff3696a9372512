//! Frames on their way between stack and device: [`Batch`].

use heapless::Deque;

/// The most frames of a batch.
pub const BATCH: usize = 64;

/// Up to [`BATCH`] frames in their order.
#[derive(Debug)]
pub struct Batch<F>(Deque<F, BATCH>);

impl<F> Batch<F> {
    /// No frames.
    #[must_use]
    pub const fn new() -> Self {
        Self(Deque::new())
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// The batch is full; the frame comes back.
    pub fn push(&mut self, frame: F) -> Result<(), F> {
        self.0.push_back(frame)
    }

    /// Takes the first frame.
    pub fn pop(&mut self) -> Option<F> {
        self.0.pop_front()
    }

    /// The first frame.
    #[must_use]
    pub fn first(&self) -> Option<&F> {
        self.0.front()
    }

    /// Puts a frame before the first: one that was taken and could not be sent.
    ///
    /// # Errors
    /// The batch is full; the frame comes back.
    pub fn put_back(&mut self, frame: F) -> Result<(), F> {
        self.0.push_front(frame)
    }

    /// How many frames there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many more have room.
    #[must_use]
    pub const fn room(&self) -> usize {
        BATCH - self.0.len()
    }

    /// The frames in their order.
    pub fn iter(&self) -> impl Iterator<Item = &F> {
        self.0.iter()
    }
}

impl<F> Default for Batch<F> {
    fn default() -> Self {
        Self::new()
    }
}
