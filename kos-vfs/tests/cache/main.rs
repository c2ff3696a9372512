//! The page cache through the public interface, over kosfs and FAT on RAM disks.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "a test fails by panic; its numbers are small"
)]

extern crate alloc;

mod faults;
mod mapped;
mod model;
mod watched;

use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use kos_vfs::block::BlockDevice;
use kos_vfs::fs::fat::{self, Fat, FatKind};
use kos_vfs::fs::kosfs::{self, KosFs};
use kos_vfs::fs::{FileSystem, SyncMode};
use kos_vfs::testing::script::{Engine, Generator, VfsBackend};
use kos_vfs::testing::{HostEnv, RamDisk, TestClock, cases};
use kos_vfs::{
    At, AtFlags, Attr, Config, Ctx, Errno, How, Mode, MountFlags, OpenFile, OpenFlags, SeekFrom, SetTime,
    Timestamp, Vfs, View,
};

use watched::{Promise, Watched};

type Lock = spin::RwLock<()>;
type FatLock = spin::mutex::SpinMutex<()>;
type Handle = OpenFile<'static, HostEnv>;

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

fn kosfs_on<D: BlockDevice>(disk: D) -> KosFs<D, Lock> {
    KosFs::mount(disk, kosfs::MountOptions::default()).unwrap()
}

/// A new volume with a watch before it.
fn watched() -> Arc<Watched<KosFs<RamDisk, Lock>>> {
    let disk = new_disk();
    mkfs_kosfs(&disk);
    Arc::new(Watched::new(kosfs_on(disk), Promise::Everything))
}

/// One `Vfs` that shows one file system; lives for ever, as in a kernel.
fn system(config: &Config, fs: Arc<dyn FileSystem>) -> (&'static Vfs<HostEnv>, View<'static, HostEnv>) {
    let vfs = Vfs::new(config, TestClock::at(1_000_000_000)).unwrap();
    let vfs: &'static Vfs<HostEnv> = Box::leak(Box::new(vfs));
    (vfs, vfs.mount_root(fs, MountFlags::empty()).unwrap())
}

fn open(view: &View<'static, HostEnv>, path: &[u8], flags: OpenFlags) -> Handle {
    let ctx = Ctx::root();
    view.call(&ctx).open(At::Cwd, path, &How::create(flags | OpenFlags::READ_WRITE, Mode::of(0o644))).unwrap()
}

fn write(view: &View<'static, HostEnv>, file: &Handle, bytes: &[u8], at: u64) -> usize {
    view.call(&Ctx::root()).pwrite(file, bytes, at).unwrap()
}

fn read(file: &Handle, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; length];
    let count = file.pread(&mut bytes, at).unwrap();
    bytes.truncate(count);
    bytes
}

fn stat(view: &View<'static, HostEnv>, path: &[u8]) -> Attr {
    view.call(&Ctx::root()).stat_at(At::Cwd, path, AtFlags::empty()).unwrap().attr
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
        assert_eq!(read(&file, page * 4096, 100), bytes[usize::try_from(page).unwrap() * 4096..][..100]);
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
        assert_eq!(stat(&view, b"/f").size, model.len() as u64);
        assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), model.len() as u64);
        writes += 1;
        if round % 7 == 0 {
            // In the middle of it, somebody else writes back.
            vfs.tick(SECOND * 40 * round);
            let attr = fs.attr(stat(&view, b"/f").ino).unwrap();
            assert!(attr.size <= model.len() as u64);
        }
        vfs.check().unwrap();
    }
    assert!(fs.watch.writes.load(Relaxed) < writes, "it is a cache");
    let shown = stat(&view, b"/f");
    file.sync(SyncMode::All).unwrap();
    assert_eq!(
        stat(&view, b"/f"),
        shown_blocks(shown, &*fs),
        "what is shown does not change by writing back"
    );
    assert_eq!(fs.attr(shown.ino).unwrap(), shown_blocks(shown, &*fs));
    let mut bytes = vec![0; model.len() + 1];
    assert_eq!(fs.files().read_at(shown.ino, 0, &mut bytes).unwrap(), model.len());
    assert_eq!(bytes[..model.len()], model);
}

/// What was shown, with the blocks that only the driver knows.
fn shown_blocks(shown: Attr, fs: &dyn FileSystem) -> Attr {
    Attr { blocks: fs.attr(shown.ino).unwrap().blocks, ..shown }
}

fn fat_on<D: BlockDevice>(disk: D) -> Fat<D, FatLock> {
    Fat::mount(disk, fat::MountOptions::default()).unwrap()
}

