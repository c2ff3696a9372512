//! Four spaces beside deep copies: mappings, content, references, frames.
#![cfg(feature = "vma")]

use kos_paging::testing::space::machine::run;
use kos_paging::testing::{cases, noise};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(100), rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn spaces_are_deep_copies(bytes in prop::collection::vec(any::<u8>(), 0..800), frames in 60..400_usize) {
        let told = run(&bytes, frames).err();
        prop_assert_eq!(told, None);
    }
}

/// `KOS_SPACE_STEPS=1000000` for 10^5 writes and forks.
#[test]
fn a_long_run_ends_with_every_frame_back() {
    let steps = std::env::var("KOS_SPACE_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(20_000);
    let bytes: Vec<u8> = noise(11, steps * 4).collect();
    let machine = run(&bytes, 300).unwrap_or_else(|told| panic!("{told}"));
    println!(
        "{steps} steps: {} writes, {} forks, {} starved",
        machine.writes, machine.forks, machine.starved
    );
    assert!(machine.writes + machine.forks > steps as u64 / 12, "{machine:?}");
    assert!(machine.starved > 0, "nothing failed");
}
