//! Each call of the device fails once, and space ends after each block: a failed step has changed nothing, and nothing leaks.

use alloc::vec;
use alloc::vec::Vec;

use super::steps::{Files, STEPS, Step, base, clean, files, find, make, mount, step};
use crate::attr::{FileType, Timestamp};
use crate::error::{DeviceError, FsError};
use crate::fs::{Cookie, DirEntry, FileSystem, SyncMode};
use crate::name::Name;
use crate::testing::{Fault, FaultDisk, RamDisk, cases};

/// Steps with a sync behind each, until one is not to be made durable any more. Returns the states that may be on the disk.
fn play(fs: &dyn FileSystem, fault: Fault) -> Vec<Files> {
    let mut states = vec![files(fs).unwrap_or_default()];
    for (count, &what) in (0..).zip(&STEPS) {
        let before = files(fs);
        let done = step(fs, what, count);
        let after = files(fs);
        if let Err(error) = done {
            let device = matches!(error, FsError::Device(_) | FsError::ReadOnly);
            let refused = matches!(
                error,
                FsError::NotFound
                    | FsError::Exists
                    | FsError::NotDirectory
                    | FsError::NotEmpty
                    | FsError::Stale
                    | FsError::NoAttribute
                    | FsError::IsDirectory
            );
            assert!(device || refused, "{what:?}: {error}");
        }
        let (Ok(before), Ok(after)) = (before, after) else { continue };
        // A step of two calls may have done the first.
        let two = matches!(what, Step::CreateBelow | Step::Room);
        assert!(done.is_ok() || before == after || two, "{what:?} changed something and failed: {done:?}");
        states.push(after);
        if count % 3 == 2 {
            match fs.sync(SyncMode::All) {
                Ok(()) => states = states.split_off(states.len() - 1),
                Err(error) => assert!(matches!(error, FsError::Device(_)), "{error} of a sync, {fault:?}"),
            }
        }
    }
    states
}

#[test]
fn the_failure_of_each_device_call_leaves_a_prefix() {
    let whole = base();
    let stride = (2000 / cases().max(1) as usize).max(1);
    for fault in [Fault::Once, Fault::Torn, Fault::Gone] {
        let mut tried = 0;
        for at in (0..).step_by(stride) {
            let disk = whole.clone();
            let device = FaultDisk::new(&disk, at, fault);
            let states = match mount(&device, false) {
                Ok(fs) => {
                    let states = play(&fs, fault);
                    fs.check().unwrap();
                    states
                }
                Err(_) => vec![files(&mount(&whole, true).unwrap()).unwrap()],
            };
            if !device.has_failed() {
                break;
            }
            tried += 1;
            clean(&disk).unwrap_or_else(|what| panic!("call {at}, {fault:?}: {what}"));
            let found = files(&mount(&disk, false).unwrap()).unwrap();
            assert!(states.contains(&found), "call {at}, {fault:?}: none of {} states", states.len());
        }
        assert!(tried > 5, "{tried}");
    }
}

#[test]
fn the_end_of_space_at_each_block_leaves_everything_and_leaks_nothing() {
    let stride = (2000 / cases().max(1) as usize).max(1);
    for left in (0..200_u64).step_by(stride) {
        let disk = base();
        let fs = mount(&disk, false).unwrap();
        let filler = make(&fs, fs.root(), b"filler", FileType::Regular, &[]).unwrap();
        fs.sync(SyncMode::All).unwrap();
        let mut at = 0;
        while fs.statfs().unwrap().available > left + 16 {
            at += fs.files().write_at(filler, at, &[1; 4096], Timestamp::EPOCH).unwrap() as u64;
        }
        for (count, &what) in (0..).zip(&STEPS) {
            let before = files(&fs).unwrap();
            let done = step(&fs, what, count);
            let two = matches!(what, Step::CreateBelow | Step::Room);
            assert!(
                done.is_ok() || two || files(&fs).unwrap() == before,
                "{what:?} with {left} blocks: {done:?}"
            );
            assert!(
                !matches!(done, Err(FsError::Device(_) | FsError::Corrupt { .. } | FsError::ReadOnly)),
                "{what:?}: {done:?}"
            );
            fs.check().unwrap();
        }
        remove_all(&fs);
        (0..3).for_each(|_| fs.sync(SyncMode::All).unwrap());
        drop(fs);
        clean(&disk).unwrap();
        let fs = mount(&disk, false).unwrap();
        (0..3).for_each(|_| fs.sync(SyncMode::All).unwrap());
        let used = fs.statfs().unwrap();
        assert!(
            used.blocks - used.free <= 2,
            "{} blocks are gone, with {left} left",
            used.blocks - used.free
        );
    }
}

