//! What the fuzzer starts from, once through its target.

use std::{fs, path::Path};

#[test]
fn the_corpus_of_wire_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/wire");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        kos_net::testing::fuzz::wire(&fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 10, "{files} files");
}
