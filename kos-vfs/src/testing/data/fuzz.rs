//! The fuzz target [`ops_vs_model`].

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::model::DataModel;
use super::op::DataOp;
use crate::Config;
use crate::fs::fat::FatKind;
use crate::testing::{FatVolume, KosFsVolume, RamDisk, TmpfsVolume, Volume, fill_volume};

/// The body of the fuzz target: the first byte chooses a file system and a page cache, then every eight bytes are a [`DataOp`].
///
/// # Panics
/// If the file system answers otherwise than plain bytes, or is not whole at the end.
pub fn ops_vs_model(data: &[u8]) {
    let Some((&kind, ops)) = data.split_first() else { return };
    let disk = |kib: u64| Arc::new(RamDisk::with_size(kib << 10, 512));
    let volume: Box<dyn Volume> = match kind & 7 {
        0 => Box::new(TmpfsVolume::new(1 << 20)),
        1 => Box::new(TmpfsVolume::new(16 << 20)),
        2 => Box::new(KosFsVolume::format(disk(4 << 10))),
        3..6 => Box::new(KosFsVolume::format(disk(16 << 10))),
        6 => Box::new(FatVolume::format(disk(600), FatKind::Fat12)),
        _ => Box::new(FatVolume::format(disk(4400), FatKind::Fat16)),
    };
    if kind & 7 == 2 {
        fill_volume(&*volume, 150);
    }
    let cache_bytes = [0, 64 << 10, 64 << 10, 1 << 20][usize::from(kind >> 3 & 3)];
    let config = Config { cache_bytes, dentries: 64, files: 32, mounts: 4, ..Config::default() };
    let vfs = DataModel::vfs(&config);
    let mut model = DataModel::new(&vfs, &*volume);
    for op in ops.as_chunks::<8>().0.iter().take(2000) {
        model.step(DataOp::from_bytes(*op));
    }
    model.finish();
}
