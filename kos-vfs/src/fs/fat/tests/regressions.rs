//! Faults of other drivers, by the names under which the design lists them.

use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use super::super::{FatKind, MkfsOptions, mkfs};
use super::{assert_clean, mount, volume};
use crate::attr::{DeviceNumber, FileType, Ino, Mode, Timestamp};
use crate::block::{BlockDevice, Geometry, WriteMode};
use crate::error::DeviceError;
use crate::fs::{FileSystem, NewNode, SyncMode};
use crate::name::Name;
use crate::testing::{Fault, FaultDisk, RamDisk};

const NOW: Timestamp = Timestamp::EPOCH;

/// Counts reads, and the sectors that they ask for.
struct Counted<'d> {
    disk: &'d RamDisk,
    reads: AtomicU64,
}

impl<'d> Counted<'d> {
    fn new(disk: &'d RamDisk) -> Self {
        Self { disk, reads: AtomicU64::new(0) }
    }

    /// Reads since the last call.
    fn take(&self) -> u64 {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

impl BlockDevice for Counted<'_> {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.disk.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.disk.write(sector, bytes, mode)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.disk.flush()
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.disk.discard(sector, count)
    }
}

fn create(fs: &dyn FileSystem, name: &str) -> Ino {
    let mode = Mode::of(0o755);
    let kind = FileType::Regular;
    let new = NewNode { kind, mode, uid: 0, gid: 0, device: DeviceNumber::default(), target: b"", now: NOW };
    fs.dirs().create(fs.root(), Name::new(name.as_bytes()).unwrap(), &new).unwrap().ino
}

