//! The file systems, each on a disk in memory, with one file that has bytes.

use kos_vfs::Ino;
use kos_vfs::Timestamp;
use kos_vfs::fs::kosfs::{KosFs, MkfsOptions, MountOptions, mkfs};
use kos_vfs::fs::{FileSystem, SyncMode};
use redoxfs::{BLOCK_SIZE, Disk, DiskCache, Node, TreePtr};
use syscall::error::{EIO, Error};

use crate::harness::must;
use crate::vfs::ram::{Bytes, Ram};
use crate::vfs::{create_file, name_of, pattern, read_file, remove_file, write_file};

/// A file of some size.
const FILE: &str = "data";

/// A file system. What changes is durable when a call returns.
pub(super) trait Drive: 'static {
    /// What is not alike.
    const NOTE: &str;

    /// An empty volume of so many bytes.
    fn make(volume: usize) -> Self;
    /// Ends this mount and begins another, with no bytes moved yet before it.
    fn mount_again(self) -> Self;
    /// Makes [`FILE`] with `size` bytes of [`pattern`], and opens it.
    fn fill(&mut self, size: usize);
    fn create(&mut self, names: &[String]);
    fn remove(&mut self, names: &[String]);
    fn has(&mut self, name: &str) -> bool;
    /// Reads from [`FILE`].
    fn read(&mut self, at: u64, out: &mut [u8]);
    /// Writes the same bytes to places of [`FILE`].
    fn write(&mut self, places: &[u64], bytes: &[u8]);
    /// Bytes read from the disk and written to it.
    fn moved(&self) -> (usize, usize);
}

/// Ours.
pub(super) struct Kos {
    disk: &'static Ram,
    fs: KosFs<&'static Ram, spin::RwLock<()>>,
    file: Option<Ino>,
}

impl Kos {
    fn mount(disk: &'static Ram) -> Self {
        Self { disk, fs: must(KosFs::mount(disk, MountOptions::default()).ok()), file: None }
    }

    fn sync(&self) {
        must(self.fs.sync(SyncMode::All).ok());
    }
}

impl Drive for Kos {
    const NOTE: &str = "usable from several threads; 1 MiB of nodes in memory";

    /// The disk stays for ever: what is mounted borrows it.
    fn make(volume: usize) -> Self {
        let disk: &'static Ram = Box::leak(Box::new(Ram::zeroed(volume)));
        let now = Timestamp::EPOCH;
        let options = MkfsOptions { uuid: [1; 16], label: [0; 64], now, uid: 0, gid: 0, hash_key: [2; 16] };
        must(mkfs::<_, spin::RwLock<()>>(disk, &options).ok());
        Self::mount(disk)
    }

    fn mount_again(self) -> Self {
        let disk = self.disk;
        drop(self);
        disk.lock().read = 0;
        Self::mount(disk)
    }

    fn fill(&mut self, size: usize) {
        let file = create_file(&self.fs, FILE);
        for at in (0..size).step_by(1 << 20) {
            write_file(&self.fs, file, at as u64, &pattern(at, 1 << 20));
        }
        self.sync();
        self.file = Some(file);
    }

    fn create(&mut self, names: &[String]) {
        for name in names {
            let file = create_file(&self.fs, name);
            self.fs.forget(file, 1);
        }
        self.sync();
    }

    fn remove(&mut self, names: &[String]) {
        names.iter().for_each(|name| remove_file(&self.fs, name));
        self.sync();
    }

    fn has(&mut self, name: &str) -> bool {
        let found = self.fs.dirs().lookup(self.fs.root(), name_of(name));
        found.is_ok_and(|found| {
            self.fs.forget(found.ino, 1);
            true
        })
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        read_file(&self.fs, must(self.file), at, out);
    }

    fn write(&mut self, places: &[u64], bytes: &[u8]) {
        places.iter().for_each(|&at| write_file(&self.fs, must(self.file), at, bytes));
        self.sync();
    }

    fn moved(&self) -> (usize, usize) {
        let disk = self.disk.lock();
        (disk.read, disk.written)
    }
}

/// The disk of redoxfs.
pub(super) struct Plain(Bytes);

