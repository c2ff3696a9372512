//! Random operations on the bytes of files, through the page cache and without it, beside plain bytes; after each row the volume is
//! whole and nothing is lost. `KOS_DATA_OPS` says how many on each file system, `KOS_DATA_SEED` where they begin:
//!
//! `KOS_DATA_OPS=1000000 cargo test --release -p kos-vfs --all-features --test data -- --nocapture`
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;

use kos_vfs::Config;
use kos_vfs::fs::fat::FatKind;
use kos_vfs::testing::{
    DataModel, DataOp, FatVolume, KosFsVolume, RamDisk, TmpfsVolume, Volume, fill_volume, fuzz,
};

/// Operations on one volume.
const ROW: u64 = 1000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn disk(kib: u64) -> Arc<RamDisk> {
    Arc::new(RamDisk::with_size(kib << 10, 512))
}

/// The next of a row of numbers (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Says where a row was when it failed.
struct Told(u64, u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("KOS_DATA_SEED={}, operation {}", self.0, self.1);
        }
    }
}

fn row(volume: &dyn Volume, seed: u64) -> u64 {
    let cache_bytes = [0, 64 << 10, 1 << 20][usize::try_from(seed % 3).unwrap()];
    let config = Config { cache_bytes, dentries: 64, files: 32, mounts: 4, ..Config::default() };
    let (vfs, mut state) = (DataModel::vfs(&config), seed << 32);
    let mut model = DataModel::new(&vfs, volume);
    let mut told = Told(seed, 0);
    for index in 0..ROW {
        told.1 = index;
        model.step(DataOp::from_bytes(random(&mut state).to_le_bytes()));
    }
    let full = model.full();
    model.finish();
    full
}

/// Rows on new volumes: small ones that fill up, and larger ones.
fn run(make: impl Fn(bool) -> Box<dyn Volume>) {
    let (count, first) = (number("KOS_DATA_OPS", 6 * ROW), number("KOS_DATA_SEED", 0));
    let mut full = 0;
    for seed in first..first + count.div_ceil(ROW) {
        full += row(&*make(seed % 2 == 0), seed);
    }
    eprintln!("{count} operations, {full} of them met a full volume");
    assert!(full > 0 && full < count / 4, "{full}");
}

#[test]
fn tmpfs_keeps_every_byte() {
    run(|small| Box::new(TmpfsVolume::new(if small { 256 << 10 } else { 8 << 20 })));
}

#[test]
fn kosfs_keeps_every_byte() {
    run(|small| {
        let volume = KosFsVolume::format(disk(if small { 4 << 10 } else { 16 << 10 }));
        if small {
            fill_volume(&volume, 150);
        }
        Box::new(volume)
    });
}

#[test]
fn fat_keeps_every_byte() {
    run(|small| match small {
        true => Box::new(FatVolume::format(disk(640), FatKind::Fat12)),
        false => Box::new(FatVolume::format(disk(4400), FatKind::Fat16)),
    });
}

#[test]
fn the_corpus_of_ops_vs_model_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/ops_vs_model");
    let corpus =
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let count = corpus.map(|data| fuzz::ops_vs_model(&data)).count();
    assert!(count > 3, "{count}");
}
