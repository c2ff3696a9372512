//! Files beside those of tmpfs, under the same calls; and after a crash, the files of a commit.

use alloc::vec;
use alloc::vec::Vec;
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::assert_clean;
use super::calls::{Calls as _, Op, Snapshot, apply, content, name, new_node, op, snapshot};
use super::recorder::{Recorder, after_crash, chance, disk};
use crate::attr::{FileType, Mode, Timestamp};
use crate::block::{BlockDevice, DeviceFeatures, Geometry};
use crate::error::FsError;
use crate::fs::kosfs::{KosFs, MkfsOptions, MountOptions, mkfs};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::fs::{Cookie, DirEntry, FileSystem, Rename, RenameEnd, SyncMode};
use crate::name::Name;
use crate::testing::{HostEnv, RamDisk, cases};

type Lock = spin::RwLock<()>;

const OPTIONS: MkfsOptions = MkfsOptions {
    uuid: *b"files of a test ",
    label: [0; 64],
    now: Timestamp::EPOCH,
    uid: 0,
    gid: 0,
    hash_key: [7; 16],
};

fn mount<D: BlockDevice>(device: D) -> KosFs<D, Lock> {
    KosFs::mount(device, MountOptions { nodes: 6, bitmaps: 1, ..MountOptions::default() }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases() / 4, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn it_does_what_tmpfs_does(ops in prop::collection::vec(op(), 1..80)) {
        let disk = disk();
        mkfs::<_, Lock>(&disk, &OPTIONS).unwrap();
        let tmp = Tmpfs::<HostEnv>::new(&TmpfsConfig { mode: Mode::of(0o755), ..TmpfsConfig::default() }).unwrap();
        let mut kos = mount(&disk);
        for (step, op) in (0..).zip(&ops) {
            let (mine, theirs) = (apply(&kos, op, step), apply(&tmp, op, step));
            prop_assert_eq!(mine, theirs, "step {}: {:?}", step, op);
            kos.check().unwrap();
            if step % 16 == 15 {
                prop_assert!(snapshot(&kos) == snapshot(&tmp), "step {}", step);
            }
            if step % 30 == 29 {
                kos.sync(SyncMode::All).unwrap();
                drop(kos);
                assert_clean(&disk);
                kos = mount(&disk);
            }
        }
        prop_assert!(snapshot(&kos) == snapshot(&tmp));
    }

    /// After a power cut at any moment there are the files of the last sync, or of the one on its way.
    #[test]
    fn a_crash_leaves_the_files_of_a_sync(
        ops in prop::collection::vec(op(), 1..50),
        crashes in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 6),
    ) {
        let recorder = Recorder { disk: disk(), events: Mutex::default() };
        mkfs::<_, Lock>(&recorder, &OPTIONS).unwrap();
        let made = recorder.events.lock().unwrap().len();
        let kos = mount(&recorder);
        let mut syncs = vec![(made, Snapshot::new())];
        for (step, op) in (0..).zip(ops.iter().chain([&Op::Sync])) {
            let _ = apply(&kos, op, step);
            if matches!(op, Op::Sync) {
                syncs.push((recorder.events.lock().unwrap().len(), snapshot(&kos)));
            }
        }
        let events = recorder.events.lock().unwrap().clone();
        for (place, seed) in crashes {
            let end = made + place.index(events.len() - made + 1);
            let crashed = after_crash(&events, end, chance(seed));
            assert_clean(&crashed);
            let kos = mount(&crashed);
            let found = snapshot(&kos);
            let durable = syncs.iter().rposition(|(at, _)| *at <= end).unwrap();
            let on_its_way = syncs.get(durable + 1).map(|(_, files)| files);
            prop_assert!(found == syncs[durable].1 || Some(&found) == on_its_way, "after event {}", end);
            kos.check().unwrap();
        }
    }
}

/// Sizes at which something changes: inline, block, extent; cut and grown again, bytes that went stay gone.
#[test]
fn bytes_that_were_cut_off_read_as_zeroes() {
    let disk = disk();
    mkfs::<_, Lock>(&disk, &OPTIONS).unwrap();
    let kos = mount(&disk);
    let new = new_node(FileType::Regular, &[], Timestamp::EPOCH);
    for (at, &long) in [1, 1023, 1024, 1025, 4095, 4096, 4097, 65 * 4096, 65 * 4096 + 1].iter().enumerate() {
        for short in [0_usize, 1, 1000, 4096, 5000].into_iter().filter(|&short| short < long) {
            let bytes = alloc::format!("{at} {short}").into_bytes();
            let file = kos.dirs().create(kos.root(), Name::new(&bytes).unwrap(), &new).unwrap().ino;
            let mut done = 0;
            while done < long {
                done += kos
                    .files()
                    .write_at(file, done as u64, &vec![0xaa; long - done], Timestamp::EPOCH)
                    .unwrap();
            }
            kos.files().truncate(file, short as u64, Timestamp::EPOCH).unwrap();
            kos.files().truncate(file, long as u64, Timestamp::EPOCH).unwrap();
            let found = content(&kos, &kos.attr(file).unwrap());
            let expected = [vec![0xaa; short], vec![0; long - short]].concat();
            assert!(found == expected, "{long} cut to {short}");
        }
    }
}

/// A full volume says so, keeps what it has, and can be emptied; nothing is lost in the end.
#[test]
fn a_full_volume_gives_everything_back() {
    let geometry = Geometry::new(4096, 2048, DeviceFeatures::empty()).unwrap();
    let device = RamDisk::new(geometry);
    mkfs::<_, Lock>(&device, &OPTIONS).unwrap();
    let kos = mount(&device);
    let free = kos.statfs().unwrap().free;
    for round in 0..3 {
        let mut made = 0_u32;
        let error = loop {
            let done = apply(&kos, &Op::Create(0, 1, 0), made).and_then(|_| {
                apply(&kos, &Op::Write(0, 1, made % 7 * 3000, 20_000), made)?;
                let other =
                    [b'0' + (made / 200 % 10) as u8, b'0' + (made / 20 % 10) as u8, b'0' + (made % 20) as u8];
                let file = kos.at(kos.root(), 1)?;
                kos.dirs().rename(&Rename {
                    from: RenameEnd {
                        dir: kos.root(),
                        name: Name::new(&name(1)).unwrap(),
                        file: Some(file.ino),
                    },
                    to: RenameEnd { dir: kos.root(), name: Name::new(&other).unwrap(), file: None },
                    exchange: false,
                    now: Timestamp::EPOCH,
                })
            });
            made += 1;
            if let Err(error) = done {
                break error;
            }
        };
        assert_eq!(error, FsError::NoSpace, "round {round}");
        assert!(made > 100, "round {round}: {made}");
        kos.check().unwrap();
        let mut names = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            names.push((entry.name.as_bytes().to_vec(), entry.ino));
            true
        };
        kos.dirs().readdir(kos.root(), Cookie(0), &mut sink).unwrap();
        for (name, ino) in names {
            kos.dirs().unlink(kos.root(), Name::new(&name).unwrap(), ino, Timestamp::EPOCH).unwrap();
        }
        (0..3).for_each(|_| kos.sync(SyncMode::All).unwrap());
        kos.check().unwrap();
        let left = kos.statfs().unwrap().free;
        assert!(free - left < 3, "round {round}: {left} of {free}");
    }
}
