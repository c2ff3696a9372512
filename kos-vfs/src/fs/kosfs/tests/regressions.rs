//! Faults that other file systems had, under their names.

use alloc::format;

use super::steps::{Step, base, clean, files, find, make, mount, step};
use crate::attr::{FileType, Timestamp};
use crate::fs::kosfs::{MkfsOptions, mkfs};
use crate::fs::{FileSystem as _, SyncMode};
use crate::testing::{DiskEvent, Fault, FaultDisk, RamDisk, RecordDisk};

/// The most calls of the device for one name of `names`, with next to no cache.
fn worst_lookup(names: u32) -> u64 {
    let disk = RamDisk::with_size(16 << 20, 512);
    let (uuid, label, now) = (*b"many names in it", [0; 64], Timestamp::EPOCH);
    let options = MkfsOptions { uuid, label, now, uid: 0, gid: 0, hash_key: [5; 16] };
    mkfs::<_, spin::RwLock<()>>(&disk, &options).unwrap();
    let fs = mount(&disk, false).unwrap();
    for index in 0..names {
        make(&fs, fs.root(), format!("name number {index}").as_bytes(), FileType::Regular, &[]).unwrap();
    }
    fs.sync(SyncMode::All).unwrap();
    drop(fs);
    let counted = FaultDisk::new(&disk, u64::MAX, Fault::Once);
    let fs = mount(&counted, true).unwrap();
    let cost = |index: u32| {
        let before = counted.calls();
        let file = find(&fs, fs.root(), format!("name number {index}").as_bytes()).unwrap();
        fs.attr(file).unwrap();
        counted.calls() - before
    };
    (0..names).step_by(37).map(cost).max().unwrap()
}

#[test]
fn stat_in_a_big_directory_is_logarithmic() {
    let (few, many) = (worst_lookup(100), worst_lookup(3000));
    assert!(
        few > 0 && many <= few + 4 && many < 16,
        "{few} calls of the device, {many} for 30 times as many names"
    );
}

/// The device after the first of some events.
fn after(base: &RamDisk, events: &[DiskEvent]) -> RamDisk {
    let disk = base.clone();
    events.iter().for_each(|event| event.apply(&disk).unwrap());
    disk
}

#[test]
fn append_after_sync_keeps_old_blocks() {
    let device = RecordDisk::new(base());
    let fs = mount(&device, false).unwrap();
    fs.sync(SyncMode::All).unwrap();
    let old = files(&fs).unwrap();
    let _ = device.take();
    let base = device.device().clone();
    step(&fs, Step::Append, 0).unwrap();
    let new = files(&fs).unwrap();
    fs.sync(SyncMode::All).unwrap();
    let events = device.take();
    assert!(events.len() > 3 && old != new);
    for end in 0..=events.len() {
        let disk = after(&base, &events[..end]);
        let found = files(&mount(&disk, true).unwrap()).unwrap();
        assert!(found == old || found == new, "after {end} events");
        assert!(end < events.len() || found == new);
        clean(&disk).unwrap();
    }
}

/// A mount that reclaims a file that was unlinked while open is itself cut off, at each of its writes.
#[test]
fn crash_during_recovery_recovers() {
    let device = RecordDisk::new(base());
    let fs = mount(&device, false).unwrap();
    step(&fs, Step::UnlinkInUse, 0).unwrap();
    fs.sync(SyncMode::All).unwrap();
    let left = files(&fs).unwrap();
    let crashed = device.device().clone();
    let recovery = RecordDisk::new(crashed.clone());
    let fs = mount(&recovery, false).unwrap();
    fs.sync(SyncMode::All).unwrap();
    let events = recovery.take();
    assert!(events.len() > 3, "nothing was recovered");
    for end in 0..=events.len() {
        let disk = after(&crashed, &events[..end]);
        let again = mount(&disk, false).unwrap();
        assert!(files(&again).unwrap() == left, "after {end} events");
        again.sync(SyncMode::All).unwrap();
        drop(again);
        clean(&disk).unwrap();
    }
}
