#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod attr;
pub mod block;
mod cache;
mod call;
mod config;
pub mod cred;
pub mod errno;
pub mod error;
mod file;
pub mod fs;
pub mod name;
pub mod perm;
mod ports;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;
mod vfs;
mod walk;

pub use attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
pub use cache::{Intent, LendError, LentPage};
pub use call::{
    At, AtFlags, AttrError, Call, Ctx, DirError, Limits, MountEntry, MountError, Pivot, SetTime, Stat,
    XattrName,
};
pub use config::{Config, ConfigError};
pub use cred::{CapSet, Cred};
pub use errno::Errno;
pub use error::{DeviceError, FsError};
pub use file::{
    Entry, Fd, FdTable, FileError, HeldLock, How, LockError, LockKind, LockRange, LockRequest, LockScope,
    LockWait, OpenFile, OpenFlags, SeekFrom, Stream,
};
pub use name::{Name, NameError};
pub use ports::{Env, Mappings, PageSource, SpecialFile, SpecialOpen, SpecialOpener, WallClock};
pub use stats::{CacheStats, Stats};
pub use tree::mount::MountFlags;
pub use tree::place::{Place, View};
pub use vfs::Vfs;
pub use walk::{ResolveError, ResolveFault, ResolveFlags};
