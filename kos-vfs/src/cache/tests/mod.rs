//! The cache through a `Vfs`, over kosfs and FAT on a RAM disk.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic; its numbers are small"
)]

mod watched;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use self::watched::Watched;
use crate::attr::Mode;
use crate::block::BlockDevice;
use crate::call::{At, AtFlags, Ctx, Stat};
use crate::file::{How, OpenFile, OpenFlags, SeekFrom};
use crate::fs::{FileSystem, SyncMode, kosfs};
use crate::testing::{HostEnv, RamDisk, TestClock};
use crate::{Config, MountFlags, Timestamp, Vfs, View};

type Lock = spin::RwLock<()>;
type KosFs<D> = kosfs::KosFs<D, Lock>;

const SECOND: Duration = Duration::from_secs(1);

fn small() -> Config {
    Config { cache_bytes: 64 << 10, dentries: 64, files: 16, mounts: 4, ..Config::default() }
}

fn new_disk() -> RamDisk {
    RamDisk::with_size(16 << 20, 512)
}

fn mkfs_kosfs<D: BlockDevice>(disk: D) {
    let now = Timestamp::EPOCH;
    let options =
        kosfs::MkfsOptions { uuid: [1; 16], label: [0; 64], now, uid: 0, gid: 0, hash_key: [2; 16] };
    kosfs::mkfs::<_, Lock>(disk, &options).unwrap();
}

fn kosfs_on<D: BlockDevice>(disk: D) -> KosFs<D> {
    kosfs::KosFs::mount(disk, kosfs::MountOptions::default()).unwrap()
}

/// A new volume with a watch before it.
fn watched() -> Arc<Watched<KosFs<RamDisk>>> {
    let disk = new_disk();
    mkfs_kosfs(&disk);
    Arc::new(Watched::new(kosfs_on(disk)))
}

/// One `Vfs` that shows one file system; lives for ever, as in a kernel.
fn system(config: &Config, fs: Arc<dyn FileSystem>) -> (&'static Vfs<HostEnv>, View<'static, HostEnv>) {
    let vfs = Vfs::new(config, TestClock::at(1_000_000_000)).unwrap();
    let vfs: &'static Vfs<HostEnv> = Box::leak(Box::new(vfs));
    (vfs, vfs.mount_root(fs, MountFlags::empty()).unwrap())
}

fn open<'v>(view: &View<'v, HostEnv>, path: &[u8], flags: OpenFlags) -> OpenFile<'v, HostEnv> {
    let ctx = Ctx::root();
    view.call(&ctx).open(At::Cwd, path, &How::create(flags | OpenFlags::READ_WRITE, Mode::of(0o644))).unwrap()
}

fn write(view: &View<'_, HostEnv>, file: &OpenFile<'_, HostEnv>, bytes: &[u8], at: u64) -> usize {
    view.call(&Ctx::root()).pwrite(file, bytes, at).unwrap()
}

fn read(file: &OpenFile<'_, HostEnv>, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; length];
    let count = file.pread(&mut bytes, at).unwrap();
    bytes.truncate(count);
    bytes
}

fn stat(view: &View<'_, HostEnv>, path: &[u8]) -> Stat {
    view.call(&Ctx::root()).stat_at(At::Cwd, path, AtFlags::empty()).unwrap()
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8 ^ (at >> 8) as u8 ^ seed).collect()
}

#[test]
fn second_miss_reads_no_device() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let bytes = pattern(40_000, 3);
    let file = open(&view, b"/f", OpenFlags::empty());
    assert_eq!(write(&view, &file, &bytes, 0), bytes.len());
    vfs.sync().unwrap();
    vfs.shrink_pages(usize::MAX);
    assert_eq!(vfs.stats().cache.clean, 0);

    assert_eq!(read(&file, 8192, 10_000), bytes[8192..18_192]);
    let reads = fs.watch.reads.load(Relaxed);
    assert_eq!(read(&file, 8192, 10_000), bytes[8192..18_192]);
    assert_eq!(fs.watch.reads.load(Relaxed), reads, "the second time all of it is there");
    vfs.check().unwrap();
}

#[test]
fn a_sequence_is_read_ahead_in_few_requests() {
    let fs = watched();
    let config = Config { cache_bytes: 4 << 20, ..small() };
    let (vfs, view) = system(&config, fs.clone());
    let bytes = pattern(1 << 20, 9);
    let file = open(&view, b"/f", OpenFlags::empty());
    assert_eq!(write(&view, &file, &bytes, 0), bytes.len());
    vfs.sync().unwrap();
    vfs.shrink_pages(usize::MAX);
    let before = fs.watch.reads.load(Relaxed);
    for (at, bytes) in bytes.chunks(1000).enumerate() {
        assert_eq!(read(&file, at as u64 * 1000, bytes.len()), bytes);
    }
    let reads = fs.watch.reads.load(Relaxed) - before;
    assert!(reads <= 12, "{reads} requests for 1 MiB");
    // Who jumps about gets what he asked for.
    vfs.shrink_pages(usize::MAX);
    let ahead = vfs.stats().cache.ahead;
    for page in [200, 7, 99, 31] {
        assert_eq!(read(&file, page * 4096, 100), bytes[page as usize * 4096..][..100]);
    }
    assert_eq!(vfs.stats().cache.ahead, ahead);
}

#[test]
fn writeback_sees_the_new_size() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let file = open(&view, b"/f", OpenFlags::APPEND);
    let call_ctx = Ctx::root();
    let call = view.call(&call_ctx);
    let (mut model, mut writes) = (Vec::new(), 0);
    for round in 0..50_u32 {
        let bytes = pattern(1 + (round as usize * 997) % 5000, round as u8);
        assert_eq!(call.write(&file, &bytes).unwrap(), bytes.len());
        model.extend_from_slice(&bytes);
        assert_eq!(stat(&view, b"/f").attr.size, model.len() as u64);
        assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), model.len() as u64);
        writes += 1;
        if round % 7 == 0 {
            // In the middle of it, somebody else writes back.
            vfs.tick(SECOND * 40 * round);
            let attr = fs.attr(stat(&view, b"/f").attr.ino).unwrap();
            assert!(attr.size <= model.len() as u64);
        }
        vfs.check().unwrap();
    }
    assert!(fs.watch.writes.load(Relaxed) < writes, "it is a cache");
    let shown = stat(&view, b"/f").attr;
    file.sync(SyncMode::All).unwrap();
    assert_eq!(
        (fs.attr(shown.ino).unwrap(), stat(&view, b"/f").attr),
        (shown_blocks(shown, &*fs), shown_blocks(shown, &*fs))
    );
    let mut bytes = vec![0; model.len() + 1];
    assert_eq!(fs.files().read_at(shown.ino, 0, &mut bytes).unwrap(), model.len());
    assert_eq!(bytes[..model.len()], model);
}

/// What was shown, with the blocks that only the driver knows.
fn shown_blocks(shown: crate::Attr, fs: &dyn FileSystem) -> crate::Attr {
    crate::Attr { blocks: fs.attr(shown.ino).unwrap().blocks, ..shown }
}
