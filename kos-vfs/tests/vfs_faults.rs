//! A script of 1000 calls on a disk of which one request fails, for sampled requests, or for all with `KOS_FAULTS=all`: the call
//! that meets it says so, nothing leaks, and the volume is whole.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;

use kos_vfs::block::{DeviceFeatures, Geometry};
use kos_vfs::fs::FileSystem;
use kos_vfs::fs::fat::{self, Fat, FatKind};
use kos_vfs::fs::kosfs::{self, KosFs};
use kos_vfs::testing::script::{Answer, Engine, Generator, Outcome, VfsBackend};
use kos_vfs::testing::{Fault, FaultDisk, HostEnv, RamDisk, TestClock};
use kos_vfs::{Config, Env, Errno, MountFlags, Timestamp, Vfs};

type Lock = <HostEnv as Env>::Lock;
type RwLock = <HostEnv as Env>::RwLock;
type Disk = FaultDisk<Arc<RamDisk>>;

const LINES: usize = 1000;

fn lines() -> Vec<String> {
    let mut generator = Generator::new(77);
    (0..LINES).map(|_| generator.line()).collect()
}

/// What each line is answered; nothing is left in the tables.
fn answers(fs: Arc<dyn FileSystem>, lines: &[String]) -> Vec<Answer> {
    let clock = TestClock::at(1 << 60);
    let config = Config { cache_bytes: 64 << 10, ..Config::default() };
    let vfs = Vfs::<HostEnv>::new(&config, clock.clone()).unwrap();
    let Ok(view) = vfs.mount_root(fs, MountFlags::empty()) else { return Vec::new() };
    let mut engine = Engine::new(VfsBackend::new(view, clock));
    let run = |line: &String| match engine.line(line.as_bytes()).unwrap() {
        Outcome::Answer(answer) => answer,
        other => panic!("{line}: {other:?}"),
    };
    let answers = lines.iter().map(run).collect();
    vfs.check().unwrap();
    drop(engine);
    vfs.check().unwrap();
    assert_eq!((vfs.stats().open_files, vfs.stats().file_locks), (0, 0));
    answers
}

/// Fails one request after the other; `whole` looks at the disk afterwards.
fn sweep(
    fresh: impl Fn() -> Arc<RamDisk>,
    mount: impl Fn(Arc<Disk>) -> Option<Arc<dyn FileSystem>>,
    whole: impl Fn(Arc<RamDisk>),
) {
    let lines = lines();
    let run = |at: u64| {
        let ram = fresh();
        let disk = Arc::new(FaultDisk::new(Arc::clone(&ram), at, Fault::Once));
        let answers = mount(Arc::clone(&disk)).map(|fs| answers(fs, &lines)).unwrap_or_default();
        whole(ram);
        (answers, disk.calls())
    };
    let (right, calls) = run(u64::MAX);
    let step = if std::env::var("KOS_FAULTS").is_ok_and(|all| all == "all") { 1 } else { calls / 12 + 1 };
    for at in (0..calls).step_by(usize::try_from(step).unwrap()) {
        let (answers, _) = run(at);
        let first = answers.iter().zip(&right).position(|(answer, right)| answer != right);
        if let Some(index) = first {
            let told = answers.get(index);
            assert_eq!(
                told,
                Some(&Answer::Failed(Errno::EIO)),
                "request {at}, {}",
                lines.get(index).unwrap()
            );
        }
    }
}

#[test]
fn a_failing_request_is_told_and_leaves_kosfs_whole() {
    let options = kosfs::MkfsOptions {
        uuid: [1; 16],
        label: [0; 64],
        now: Timestamp::EPOCH,
        uid: 0,
        gid: 0,
        hash_key: [2; 16],
    };
    let fresh = || {
        let ram = RamDisk::new(Geometry::new(512, 32 << 10, DeviceFeatures::empty()).unwrap());
        kosfs::mkfs::<_, RwLock>(&ram, &options).unwrap();
        Arc::new(ram)
    };
    let mount = |disk| {
        let fs = KosFs::<Arc<Disk>, RwLock>::mount(disk, kosfs::MountOptions::default()).ok()?;
        Some(Arc::new(fs) as Arc<dyn FileSystem>)
    };
    sweep(fresh, mount, |ram| {
        let fs = KosFs::<_, RwLock>::mount(ram, kosfs::MountOptions::default()).unwrap();
        fs.check().unwrap();
    });
}

#[test]
fn a_failing_request_is_told_and_leaves_fat_whole() {
    let fresh = || {
        let ram = RamDisk::new(Geometry::new(512, 32 << 10, DeviceFeatures::empty()).unwrap());
        fat::mkfs(&ram, &fat::MkfsOptions::new(FatKind::Fat16)).unwrap();
        Arc::new(ram)
    };
    let mount = |disk| {
        let fs = Fat::<Arc<Disk>, Lock>::mount(disk, fat::MountOptions::default()).ok()?;
        Some(Arc::new(fs) as Arc<dyn FileSystem>)
    };
    sweep(fresh, mount, |ram| {
        let mended = fat::fsck(&ram, true, &mut |_, _| {}).unwrap();
        assert_eq!(mended.left(), 0);
        assert_eq!(fat::fsck(&ram, false, &mut |_, _| {}).unwrap().problems, 0);
    });
}