fn mkfs_fat(disk: &RamDisk) {
    let options = fat::MkfsOptions { cluster_bytes: Some(2048), ..fat::MkfsOptions::new(FatKind::Fat16) };
    fat::mkfs(disk, &options).unwrap();
}

/// Does all that is due.
fn tick(vfs: &Vfs<HostEnv>, seconds: u32) {
    let now = SECOND * seconds;
    let steps = (0..100).take_while(|_| vfs.tick(now) <= now).count();
    assert!(steps < 100, "there is always more to do");
}

/// All bytes of a file, as the driver has them.
fn stored(fs: &dyn FileSystem, attr: &Attr) -> Vec<u8> {
    let mut bytes = vec![0; attr.size as usize + 1];
    let read = |bytes: &mut [u8]| fs.files().read_at(attr.ino, 0, bytes);
    // A call that fails, fails once.
    let length = read(&mut bytes).or_else(|_| read(&mut bytes)).unwrap();
    bytes.truncate(length);
    bytes
}

#[test]
fn cache_evicts_under_budget() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let file = open(&view, b"/f", OpenFlags::empty());
    let bytes = pattern(1 << 20, 5);
    for (at, bytes) in bytes.chunks(3000).enumerate() {
        assert_eq!(write(&view, &file, bytes, at as u64 * 3000), bytes.len());
        vfs.check().unwrap();
        let cache = vfs.stats().cache;
        assert!(cache.clean + cache.dirty + cache.writeback + cache.uninit <= 16, "{cache:?}");
        assert!(cache.dirty <= 16 * 40 / 100, "{cache:?}");
    }
    assert_eq!(read(&file, 0, bytes.len() + 9), bytes);
    let cache = vfs.stats().cache;
    assert!(cache.evictions > 200 && cache.written >= 250, "{cache:?}");
    assert!(fs.watch.writes.load(Relaxed) < 256, "pages are written together");
    vfs.check().unwrap();
}

#[test]
fn fsync_reports_background_write_error() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let (first, second) = (open(&view, b"/f", OpenFlags::empty()), open(&view, b"/f", OpenFlags::empty()));
    write(&view, &first, b"kept", 0);
    fs.watch.refuse.store(true, Relaxed);
    tick(vfs, 1);
    tick(vfs, 31);
    assert_eq!(vfs.stats().cache.failed, 1, "it was old enough");
    fs.watch.refuse.store(false, Relaxed);
    // It is written meanwhile, and all the same everybody hears of it once.
    tick(vfs, 62);
    assert_eq!(vfs.stats().cache.dirty_files, 0);
    let clone = first.clone();
    for (file, told) in [(&first, false), (&clone, true), (&second, false)] {
        let answer = file.sync(SyncMode::Data);
        assert_eq!(answer.is_ok(), told, "once for each open file: {answer:?}");
        file.sync(SyncMode::Data).unwrap();
    }
    open(&view, b"/f", OpenFlags::empty()).sync(SyncMode::All).unwrap();
    assert_eq!(stored(&*fs, &stat(&view, b"/f")), b"kept");
    vfs.check().unwrap();
}

#[test]
fn a_failed_sync_says_so_and_can_be_tried_again() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let (file, other) = (open(&view, b"/f", OpenFlags::empty()), open(&view, b"/f", OpenFlags::empty()));
    write(&view, &file, &pattern(9000, 1), 0);
    fs.watch.refuse.store(true, Relaxed);
    assert_eq!(file.sync(SyncMode::All).unwrap_err().errno(), Errno::EIO);
    assert_eq!(vfs.sync().unwrap_err().errno(), Errno::EIO);
    fs.watch.refuse.store(false, Relaxed);
    assert_eq!(other.sync(SyncMode::All).unwrap_err().errno(), Errno::EIO);
    assert_eq!(file.sync(SyncMode::All).unwrap_err().errno(), Errno::EIO, "the second loss, of `Vfs::sync`");
    file.sync(SyncMode::All).unwrap();
    assert_eq!(stored(&*fs, &stat(&view, b"/f")), pattern(9000, 1));
}

