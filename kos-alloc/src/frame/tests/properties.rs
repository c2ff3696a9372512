//! Random machines and calls beside the model; the fuzzer's corpus.

use alloc::vec::Vec;
use std::path::Path;

use proptest::prelude::{ProptestConfig, any, proptest};

use crate::testing::{cases, fuzz};

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn frames_equal_the_model(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz::frame_ops(&data);
    }
}

#[test]
fn corpus_equals_the_model() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/frame_ops");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    files.iter().for_each(|file| fuzz::frame_ops(&std::fs::read(file).unwrap()));
}
