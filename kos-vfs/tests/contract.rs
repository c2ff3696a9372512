//! The contract of file systems: the drivers keep it, and whoever lies is found.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU32, Ordering};
use std::panic::catch_unwind;

use kos_vfs::fs::fat::FatKind;
use kos_vfs::fs::{
    Cookie, DirEntry, DirOps, DirSink, FileOps, FileSystem, FsInfo, NewNode, Rename, StatFs, SyncMode,
};
use kos_vfs::name::PATH_MAX;
use kos_vfs::testing::{FatVolume, KosFsVolume, RamDisk, TmpfsVolume, Volume, check_file_system};
use kos_vfs::{Attr, FsError, Ino, Name, Timestamp};

fn disk(kib: u64) -> Arc<RamDisk> {
    Arc::new(RamDisk::with_size(kib << 10, 512))
}

#[test]
fn every_driver_keeps_the_contract() {
    let volumes: [Box<dyn Volume>; 5] = [
        Box::new(TmpfsVolume::new(2 << 20)),
        Box::new(KosFsVolume::format(disk(6 << 10))),
        Box::new(FatVolume::format(disk(1 << 10), FatKind::Fat12)),
        Box::new(FatVolume::format(disk(5 << 10), FatKind::Fat16)),
        Box::new(FatVolume::format(disk(34 << 10), FatKind::Fat32)),
    ];
    for volume in volumes {
        let fs = volume.mount().unwrap();
        check_file_system(&*fs);
        drop(fs);
        volume.check();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    /// The last byte of each write is dropped.
    Write,
    /// A new size is only told.
    Truncate,
    /// A directory with files goes.
    Rmdir,
    /// A file goes with its last name.
    Unlink,
    /// Each fourth name is left out of lists.
    List,
    /// What is free never changes.
    Space,
    /// A rename does nothing.
    Rename,
}

#[derive(Debug)]
struct Liar {
    fs: Arc<dyn FileSystem>,
    lie: Lie,
    seen: AtomicU32,
}

impl FileSystem for Liar {
    fn info(&self) -> FsInfo {
        self.fs.info()
    }

    fn root(&self) -> Ino {
        self.fs.root()
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.load(file)
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.attr(file)
    }

    fn set_attr(&self, file: Ino, set: &kos_vfs::attr::SetAttr) -> Result<Attr, FsError> {
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

    fn statfs(&self) -> Result<StatFs, FsError> {
        let stat = self.fs.statfs()?;
        Ok(if self.lie == Lie::Space { StatFs { free: stat.blocks, ..stat } } else { stat })
    }

    fn sync(&self, mode: SyncMode) -> Result<(), FsError> {
        self.fs.sync(mode)
    }
}

impl DirOps for Liar {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        self.fs.dirs().lookup(dir, name)
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        self.fs.dirs().create(dir, name, new)
    }

    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        self.fs.dirs().link(dir, name, file, now)
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.fs.dirs().unlink(dir, name, file, now)?;
        if self.lie == Lie::Unlink {
            self.fs.files().truncate(file, 0, now)?;
        }
        Ok(())
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        if self.lie == Lie::Rmdir { Ok(()) } else { self.fs.dirs().rmdir(dir, name, file, now) }
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        if self.lie == Lie::Rename { Ok(()) } else { self.fs.dirs().rename(rename) }
    }

    fn readlink(&self, link: Ino, target: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        self.fs.dirs().readlink(link, target)
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        let mut through = |entry: DirEntry<'_>| {
            let skipped = self.seen.fetch_add(1, Ordering::Relaxed) % 4 == 3 && self.lie == Lie::List;
            skipped || sink.entry(entry)
        };
        self.fs.dirs().readdir(dir, from, &mut through)
    }
}

impl FileOps for Liar {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        self.fs.files().read_at(file, offset, out)
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        let mut bytes = bytes.to_vec();
        if self.lie == Lie::Write {
            *bytes.last_mut().unwrap() ^= 1;
        }
        self.fs.files().write_at(file, offset, &bytes, now)
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        if self.lie == Lie::Truncate {
            return Ok(Attr { size, ..self.fs.attr(file)? });
        }
        self.fs.files().truncate(file, size, now)
    }

    fn fsync(&self, file: Ino, mode: SyncMode) -> Result<(), FsError> {
        self.fs.files().fsync(file, mode)
    }
}

#[test]
fn a_file_system_that_lies_is_found() {
    let lies = [Lie::Write, Lie::Truncate, Lie::Rmdir, Lie::Unlink, Lie::List, Lie::Space, Lie::Rename];
    for lie in [Lie::None].into_iter().chain(lies) {
        let fs = TmpfsVolume::new(2 << 20).mount().unwrap();
        let liar = Liar { fs, lie, seen: AtomicU32::new(0) };
        let checked = catch_unwind(AssertUnwindSafe(|| check_file_system(&liar)));
        assert_eq!(checked.is_ok(), lie == Lie::None, "{lie:?}");
    }
}