#[test]
fn no_dirty_page_outlives_its_mount() {
    let (vfs, view) = system(&small(), watched());
    let (ctx, bytes) = (Ctx::root(), pattern(20_000, 8));
    let call = view.call(&ctx);
    call.mkdir(At::Cwd, b"/m", Mode::ALL_ACCESS).unwrap();
    for lazy in [false, true] {
        let fs = watched();
        call.mount(fs.clone(), At::Cwd, b"/m", MountFlags::empty()).unwrap();
        let file = open(&view, b"/m/f", OpenFlags::empty());
        write(&view, &file, &bytes, 0);
        let attr = stat(&view, b"/m/f");
        if lazy {
            call.unmount(At::Cwd, b"/m", true).unwrap();
            write(&view, &file, b"late", 4);
            drop(file);
        } else {
            drop(file);
            fs.watch.refuse.store(true, Relaxed);
            call.unmount(At::Cwd, b"/m", false).unwrap_err();
            assert_eq!(stat(&view, b"/m/f").size, 20_000, "it is still there, and still to be written");
            fs.watch.refuse.store(false, Relaxed);
            call.unmount(At::Cwd, b"/m", false).unwrap();
        }
        let mut expected = bytes.clone();
        if lazy {
            expected[4..8].copy_from_slice(b"late");
        }
        assert_eq!(stored(&*fs, &attr), expected);
        assert_eq!((vfs.stats().cache.dirty, vfs.stats().mounts), (0, 1));
        assert_eq!(Arc::strong_count(&fs), 1, "nobody holds it");
        vfs.check().unwrap();
    }
}

#[test]
fn what_a_dead_device_never_took_goes_with_the_last_mount() {
    let (vfs, view) = system(&small(), watched());
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    call.mkdir(At::Cwd, b"/m", Mode::ALL_ACCESS).unwrap();
    let fs = watched();
    call.mount(fs.clone(), At::Cwd, b"/m", MountFlags::empty()).unwrap();
    let file = open(&view, b"/m/f", OpenFlags::empty());
    call.unmount(At::Cwd, b"/m", true).unwrap();
    write(&view, &file, b"lost", 0);
    fs.watch.refuse.store(true, Relaxed);
    drop(file);
    assert_eq!((vfs.stats().cache.dirty, Arc::strong_count(&fs)), (0, 1));
    vfs.check().unwrap();
}

#[test]
fn an_unlinked_file_is_not_written() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let (ctx, free) = (Ctx::root(), fs.statfs().unwrap().free);
    let call = view.call(&ctx);
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, &pattern(9000, 1), 0);
    drop(file);
    call.unlink(At::Cwd, b"/f").unwrap();
    assert_eq!((fs.watch.writes.load(Relaxed), fs.watch.promised.load(Relaxed)), (0, 0));
    assert_eq!((vfs.stats().cache.dirty, vfs.stats().cache.dirty_files), (0, 0));
    // Replaced while it is open: its bytes are there until it is closed.
    let old = open(&view, b"/g", OpenFlags::empty());
    write(&view, &old, b"old", 0);
    write(&view, &open(&view, b"/h", OpenFlags::empty()), b"new", 0);
    call.rename(At::Cwd, b"/h", At::Cwd, b"/g", kos_vfs::fs::RenameFlags::empty()).unwrap();
    assert_eq!(
        (read(&old, 0, 9), read(&open(&view, b"/g", OpenFlags::empty()), 0, 9)),
        (b"old".into(), b"new".into())
    );
    drop(old);
    assert_eq!((fs.watch.writes.load(Relaxed), vfs.stats().cache.dirty), (0, 1));
    call.unlink(At::Cwd, b"/g").unwrap();
    vfs.sync().unwrap();
    assert!(fs.statfs().unwrap().free >= free - 4, "{:?}", fs.statfs());
    vfs.check().unwrap();
}

#[test]
fn times_that_are_set_stay_when_bytes_are_written_later() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let (ctx, chosen) = (Ctx::root(), Timestamp::new(77, 5).unwrap());
    let call = view.call(&ctx);
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, b"bytes", 0);
    call.set_times(file.place(), SetTime::Omit, SetTime::To(chosen)).unwrap();
    call.chmod(file.place(), Mode::of(0o600)).unwrap();
    let shown = stat(&view, b"/f");
    assert_eq!((shown.modified, shown.size), (chosen, 5));
    vfs.sync().unwrap();
    assert_eq!(stat(&view, b"/f"), shown_blocks(shown, &*fs));
    assert_eq!(fs.attr(shown.ino).unwrap(), shown_blocks(shown, &*fs));
}