/// Removes all files; being full is no reason to fail.
fn remove_all(fs: &dyn FileSystem) {
    let mut rest = vec![(fs.root(), false)];
    while let Some((dir, done)) = rest.pop() {
        let mut names = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            names.push((entry.name.as_bytes().to_vec(), entry.ino, entry.kind));
            true
        };
        fs.dirs().readdir(dir, Cookie(0), &mut sink).unwrap();
        if !done {
            rest.push((dir, true));
        }
        for (bytes, ino, kind) in names {
            let name = Name::new(&bytes).unwrap();
            if kind != FileType::Directory {
                fs.dirs().unlink(dir, name, ino, Timestamp::EPOCH).unwrap();
            } else if done {
                fs.dirs().rmdir(dir, name, ino, Timestamp::EPOCH).unwrap();
            } else {
                rest.push((ino, false));
            }
        }
    }
    assert_eq!(find(fs, fs.root(), b"filler"), Err(FsError::NotFound));
}

#[test]
fn a_failed_flush_is_told_and_nothing_changes_any_more() {
    let disk: RamDisk = base();
    let device = FaultDisk::new(&disk, u64::MAX, Fault::Once);
    let calls = {
        let fs = mount(&device, false).unwrap();
        make(&fs, fs.root(), b"new", FileType::Regular, &[]).unwrap();
        device.calls()
    };
    let mut stopped = 0;
    for at in calls.. {
        let disk: RamDisk = base();
        let device = FaultDisk::new(&disk, at, Fault::Once);
        let fs = mount(&device, false).unwrap();
        make(&fs, fs.root(), b"new", FileType::Regular, &[]).unwrap();
        let done = fs.sync(SyncMode::All);
        if !device.has_failed() {
            assert!(done.is_ok() && stopped > 3, "{stopped}");
            break;
        }
        let Err(FsError::Device(error)) = done else { panic!("{done:?}") };
        assert!(matches!(error, DeviceError::Failed { .. } | DeviceError::NotFlushed), "{error}");
        match make(&fs, fs.root(), b"more", FileType::Regular, &[]) {
            Err(FsError::ReadOnly) => stopped += 1,
            // A read failed, before anything was written.
            Ok(_) => fs.sync(SyncMode::All).unwrap(),
            Err(error) => panic!("{error}"),
        }
        assert!(find(&fs, fs.root(), b"new").is_ok(), "what is in memory can be read");
    }
}

/// What a cut could not give up at once is never seen again, whichever call of the device fails.
#[test]
fn blocks_left_behind_by_a_cut_are_not_seen_again() {
    const PIECES: u64 = 300;
    let (disk, now, size) = (base(), Timestamp::EPOCH, PIECES * 8192);
    let file = {
        let fs = mount(&disk, false).unwrap();
        let file = make(&fs, fs.root(), b"pieces", FileType::Regular, &[]).unwrap();
        for piece in 0..PIECES {
            fs.files().write_at(file, piece * 8192, &[7; 4096], now).unwrap();
        }
        fs.sync(SyncMode::All).unwrap();
        file
    };
    let mut cut_short = 0;
    for at in 0.. {
        let copy = disk.clone();
        let device = FaultDisk::new(&copy, at, Fault::Once);
        let Ok(fs) = mount(&device, false) else { continue };
        let mounted = device.has_failed();
        let done = fs.files().truncate(file, 10_000, now);
        let now_there = fs.attr(file).unwrap();
        assert_eq!(
            now_there.size,
            if done.is_ok() { 10_000 } else { (PIECES - 1) * 8192 + 4096 },
            "call {at}"
        );
        if !device.has_failed() {
            assert!(cut_short > 2, "{cut_short}");
            break;
        }
        cut_short += u32::from(!mounted && done.is_ok());
        if done.is_ok() {
            fs.files().truncate(file, size, now).unwrap();
            let mut bytes = vec![1; size as usize - 10_000];
            fs.files().read_at(file, 10_000, &mut bytes).unwrap();
            assert!(bytes.iter().all(|&byte| byte == 0), "call {at}: old bytes");
            assert!(fs.attr(file).unwrap().size == size && fs.sync(SyncMode::All).is_ok());
        }
        drop(fs);
        clean(&copy).unwrap_or_else(|what| panic!("call {at}: {what}"));
    }
}
