//! One thing fails in a script of 1000 calls through the public interface: the k-th allocation, the k-th request of the device, or space
//! ends when k blocks are used, or the number of files at the k-th call. The call that meets it says so and changes nothing: the same call then answers what it answers
//! without the failure, as do all behind it. Afterwards all invariants hold, fsck is silent, and everything is given back.
//!
//! Some k by default; all of them: `KOS_FAULTS=all cargo test --release -p kos-vfs --all-features --test every_k -- --nocapture`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panic")]

extern crate alloc;

mod files;
mod memory;
mod mounting;
mod steps;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use kos_vfs::block::{BlockDevice, Geometry, WriteMode};
use kos_vfs::fs::fat::{self, FatKind};
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::fs::{Cookie, DirEntry, FileSystem, StatFs, SyncMode};
use kos_vfs::testing::{
    DataModel, FatVolume, Fault, FaultDisk, HostEnv, KosFsVolume, RamDisk, TmpfsVolume, Volume, fill_volume,
};
use kos_vfs::{At, Call, Config, Ctx, DeviceError, Errno, FileType, Mode, MountFlags, Name, Vfs};

use memory::{armed, quiet};
use steps::{Step, World, script};

type Answers = Vec<Result<u64, Errno>>;

/// A disk whose memory is not that of the system under test.
#[derive(Debug)]
struct Quiet<D>(D);

impl<D: BlockDevice> BlockDevice for Quiet<D> {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        quiet(|| self.0.read(sector, out))
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        quiet(|| self.0.write(sector, bytes, mode))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.0.flush()
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        quiet(|| self.0.discard(sector, count))
    }
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Nothing,
    Allocation(u64),
    Request,
    Space,
    /// There may be no more files while this call runs.
    Files(u64),
}

impl Failing {
    const fn errno(self) -> Errno {
        match self {
            Self::Nothing | Self::Allocation(_) => Errno::ENOMEM,
            Self::Request => Errno::EIO,
            Self::Space | Self::Files(_) => Errno::ENOSPC,
        }
    }
}

/// What came of a run.
#[derive(Debug, Default)]
struct Outcome {
    answers: Answers,
    /// Calls that failed because something was to fail.
    failed: u32,
    allocations: u64,
    /// The file system takes no changes since the failure.
    broken: bool,
}

/// Runs the script on `volume`; compares with what is `right`, if that is known.
/// `met` says whether a request has failed by now.
fn run(
    volume: &dyn Volume,
    steps: &[Step],
    failing: Failing,
    right: Option<&Answers>,
    met: &dyn Fn() -> bool,
) -> Outcome {
    let config = Config { cache_bytes: 64 << 10, dentries: 64, files: 16, mounts: 4, ..Config::default() };
    let vfs = DataModel::vfs(&config);
    let root = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(root), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    call.mkdir(At::Cwd, b"/m", Mode::ALL_ACCESS).unwrap();
    let Ok(fs) = volume.mount() else { return Outcome { broken: true, ..Outcome::default() } };
    if call.mount(fs, At::Cwd, b"/m", MountFlags::empty()).is_err() {
        return Outcome { broken: true, ..Outcome::default() };
    }
    let mut outcome = Outcome::default();
    let mut world = World::new(&vfs, view.clone());
    memory::refuse(if let Failing::Allocation(at) = failing { at } else { u64::MAX });
    let mut silent = met();
    for (index, step) in steps.iter().enumerate() {
        let full = failing == Failing::Files(index as u64);
        if full {
            files::fill(volume);
        }
        let before = met();
        let mut answer = armed(|| world.run(step));
        if full {
            call.unlink(At::Cwd, b"/m/ballast").unwrap();
        }
        if let Some(right) = right.map(|right| right[index])
            && answer != right
        {
            if silent && answer == Err(Errno::EROFS) {
                outcome.broken = true;
                break;
            }
            assert_eq!(answer, Err(failing.errno()), "{failing:?}: step {index}, {step:?}, for {right:?}");
            outcome.failed += 1;
            if failing == Failing::Space {
                // Everything but the last blocks was taken by this file.
                let _ = call.unlink(At::Cwd, b"/m/ballast");
                (0..3).for_each(|_| vfs.sync().unwrap());
            }
            answer = armed(|| world.run(step));
            // A volume that could not commit says so again, and changes nothing any more.
            if failing == Failing::Request
                && (answer == Err(Errno::EROFS) || step.syncs() && answer == Err(Errno::EIO))
            {
                outcome.broken = true;
                break;
            }
            assert_eq!(answer, right, "{failing:?}: step {index}, {step:?} again");
        }
        silent |= met() && !before && step.is_silent();
        outcome.answers.push(answer);
        if index % 16 == 0 {
            vfs.check().unwrap();
        }
    }
    outcome.allocations = memory::count();
    memory::refuse(u64::MAX);
    vfs.check().unwrap();
    drop(world);
    outcome.broken |= unmount(&call, failing);
    check_empty(&vfs);
    outcome
}

