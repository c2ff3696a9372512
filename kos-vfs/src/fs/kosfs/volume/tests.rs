//! Volumes on a disk that loses power: after every crash the volume is one of its generations, whole.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::mount::newest;
use super::*;
use crate::block::{DeviceFeatures, Geometry, WriteMode};
use crate::fs::kosfs::key::{ItemKind, Key};
use crate::fs::kosfs::layout::Pointer;
use crate::fs::kosfs::plan::Plan;
use crate::fs::kosfs::tests::recorder::{Event, Recorder, SECTORS, after_crash, chance, disk};
use crate::testing::{RamDisk, cases};

type Lock = spin::RwLock<()>;

fn new_superblock() -> Superblock {
    Superblock {
        volume: *b"volume of a test",
        generation: 0,
        plan: Plan::new(SECTORS / 8).unwrap(),
        root: Pointer::default(),
        level: 0,
        next_file: 1,
        files: 0,
        free: 0,
        tables: 0,
        created: 0,
        hash_key: [0; 16],
        label: [0; 64],
        read_only: false,
    }
}

type Items = BTreeMap<Key, Vec<u8>>;

fn put<D: BlockDevice>(volume: &Volume<D, Lock>, key: Key, item: &[u8]) -> Result<(), FsError> {
    volume.change(|_, edits| Ok(edits.put(key, item)?))
}

fn take_out<D: BlockDevice>(volume: &Volume<D, Lock>, key: Key) -> Result<(), FsError> {
    volume.change(|_, edits| {
        edits.makes_room = true;
        Ok(edits.take_out(key)?)
    })
}

/// Everything on the volume.
fn items<D: BlockDevice>(volume: &Volume<D, Lock>) -> Result<Items, FsError> {
    let (mut found, mut from) = (Items::new(), Some(Key::LEAST));
    while let Some(key) = from {
        let next = volume.look(|tree| Ok(tree.at_or_after(key)?.map(|(key, item)| (key, item.to_vec()))))?;
        from = next.as_ref().and_then(|(key, _)| key.next());
        found.extend(next);
    }
    Ok(found)
}

fn key(number: u16) -> Key {
    Key::new(u64::from(number % 7), ItemKind::Name, number.into())
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Put(u16, usize),
    Out(u16),
    Commit,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..120_u16, 0..1200_usize).prop_map(|(number, length)| Op::Put(number, length)),
        3 => (0..120_u16).prop_map(Op::Out),
        2 => Just(Op::Commit),
    ]
}

/// Runs `ops`; returns what each generation holds, with the number of events by then.
fn run(volume: &Volume<&Recorder, Lock>, recorder: &Recorder, ops: &[Op]) -> Vec<(usize, Items)> {
    let (mut model, mut commits) = (Items::new(), Vec::new());
    for (at, &op) in ops.iter().enumerate() {
        match op {
            Op::Put(number, length) => {
                let item = vec![at.to_le_bytes()[0]; length];
                put(volume, key(number), &item).unwrap();
                model.insert(key(number), item);
            }
            Op::Out(number) => {
                take_out(volume, key(number)).unwrap();
                model.remove(&key(number));
            }
            Op::Commit => {
                let before = recorder.events.lock().unwrap().len();
                volume.commit_all(false).unwrap();
                let after = recorder.events.lock().unwrap().len();
                if after > before {
                    commits.push((after, model.clone()));
                }
            }
        }
        volume.check().unwrap();
    }
    commits
}

/// Damages the newest superblock.
fn damage_newest(disk: &RamDisk) {
    let newest = newest(&Disk::new(disk), &mut Block::try_new().unwrap()).unwrap();
    disk.write(Plan::superblock(newest.generation) * 8, &[0xee; 512], WriteMode::Cached).unwrap();
}

const fn budget(nodes: usize) -> Budget {
    Budget { nodes, bitmaps: 1 }
}