fn write(fs: &dyn FileSystem, file: Ino, offset: u64, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() {
        done += fs.files().write_at(file, offset + done as u64, &bytes[done..], NOW).unwrap();
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// A file whose clusters alternate with those of another one.
fn fragmented(fs: &dyn FileSystem, clusters: usize) -> (Ino, Vec<u8>) {
    let (file, other) = (create(fs, "file"), create(fs, "other"));
    let data = bytes(clusters * 512);
    for (at, cluster) in data.chunks(512).enumerate() {
        write(fs, file, at as u64 * 512, cluster);
        write(fs, other, at as u64 * 512, &[1; 512]);
    }
    (file, data)
}

#[test]
fn read_crosses_clusters_in_one_call() {
    let ram = volume(FatKind::Fat16, 4000);
    let disk = Counted::new(&ram);
    let fat = mount(&disk);
    let (file, data) = fragmented(&fat, 300);
    let mut out = vec![0; data.len() - 600];
    assert_eq!(fat.read_at_all(file, 300, &mut out), data.len() - 600);
    assert!(out == data[300..data.len() - 300]);
    let straight = create(&fat, "straight");
    write(&fat, straight, 0, &data);
    let mut out = vec![0; data.len()];
    fat.read_at_all(straight, 0, &mut out);
    disk.take();
    assert_eq!(fat.read_at_all(straight, 0, &mut out), data.len());
    assert!(out == data);
    assert_eq!(disk.take(), 1, "a run of clusters is one request");
}

/// Shorter to write.
trait ReadAll {
    fn read_at_all(&self, file: Ino, offset: u64, out: &mut [u8]) -> usize;
}

impl<F: FileSystem> ReadAll for F {
    fn read_at_all(&self, file: Ino, offset: u64, out: &mut [u8]) -> usize {
        self.files().read_at(file, offset, out).unwrap()
    }
}

#[test]
fn size_query_walks_no_chain() {
    let ram = volume(FatKind::Fat32, 36_000);
    let fat = mount(&ram);
    let (file, _) = fragmented(&fat, 2000);
    fat.forget(file, 1);
    fat.sync(SyncMode::All).unwrap();
    let disk = Counted::new(&ram);
    let fat = mount(&disk);
    disk.take();
    let found = fat.dirs().lookup(fat.root(), Name::new(b"file").unwrap()).unwrap();
    assert_eq!((found.size, found.blocks), (2000 * 512, 2000));
    assert!(disk.take() <= 1, "the directory at most");
    fat.attr(found.ino).unwrap();
    assert_eq!(disk.take(), 0);
}

#[test]
fn long_names_are_created() {
    for (kind, kib) in super::SIZES {
        let ram = volume(kind, kib);
        let fat = mount(&ram);
        let names = ["A rather long name.with dots", "\u{e4}\u{f6}\u{fc}", &"n".repeat(255), "lower.txt"];
        for name in names {
            let ino = create(&fat, name);
            write(&fat, ino, 0, name.as_bytes());
            fat.forget(ino, 1);
        }
        fat.sync(SyncMode::All).unwrap();
        assert_clean(&ram);
        let again = mount(&ram);
        for name in names {
            let found = again.dirs().lookup(again.root(), Name::new(name.as_bytes()).unwrap()).unwrap();
            let mut out = vec![0; 300];
            let length = again.read_at_all(found.ino, 0, &mut out);
            assert_eq!(&out[..length], name.as_bytes());
        }
        for (alias, size) in [("arathe~1.wit", 28), ("LOWER~1.TXT", 9)] {
            let found = again.dirs().lookup(again.root(), Name::new(alias.as_bytes()).unwrap());
            assert_eq!(found.map(|attr| attr.size), Ok(size), "its short name");
        }
    }
}

#[test]
fn backward_seek_uses_the_chain_cache() {
    let ram = volume(FatKind::Fat32, 36_000);
    let disk = Counted::new(&ram);
    let fat = mount(&disk);
    let (file, data) = fragmented(&fat, 20_000);
    let mut one = [0; 512];
    fat.read_at_all(file, data.len() as u64 - 512, &mut one);
    disk.take();
    for at in [19_000_usize, 10_000, 5, 19_999, 0, 12_345] {
        fat.read_at_all(file, at as u64 * 512, &mut one);
        assert_eq!(one, data[at * 512..][..512]);
        // 40 000 entries stand in 313 sectors; 512 remembered places are a sector or two apart.
        assert!(disk.take() <= 4, "a seek to cluster {at} walked the chain");
    }
}

#[test]
fn device_over_4_gib_with_4k_sectors() {
    let disk = RamDisk::with_size(6 << 40, 4096);
    mkfs(&disk, &MkfsOptions { cluster_bytes: Some(64 << 10), ..MkfsOptions::new(FatKind::Fat32) }).unwrap();
    let fat = mount(&disk);
    let blocks = fat.statfs().unwrap().blocks;
    assert!(blocks << 16 > 5 << 40, "{blocks} clusters");
    fat.start_at(80_000_000);
    let file = create(&fat, "far away");
    let data = bytes(200_000);
    write(&fat, file, 0, &data);
    let mut out = vec![0; data.len()];
    assert_eq!(fat.read_at_all(file, 0, &mut out), data.len());
    assert!(out == data);
    fat.forget(file, 1);
    fat.sync(SyncMode::All).unwrap();
    // Where they stand is told by the boot sector alone: 4 TiB and more from the start.
    let sector = |at: u64| {
        let mut sector = [0; 4096];
        disk.read(at, &mut sector).unwrap();
        sector
    };
    let boot = sector(0);
    let reserved = u64::from(u16::from_le_bytes([boot[14], boot[15]]));
    let table = u64::from(u32::from_le_bytes(boot[36..40].try_into().unwrap()));
    let entry = |table_start: u64, cluster: u64| {
        let sector = sector(table_start + cluster / 1024);
        let at = (cluster * 4 % 4096) as usize;
        u64::from(u32::from_le_bytes(sector[at..at + 4].try_into().unwrap()))
    };
    let first = 80_000_000;
    for copy in 0..2 {
        let chain = [0, 1, 2, 3].map(|next| entry(reserved + copy * table, first + next) & 0x0fff_ffff);
        assert_eq!(chain, [first + 1, first + 2, first + 3, 0x0fff_ffff], "table {copy}");
    }
    let start = reserved + 2 * table + ((first - 2) << 4);
    assert!(start > 4 << 28, "4 TiB");
    for (at, piece) in (start..).zip(data.chunks(4096)) {
        assert_eq!(sector(at)[..piece.len()], *piece, "sector {at}");
    }
    assert!(mount(&disk).dirs().lookup(fat.root(), Name::new(b"far away").unwrap()).is_ok());
}

/// Two files whose clusters alternate: each cluster is a request of its own.
#[test]
fn a_write_that_fails_half_way_keeps_the_size() {
    const SIZE: usize = 8 * 512;
    let old = bytes(SIZE);
    let mut met = 0;
    for at in 0.. {
        let disk = volume(FatKind::Fat16, 2200);
        {
            let fs = mount(&disk);
            let (file, other) = (create(&fs, "file"), create(&fs, "other"));
            for piece in 0..8 {
                write(&fs, file, piece * 512, &old[..512]);
                write(&fs, other, piece * 512, &old[..512]);
            }
            fs.sync(SyncMode::All).unwrap();
        }
        let device = FaultDisk::new(&disk, at, Fault::Once);
        let Ok(fs) =
            super::Fat::<_, crate::testing::TestLock>::mount(&device, super::MountOptions::default())
        else {
            continue;
        };
        let Ok(file) = fs.dirs().lookup(fs.root(), Name::new(b"file").unwrap()) else { continue };
        let before = device.has_failed();
        let stored = fs.files().write_at(file.ino, 0, &bytes(SIZE - 512), NOW);
        assert_eq!(fs.attr(file.ino).unwrap().size, SIZE as u64, "request {at}: {stored:?}");
        if !device.has_failed() {
            assert!(met > 4, "{met}");
            break;
        }
        met += u32::from(!before);
        write(&fs, file.ino, 0, &old);
        let mut found = vec![0; SIZE];
        assert_eq!(fs.files().read_at(file.ino, 0, &mut found).unwrap(), SIZE);
        assert!(found == old, "request {at}: other bytes");
    }
}
