//! What a file system implements: [`FileSystem`], with [`DirOps`], [`FileOps`] and perhaps [`XattrOps`].
//!
//! The VFS owns names, resolution, permissions, the rules of renaming and the order of locks. A driver gets files that were
//! resolved, names that were checked and operations that were permitted, and decides nothing about who may do what. It is
//! told the time where it stores one. Calls about different files come at the same time; for one file the VFS keeps this:
//!
//! | call | beside it |
//! |---|---|
//! | `lookup`, `readdir`, `readlink`, `read_at`, `seek`; of attributes `get`, `list` | each other |
//! | `load`, `attr`, `forget`, `fsync` | every call |
//! | `create`, `link`, `unlink`, `rmdir`, `rename` | of other calls about these directories and the files named, only the line above |
//! | `write_at`, `reserve`, `truncate`, `allocate`, `set_attr`; of attributes `set`, `remove` | of other calls about this file, only `load`, `attr`, `forget`, `fsync` |
//!
//! A driver that is called otherwise may answer wrongly; it stays safe.

#[cfg(feature = "synthetic")]
pub mod devfs;
#[cfg(feature = "fat")]
pub mod fat;
#[cfg(feature = "synthetic")]
pub mod initramfs;
#[cfg(feature = "kosfs")]
pub mod kosfs;
#[cfg(feature = "synthetic")]
pub mod procfs;
pub mod tmpfs;
mod xattr;

use core::fmt;

use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::errno::Errno;
use crate::error::FsError;
use crate::file::OpenFlags;
use crate::name::Name;
pub use xattr::{XATTR_NAME_MAX, XATTR_SIZE_MAX, XattrFlags, XattrOps};

/// What a file system can do and hold. Fixed while it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsInfo {
    /// Its type as `mount` shows it: `tmpfs`.
    pub kind: &'static str,
    /// Bytes of a block: the unit of [`StatFs`], and what is best read and written.
    pub block_size: u32,
    /// The most bytes of a file.
    pub max_size: u64,
    /// The most names of a file; 1 where there are no hard links.
    pub max_links: u32,
    /// The most bytes of a name.
    pub max_name: usize,
    /// The step in which times are stored, in ns; 1 is exact.
    pub time_step: u64,
    /// The step in which the time of reading is stored, in ns.
    pub access_step: u64,
    /// What it is able to do.
    pub features: FsFeatures,
}

bitflags::bitflags! {
    /// What a file system is able to do beside files and directories.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FsFeatures: u32 {
        /// Stores owner, group and mode.
        const OWNERS = 1 << 0;
        /// Stores symlinks.
        const SYMLINKS = 1 << 1;
        /// Stores device nodes, pipes and sockets.
        const SPECIAL = 1 << 2;
        /// Exchanges two names in one step.
        const EXCHANGE = 1 << 3;
        /// Stores files with holes.
        const SPARSE = 1 << 4;
        /// Makes files without a name ([`NewNode::nameless`]).
        const NAMELESS = 1 << 5;
        /// Its data are in memory already: the page cache stays out.
        const RESIDENT = 1 << 6;
        /// Takes no changes.
        const READ_ONLY = 1 << 7;
        /// A file has one name, and is found by other spellings of it, too: in other letters, or by an alias. Which ones is the
        /// driver's to know, so the VFS remembers one spelling of each name, and none as missing.
        const SPELLINGS = 1 << 8;
        /// Names come and go by themselves, as those of processes do: each walk asks for each name, and none is remembered as
        /// missing. What a file is, its owner and its mode do not change by themselves.
        const VOLATILE = 1 << 9;
    }
}

/// How full a file system is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatFs {
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Blocks that are free for everybody.
    pub available: u64,
    /// Files that it can hold; 0 where nothing bounds them.
    pub files: u64,
    /// Of these, how many more.
    pub files_free: u64,
}

/// How much must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Data, and of the attributes what is needed to read them again (`fdatasync`).
    Data,
    /// Everything.
    All,
}

/// What [`DirOps::create`] shall make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewNode<'a> {
    /// The kind of file.
    pub kind: FileType,
    /// Its permission bits, the umask taken off.
    pub mode: Mode,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Which device, if it is one.
    pub device: DeviceNumber,
    /// Where it points, if it is a symlink: 1 to 4095 bytes without NUL.
    pub target: &'a [u8],
    /// Its four times, and the directory's.
    pub now: Timestamp,
}

bitflags::bitflags! {
    /// How to rename.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RenameFlags: u32 {
        /// The new name must not be there (`RENAME_NOREPLACE`).
        const NO_REPLACE = 1 << 0;
        /// The two files change places (`RENAME_EXCHANGE`).
        const EXCHANGE = 1 << 1;
    }
}

/// One end of a [`Rename`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenameEnd<'a> {
    /// The directory.
    pub dir: Ino,
    /// The name in it.
    pub name: Name<'a>,
    /// The file that has this name.
    pub file: Option<Ino>,
}

