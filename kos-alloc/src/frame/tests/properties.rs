//! Random machines and calls beside the model; the fuzzer's corpus.

use alloc::vec::Vec;
use std::path::Path;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::with_both;
use crate::testing::{cases, fuzz};
use crate::types::{FrameRange, FrameRequest, Pfn};

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

    /// Whatever its base and size, a region yields its size in aligned blocks of 2 MiB less two at most; when they came
    /// back the free blocks are the first ones.
    #[test]
    fn any_region_yields_aligned_large_blocks(start in 0_usize..1 << 40, count in 1_usize..20_000) {
        let region = FrameRange::new(Pfn(start), count).unwrap();
        with_both(&[region], &[], |backend| {
            let fresh = backend.histogram();
            let large = FrameRequest::new(512).aligned(512);
            let blocks: Vec<_> = core::iter::from_fn(|| backend.allocate(&large).ok()).collect();
            assert!(blocks.len() + 2 >= count / 512, "{} blocks of {region}", blocks.len());
            assert!(blocks.iter().all(|block| block.start().0 % 512 == 0));
            blocks.iter().for_each(|&block| backend.free(block).unwrap());
            assert_eq!(backend.histogram(), fresh);
        });
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
