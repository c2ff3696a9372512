//! Tests of the driver by itself; those beside other programs are in `tests/fat_interop.rs`.

mod circles;
mod damage;
mod model;
mod names;
mod regressions;
mod vfs;

use super::{Fat, FatKind, MkfsOptions, MountOptions, fsck, mkfs};
use crate::block::BlockDevice;
use crate::testing::{RamDisk, TestLock};

/// Volumes of the three kinds, so small that they fill up.
const SIZES: [(FatKind, u64); 3] =
    [(FatKind::Fat12, 100), (FatKind::Fat16, 2200), (FatKind::Fat32, 34 << 10)];

/// An empty volume of `kib` KiB with clusters of 512 bytes.
fn volume(kind: FatKind, kib: u64) -> RamDisk {
    let disk = RamDisk::with_size(kib << 10, 512);
    mkfs(&disk, &MkfsOptions { cluster_bytes: Some(512), ..MkfsOptions::new(kind) }).unwrap();
    disk
}

fn mount<D: BlockDevice>(device: D) -> Fat<D, TestLock> {
    Fat::mount(device, MountOptions::default()).unwrap()
}

/// Asserts that nothing is wrong with a volume.
fn assert_clean(disk: &dyn BlockDevice) {
    let mut problems = alloc::vec![];
    let report = fsck(disk, false, &mut |problem, _| problems.push(*problem)).unwrap();
    assert_eq!((report.problems, problems), (0, alloc::vec![]));
}
