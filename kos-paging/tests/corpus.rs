//! Replays the corpora of the fuzz targets.

use std::fs;
use std::path::Path;

/// Runs a target over its corpus.
#[expect(clippy::unwrap_used, reason = "a corpus that cannot be read fails the test")]
fn replay(target: &str, run: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut replayed = 0;
    for file in fs::read_dir(corpus).unwrap() {
        run(&fs::read(file.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "the corpus is empty");
}

#[test]
fn page_table_ops_corpus() {
    replay("page_table_ops", kos_paging::testing::fuzz::page_table_ops);
}

#[cfg(feature = "vma")]
#[test]
fn space_corpus() {
    replay("space", kos_paging::testing::fuzz::space);
}

/// The corpus, and 20 000 entries more for each format.
#[test]
fn decode_corpus() {
    replay("decode", kos_paging::testing::fuzz::decode);
    for seed in 0..200_000_u64 {
        let mut bytes: Vec<u8> = kos_paging::testing::noise(seed, 10).collect();
        // Half of them are present.
        bytes[2] |= u8::from(seed % 4 > 1);
        kos_paging::testing::fuzz::decode(&bytes);
    }
}

/// The corpus, and 20 images more for each format.
#[test]
fn walk_hostile_corpus() {
    replay("walk_hostile", kos_paging::testing::fuzz::walk_hostile);
    for seed in 0..200 {
        let bytes: Vec<u8> = kos_paging::testing::noise(seed, 4096).collect();
        kos_paging::testing::fuzz::walk_hostile(&bytes);
    }
}