/// Unmounts the volume; a device that failed may be asked twice. Whether it had to be left.
fn unmount(call: &Call<'_, '_, HostEnv>, failing: Failing) -> bool {
    let Err(error) = call.unmount(At::Cwd, b"/m", false) else { return false };
    assert_eq!(failing, Failing::Request, "{error:?}");
    let left = call.unmount(At::Cwd, b"/m", false).is_err();
    if left {
        call.unmount(At::Cwd, b"/m", true).unwrap();
    }
    left
}

/// Nothing is open, mounted or in the page cache.
fn check_empty(vfs: &Vfs<HostEnv>) {
    vfs.check().unwrap();
    let stats = vfs.stats();
    assert_eq!((stats.open_files, stats.file_locks, stats.mounts), (0, 0, 1));
    assert_eq!((stats.cache.clean, stats.cache.dirty, stats.cache.writeback), (0, 0, 0));
}

type Seen = BTreeMap<Vec<u8>, (FileType, Mode, u32, Vec<u8>)>;

/// Everything that is on a volume.
fn tree(fs: &dyn FileSystem) -> Seen {
    let (mut seen, mut rest) = (Seen::new(), vec![(Vec::new(), fs.root())]);
    while let Some((path, dir)) = rest.pop() {
        let mut names = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            names.push(entry.name.as_bytes().to_vec());
            true
        };
        fs.dirs().readdir(dir, Cookie(0), &mut sink).unwrap();
        for name in names.into_iter().filter(|name| name != b"ballast") {
            let attr = fs.dirs().lookup(dir, Name::new(&name).unwrap()).unwrap();
            let path = [&path[..], b"/", &name].concat();
            let mut bytes = vec![0; 80_000];
            let length = match attr.kind {
                FileType::Regular => fs.files().read_at(attr.ino, 0, &mut bytes).unwrap(),
                FileType::Symlink => fs.dirs().readlink(attr.ino, bytes.first_chunk_mut().unwrap()).unwrap(),
                _ => 0,
            };
            bytes.truncate(length);
            if attr.kind == FileType::Directory {
                rest.push((path.clone(), attr.ino));
            } else {
                fs.forget(attr.ino, 1);
            }
            seen.insert(path, (attr.kind, attr.mode, attr.links, bytes));
        }
        if dir != fs.root() {
            fs.forget(dir, 1);
        }
    }
    seen
}