#[test]
fn tick_writes_by_age_and_by_number() {
    let fs = watched();
    let config = Config { cache_bytes: 1 << 20, ..small() };
    let (vfs, view) = system(&config, fs.clone());
    let file = open(&view, b"/f", OpenFlags::empty());
    let writes = || fs.watch.writes.load(Relaxed);
    assert_eq!(vfs.tick(SECOND), SECOND * 5);
    write(&view, &file, b"a page", 0);
    assert_eq!((vfs.tick(SECOND * 2), writes()), (SECOND * 5, 0), "too young");
    assert_eq!((vfs.tick(SECOND * 29), writes()), (SECOND * 29, 0), "a sync of the drivers alone");
    assert_eq!((vfs.tick(SECOND * 29), writes()), (SECOND * 31, 0));
    assert_eq!((vfs.tick(SECOND * 31), writes()), (SECOND * 31, 1));
    // A tenth of 256 pages.
    write(&view, &file, &vec![1; 26 * 4096], 0);
    assert_eq!(vfs.stats().cache.dirty, 26);
    assert_eq!((vfs.tick(SECOND * 32), vfs.stats().cache.dirty), (SECOND * 32, 0));
    assert_eq!(vfs.tick(SECOND * 32), SECOND * 34);
}

#[test]
fn what_no_driver_promises_goes_through() {
    let disks = [new_disk(), new_disk()];
    mkfs_kosfs(&disks[0]);
    mkfs_fat(&disks[1]);
    let [kosfs, fat] = disks;
    let kosfs: Arc<dyn FileSystem> = Arc::new(Watched::new(kosfs_on(kosfs), Promise::Nothing));
    let fat = Arc::new(Watched::new(fat_on(fat), Promise::Nothing));
    for fs in [kosfs, fat] {
        let (vfs, view) = system(&small(), fs.clone());
        let file = open(&view, b"/f", OpenFlags::empty());
        let bytes = pattern(30_000, 2);
        write(&view, &file, &bytes, 0);
        assert_eq!(stored(&*fs, &stat(&view, b"/f")), bytes);
        assert_eq!((read(&file, 100, 5000), vfs.stats().cache.dirty), (bytes[100..5100].to_vec(), 0));
        write(&view, &file, b"over", 2000);
        assert_eq!(read(&file, 1999, 6), [&bytes[1999..2000], b"over", &bytes[2004..2005]].concat());
        vfs.check().unwrap();
    }
}

#[test]
fn direct_and_synchronous_writes_are_there_at_once() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs.clone());
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, &pattern(9000, 4), 0);
    let direct = open(&view, b"/f", OpenFlags::DIRECT);
    assert_eq!(read(&direct, 0, 10_000), pattern(9000, 4), "what waited is written first");
    assert_eq!(vfs.stats().cache.dirty, 0);
    write(&view, &direct, b"direct", 4090);
    assert_eq!(read(&file, 4090, 6), b"direct", "pages that are there follow");
    assert_eq!(&stored(&*fs, &stat(&view, b"/f"))[4090..4096], b"direct");
    let through = open(&view, b"/f", OpenFlags::SYNC | OpenFlags::DATA_SYNC);
    write(&view, &through, b"sync", 0);
    assert_eq!((&stored(&*fs, &stat(&view, b"/f"))[..4], vfs.stats().cache.dirty), (&b"sync"[..], 0));
}

#[test]
fn threads_share_a_small_cache() {
    let fs = watched();
    let (vfs, view) = system(&small(), fs);
    let shared = open(&view, b"/shared", OpenFlags::empty());
    write(&view, &shared, &vec![0; 64 << 10], 0);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (view, shared) = (view.clone(), shared.clone());
            scope.spawn(move || {
                let own = open(&view, &[b'/', b'a' + thread], OpenFlags::empty());
                (0..60).for_each(|round| share(vfs, &view, &own, &shared, thread, round));
            });
        }
    });
    vfs.check().unwrap();
    vfs.sync().unwrap();
    assert_eq!(vfs.stats().cache.dirty, 0);
}

/// One thread writes a file of its own, and its 4000 bytes of each 16 KiB of one that is shared.
fn share(
    vfs: &Vfs<HostEnv>,
    view: &View<'static, HostEnv>,
    own: &Handle,
    shared: &Handle,
    thread: u8,
    round: u8,
) {
    let bytes = pattern(7000, thread ^ round);
    write(view, own, &bytes, u64::from(round) * 500);
    let at = u64::from(round % 4) * 16_384 + u64::from(thread) * 4000;
    write(view, shared, &vec![round; 4000], at);
    assert!(read(shared, at, 4000).iter().all(|&byte| byte == round), "thread {thread}, round {round}");
    assert_eq!(read(own, u64::from(round) * 500, 7000), bytes);
    match round % 8 {
        3 => own.sync(SyncMode::Data).unwrap(),
        5 => _ = vfs.tick(SECOND * u32::from(round) * 40),
        7 => _ = vfs.shrink_pages(3),
        _ => {}
    }
}

