//! Where the content of objects comes from, and what they need.

use core::convert::Infallible;
use core::error::Error;
use core::fmt;

use crate::ports::{FrameSource, PhysMapper};
use crate::space::FrameTable;

/// Where the content of an object comes from and goes to. Called without a lock; may block.
pub trait Store {
    /// Why it failed.
    type Error: Error;

    /// Reads the page at `offset` into a page of zeros.
    ///
    /// # Errors
    ///
    /// The store's own; whoever touched the page gets a bus error.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes bytes that changed.
    ///
    /// # Errors
    ///
    /// The store's own; the page stays dirty.
    fn write(&self, offset: u64, from: &[u8]) -> Result<(), Self::Error>;

    /// Called before the page at `offset` is first written: room for it on the disk.
    ///
    /// # Errors
    ///
    /// The store's own: the write becomes a bus error.
    fn reserve(&self, offset: u64) -> Result<(), Self::Error> {
        let _ = offset;
        Ok(())
    }
}

/// The store of shared memory: zeros at first, nothing kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zeros;

impl Store for Zeros {
    type Error = Infallible;

    fn read(&self, _offset: u64, _into: &mut [u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn write(&self, _offset: u64, _from: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What an object needs: frames that are counted.
pub trait ObjectPorts: FrameSource + PhysMapper + FrameTable {}

impl<T: FrameSource + PhysMapper + FrameTable + ?Sized> ObjectPorts for T {}

/// Why an object could not do as asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ObjectError<E> {
    /// No frame.
    OutOfFrames,
    /// The offset is at or behind the end.
    Beyond {
        /// The offset.
        offset: u64,
    },
    /// The store failed.
    Store(E),
}

impl<E: fmt::Display> fmt::Display for ObjectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFrames => f.write_str("out of frames"),
            Self::Beyond { offset } => write!(f, "offset {offset:#x} is beyond the end"),
            Self::Store(cause) => cause.fmt(f),
        }
    }
}

impl<E: Error> Error for ObjectError<E> {}
