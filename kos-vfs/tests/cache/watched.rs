//! [`Watched`]: a file system between the cache and a driver, which counts, promises and fails.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kos_vfs::attr::SetAttr;
use kos_vfs::fs::{Allocate, DirOps, FileOps, FileSystem, FsInfo, Seek, StatFs, SyncMode, XattrOps};
use kos_vfs::{Attr, DeviceError, FsError, Ino, Timestamp};

/// What a file system promises to the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Whatever it is asked.
    #[default]
    Everything,
    /// What the driver behind it does.
    AsItCan,
    Nothing,
}

/// Counts of calls, and which one fails.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// Calls about bytes so far, and the number of the one that fails; none if it is 0.
    pub(crate) calls: AtomicU64,
    pub(crate) fail_at: AtomicU64,
    /// Whether all writes fail.
    pub(crate) refuse: AtomicBool,
    /// What it promises.
    pub(crate) promise: Promise,
    pub(crate) promised: AtomicU64,
}

impl Watch {
    fn count(&self) -> Result<(), FsError> {
        let call = self.calls.fetch_add(1, Relaxed) + 1;
        if call == self.fail_at.load(Relaxed) {
            return Err(DeviceError::Failed { sector: call }.into());
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Watched<F> {
    pub(crate) inner: F,
    pub(crate) watch: Watch,
}

impl<F> Watched<F> {
    pub(crate) fn new(inner: F, promise: Promise) -> Self {
        Self { inner, watch: Watch { promise, ..Watch::default() } }
    }
}

impl<F: FileSystem> FileSystem for Watched<F> {
    fn info(&self) -> FsInfo {
        self.inner.info()
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.inner.load(file)
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.inner.attr(file)
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.inner.set_attr(file, set)
    }

    fn forget(&self, file: Ino, uses: u32) {
        self.inner.forget(file, uses);
    }

    fn dirs(&self) -> &dyn DirOps {
        self.inner.dirs()
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn xattrs(&self) -> Option<&dyn XattrOps> {
        self.inner.xattrs()
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        self.inner.statfs()
    }

    fn sync(&self, mode: SyncMode) -> Result<(), FsError> {
        self.inner.sync(mode)
    }
}

impl<F: FileSystem> FileOps for Watched<F> {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        self.watch.reads.fetch_add(1, Relaxed);
        self.watch.count()?;
        self.inner.files().read_at(file, offset, out)
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        self.watch.writes.fetch_add(1, Relaxed);
        self.watch.count()?;
        if self.watch.refuse.load(Relaxed) {
            return Err(DeviceError::Failed { sector: 7 }.into());
        }
        self.inner.files().write_at(file, offset, bytes, now)
    }

    fn reserve(&self, file: Ino, pages: u64, end: u64) -> Result<bool, FsError> {
        if pages > 0 {
            self.watch.count()?;
        }
        self.watch.promised.store(pages, Relaxed);
        match self.watch.promise {
            Promise::Everything => Ok(true),
            Promise::AsItCan => self.inner.files().reserve(file, pages, end),
            Promise::Nothing => Ok(false),
        }
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        self.watch.count()?;
        self.inner.files().truncate(file, size, now)
    }

    fn allocate(
        &self,
        file: Ino,
        how: Allocate,
        offset: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        self.watch.count()?;
        self.inner.files().allocate(file, how, offset, length, now)
    }

    fn seek(&self, file: Ino, offset: u64, size: u64, what: Seek) -> Result<Option<u64>, FsError> {
        self.inner.files().seek(file, offset, size, what)
    }

    fn fsync(&self, file: Ino, mode: SyncMode) -> Result<(), FsError> {
        self.watch.count()?;
        self.inner.files().fsync(file, mode)
    }
}