#[test]
fn a_crash_loses_only_what_was_not_synced() {
    let disk = Arc::new(new_disk());
    mkfs_kosfs(&*disk);
    let fs = Arc::new(Watched::new(kosfs_on(Arc::clone(&disk)), Promise::Everything));
    let (_, view) = system(&small(), fs);
    let (bytes, ctx) = (pattern(50_000, 6), Ctx::root());
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, &bytes, 0);
    file.sync(SyncMode::Data).unwrap();
    write(&view, &file, b"not synced", 60_000);
    view.call(&ctx).set_size(&file, 70_000).unwrap();
    let after = RamDisk::clone(&disk);
    let (_, view) = system(&small(), Arc::new(kosfs_on(after)));
    assert_eq!(read(&open(&view, b"/f", OpenFlags::empty()), 0, 80_000)[..50_000], bytes);
}

/// The same calls have the same answers behind the smallest cache as behind none.
#[test]
fn scripts_answer_the_same_behind_64_kib() {
    for seed in 0..u64::from(cases()).div_ceil(128) {
        let engine = |config: &Config| {
            let disk = new_disk();
            mkfs_kosfs(&disk);
            let fs = Arc::new(Watched::new(kosfs_on(disk), Promise::Everything));
            let clock = TestClock::at(1_000_000_000);
            let vfs: &'static _ = Box::leak(Box::new(Vfs::new(config, clock.clone()).unwrap()));
            let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
            (vfs, Engine::new(VfsBackend::new(view, clock)))
        };
        let (cached, mut left) = engine(&small());
        let (_, mut right) = engine(&Config { cache_bytes: 0, ..small() });
        let mut generator = Generator::new(seed + 7);
        for index in 0..1500 {
            let line = generator.line();
            let answers = (left.line(line.as_bytes()).unwrap(), right.line(line.as_bytes()).unwrap());
            assert_eq!(answers.0, answers.1, "seed {seed}, line {index}: {line}");
            cached.check().unwrap_or_else(|error| panic!("line {index}: {line}: {error}"));
            if index % 100 == 0 {
                cached.tick(SECOND * 20 * index);
            }
        }
        assert!(cached.stats().cache.written > 0, "{:?}", cached.stats().cache);
    }
}

/// On a full volume the write says so, and what was taken can be written: whoever else writes meanwhile.
#[test]
fn a_full_volume_says_so_at_the_write() {
    let disk = RamDisk::with_size(9 << 20, 512);
    mkfs_fat(&disk);
    fill(Watched::new(fat_on(disk), Promise::AsItCan), 8 << 20);
    let disk = RamDisk::with_size(9 << 20, 512);
    mkfs_kosfs(&disk);
    fill(Watched::new(kosfs_on(disk), Promise::AsItCan), 7 << 20);
}

/// Fills a volume that has room for `least` bytes.
fn fill<F: FileSystem + 'static>(fs: Watched<F>, least: usize) {
    let fs = Arc::new(fs);
    let (vfs, view) = system(&Config { cache_bytes: 16 << 20, dirty_limit: 75, ..small() }, fs.clone());
    let (ctx, bytes) = (Ctx::root(), pattern(10_000, 3));
    let call = view.call(&ctx);
    let files = [b"/a", b"/b"].map(|path| open(&view, path, OpenFlags::empty()));
    let mut lengths = [0_usize; 2];
    let mut full = false;
    while !full {
        for (file, length) in files.iter().zip(&mut lengths) {
            match call.pwrite(file, &bytes, *length as u64) {
                Ok(count) => *length += count,
                Err(error) => {
                    assert_eq!(error.errno(), Errno::ENOSPC);
                    full = true;
                }
            }
        }
    }
    // Whether there is room for it or not, what is promised is not.
    let _ = call.mkdir(At::Cwd, b"/d", Mode::ALL_ACCESS);
    vfs.sync().unwrap();
    assert_eq!(vfs.stats().cache.failed, 0, "nothing that was taken found no room");
    assert!(lengths.iter().sum::<usize>() > least);
    for (file, length) in files.iter().zip(lengths) {
        let expected: Vec<u8> = bytes.iter().copied().cycle().take(length).collect();
        assert!(read(file, 0, length + 1) == expected);
        assert!(stored(&*fs, &call.stat(file.place()).unwrap().attr) == expected);
    }
    vfs.check().unwrap();
}
