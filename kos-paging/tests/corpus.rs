//! Replays the corpus of the fuzz target `page_table_ops`.

use std::fs;
use std::path::Path;

#[test]
fn page_table_ops_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/page_table_ops");
    let mut replayed = 0;
    for file in fs::read_dir(corpus).unwrap() {
        kos_paging::testing::fuzz::page_table_ops(&fs::read(file.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "the corpus is empty");
}
