//! The bytes of a file beside a plain vector of bytes.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "numbers below a million; a helper of tests fails by panic"
)]

use alloc::vec;
use alloc::vec::Vec;

use super::{Tmpfs, TmpfsConfig};
use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::fs::{Allocate, DirOps as _, FileOps as _, FileSystem as _, NewNode, Seek};
use crate::name::Name;
use crate::testing::HostEnv;
use crate::testing::script::Generator;

const NOW: Timestamp = Timestamp::EPOCH;

fn random(generator: &mut Generator, bound: u64) -> u64 {
    // Mostly near the edges of pages.
    let edge = generator.below(bound / 4096 + 1) * 4096;
    if generator.below(2) == 0 {
        generator.below(bound)
    } else {
        (edge + generator.below(3)).saturating_sub(1)
    }
}

#[test]
fn bytes_are_those_of_a_vector() {
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let new = NewNode {
        kind: FileType::Regular,
        mode: Mode::empty(),
        uid: 0,
        gid: 0,
        device: DeviceNumber::default(),
        target: &[],
        now: NOW,
    };
    let file = fs.create(fs.root(), Name::new(b"f").unwrap(), &new).unwrap().ino;
    let mut model: Vec<u8> = Vec::new();
    let mut generator = Generator::new(11);
    for step in 0..4000_u32 {
        let (at, length) = (random(&mut generator, 700_000), 1 + random(&mut generator, 9000));
        let (start, end) = (at as usize, (at + length) as usize);
        match generator.below(7) {
            0..2 => {
                let bytes = vec![(step % 251) as u8 + 1; length as usize];
                assert_eq!(fs.write_at(file, at, &bytes, NOW), Ok(bytes.len()));
                model.resize(model.len().max(end), 0);
                model[start..end].copy_from_slice(&bytes);
            }
            2 => {
                fs.truncate(file, at, NOW).unwrap();
                model.resize(start, 0);
            }
            3 => {
                fs.allocate(file, Allocate::PunchHole, at, length, NOW).unwrap();
                let size = model.len();
                model[start.min(size)..end.min(size)].fill(0);
            }
            4 => {
                let grows = generator.below(2) == 0;
                let how = if grows { Allocate::Zero } else { Allocate::ZeroKeepSize };
                fs.allocate(file, how, at, length, NOW).unwrap();
                let size = model.len();
                model[start.min(size)..end.min(size)].fill(0);
                model.resize(if grows { size.max(end) } else { size }, 0);
            }
            _ => seek_is_right(&fs, file, at, &model),
        }
        let mut out = vec![9; length as usize];
        let count = fs.read_at(file, at, &mut out).unwrap();
        let size = model.len();
        assert_eq!(&out[..count], &model[start.min(size)..end.min(size)], "step {step}");
        assert_eq!(fs.attr(file).unwrap().size, size as u64);
    }
    fs.truncate(file, 0, NOW).unwrap();
    assert_eq!(fs.pages.used(), 0);
}

/// A hole reads as zeroes, and what is not zero is data.
fn seek_is_right(fs: &Tmpfs<HostEnv>, file: crate::attr::Ino, at: u64, model: &[u8]) {
    let size = model.len() as u64;
    if at >= size {
        return;
    }
    let data = fs.seek(file, at, size, Seek::Data).unwrap().unwrap_or(size);
    let hole = fs.seek(file, at, size, Seek::Hole).unwrap().unwrap();
    assert!(data >= at && hole >= at && data <= size && hole <= size && (data == at) != (hole == at));
    assert!(model[at as usize..data as usize].iter().all(|&byte| byte == 0));
}

#[test]
fn a_listing_that_goes_on_meets_each_name_once() {
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let new = NewNode {
        kind: FileType::Regular,
        mode: Mode::empty(),
        uid: 0,
        gid: 0,
        device: DeviceNumber::default(),
        target: &[],
        now: NOW,
    };
    let name = |index: u32| alloc::format!("{index}").into_bytes();
    for index in 0..200 {
        fs.create(fs.root(), Name::new(&name(index)).unwrap(), &new).unwrap();
    }
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut cookie = crate::fs::Cookie(0);
    for round in 0..200 {
        let mut next = None;
        fs.readdir(fs.root(), cookie, &mut |entry: crate::fs::DirEntry<'_>| {
            let first = next.is_none();
            if first {
                next = Some(entry.next);
                seen.push(entry.name.as_bytes().to_vec());
            }
            first
        })
        .unwrap();
        let Some(next) = next else { break };
        cookie = next;
        // Every second name goes, behind the cookie and before it.
        let victim = name((round * 2 + 101) % 200);
        let bytes = Name::new(&victim).unwrap();
        if let Ok(attr) = fs.lookup(fs.root(), bytes) {
            fs.unlink(fs.root(), bytes, attr.ino, NOW).unwrap();
        }
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), seen.len());
    assert!((0..200).step_by(2).all(|index| seen.contains(&name(index))), "the even names stayed");
}
