//! What the integrator supplies: [`Env`], types of locks and the clock; [`WallClock`], the time of day; [`SpecialOpener`], what
//! is behind pipes, sockets and devices; [`PageSource`], the frames of the page cache, and [`Mappings`], who has mapped them. File systems implement [`FileSystem`](crate::fs::FileSystem).

use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;

use lock_api::{RawMutex, RawRwLock};

use crate::attr::{DeviceNumber, FileType, Ino, Timestamp};
use crate::cred::Cred;
use crate::errno::Errno;
use crate::file::{OpenFlags, SeekFrom};
use crate::fs::SyncMode;

/// The types that this crate is built over. Never a value.
///
/// Both locks are held across calls of file systems, which may wait for a device: let them sleep where there are threads, and
/// spin only where file systems never wait. They are never taken in interrupts, and need not mask them. [`Lock`](Self::Lock)
/// over tables is held for memory work alone.
pub trait Env: 'static {
    /// A mutual exclusion.
    type Lock: RawMutex + Send + Sync;
    /// Many readers or one writer. A reader that waits behind a waiting writer is fine: no thread takes one twice.
    type RwLock: RawRwLock + Send + Sync;
    /// The time of day.
    type Clock: WallClock;
}

/// The time of day. Called with locks held; must not wait. A clock that is set back gives files earlier times, nothing worse.
pub trait WallClock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl<C: WallClock + ?Sized> WallClock for &'static C {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// A node that is being opened, by whom and how. Who opens it may do so.
#[derive(Clone, Copy, Debug)]
pub struct SpecialOpen<'a> {
    /// A pipe, a socket or a device.
    pub kind: FileType,
    /// Which device, if it is one. Several nodes may name the same.
    pub device: DeviceNumber,
    /// The file system of the node: as `stat` shows it, a number that is never used again.
    pub fs: u64,
    /// The node there: with `fs`, what all who open one pipe have in common. No other file gets it while a
    /// [`SpecialFile`] of this one lives.
    pub ino: Ino,
    /// How it is opened.
    pub flags: OpenFlags,
    /// Who opens it.
    pub cred: &'a Cred<'a>,
}

/// What is behind the nodes that are not stored: named pipes, sockets, devices. Without one, they open with ENXIO.
///
/// Called without locks held. May sleep, as a pipe does that waits for its other end, unless the flags say
/// [`NONBLOCK`](OpenFlags::NONBLOCK).
pub trait SpecialOpener: Send + Sync + fmt::Debug {
    /// Opens a node. What it returns may be shared by all who open it (as `/dev/null` is) or this one's alone.
    ///
    /// # Errors
    /// What the system call answers; ENXIO where there is nobody behind the node. Linux refuses every socket so.
    fn open(&self, open: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno>;
}

/// An open pipe, socket or device. It is dropped when the last descriptor is closed, without locks held.
///
/// `flags` are those of the open file as they are now. May sleep, unless they say [`NONBLOCK`](OpenFlags::NONBLOCK).
pub trait SpecialFile: Send + Sync + fmt::Debug {
    /// Whether it has positions. Without (as here), whoever seeks gets ESPIPE, offsets mean nothing, and calls come at the same
    /// time; with, those that move one position come one after the other, so let them not wait for each other.
    fn has_position(&self) -> bool {
        false
    }

    /// Reads; returns how many bytes, 0 at the end. Open for reading.
    ///
    /// # Errors
    /// What the system call answers.
    fn read(&self, offset: u64, out: &mut [u8], flags: OpenFlags) -> Result<usize, Errno>;

    /// Writes; returns how many bytes it took. Open for writing.
    ///
    /// # Errors
    /// What the system call answers; nothing was taken then.
    fn write(&self, offset: u64, bytes: &[u8], flags: OpenFlags) -> Result<usize, Errno>;

    /// Where a seek from `position` leads. Only called if it has positions.
    ///
    /// # Errors
    /// What the system call answers.
    fn seek(&self, position: u64, to: SeekFrom) -> Result<u64, Errno> {
        let _ = (position, to);
        Err(Errno::ESPIPE)
    }

    /// Returns when what was written is durable.
    ///
    /// # Errors
    /// What the system call answers: EINVAL where nothing is ever durable.
    fn sync(&self, mode: SyncMode) -> Result<(), Errno> {
        let _ = mode;
        Err(Errno::EINVAL)
    }
}

/// Where the page cache has its pages from, if not from the heap: frames with numbers, which can be mapped.
///
/// A frame that is lent may be read and written by user code at any moment, so the cache never has a reference to its bytes.
/// Called with locks of tables held; must not wait, and must not call the VFS.
pub trait PageSource: Send + Sync + fmt::Debug {
    /// The number of a frame of 4096 bytes, whatever is in them; `None` if there is none.
    fn allocate(&self) -> Option<u64>;

    /// Takes back a frame.
    fn free(&self, frame: u64);

    /// Copies `bytes` to byte `at` of a frame. They end within it.
    fn copy_in(&self, frame: u64, at: usize, bytes: &[u8]);

    /// Fills `out` from byte `at` of a frame. The bytes end within it.
    fn copy_out(&self, frame: u64, at: usize, out: &mut [u8]);
}

/// Who has mapped pages of files. Without him a page that is lent when its file is cut stays what it is, and is part of the file no
/// more.
pub trait Mappings: Send + Sync + fmt::Debug {
    /// Takes the pages `pages` (of 4096 bytes, by number) of a file out of every mapping, and drops each
    /// [`LentPage`](crate::LentPage) of them before it returns. `device` is that of [`Stat`](crate::Stat). Called with the lock of the
    /// file held: must not read, write or map files.
    fn revoke(&self, device: u64, file: Ino, pages: Range<u64>);
}