/// A rename that is permitted, loses nothing and makes no loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rename<'a> {
    /// What moves; its `file` is there.
    pub from: RenameEnd<'a>,
    /// Where it goes. A file there is replaced, or changes places with the other; with [`FsFeatures::SPELLINGS`] it may be the
    /// one that moves, which is then spelt so.
    pub to: RenameEnd<'a>,
    /// Whether the two change places.
    pub exchange: bool,
    /// The time that both directories and both files get.
    pub now: Timestamp,
}

/// A place in a directory, stable while names come and go: 0 is the start. Fits in 63 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub u64);

impl Cookie {
    /// The least that a driver gives: those below are for `.` and `..`, which the VFS adds.
    pub const FIRST: Self = Self(3);
}

/// One name that [`DirOps::readdir`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// The name.
    pub name: Name<'a>,
    /// Its file.
    pub ino: Ino,
    /// What kind of file.
    pub kind: FileType,
    /// Where to go on after it.
    pub next: Cookie,
}

/// Takes names from [`DirOps::readdir`].
pub trait DirSink {
    /// Takes one name; false if there is no room for it, so that it comes first the next time.
    fn entry(&mut self, entry: DirEntry<'_>) -> bool;
}

impl<F: FnMut(DirEntry<'_>) -> bool> DirSink for F {
    fn entry(&mut self, entry: DirEntry<'_>) -> bool {
        self(entry)
    }
}

/// A mounted file system. May sleep in every call; is never called with a spin lock held or interrupts masked.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// What it can do and hold.
    fn info(&self) -> FsInfo;

    /// Its root directory.
    fn root(&self) -> Ino;

    /// Takes a file in use, once more with each success, and says what is known about it. Until as many uses are given back
    /// to [`forget`](Self::forget), it keeps its number and its bytes even without a name. Uses are counted because a
    /// lookup and a `forget` of the same file may meet: each side then has its own.
    ///
    /// # Errors
    /// [`FsError::Stale`], or what the device says.
    fn load(&self, file: Ino) -> Result<Attr, FsError>;

    /// What is known now about a file that is in use. Takes no use of it.
    ///
    /// # Errors
    /// [`FsError::Stale`], or what the device says.
    fn attr(&self, file: Ino) -> Result<Attr, FsError>;

    /// Stores what `set` names; returns what is known then.
    ///
    /// # Errors
    /// [`FsError::Unsupported`] for an owner or mode that it cannot store, or what the device says. Nothing is changed then.
    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError>;

    /// Gives back as many uses. Who is without any and without a name goes now, with its bytes. What then fails is put right at
    /// the next mount.
    fn forget(&self, file: Ino, uses: u32);

    /// Names.
    fn dirs(&self) -> &dyn DirOps;

    /// Bytes.
    fn files(&self) -> &dyn FileOps;

    /// Extended attributes, where it stores any.
    fn xattrs(&self) -> Option<&dyn XattrOps> {
        None
    }

    /// Bytes that are made for who opens a file. `None` (as here) where all files are stored: then none is ever opened.
    fn opens(&self) -> Option<&dyn OpenOps> {
        None
    }

    /// How full it is.
    ///
    /// # Errors
    /// What the device says.
    fn statfs(&self) -> Result<StatFs, FsError>;

    /// Returns when what was answered before the call is durable.
    ///
    /// # Errors
    /// What the device says: then nothing is known to be durable.
    fn sync(&self, mode: SyncMode) -> Result<(), FsError>;
}

/// The names of a file system. A failed call has changed nothing.
pub trait DirOps {
    /// The file that has `name` in `dir`, taken in use as by [`FileSystem::load`].
    ///
    /// # Errors
    /// [`FsError::NotFound`], also of a name that it cannot hold, or what the device says.
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError>;

    /// Makes a file with one name (a directory: empty, with two links), taken in use.
    ///
    /// # Errors
    /// [`FsError::Exists`], no space, no memory, a name or kind that it cannot hold.
    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError>;

    /// Makes a regular file without a name on the file system of `dir`, taken in use.
    ///
    /// # Errors
    /// [`FsError::Unsupported`] without [`FsFeatures::NAMELESS`], no space, no memory.
    fn create_nameless(&self, dir: Ino, new: &NewNode<'_>) -> Result<Attr, FsError> {
        let _ = (dir, new);
        Err(FsError::Unsupported)
    }

    /// Gives `file`, which is no directory, one more name. Returns its attributes.
    ///
    /// # Errors
    /// [`FsError::TooManyLinks`], [`FsError::Exists`], no space, no memory, a name that it cannot hold.
    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError>;

    /// Takes a name from `file`, which is no directory.
    ///
    /// # Errors
    /// What the device says. Being full is no reason to fail.
    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError>;

    /// Removes the empty directory `file`.
    ///
    /// # Errors
    /// [`FsError::NotEmpty`], or what the device says.
    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError>;

    /// Renames in one step: at no moment is either file without its name.
    ///
    /// # Errors
    /// [`FsError::NotEmpty`] of a replaced directory, [`FsError::Unsupported`] of an exchange, no space, no memory.
    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError>;

