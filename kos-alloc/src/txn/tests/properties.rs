//! Random transactions beside the model; the fuzzer's corpus.

use core::cell::RefCell;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::testing::{HostEnv, PlainFrames, cases, fuzz, run_transactions};
use crate::types::{FrameRange, Pfn};
use crate::{HeapConfig, KernelHeap};

fn sequences(cases: u32, target: impl Fn(&[u8])) {
    let config =
        Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::default() };
    let run = TestRunner::new(config).run(&vec(any::<u8>(), 0..300), |data| {
        target(&data);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn random_transactions_agree_with_the_model() {
    sequences(cases(), fuzz::txn_ops);
}

/// On the kernel's heap, which is sound and whole after each sequence.
#[test]
fn random_transactions_on_a_kernel_heap_agree_with_the_model() {
    let span = FrameRange::new(Pfn(0x1_0003), 1024).unwrap();
    let env = RefCell::new(HostEnv::new(span));
    sequences((cases() / 32).max(16), |data| {
        let env = env.borrow();
        let heap = KernelHeap::new(&*env, PlainFrames::new(span));
        heap.init(HeapConfig::default()).unwrap();
        run_transactions(&heap, data);
        assert_eq!((heap.check(), heap.stats().live), (Ok(()), 0));
    });
}

#[test]
fn the_corpus_of_txn_ops_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/txn_ops");
    let files = fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let inputs = files.map(|data| fuzz::txn_ops(&data)).count();
    assert!(inputs > 10, "{inputs} inputs");
}