fn start(block: u64) -> usize {
    must(usize::try_from(block * BLOCK_SIZE).ok())
}

impl Disk for Plain {
    // Nothing is asked of the caller here.
    unsafe fn read_at(&mut self, block: u64, out: &mut [u8]) -> syscall::Result<usize> {
        if self.0.read(start(block), out) { Ok(out.len()) } else { Err(Error::new(EIO)) }
    }

    unsafe fn write_at(&mut self, block: u64, bytes: &[u8]) -> syscall::Result<usize> {
        if self.0.write(start(block), bytes) { Ok(bytes.len()) } else { Err(Error::new(EIO)) }
    }

    fn size(&mut self) -> syscall::Result<u64> {
        Ok(self.0.bytes.len() as u64)
    }
}

/// Where redoxfs gets its blocks from.
pub(super) trait Source: Disk + 'static {
    fn over(disk: Plain) -> Self;
    /// Bytes read from the disk and written to it, where that can be seen.
    fn moved(&self) -> (usize, usize);
    fn into_plain(self) -> Option<Plain>;
}

impl Source for Plain {
    fn over(disk: Plain) -> Self {
        disk
    }

    fn moved(&self) -> (usize, usize) {
        (self.0.read, self.0.written)
    }

    fn into_plain(self) -> Option<Plain> {
        Some(self)
    }
}

impl Source for DiskCache<Plain> {
    fn over(disk: Plain) -> Self {
        Self::new(disk)
    }

    fn moved(&self) -> (usize, usize) {
        (0, 0)
    }

    fn into_plain(self) -> Option<Plain> {
        None
    }
}

/// redoxfs.
pub(super) struct Redox<S: Source> {
    fs: redoxfs::FileSystem<S>,
    file: Option<TreePtr<Node>>,
}

const MODE: u16 = Node::MODE_FILE | 0o755;

impl<S: Source> Drive for Redox<S> {
    const NOTE: &str = "compresses; one owner; its cache, where it has one, is of 16 MiB and of data too";

    fn make(volume: usize) -> Self {
        let disk = S::over(Plain(Bytes { bytes: vec![0; volume], ..Bytes::default() }));
        Self { fs: must(redoxfs::FileSystem::create(disk, None, 0, 0).ok()), file: None }
    }

    fn mount_again(self) -> Self {
        let mut disk = must(self.fs.disk.into_plain());
        disk.0.read = 0;
        Self { fs: must(redoxfs::FileSystem::open(S::over(disk), None, None, true).ok()), file: None }
    }

    fn fill(&mut self, size: usize) {
        let file = must(self.fs.tx(|tx| tx.create_node(TreePtr::root(), FILE, MODE, 0, 0)).ok()).ptr();
        for at in (0..size).step_by(1 << 20) {
            let bytes = pattern(at, 1 << 20);
            must(self.fs.tx(|tx| tx.write_node(file, at as u64, &bytes, 0, 0)).ok());
        }
        self.file = Some(file);
    }

    fn create(&mut self, names: &[String]) {
        let made = self.fs.tx(|tx| {
            names.iter().try_for_each(|name| tx.create_node(TreePtr::root(), name, MODE, 0, 0).map(drop))
        });
        must(made.ok());
    }

    fn remove(&mut self, names: &[String]) {
        let removed = self.fs.tx(|tx| {
            names.iter().try_for_each(|name| tx.remove_node(TreePtr::root(), name, Node::MODE_FILE).map(drop))
        });
        must(removed.ok());
    }

    fn has(&mut self, name: &str) -> bool {
        self.fs.tx(|tx| tx.find_node(TreePtr::root(), name)).is_ok()
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        let file = must(self.file);
        let done = self.fs.tx(|tx| tx.read_node(file, at, out, 0, 0));
        assert_eq!(done.ok(), Some(out.len()), "a short read");
    }

    fn write(&mut self, places: &[u64], bytes: &[u8]) {
        let file = must(self.file);
        let written =
            self.fs.tx(|tx| places.iter().try_for_each(|&at| tx.write_node(file, at, bytes, 0, 0).map(drop)));
        must(written.ok());
    }

    fn moved(&self) -> (usize, usize) {
        self.fs.disk.moved()
    }
}
