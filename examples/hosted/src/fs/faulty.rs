//! A file system that is full, or without memory, when it is told to: [`FaultyFs`], with its [`Faults`].

use alloc::sync::Arc;

use kos_vfs::attr::{Attr, Ino, SetAttr, Timestamp};
use kos_vfs::fs::{
    Allocate, Cookie, DirOps, DirSink, FileOps, FileSystem, FsInfo, NewNode, OpenOps, Rename, Seek, StatFs,
    SyncMode, XattrOps,
};
use kos_vfs::name::PATH_MAX;
use kos_vfs::{FsError, Name};
use parking_lot::Mutex;

/// Which call shall fail, and how.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Option<(FsError, u64)>>);

impl Faults {
    /// The `count`th call from now on that takes space (`enospc`) or memory (`enomem`) fails, from 0. False for another `kind`.
    pub(super) fn set(&self, kind: &str, count: u64) -> bool {
        let error = match kind {
            "enospc" => FsError::NoSpace,
            "enomem" => FsError::NoMemory,
            _ => return false,
        };
        *self.0.lock() = Some((error, count));
        true
    }

    /// A call that takes memory, and `space` too.
    fn count(&self, space: bool) -> Result<(), FsError> {
        let mut fault = self.0.lock();
        let Some((error, left)) = fault.as_mut().filter(|fault| space || fault.0 == FsError::NoMemory) else {
            return Ok(());
        };
        let error = *error;
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => {
                *fault = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn memory(&self) -> Result<(), FsError> {
        self.count(false)
    }

    fn space(&self) -> Result<(), FsError> {
        self.count(true)
    }
}

/// A file system whose calls fail before they begin.
#[derive(Debug)]
pub(super) struct FaultyFs {
    fs: Arc<dyn FileSystem>,
    faults: Arc<Faults>,
}

impl FaultyFs {
    pub(super) fn new(fs: Arc<dyn FileSystem>, faults: Arc<Faults>) -> Self {
        Self { fs, faults }
    }
}

impl FileSystem for FaultyFs {
    fn info(&self) -> FsInfo {
        self.fs.info()
    }

    fn root(&self) -> Ino {
        self.fs.root()
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.faults.memory()?;
        self.fs.load(file)
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.attr(file)
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.faults.space()?;
        self.fs.set_attr(file, set)
    }

    fn forget(&self, file: Ino, uses: u32) {
        self.fs.forget(file, uses);
    }

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn xattrs(&self) -> Option<&dyn XattrOps> {
        self.fs.xattrs()
    }

    fn opens(&self) -> Option<&dyn OpenOps> {
        self.fs.opens()
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        self.fs.statfs()
    }

    fn sync(&self, mode: SyncMode) -> Result<(), FsError> {
        self.fs.sync(mode)
    }
}

impl DirOps for FaultyFs {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        self.faults.memory()?;
        self.fs.dirs().lookup(dir, name)
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        self.faults.space()?;
        self.fs.dirs().create(dir, name, new)
    }

    fn create_nameless(&self, dir: Ino, new: &NewNode<'_>) -> Result<Attr, FsError> {
        self.faults.space()?;
        self.fs.dirs().create_nameless(dir, new)
    }

    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        self.faults.space()?;
        self.fs.dirs().link(dir, name, file, now)
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.faults.memory()?;
        self.fs.dirs().unlink(dir, name, file, now)
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.faults.memory()?;
        self.fs.dirs().rmdir(dir, name, file, now)
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        self.faults.space()?;
        self.fs.dirs().rename(rename)
    }

    fn readlink(&self, link: Ino, target: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        self.faults.memory()?;
        self.fs.dirs().readlink(link, target)
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        self.faults.memory()?;
        self.fs.dirs().readdir(dir, from, sink)
    }
}

impl FileOps for FaultyFs {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        self.faults.memory()?;
        self.fs.files().read_at(file, offset, out)
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        self.faults.space()?;
        self.fs.files().write_at(file, offset, bytes, now)
    }

    fn reserve(&self, file: Ino, pages: u64, end: u64) -> Result<bool, FsError> {
        self.fs.files().reserve(file, pages, end)
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        self.faults.space()?;
        self.fs.files().truncate(file, size, now)
    }

    fn allocate(
        &self,
        file: Ino,
        how: Allocate,
        at: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        self.faults.space()?;
        self.fs.files().allocate(file, how, at, length, now)
    }

    fn seek(&self, file: Ino, offset: u64, size: u64, what: Seek) -> Result<Option<u64>, FsError> {
        self.faults.memory()?;
        self.fs.files().seek(file, offset, size, what)
    }

    fn fsync(&self, file: Ino, mode: SyncMode) -> Result<(), FsError> {
        self.fs.files().fsync(file, mode)
    }
}