fn open(disk: &RamDisk, read_only: bool) -> Volume<&RamDisk, Lock> {
    Volume::open(disk, read_only, budget(4)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases() / 8, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// After a crash at any event, with any of the writes in flight lost or torn, the volume has the newest generation that
    /// was committed, or the one that was on its way; and it can be used, crash again, and lose its newest superblock.
    #[test]
    fn a_crash_leaves_a_committed_generation(
        ops in prop::collection::vec(op(), 1..60),
        budget in 0..12_usize,
        crashes in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 12),
    ) {
        let recorder = Recorder { disk: disk(), events: Mutex::default() };
        let volume = Volume::<_, Lock>::make(&recorder, new_superblock(), self::budget(budget)).unwrap();
        (0..2).for_each(|_| volume.commit_all(true).unwrap());
        let made = recorder.events.lock().unwrap().len();
        let mut commits = vec![(0, Items::new()), (made, Items::new())];
        commits.extend(run(&volume, &recorder, &ops));
        volume.commit_all(true).unwrap();
        let last = items(&volume).unwrap();
        let events = recorder.events.lock().unwrap().clone();
        commits.push((events.len(), last));
        for (place, seed) in crashes {
            let end = made + place.index(events.len() - made + 1);
            let durable = commits.iter().rposition(|(at, _)| *at <= end).unwrap();
            let allowed = |found: &Items, from: usize| {
                commits[from..commits.len().min(durable + 2)].iter().any(|(_, items)| items == found)
            };

            let disk = after_crash(&events, end, chance(seed));
            let found = items(&open(&disk, false)).unwrap();
            prop_assert!(allowed(&found, durable), "after event {}", end);
            prop_assert!(items(&open(&disk, true)).unwrap() == found, "the mount changed something");

            let used = Recorder { disk, events: Mutex::default() };
            let volume = Volume::<_, Lock>::open(&used, false, self::budget(budget)).unwrap();
            put(&volume, key(3), b"again").unwrap();
            volume.commit_all(false).unwrap();
            volume.check().unwrap();
            let mut expected = found.clone();
            expected.insert(key(3), b"again".to_vec());
            prop_assert!(items(&open(&used.disk, true)).unwrap() == expected);

            // All but the last write, which is the commit: the older superblock is a whole tree, too.
            let disk = after_crash(&events, end, chance(seed));
            drop(open(&disk, false)); // as above
            let second = used.events.into_inner().unwrap();
            for event in &second[..second.len() - 1] {
                let Event::Write { sector, bytes, .. } = event else { continue };
                disk.write(*sector, bytes, WriteMode::Cached).unwrap();
            }
            damage_newest(&disk);
            prop_assert!(items(&open(&disk, true)).unwrap() == found, "the older tree is not whole after a mount");

            let disk = after_crash(&events, end, || true);
            damage_newest(&disk);
            prop_assert!(allowed(&items(&open(&disk, true)).unwrap(), durable - 1), "the older tree is not whole");
        }
    }
}

/// A full volume says so, loses nothing, and can be emptied.
#[test]
fn a_full_volume_can_be_emptied() {
    let geometry = Geometry::new(4096, 1024, DeviceFeatures::empty()).unwrap();
    let superblock = Superblock { plan: Plan::new(1024).unwrap(), ..new_superblock() };
    let volume = Volume::<_, Lock>::make(RamDisk::new(geometry), superblock, budget(8)).unwrap();
    volume.commit_all(true).unwrap();
    let mut stored = 0_u16;
    while put(&volume, key(stored), &[7; 1200]).is_ok() {
        stored += 1;
    }
    assert!(stored > 1000, "{stored}");
    assert_eq!(put(&volume, key(stored), &[7; 1200]), Err(FsError::NoSpace));
    assert_eq!(items(&volume).unwrap().len(), usize::from(stored));
    for number in 0..stored {
        take_out(&volume, key(number)).unwrap();
    }
    (0..3).for_each(|_| volume.commit_all(true).unwrap());
    volume.check().unwrap();
    let (left, usable) = (volume.superblock().free, new_superblock().plan);
    assert_eq!(left, Plan::new(1024).unwrap().usable() - 1, "{usable:?}");
}
