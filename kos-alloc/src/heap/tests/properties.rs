//! Random sequences of operations against the model.

use alloc::vec::Vec;
use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::testing::{cases, fuzz};

fn sequences(cases: u32, target: fn(&[u8])) {
    let config =
        Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let strategy = vec(any::<u8>(), 0..400);
    runner
        .run(&strategy, |data| {
            target(&data);
            Ok(())
        })
        .unwrap();
}

#[test]
fn random_operations_agree_with_the_model() {
    sequences(cases(), fuzz::heap_ops);
}

#[test]
fn random_bad_frees_are_refused() {
    sequences(cases(), fuzz::bad_free);
}

#[test]
fn random_changes_of_mode_leave_every_block_to_its_owner() {
    // Each change of mode empties every cache: a tenth of the sequences takes as long as those of `heap_ops`.
    sequences(cases().div_ceil(10), fuzz::mode_ops);
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target].iter().collect();
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.collect()
}

#[test]
fn the_corpus_of_heap_ops_passes() {
    let corpus = corpus("heap_ops");
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|data| fuzz::heap_ops(data));
}

#[test]
fn the_corpus_of_bad_free_passes() {
    let corpus = corpus("bad_free");
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|data| fuzz::bad_free(data));
}

#[test]
fn the_corpus_of_mode_ops_passes() {
    let corpus = corpus("mode_ops");
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|data| fuzz::mode_ops(data));
}
