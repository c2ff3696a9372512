//! The volume that every driver gets: one partition on a disk in memory, made by kos.

use kos_vfs::fs::fat::{Fat, FatKind, MkfsOptions, MountOptions, mkfs};
use kos_vfs::fs::{FileSystem, SyncMode};

use crate::harness::must;
use crate::lock::NoLock;
use crate::vfs::ram::Ram;
use crate::vfs::{create_file, pattern, remove_file, write_file};

/// Bytes of the volume.
const VOLUME: usize = 512 << 20;
/// Bytes of [`FILE`].
pub(super) const DATA: usize = 16 << 20;
/// A file of [`DATA`] bytes.
pub(super) const FILE: &str = "DATA.BIN";
/// What lies between the pieces of it, and goes.
const OTHER: &str = "OTHER.BIN";

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

impl Volume {
    pub(super) fn make(layout: Layout) -> Self {
        let ram = Ram::zeroed(VOLUME);
        let options = MkfsOptions { cluster_bytes: Some(layout.cluster), ..MkfsOptions::new(FatKind::Fat32) };
        must(mkfs(&ram, &options).ok());
        let fat = must(Fat::<_, NoLock>::mount(&ram, MountOptions::default()).ok());
        for number in 0..layout.files {
            let file = create_file(&fat, &format!("A file with a long name {number:04}.txt"));
            fat.forget(file, 1);
        }
        fill(&fat, layout);
        must(fat.sync(SyncMode::All).ok());
        drop(fat);
        Self(ram.into_bytes())
    }
}

fn fill(fs: &dyn FileSystem, layout: Layout) {
    let file = create_file(fs, FILE);
    let other = create_file(fs, OTHER);
    let piece = if layout.pieces { layout.cluster as usize } else { DATA };
    for at in (0..DATA).step_by(piece) {
        write_file(fs, file, at as u64, &pattern(at, piece));
        if layout.pieces {
            write_file(fs, other, at as u64, &[1]);
        }
    }
    fs.forget(other, 1);
    fs.forget(file, 1);
    remove_file(fs, OTHER);
}
