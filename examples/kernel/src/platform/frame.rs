//! The pixels of a screen, as bytes: [`Framebuffer`].

/// How large a picture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameShape {
    /// Pixels in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Bytes from one line to the next.
    pub stride: usize,
}

impl FrameShape {
    /// Bytes of the picture.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.stride.saturating_mul(self.height)
    }
}

/// The picture that a screen shows. What the kernel writes shows there, too: who draws draws over it, and it draws over who drew.
///
/// Interrupts may be off for as long as a call takes: callers ask for some KiB at a time.
pub trait Framebuffer {
    /// How large it is: the same each time.
    fn shape(&self) -> FrameShape;
    /// Bytes of the picture from `offset` on. What would be beyond its end stays as it is.
    fn read(&self, offset: usize, out: &mut [u8]);
    /// Sets bytes of the picture from `offset` on. What would be beyond its end is not set.
    fn write(&self, offset: usize, bytes: &[u8]);
}
