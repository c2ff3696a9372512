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
