//! Bytes that change on the device: an error or the right bytes, never others, and no panic.

use super::steps::{base, clean, files, mount, random};
use crate::block::{BlockDevice, WriteMode};
use crate::fs::kosfs::{FsckOptions, fsck};
use crate::testing::{RamDisk, cases, fuzz};

/// Sectors of which not all bytes are zero.
fn used(disk: &RamDisk) -> alloc::vec::Vec<u64> {
    let mut sector = [0; 512];
    let is_used = |at: &u64| {
        disk.read(*at, &mut sector).unwrap();
        sector.iter().any(|&byte| byte != 0)
    };
    (0..disk.geometry().sectors()).filter(is_used).collect()
}

/// The whole run: `KOS_PROPTEST_CASES=250000 cargo test --release -p kos-vfs --all-features --lib one_changed_byte`.
#[test]
fn one_changed_byte_is_never_other_data() {
    let disk = base();
    drop(mount(&disk, false).unwrap()); // both superblocks have the files
    let right = files(&mount(&disk, true).unwrap()).unwrap();
    let (used, mut row) = (used(&disk), 4711);
    let (mut errors, mut mended) = (0_u32, 0_u32);
    for number in 0..cases() * 4 {
        let sector = used[(random(&mut row) >> 16) as usize % used.len()];
        let (at, change) = ((random(&mut row) >> 16) as usize % 512, (random(&mut row) >> 16) as u8 | 1);
        let mut bytes = [0; 512];
        disk.read(sector, &mut bytes).unwrap();
        let before = bytes;
        bytes[at] ^= change;
        disk.write(sector, &bytes, WriteMode::Cached).unwrap();
        match mount(&disk, true).map(|fs| files(&fs)) {
            Ok(Ok(found)) => assert!(found == right, "sector {sector}, byte {at}: other files"),
            Ok(Err(_)) | Err(_) => errors += 1,
        }
        if number % 64 == 0 {
            let broken = disk.clone();
            let options = FsckOptions { repair: true, ..FsckOptions::default() };
            let report = fsck::<_, spin::RwLock<()>>(&broken, &options, &mut |_, _| {}).unwrap();
            assert_eq!(report.left(), 0, "sector {sector}, byte {at}");
            let again =
                fsck::<_, spin::RwLock<()>>(&broken, &FsckOptions::default(), &mut |_, _| {}).unwrap();
            assert_eq!(again.problems, 0, "sector {sector}, byte {at}");
            mended += u32::from(report.problems > 0);
        }
        disk.write(sector, &before, WriteMode::Cached).unwrap();
    }
    clean(&disk).unwrap();
    assert!(errors > cases() / 8 && mended > 0, "{errors} errors, {mended} mended");
}

fn replay(target: &str, body: fn(&[u8])) {
    let folder = alloc::format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let corpus =
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let count = corpus.map(|data| body(&data)).count();
    assert!(count > 3, "{count}");
}

#[test]
fn the_corpus_of_mount_kosfs_passes() {
    replay("mount_kosfs", fuzz::mount_kosfs);
}

#[test]
fn the_corpus_of_fsck_kosfs_passes() {
    replay("fsck_kosfs", fuzz::fsck_kosfs);
}

/// Images whose checksums are right and whose items are anything.
#[test]
fn hostile_images_neither_panic_nor_hang() {
    let mut row = 99;
    for _ in 0..cases() / 4 {
        let count = 1 + random(&mut row) as usize % 4;
        let data: alloc::vec::Vec<u8> = (0..count * 4).map(|_| (random(&mut row) >> 24) as u8).collect();
        fuzz::mount_kosfs(&data);
        fuzz::fsck_kosfs(&data);
    }
}
