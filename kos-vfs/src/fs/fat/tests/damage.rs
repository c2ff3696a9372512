use alloc::vec::Vec;

use super::super::{FatKind, FsckReport, Problem};
use super::{SIZES, assert_clean, fsck, mount, volume};
use crate::block::{BlockDevice, WriteMode};
use crate::fs::FileSystem;
use crate::testing::fat::damage::{damage, sample, use_damaged};
use crate::testing::{RamDisk, fuzz};

fn problems(disk: &RamDisk, repair: bool) -> (FsckReport, Vec<Problem>) {
    let mut problems = Vec::new();
    let report = fsck(disk, repair, &mut |problem, _| problems.push(*problem)).unwrap();
    (report, problems)
}

#[test]
fn a_new_volume_is_clean() {
    for (kind, kib) in SIZES {
        let disk = volume(kind, kib);
        assert_clean(&disk);
        let fat = mount(&disk);
        assert_eq!(fat.kind(), kind);
        assert!(!fat.was_in_use());
        assert_eq!(u64::from(problems(&disk, false).0.free), fat.statfs().unwrap().free);
    }
}

#[test]
fn each_damage_is_found_and_mended() {
    for kind in [FatKind::Fat12, FatKind::Fat16] {
        for (at, expected) in [(512 + 40, "TablesDiffer"), (37, "InUse")] {
            let disk = sample(kind);
            assert_clean(&disk);
            damage(&disk, at, if at == 37 { 1 } else { 0x5a });
            let (report, found) = problems(&disk, true);
            assert!(report.problems > 0 && report.left() == 0);
            assert!(
                found.iter().any(|problem| alloc::format!("{problem:?}").contains(expected)),
                "{found:?}"
            );
            assert_clean(&disk);
        }
    }
}

#[test]
fn damaged_volumes_neither_panic_nor_hang() {
    let count: u64 = std::env::var("KOS_DAMAGES").map_or(300, |count| count.parse().unwrap());
    for kind in [FatKind::Fat12, FatKind::Fat16, FatKind::Fat32] {
        let whole = sample(kind);
        for number in 0..count / 3 {
            let disk = whole.clone();
            let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // Half of them where most that matters stands.
            let at = if number % 2 == 0 { mixed >> 40 } else { (mixed >> 40) % 12_000 };
            damage(&disk, at, mixed.to_le_bytes()[2]);
            use_damaged(&disk);
        }
    }
}

#[test]
fn every_byte_of_the_first_sector() {
    let whole = sample(FatKind::Fat12);
    for at in 0..512 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let disk = whole.clone();
            damage(&disk, at, value);
            use_damaged(&disk);
        }
    }
}

#[test]
fn a_volume_of_another_size_is_refused() {
    let disk = volume(FatKind::Fat16, 2200);
    let short = RamDisk::with_size(2199 << 10, 512);
    let mut sector = [0; 512];
    for number in 0..10 {
        disk.read(number, &mut sector).unwrap();
        short.write(number, &sector, WriteMode::Cached).unwrap();
    }
    let refused = super::Fat::<_, crate::testing::TestLock>::mount(&short, super::MountOptions::default());
    assert_eq!(refused.err(), Some(super::super::MountError::Truncated { volume: 4400, device: 4398 }));
}

#[test]
fn the_corpus_of_mount_fat_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/mount_fat");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::mount_fat(&std::fs::read(path).unwrap()));
}
