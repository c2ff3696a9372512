use kos_vfs::block::WriteMode;
use kos_vfs::fs::kosfs::{KosFs, MkfsOptions, MountOptions, mkfs};
use kos_vfs::fs::{FileSystem as _, NewNode, SyncMode};
use kos_vfs::testing::{DiskEvent, RamDisk, RecordDisk};
use kos_vfs::{DeviceNumber, FileType, Mode, Name, Timestamp};

use super::*;
use crate::disk::Lock;
use crate::power::{FLOOR, log};

const FILES: u64 = 40;

fn plan(points: u32) -> Plan {
    Plan { points, seed: 5, floor: FLOOR }
}

/// What the kernel's `durability` does, on a disk that writes everything down: the disk before, and the log.
fn recorded(files: u64) -> (Vec<u8>, Vec<u8>) {
    let ram = RamDisk::with_size(4 << 20, 512);
    let (now, uuid, hash_key) = (Timestamp::EPOCH, [7; 16], [8; 16]);
    mkfs::<_, Lock>(&ram, &MkfsOptions { uuid, label: [0; 64], now, uid: 0, gid: 0, hash_key }).unwrap();
    let (before, disk) = (ram.to_image(), RecordDisk::new(ram));
    let fs = KosFs::<_, Lock>::mount(&disk, MountOptions::default()).unwrap();
    let create = |dir, name: &str, kind| {
        let (mode, device) = (Mode::of(0o755), DeviceNumber::default());
        let new = NewNode { kind, mode, uid: 0, gid: 0, device, target: b"", now };
        fs.dirs().create(dir, Name::new(name.as_bytes()).unwrap(), &new).unwrap().ino
    };
    let folder = create(fs.root(), "crash", FileType::Directory);
    for number in FLOOR + 1..=FLOOR + files {
        let file = create(folder, &number.to_string(), FileType::Regular);
        let contents = disk::contents(number);
        assert_eq!(fs.files().write_at(file, 0, &contents, now).unwrap(), contents.len());
        fs.sync(SyncMode::All).unwrap();
    }
    drop(fs);
    (before, log::testing::written(&disk.take().iter().flat_map(steps).collect::<Vec<_>>()))
}

/// As QEMU writes it down: a disk of virtio flushes for a write that has to be durable.
fn steps(event: &DiskEvent) -> Vec<Step<'_>> {
    match event {
        DiskEvent::Write { sector, bytes, mode } => {
            let write = Step::Write { at: sector * 512, data: bytes, through: false };
            if *mode == WriteMode::Through { vec![write, Step::Flush] } else { vec![write] }
        }
        DiskEvent::Flush => vec![Step::Flush],
        DiskEvent::Discard { sector, count } => {
            vec![Step::Discard { at: sector * 512, length: count * 512 }]
        }
    }
}

/// The first loss of so many points.
fn first_loss(before: &[u8], steps: &[Step<'_>], points: u32) -> Option<Loss> {
    Replay::new(before.to_vec(), steps, plan(points)).find_map(Result::err)
}

#[test]
fn what_was_durable_is_there_at_each_point() {
    let (before, log) = recorded(FILES);
    let steps = log::parse(&log, before.len() as u64).unwrap();
    let replay = Replay::new(before.clone(), &steps, plan(400));
    assert!(replay.newest() == FLOOR + FILES && replay.flushes() as u64 > FILES, "{replay:?}");
    let points: Vec<_> = replay.map(Result::unwrap).collect();
    assert_eq!(points.len(), 400);
    assert!(points.iter().any(|point| point.torn > 0) && points.iter().any(|point| point.lost > 1));
    assert!(points.iter().any(|point| point.kept > 1 && point.lost + point.torn > 0));
    assert_eq!(points.last().map(|point| point.files), Some(LOOKED_AT));
    Replay::new(before.clone(), &steps, plan(0)).end(FLOOR + FILES).unwrap();
    let other = Replay::new(before, &steps, plan(0)).end(FLOOR + FILES + 1);
    assert!(matches!(other, Err(DiskError::Lost { number }) if number == FLOOR + FILES + 1), "{other:?}");
}

#[test]
fn the_same_seed_cuts_the_same_wherever_it_begins() {
    let (before, log) = recorded(FILES);
    let steps = log::parse(&log, before.len() as u64).unwrap();
    let all: Vec<_> = Replay::new(before.clone(), &steps, plan(60)).map(Result::unwrap).collect();
    let mut from_the_middle = Replay::new(before, &steps, plan(60));
    from_the_middle.next = 31;
    assert_eq!(from_the_middle.next().unwrap().unwrap(), all[31]);
}

/// Each write of an epoch that was flushed is needed: a disk that loses one is found out.
#[test]
fn a_flushed_write_that_is_lost_is_found() {
    let files = 10;
    let (before, log) = recorded(files);
    let steps = log::parse(&log, before.len() as u64).unwrap();
    let writes = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Write { .. }));
    // The first one is the mount's: another copy of what is there.
    for (at, _) in writes.skip(1) {
        let lossy: Vec<_> =
            steps.iter().enumerate().filter(|&(place, _)| place != at).map(|(_, step)| *step).collect();
        let seen = first_loss(&before, &lossy, 2 * u32::try_from(steps.len()).unwrap()).is_some()
            || Replay::new(before.clone(), &lossy, plan(0)).end(FLOOR + files).is_err();
        assert!(seen, "step {at} of {} is lost, and nobody sees it", steps.len());
    }
}

/// A disk that says it flushed and did not is found out, too.
#[test]
fn a_flush_that_does_nothing_is_found() {
    let (before, log) = recorded(FILES);
    let steps = log::parse(&log, before.len() as u64).unwrap();
    let flushes = steps.iter().filter(|step| matches!(step, Step::Flush)).count();
    for leave_out in [2, flushes] {
        let mut seen = 0;
        let lying = steps.iter().filter(|step| {
            seen += usize::from(matches!(step, Step::Flush));
            !matches!(step, Step::Flush) || !seen.is_multiple_of(leave_out) && leave_out != flushes
        });
        let loss = first_loss(&before, &lying.copied().collect::<Vec<_>>(), 400).expect("a loss");
        assert!(loss.to_string().starts_with("point "), "{loss}");
    }
}

#[test]
fn numbers_count_where_they_stand_alone_in_a_line() {
    let newest = |data: &[u8]| newest_in(&Step::Write { at: 0, data, through: false }, FLOOR);
    assert_eq!(newest(b"\0\x05100007\n100007\n100009"), 100_007);
    assert_eq!(newest(b"0100008\n00008\n100000\n"), 0);
    assert_eq!(newest(b"100003\n\x00100002\nx"), 100_003);
    assert_eq!(newest_in(&Step::Flush, 0), 0);
}
