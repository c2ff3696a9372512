//! Space beside commits, and space that comes back.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::Mutex;

use super::assert_clean;
use crate::attr::{DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use crate::error::{DeviceError, FsError};
use crate::fs::kosfs::{KosFs, MkfsOptions, MountOptions, mkfs};
use crate::fs::{Allocate, DirOps, FileOps, FileSystem, NewNode, SyncMode};
use crate::name::Name;
use crate::testing::RamDisk;

type Lock = spin::RwLock<()>;

const OPTIONS: MkfsOptions = MkfsOptions {
    uuid: *b"room for a test ",
    label: [0; 64],
    now: Timestamp::EPOCH,
    uid: 0,
    gid: 0,
    hash_key: [7; 16],
};

fn disk(blocks: u64) -> RamDisk {
    let device = RamDisk::new(Geometry::new(4096, blocks, DeviceFeatures::empty()).unwrap());
    mkfs::<_, Lock>(&device, &OPTIONS).unwrap();
    device
}

fn mount<D: BlockDevice>(device: D) -> KosFs<D, Lock> {
    KosFs::mount(device, MountOptions { nodes: 6, bitmaps: 1, ..MountOptions::default() }).unwrap()
}

fn create(fs: &dyn FileSystem, name: &[u8]) -> Ino {
    let (mode, now, device) = (Mode::of(0o644), Timestamp::EPOCH, DeviceNumber::default());
    let new = NewNode { kind: FileType::Regular, mode, uid: 0, gid: 0, device, target: &[], now };
    let ino = fs.dirs().create(fs.root(), Name::new(name).unwrap(), &new).unwrap().ino;
    fs.forget(ino, 1);
    ino
}

/// Writes `bytes` bytes from byte 0 on, as far as there is space.
fn fill(fs: &dyn FileSystem, file: Ino, bytes: usize) -> Result<usize, FsError> {
    let mut done = 0;
    while done < bytes {
        let piece = vec![done.to_le_bytes()[1]; (bytes - done).min(100_000)];
        done += fs.files().write_at(file, done as u64, &piece, Timestamp::EPOCH)?;
    }
    Ok(done)
}

/// A volume of which no block could be had until just now, and an empty file of it.
fn just_emptied() -> (KosFs<RamDisk, Lock>, Ino) {
    let kos = mount(disk(1024));
    let (file, other) = (create(&kos, b"large"), create(&kos, b"other"));
    assert_eq!(fill(&kos, file, 4 << 20), Err(FsError::NoSpace));
    // Nodes that no commit has yet would be given back at once.
    (0..3).for_each(|_| kos.sync(SyncMode::All).unwrap());
    let _ = kos.volume.stage(0, 1024, &mut Vec::new());
    kos.unlink(kos.root(), Name::new(b"large").unwrap(), file, Timestamp::EPOCH).unwrap();
    (kos, other)
}

/// Blocks for bytes are looked for before anything is changed.
#[test]
fn a_write_gets_the_space_of_what_was_just_removed() {
    let (kos, other) = just_emptied();
    assert_eq!(fill(&kos, other, 2 << 20), Ok(2 << 20));
    kos.check().unwrap();
}

/// Nothing but the change of a name can wait for space here.
#[test]
fn a_name_gets_the_space_of_what_was_just_removed() {
    let (kos, _) = just_emptied();
    (0..300_u32).for_each(|name| _ = create(&kos, alloc::format!("{name}").as_bytes()));
    kos.check().unwrap();
}

#[test]
fn what_is_taken_from_a_file_leaves_no_block_of_zeroes() {
    let kos = mount(disk(1024));
    let file = create(&kos, b"a");
    let punch = |from, length| {
        kos.files().allocate(file, Allocate::PunchHole, from, length, Timestamp::EPOCH).unwrap().blocks
    };
    fill(&kos, file, 3 * 4096 + 10).unwrap();
    assert_eq!(punch(4096, 8192), 16, "the first block and the last");
    assert_eq!(punch(5000, 100), 16, "nothing of a hole");
    assert_eq!(punch(3 * 4096, 9), 16, "the last block has a byte");
    assert_eq!(punch(3 * 4096, 11), 8, "the last block, behind the end too");
    assert_eq!(punch(0, 1 << 40), 0);
    assert_eq!(kos.attr(file).unwrap().size, 3 * 4096 + 10);
}

#[test]
fn room_in_an_empty_file_leaves_it_empty() {
    let disk = disk(1024);
    let kos = mount(&disk);
    let file = create(&kos, b"a");
    let attr = kos.files().allocate(file, Allocate::KeepSize, 0, 5000, Timestamp::EPOCH).unwrap();
    assert_eq!((attr.size, attr.blocks), (0, 16));
    kos.sync(SyncMode::All).unwrap();
    drop(kos);
    assert_clean(&disk);
}

#[test]
fn a_file_without_a_name_is_cut_and_stays() {
    let disk = disk(1024);
    let kos = mount(&disk);
    let file = create(&kos, b"a");
    fill(&kos, file, 200_000).unwrap();
    kos.load(file).unwrap();
    kos.unlink(kos.root(), Name::new(b"a").unwrap(), file, Timestamp::EPOCH).unwrap();
    for size in [100_000, 5000, 0] {
        assert_eq!(kos.files().truncate(file, size, Timestamp::EPOCH).map(|attr| attr.size), Ok(size));
        assert_eq!(kos.attr(file).map(|attr| (attr.size, attr.links)), Ok((size, 0)));
    }
    assert_eq!(fill(&kos, file, 50_000), Ok(50_000));
    kos.sync(SyncMode::All).unwrap();
    assert_clean(&disk);
    kos.forget(file, 1);
    assert_eq!(kos.attr(file), Err(FsError::Stale));
    kos.sync(SyncMode::All).unwrap();
    drop(kos);
    assert_clean(&disk);
}

/// A short file, and one that is empty already, are cut on a full volume as others are.
#[test]
fn a_full_volume_lets_every_file_be_cut() {
    let kos = mount(disk(1024));
    let (long, short, empty) = (create(&kos, b"a"), create(&kos, b"b"), create(&kos, b"c"));
    fill(&kos, short, 500).unwrap();
    fill(&kos, empty, 5000).unwrap();
    kos.files().truncate(empty, 0, Timestamp::EPOCH).unwrap();
    kos.sync(SyncMode::All).unwrap();
    assert_eq!(fill(&kos, long, 4 << 20), Err(FsError::NoSpace));
    for file in [short, empty, long] {
        assert_eq!(kos.files().truncate(file, 0, Timestamp::EPOCH).map(|attr| attr.size), Ok(0));
    }
}

/// The page cache stores the times after the last page.
#[test]
fn a_promise_is_for_the_times_too() {
    let kos = mount(disk(1024));
    let (file, other) = (create(&kos, b"a"), create(&kos, b"b"));
    assert_eq!(kos.files().reserve(file, 40, 40 << 12), Ok(true));
    assert_eq!(fill(&kos, other, 4 << 20), Err(FsError::NoSpace));
    assert_eq!(fill(&kos, file, 40 << 12), Ok(40 << 12));
    let set = SetAttr { modified: Some(Timestamp::EPOCH), ..SetAttr::default() };
    assert_eq!(kos.set_attr(file, &set).map(|attr| attr.size), Ok(40 << 12));
    assert_eq!(kos.set_attr(other, &set), Err(FsError::NoSpace));
}

#[test]
fn the_last_write_of_a_full_volume_is_short() {
    let kos = mount(disk(1024));
    let file = create(&kos, b"large");
    let mut at = 0;
    let error = loop {
        match kos.write_at(file, at, &[7; 200_000], Timestamp::EPOCH) {
            Ok(count) => at += count as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error, FsError::NoSpace);
    assert_eq!(kos.attr(file).unwrap().size, at);
    let left = kos.statfs().unwrap();
    assert!(left.available < 64, "what changes cost at most: {left:?}");
    let mut bytes = vec![0; 200_000];
    let from = at - 150_000;
    assert_eq!(kos.read_at(file, from, &mut bytes), Ok(150_000));
    assert!(bytes[..150_000].iter().all(|&byte| byte == 7));
    kos.check().unwrap();
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A device that does something before a write goes out.
struct Hook {
    disk: RamDisk,
    /// How many writes pass before.
    after: Mutex<Option<(usize, Meanwhile)>>,
}

impl BlockDevice for Arc<Hook> {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.disk.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        let mut after = self.after.lock().unwrap();
        let due = after.take_if(|(left, _)| *left == 0);
        if let Some((left, _)) = &mut *after {
            *left -= 1;
        }
        drop(after);
        if let Some((_, meanwhile)) = due {
            meanwhile();
        }
        self.disk.write(sector, bytes, mode)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.disk.flush()
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// Blocks staged at any moment of a commit are in no count of it: what it wrote mounts, and nothing leaked.
#[test]
fn data_are_staged_beside_a_commit() {
    let whole = disk(1024);
    let free = mount(whole.clone()).statfs().unwrap().free;
    for moment in 0..12 {
        let hook = Arc::new(Hook { disk: whole.clone(), after: Mutex::default() });
        let kos = Arc::new(mount(Arc::clone(&hook)));
        let file = create(&*kos, b"file");
        fill(&*kos, file, 300_000).unwrap();
        let staged = Arc::new(Mutex::new(Vec::new()));
        let (other, mine) = (Arc::clone(&kos), Arc::clone(&staged));
        let meanwhile = move || other.volume.stage(0, 9, &mut mine.lock().unwrap()).unwrap();
        *hook.after.lock().unwrap() = Some((moment, Box::new(meanwhile)));
        kos.sync(SyncMode::All).unwrap();
        let crashed = hook.disk.clone();
        assert_clean(&crashed);
        kos.check().unwrap();
        kos.volume.unstage(&staged.lock().unwrap());
        hook.after.lock().unwrap().take(); // a moment behind the last write
        let again = mount(&crashed);
        again.check().unwrap();
        again.unlink(again.root(), Name::new(b"file").unwrap(), file, Timestamp::EPOCH).unwrap();
        (0..3).for_each(|_| again.sync(SyncMode::All).unwrap());
        again.check().unwrap();
        assert_eq!(again.statfs().unwrap().free, free, "moment {moment}");
    }
}

/// Bitmaps come and go while a volume of many groups is filled and emptied.
#[test]
fn bitmaps_stay_below_their_bound() {
    let device = RamDisk::with_size(64 << 30, 4096);
    mkfs::<_, Lock>(&device, &OPTIONS).unwrap();
    let kos = mount(&device);
    let free = kos.statfs().unwrap().free;
    let mut blocks = Vec::new();
    // Something in each of the groups, as years of use leave it.
    for group in 0..400 {
        blocks.clear();
        kos.volume.stage(0, 32_000, &mut blocks).unwrap();
        let (keep, rest) = blocks.split_at(40);
        kos.volume.unstage(rest);
        let kept = crate::fs::kosfs::extent::Extent::new(group * 64, keep[0], (0..40).map(|_| 0));
        kos.volume
            .change(|_, edits| {
                edits.claim(keep)?;
                Ok(kept.put(7, edits)?)
            })
            .unwrap();
        if group % 8 == 7 {
            kos.sync(SyncMode::All).unwrap();
        }
    }
    (0..3).for_each(|_| kos.sync(SyncMode::All).unwrap());
    assert!(kos.volume.bitmaps() <= 8, "{} bitmaps in memory", kos.volume.bitmaps());
    kos.check().unwrap();
    assert!(free - kos.statfs().unwrap().free >= 400 * 40);
}