/// What is on a volume; then nothing, with as much free as `free` says.
fn empty(volume: &dyn Volume, free: StatFs) -> Seen {
    let seen = tree(&*volume.mount().unwrap());
    let vfs = DataModel::vfs(&Config::default());
    let view = vfs.mount_root(volume.mount().unwrap(), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    for (path, (kind, ..)) in seen.iter().rev() {
        let removed = match kind {
            FileType::Directory => call.rmdir(At::Cwd, path),
            _ => call.unlink(At::Cwd, path),
        };
        removed.unwrap();
    }
    let _ = call.unlink(At::Cwd, b"/ballast");
    (0..3).for_each(|_| vfs.sync().unwrap());
    let place = call.resolve(At::Cwd, b"/", kos_vfs::AtFlags::empty()).unwrap();
    let left = call.statfs(&place).unwrap();
    assert!(left.free + 4 >= free.free, "{left:?}, once {free:?}");
    assert_eq!(left.files_free, free.files_free);
    seen
}

fn free(volume: &dyn Volume) -> StatFs {
    let fs = volume.mount().unwrap();
    (0..3).for_each(|_| fs.sync(SyncMode::All).unwrap());
    fs.statfs().unwrap()
}

/// Each k, or some forty of them.
fn each(count: u64) -> impl Iterator<Item = u64> {
    let all = std::env::var("KOS_FAULTS").is_ok_and(|all| all == "all");
    (0..count).step_by(if all { 1 } else { usize::try_from(count / 40 + 1).unwrap() })
}

/// Every allocation is refused once; what the run took is given back.
fn refuse_allocations(fresh: impl Fn() -> Box<dyn Volume>) {
    let steps = script();
    let (right, rest, blocks) = {
        let volume = fresh();
        let blocks = free(&*volume);
        let right = run(&*volume, &steps, Failing::Nothing, None, &|| false);
        volume.check();
        (right, empty(&*volume, blocks), blocks)
    };
    let worked = right.answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(worked > 300 && right.allocations > 200, "{worked} {}", right.allocations);
    let mut told = 0;
    for at in each(right.allocations) {
        let live = memory::live();
        {
            let volume = fresh();
            let outcome = run(&*volume, &steps, Failing::Allocation(at), Some(&right.answers), &|| false);
            told += u64::from(outcome.failed);
            drop(outcome);
            volume.check();
            assert!(empty(&*volume, blocks) == rest, "allocation {at}: other files at the end");
        }
        assert_eq!(memory::live(), live, "allocation {at}: memory is lost");
    }
    eprintln!("{} allocations, {told} refusals told", right.allocations);
    assert!(told > 2);
}

/// Space ends when the script has used 0 blocks, 1, 2, and so on until it needs no more.
fn end_space(fresh: impl Fn() -> Box<dyn Volume>) {
    let steps = script();
    let (right, rest, blocks) = {
        let volume = fresh();
        let blocks = free(&*volume);
        (run(&*volume, &steps, Failing::Nothing, None, &|| false).answers, empty(&*volume, blocks), blocks)
    };
    let mut told = 0;
    for left in each(120) {
        let volume = fresh();
        fill_volume(&*volume, left);
        told += run(&*volume, &steps, Failing::Space, Some(&right), &|| false).failed;
        volume.check();
        assert!(empty(&*volume, blocks) == rest, "{left} blocks: other files at the end");
    }
    eprintln!("{told} calls met the end of space");
    assert!(told > 2);
}

/// Every request of the device fails once. `whole` says that the disk is good, or can be mended.
fn fail_requests<V: Volume>(
    fresh: impl Fn() -> Arc<RamDisk>,
    on: impl Fn(Arc<FaultDisk<Arc<RamDisk>>>) -> V,
    whole: impl Fn(&Arc<RamDisk>),
) {
    let steps = script();
    let at = |at: u64, right: Option<&Answers>| {
        let ram = fresh();
        let disk = Arc::new(FaultDisk::new(Arc::clone(&ram), at, Fault::Once));
        let outcome = run(&on(Arc::clone(&disk)), &steps, Failing::Request, right, &|| disk.has_failed());
        whole(&ram);
        (outcome, disk.calls())
    };
    let (right, calls) = at(u64::MAX, None);
    let (mut told, mut broken) = (0, 0);
    for k in each(calls) {
        let (outcome, _) = at(k, Some(&right.answers));
        told += outcome.failed;
        broken += u32::from(outcome.broken);
    }
    eprintln!("{calls} requests, {told} failures told, {broken} times no more changes");
    assert!(told > 2);
}

fn formatted() -> Arc<RamDisk> {
    let disk = Arc::new(RamDisk::with_size(5 << 20, 512));
    let _ = KosFsVolume::format(Arc::clone(&disk));
    disk
}

fn formatted_fat() -> Arc<RamDisk> {
    let disk = Arc::new(RamDisk::with_size(3 << 20, 512));
    let _ = FatVolume::format(Arc::clone(&disk), FatKind::Fat16);
    disk
}

#[test]
fn every_allocation_may_be_refused_on_tmpfs() {
    refuse_allocations(|| Box::new(TmpfsVolume::new(2 << 20)));
}

#[test]
fn every_allocation_may_be_refused_on_kosfs() {
    refuse_allocations(|| Box::new(KosFsVolume::on(Arc::new(Quiet(formatted())))));
}

#[test]
fn every_allocation_may_be_refused_on_fat() {
    refuse_allocations(|| Box::new(FatVolume::on(Arc::new(Quiet(formatted_fat())))));
}

#[test]
fn space_may_end_at_every_block_of_tmpfs() {
    end_space(|| Box::new(TmpfsVolume::new(2 << 20)));
}

#[test]
fn space_may_end_at_every_block_of_kosfs() {
    end_space(|| Box::new(KosFsVolume::on(formatted())));
}

#[test]
fn space_may_end_at_every_cluster_of_fat() {
    end_space(|| Box::new(FatVolume::on(formatted_fat())));
}

#[test]
fn every_request_may_fail_on_kosfs() {
    fail_requests(formatted, KosFsVolume::on, |ram| {
        drop(KosFsVolume::on(Arc::clone(ram)).mount().unwrap());
        KosFsVolume::on(Arc::clone(ram)).check();
    });
}

#[test]
fn every_request_may_fail_on_fat() {
    fail_requests(formatted_fat, FatVolume::on, |ram| {
        assert_eq!(fat::fsck(ram, true, &mut |_, _| {}).unwrap().left(), 0);
        FatVolume::on(Arc::clone(ram)).check();
    });
}
