//! One place for all tables: a kernel of 32 bits has no room to map all of its memory.
//!
//! Each access to an entry asks for its table, which costs a compare where it is the one shown, else the port's change
//! of an entry and an invalidation of one page.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use crate::addr::PhysAddr;
use crate::ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper};

/// Shows one frame at a time at a place of its own: writes the entry of that place and invalidates it on this CPU.
///
/// # Safety
///
/// As for [`PhysMapper`], but an answer holds only until `show` is called again. The place is used by one CPU alone,
/// which does not go elsewhere while a table is edited, and not by its interrupt handlers.
#[expect(unsafe_code, reason = "a wrong pointer corrupts memory")]
pub unsafe trait ShowFrame {
    /// Shows the `bytes` bytes at `frame`, a multiple of them; `None`, and what was shown still is, if any is no memory.
    fn show(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>>;
}

/// What is shown.
#[derive(Clone, Copy)]
struct Shown {
    frame: PhysAddr,
    bytes: usize,
    at: NonNull<u8>,
}

/// A mapper that shows one frame at a time, with a port that also gives frames.
///
/// Not `Sync`, nor is a table over it: translations through it are for the CPU and the context that edit.
pub struct Window<S> {
    port: S,
    shown: Cell<Option<Shown>>,
}

impl<S> Window<S> {
    /// Nothing is shown yet.
    #[must_use]
    pub const fn new(port: S) -> Self {
        Self { port, shown: Cell::new(None) }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> &S {
        &self.port
    }
}

#[expect(unsafe_code, reason = "passes on a port that can break memory safety")]
// SAFETY: the answer is the port's, or its last one, which holds until it is called again.
unsafe impl<S: ShowFrame> PhysMapper for Window<S> {
    const WINDOW: bool = true;

    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        match self.shown.get() {
            Some(shown) if shown.frame == frame && shown.bytes == bytes => Some(shown.at),
            _ => {
                let at = self.port.show(frame, bytes)?;
                self.shown.set(Some(Shown { frame, bytes, at }));
                Some(at)
            }
        }
    }
}

impl<S: FrameSource> FrameSource for Window<S> {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        self.port.allocate(request)
    }

    fn free(&self, frame: Frame) {
        self.port.free(frame);
    }
}

impl<S: fmt::Debug> fmt::Debug for Window<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("port", &self.port)
            .field("shown", &self.shown.get().map(|shown| shown.frame))
            .finish()
    }
}
