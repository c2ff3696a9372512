//! Ours, by the calls of a process.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use kos_vfs::fs::fat::{Fat, FatKind, MkfsOptions, MountOptions, mkfs};
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::fs::{FileSystem, SyncMode};
use kos_vfs::{
    At, AtFlags, Call, Config, Ctx, Env, How, Mode, MountFlags, OpenFile, OpenFlags, Timestamp, Vfs, View,
    WallClock,
};

use super::{BOTTOM, DATA, DIRS, FILE, OTHERS, Tree};
use crate::harness::must;
use crate::lock::Spin;
use crate::vfs::pattern;
use crate::vfs::ram::Ram;

/// Spin locks, and a clock that is read without a system call.
#[derive(Debug)]
pub(super) struct Host;

impl Env for Host {
    type Lock = Spin;
    type RwLock = spin::RwLock<()>;
    type Clock = Ticks;
}

/// A clock that goes on by a nanosecond each time it is read: no two moments are the same.
#[derive(Debug, Default)]
pub(super) struct Ticks(AtomicU32);

impl WallClock for Ticks {
    fn now(&self) -> Timestamp {
        let nanos = self.0.fetch_add(1, Ordering::Relaxed) % 1_000_000_000;
        must(Timestamp::new(1_800_000_000, nanos))
    }
}

/// A process in a tree: of a tmpfs, or of a FAT volume with a page cache that holds all of its files.
pub(super) struct Kos<const CACHED: bool> {
    view: View<'static, Host>,
    ctx: Ctx<'static>,
    file: Option<OpenFile<'static, Host>>,
}

fn in_memory() -> (Config, Arc<dyn FileSystem>) {
    let limits = TmpfsConfig { bytes: 2 * DATA, ..TmpfsConfig::default() };
    (Config::default(), Arc::new(must(Tmpfs::<Host>::new(&limits).ok())))
}

fn cached() -> (Config, Arc<dyn FileSystem>) {
    let disk = Ram::zeroed(2 * DATA);
    must(mkfs(&disk, &MkfsOptions::new(FatKind::Fat16)).ok());
    let fs = must(Fat::<_, Spin>::mount(disk, MountOptions::default()).ok());
    (Config { cache_bytes: 2 * DATA, ..Config::default() }, Arc::new(fs))
}

impl<const CACHED: bool> Kos<CACHED> {
    /// The tables stay for ever: what is open borrows them.
    fn new((config, fs): (Config, Arc<dyn FileSystem>)) -> Self {
        let vfs: &'static Vfs<Host> = Box::leak(Box::new(must(Vfs::new(&config, Ticks::default()).ok())));
        let view = must(vfs.mount_root(fs, MountFlags::empty()).ok());
        Self { view, ctx: Ctx::root(), file: None }
    }

    fn call(&self) -> Call<'_, 'static, Host> {
        self.view.call(&self.ctx)
    }

    fn fill(&self, size: usize) {
        for dir in DIRS {
            must(self.call().mkdir(At::Cwd, dir.as_bytes(), Mode::ALL_ACCESS).ok());
        }
        for other in 0..OTHERS {
            self.make_file(&format!("{}/other{other}", BOTTOM));
        }
        let file = self.make_file(FILE);
        assert_eq!(self.call().write(&file, &pattern(0, size)).ok(), Some(size), "it is full");
        must(file.sync(SyncMode::All).ok());
    }

    fn make_file(&self, path: &str) -> OpenFile<'static, Host> {
        let flags = OpenFlags::READ_WRITE | OpenFlags::EXCLUSIVE;
        let how = How::create(flags, Mode::ALL_ACCESS);
        must(self.call().open(At::Cwd, path.as_bytes(), &how).ok())
    }
}

impl<const CACHED: bool> Tree for Kos<CACHED> {
    const NOTE: &str = "permissions, symlinks, mounts, times";

    fn make(size: usize) -> Self {
        let tree = Self::new(if CACHED { cached() } else { in_memory() });
        tree.fill(size);
        tree
    }

    fn stat(&mut self, path: &str) -> Option<u64> {
        let found = self.call().stat_at(At::Cwd, path.as_bytes(), AtFlags::empty());
        found.ok().map(|found| found.attr.size)
    }

    fn create(&mut self, path: &str) {
        drop(self.make_file(path));
    }

    fn remove(&mut self, path: &str) {
        must(self.call().unlink(At::Cwd, path.as_bytes()).ok());
    }

    fn open(&mut self) {
        let how = How::flags(OpenFlags::READ_WRITE);
        self.file = self.call().open(At::Cwd, FILE.as_bytes(), &how).ok();
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        assert_eq!(must(self.file.as_ref()).pread(out, at).ok(), Some(out.len()), "a short read");
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        let done = self.call().pwrite(must(self.file.as_ref()), bytes, at);
        assert_eq!(done.ok(), Some(bytes.len()), "a short write");
    }
}
