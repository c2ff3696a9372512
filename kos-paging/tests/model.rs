//! Random sequences of operations: table, naive model, software MMU and TLB must agree after every one; formats with a
//! wrong bit must not.

use kos_paging::testing::machine::run;
use kos_paging::testing::mutant::{FAULTS, Mutant};
use kos_paging::testing::{Rig, noise};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config() -> ProptestConfig {
    let cases = kos_paging::testing::cases(256);
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn four_levels_agree_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::long(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn early_four_levels_agree_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::early_long(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn two_levels_agree_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::two_level(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn early_two_levels_agree_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::early_two_level(), &bytes).map_err(TestCaseError::fail)?;
    }
}

/// The number of the sequence that tells a mutant from the format.
fn caught<const FAULT: usize>() -> Option<u64> {
    let rig = if FAULT == 14 { Rig::early_long() } else { Rig::long() };
    let mutant = rig.with_format(Mutant::<FAULT>(rig.format));
    (0..2000).find(|seed| run(mutant, &noise(*seed, 160).collect::<Vec<_>>()).is_err())
}

#[test]
fn every_mutant_is_caught() {
    macro_rules! all {
        ($($fault:literal)*) => { [$(caught::<$fault>()),*] };
    }
    let sequences: [_; FAULTS.len()] = all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for (fault, sequence) in FAULTS.iter().zip(sequences) {
        assert!(sequence.is_some(), "the model does not see that {fault}");
    }
}

#[test]
fn the_format_itself_is_not_caught() {
    for seed in 0..64 {
        let bytes: Vec<u8> = noise(seed, 160).collect();
        run(Rig::long().with_format(Mutant::<{ FAULTS.len() }>(Rig::long().format)), &bytes).unwrap();
    }
}
