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

    #[test]
    fn memory_that_comes_and_goes_equals_the_model(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz::regions(&data);
    }
}

#[test]
fn corpora_equal_the_model() {
    replay("frame_ops", fuzz::frame_ops);
    replay("regions", fuzz::regions);
}

fn replay(target: &str, body: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "{target}");
    files.iter().for_each(|file| body(&std::fs::read(file).unwrap()));
}
