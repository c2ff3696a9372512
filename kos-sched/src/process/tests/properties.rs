//! Random operations beside the model; the fuzzer's corpus.

use alloc::vec::Vec;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::test_runner::RngSeed;

use crate::testing::{cases, fuzz};

fn config(seed: u64) -> ProptestConfig {
    let (rng_seed, failure_persistence) = (RngSeed::Fixed(seed), None);
    ProptestConfig { cases: cases(), rng_seed, failure_persistence, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(0x70_726f_6373))]
    #[test]
    fn processes_do_what_the_model_does(data in vec(any::<u8>(), 0..1200)) {
        fuzz::process_ops(&data);
    }
}

proptest! {
    #![proptest_config(config(0x656e_7669))]
    #[test]
    fn environments_do_what_a_list_does(data in vec(any::<u8>(), 0..200)) {
        fuzz::env_block(&data);
    }
}

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    files.iter().for_each(|path| run(&fs::read(path).unwrap()));
}

#[test]
fn the_corpus_of_process_ops_passes() {
    replay("process_ops", fuzz::process_ops);
}

#[test]
fn the_corpus_of_env_block_passes() {
    replay("env_block", fuzz::env_block);
}
