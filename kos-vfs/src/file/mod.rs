//! Open files: how they are opened (`open`), read and written (`io`), listed (`dir`), and found by number (`fd`); `whole` reads a
//! file at once.
//!
//! Key types: [`OpenFile`], [`OpenFlags`], [`FdTable`], [`FileError`].

mod dir;
mod error;
mod fd;
mod flags;
mod io;
pub(crate) mod lock;
mod open;
mod special;
mod stream;
pub(crate) mod table;
pub(crate) mod whole;

pub use dir::Entry;
pub use error::FileError;
pub use fd::{Fd, FdTable};
pub use flags::OpenFlags;
pub use io::SeekFrom;
pub use lock::{HeldLock, LockError, LockKind, LockRange, LockRequest, LockScope, LockWait};
pub use open::How;
pub use stream::Stream;
pub use table::OpenFile;