    /// Copies where a symlink points to the start of `target`; returns how many bytes that is.
    ///
    /// # Errors
    /// What the device says.
    fn readlink(&self, link: Ino, target: &mut [u8; crate::name::PATH_MAX]) -> Result<usize, FsError>;

    /// Gives the names behind `from`, which is what it once gave or below [`Cookie::FIRST`], to `sink` until there are no more or it takes no more; without `.` and `..`. A name that
    /// is there from the first call to the last comes once, whatever comes and goes meanwhile.
    ///
    /// # Errors
    /// What the device says.
    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError>;
}

/// What to do with a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocate {
    /// Room is there afterwards; the size grows to the end of the range.
    Grow,
    /// Room is there afterwards; the size stays.
    KeepSize,
    /// Nothing is there afterwards, and zeroes are read; the size stays.
    PunchHole,
    /// Zeroes are there afterwards; the size grows to the end of the range.
    Zero,
    /// Zeroes are there afterwards; the size stays.
    ZeroKeepSize,
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Bytes that were written.
    Data,
    /// None; the end of a file counts as a hole.
    Hole,
}

/// The bytes of a file system. A failed call has changed no size; a failed `write_at` or `allocate` may have done some of its bytes.
pub trait FileOps {
    /// Fills `out` from byte `offset` on; returns how much there was before the end. Holes read as zeroes.
    ///
    /// # Errors
    /// What the device says, or damage found.
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError>;

    /// Stores `bytes` from byte `offset` on; the size grows to their end. Returns how many were stored, at least one.
    ///
    /// # Errors
    /// [`FsError::NoSpace`], [`FsError::TooLarge`], or what the device says; and nothing was stored.
    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError>;

    /// Keeps room for what the page cache holds of a file and will hand to [`write_at`](Self::write_at) later: `pages` pages of
    /// 4096 bytes, each at a multiple of 4096 and each stored once, whose last byte lies below `end`, the size that the file then
    /// has. The new promise takes the place of the file's last one; `pages` 0 gives it back. Later calls of `write_at` for
    /// this file, and of `set_attr` for its times, may use all that is promised to it, for data and for what leads to them; other files and other changes may not,
    /// and [`FileSystem::statfs`] counts it as used. The size and the bytes of the file stay as they are. It is called
    /// as `write_at` is; giving back also while the file is forgotten. What was promised ends with the file's last use at the latest.
    ///
    /// True: `write_at` will not fail for want of space. False: nothing can be promised; then every write goes through the
    /// cache to `write_at` at once, so that its caller learns that the file system is full.
    ///
    /// # Errors
    /// [`FsError::NoSpace`], or what the device says; the last promise stands then. A smaller one never fails.
    fn reserve(&self, file: Ino, pages: u64, end: u64) -> Result<bool, FsError> {
        let _ = (file, pages, end);
        Ok(false)
    }

    /// Sets the size. What comes in reads as zeroes, also where bytes were before.
    ///
    /// # Errors
    /// [`FsError::TooLarge`], or what the device says; the size stays then.
    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError>;

    /// Does `how` with `length` bytes from `offset`. The sum does not overflow.
    ///
    /// # Errors
    /// [`FsError::Unsupported`], [`FsError::NoSpace`], [`FsError::TooLarge`], or what the device says.
    fn allocate(
        &self,
        file: Ino,
        how: Allocate,
        offset: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        let _ = (file, how, offset, length, now);
        Err(FsError::Unsupported)
    }

    /// The first byte at or after `offset`, below `size`, of the kind looked for; `size` for the hole at the end.
    ///
    /// # Errors
    /// What the device says.
    fn seek(&self, file: Ino, offset: u64, size: u64, what: Seek) -> Result<Option<u64>, FsError> {
        let _ = file;
        Ok(match what {
            Seek::Data => (offset < size).then_some(offset),
            Seek::Hole => Some(size),
        })
    }

    /// Returns when what was written to the file before the call is durable.
    ///
    /// # Errors
    /// What the device says: then nothing is known to be durable.
    fn fsync(&self, file: Ino, mode: SyncMode) -> Result<(), FsError>;
}

/// Regular files whose bytes are made for who opens them. In place of [`FileOps::read_at`] and [`FileOps::write_at`]; called
/// without the lock of the file, so at any time.
pub trait OpenOps {
    /// Opens a file that is in use; a number for the calls below. It stays in use until [`close`](Self::close).
    ///
    /// # Errors
    /// What the system call answers.
    fn open(&self, file: Ino, flags: OpenFlags) -> Result<u64, Errno>;

    /// Reads from byte `offset` on; returns how many bytes, 0 at the end.
    ///
    /// # Errors
    /// What the system call answers.
    fn read(&self, handle: u64, offset: u64, out: &mut [u8]) -> Result<usize, Errno>;

    /// Writes; returns how many bytes it took.
    ///
    /// # Errors
    /// What the system call answers.
    fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> Result<usize, Errno>;

    /// The last descriptor was closed.
    fn close(&self, handle: u64);
}
