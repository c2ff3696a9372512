//! The volume that every driver gets: one partition on a disk in memory, made by kos.

use kos_vfs::attr::{DeviceNumber, FileType, Mode, Timestamp};
use kos_vfs::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use kos_vfs::fs::fat::{Fat, FatKind, MkfsOptions, MountOptions, mkfs};
use kos_vfs::fs::{FileSystem, NewNode, SyncMode};
use kos_vfs::{DeviceError, Ino, Name};
use lock_api::Mutex;

use crate::harness::must;
use crate::lock::NoLock;

/// Bytes of a sector.
pub(super) const SECTOR: usize = 512;
/// Bytes of the volume.
const VOLUME: usize = 512 << 20;
/// Bytes of [`FILE`].
pub(super) const DATA: usize = 16 << 20;
/// A file of [`DATA`] bytes.
pub(super) const FILE: &str = "DATA.BIN";

/// What is on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Bytes of a cluster.
    pub(super) cluster: u32,
    /// Whether no two clusters of the file are neighbours.
    pub(super) pieces: bool,
    /// How many other files.
    pub(super) files: usize,
}

/// Its bytes.
pub(super) struct Volume(pub(super) Vec<u8>);

/// What stands at byte `at` of the file: each word is its own place.
pub(super) fn pattern(at: usize, length: usize) -> Vec<u8> {
    (at..at + length).step_by(8).flat_map(|at| (at as u64).to_le_bytes()).collect()
}

impl Volume {
    pub(super) fn make(layout: Layout) -> Self {
        let ram = Ram::new(vec![0; VOLUME]);
        let options = MkfsOptions { cluster_bytes: Some(layout.cluster), ..MkfsOptions::new(FatKind::Fat32) };
        must(mkfs(&ram, &options).ok());
        let fat = must(Fat::<_, NoLock>::mount(&ram, MountOptions::default()).ok());
        for number in 0..layout.files {
            let file = create(&fat, &format!("A file with a long name {number:04}.txt"));
            fat.forget(file, 1);
        }
        fill(&fat, layout);
        must(fat.sync(SyncMode::All).ok());
        drop(fat);
        Self(ram.0.into_inner())
    }
}

fn create(fs: &dyn FileSystem, name: &str) -> Ino {
    let new = NewNode {
        kind: FileType::Regular,
        mode: Mode::of(0o755),
        uid: 0,
        gid: 0,
        device: DeviceNumber::default(),
        target: b"",
        now: Timestamp::EPOCH,
    };
    must(fs.dirs().create(fs.root(), must(Name::new(name.as_bytes()).ok()), &new).ok()).ino
}

fn fill(fs: &dyn FileSystem, layout: Layout) {
    let file = create(fs, FILE);
    let other = create(fs, "OTHER.BIN");
    let piece = if layout.pieces { layout.cluster as usize } else { DATA };
    for at in (0..DATA).step_by(piece) {
        let write = |file, bytes: &[u8]| {
            let done = must(fs.files().write_at(file, at as u64, bytes, Timestamp::EPOCH).ok());
            assert_eq!(done, bytes.len(), "the volume is full");
        };
        write(file, &pattern(at, piece));
        if layout.pieces {
            write(other, &[1]);
        }
    }
    let other_name = must(Name::new(b"OTHER.BIN").ok());
    must(fs.dirs().unlink(fs.root(), other_name, other, Timestamp::EPOCH).ok());
    fs.forget(other, 1);
    fs.forget(file, 1);
}

/// Moves bytes a page at a time: the host's copy of more has another speed and is counted otherwise, a byte an instruction,
/// and so would say nothing of a driver.
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.chunks_mut(4096).zip(from.chunks(4096)) {
        to.copy_from_slice(from);
    }
}

/// A disk in memory as kos sees it.
pub(super) struct Ram(Mutex<NoLock, Vec<u8>>);

impl Ram {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(bytes))
    }
}

impl BlockDevice for Ram {
    fn geometry(&self) -> Geometry {
        let sectors = (VOLUME / SECTOR) as u64;
        must(Geometry::new(512, sectors, DeviceFeatures::empty()).ok())
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let start = must(usize::try_from(sector).ok()) * SECTOR;
        let bytes = self.0.lock();
        let from = bytes.get(start..start + out.len()).ok_or(DeviceError::Failed { sector })?;
        copy(out, from);
        Ok(())
    }

    fn write(&self, sector: u64, bytes: &[u8], _: WriteMode) -> Result<(), DeviceError> {
        let start = must(usize::try_from(sector).ok()) * SECTOR;
        let mut disk = self.0.lock();
        let to = disk.get_mut(start..start + bytes.len()).ok_or(DeviceError::Failed { sector })?;
        copy(to, bytes);
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }
}
