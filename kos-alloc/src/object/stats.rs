//! What an object cache counts: [`ObjectStats`].

/// A snapshot of one [`ObjectCache`](super::ObjectCache).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectStats {
    /// Bytes of an object with its padding.
    pub size: usize,
    /// Slabs held.
    pub slabs: usize,
    /// Slabs held of which no object is in use.
    pub empty: usize,
    /// Objects in use.
    pub live: usize,
    /// The most objects that were in use at one time.
    pub peak: usize,
    /// Objects ever constructed; wraps.
    pub constructed: usize,
    /// Objects ever dropped; wraps.
    pub dropped: usize,
    /// Frames that the frame source refused to take back; always 0 with a sound source.
    pub lost_frames: usize,
}

impl ObjectStats {
    /// Objects that are constructed now, in use or free.
    #[must_use]
    pub const fn objects(&self) -> usize {
        self.constructed.wrapping_sub(self.dropped)
    }
}
