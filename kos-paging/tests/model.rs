//! Random sequences of operations: table, naive model, software MMU and TLB must agree after every one; formats with a
//! wrong bit must not.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use kos_paging::testing::broken::{self, Broken};
use kos_paging::testing::machine::run;
use kos_paging::testing::mutant::{FAULTS, Mutant};
use kos_paging::testing::{Rig, noise};
use kos_paging::{A64, Format, Riscv};
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

proptest! {
    #![proptest_config(ProptestConfig { cases: kos_paging::testing::cases(96) / 2, ..config() })]

    #[test]
    fn five_levels_agree_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::five_levels(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn pae_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::pae(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a64_4k_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<A64<12>>::a64_low(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a64_4k_high_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<A64<12, true>>::a64_high(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn sv39_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<Riscv<3>>::riscv(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn early_sv39_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<Riscv<3>>::early_riscv(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn sv48_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<Riscv<4>>::riscv(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn sv57_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<Riscv<5>>::riscv(), &bytes).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    // Their tables are four and sixteen times as long.
    #![proptest_config(ProptestConfig { cases: kos_paging::testing::cases(96) / 8, ..config() })]

    #[test]
    fn a64_16k_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<A64<14>>::a64_low(), &bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a64_64k_agrees_with_the_model(bytes in vec(any::<u8>(), 0..=160)) {
        run(Rig::<A64<16>>::a64_low(), &bytes).map_err(TestCaseError::fail)?;
    }
}

/// Whether a sequence tells the format with this fault from the format.
fn caught_when<F: Format>(rig: Rig<F>, fault: u32, bit: u32) -> bool {
    let subject = rig.with_format(Broken::new(rig.format, fault, bit));
    (0..20_000).any(|seed| {
        let bytes: Vec<_> = noise(seed, 160).collect();
        // A table whose own entries are damaged may also run into an assertion.
        !matches!(catch_unwind(AssertUnwindSafe(|| run(subject, &bytes))), Ok(Ok(())))
    })
}

macro_rules! faults {
    ($test:ident, $rig:expr, $($fault:ident $bit:literal)*) => {
        #[test]
        fn $test() {
            $(assert!(caught_when($rig, broken::$fault, $bit), stringify!($fault $bit));)*
            for seed in 0..16 {
                let sound = $rig.with_format(Broken::new($rig.format, broken::SOUND, 0));
                run(sound, &noise(seed, 160).collect::<Vec<_>>()).unwrap();
            }
        }
    };
}

// Bits by the manuals: PAT, dirty, PS, U/S, R/W, XD.
faults!(broken_two_levels_are_caught, Rig::two_level(), PAGE_BIT 7 PAGE_BIT 1 HUGE_BIT 12 HUGE_BIT 7 TABLE_BIT 1
    TABLE_BIT 2 SPLIT_BIT 7 SPLIT_BIT 1 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 30 WRITABLE 0 FOR_USER 0
    NOT_GLOBAL 0 CACHED 0);
faults!(broken_five_levels_are_caught, Rig::five_levels(), PAGE_BIT 7 PAGE_BIT 63 HUGE_BIT 12 HUGE_BIT 7 TABLE_BIT 1
    TABLE_BIT 2 TABLE_BIT 63 SPLIT_BIT 63 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 51 WRITABLE 0 FOR_USER 0
    NOT_GLOBAL 0 EXECUTABLE 0 CACHED 0);
faults!(broken_pae_is_caught, Rig::pae(), PAGE_BIT 7 PAGE_BIT 63 HUGE_BIT 12 HUGE_BIT 7 ROOT_BIT 1 ROOT_BIT 2 ROOT_BIT 63
    TABLE_BIT 1 SPLIT_BIT 63 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 39 WRITABLE 0 FOR_USER 0 NOT_GLOBAL 0
    EXECUTABLE 0 CACHED 0);
// Not valid, block or table, AttrIndx, AP, AF, nG, DBM, PXN, UXN.
faults!(broken_a64_4k_is_caught, Rig::<A64<12>>::a64_low(), PAGE_BIT 1 PAGE_BIT 7 PAGE_BIT 51 PAGE_BIT 54 HUGE_BIT 1
    HUGE_BIT 53 TABLE_BIT 1 TABLE_BIT 62 SPLIT_BIT 1 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 39 WRITABLE 0
    FOR_USER 0 NOT_GLOBAL 0 EXECUTABLE 0 CACHED 0);
faults!(broken_a64_high_is_caught, Rig::<A64<12, true>>::a64_high(), PAGE_BIT 1 PAGE_BIT 10 PAGE_BIT 7 HUGE_BIT 10
    HUGE_BIT 2 TABLE_BIT 59 TABLE_BIT 62 SPLIT_BIT 53 PARKED_PRESENT 0 ADDRESS_BIT 39 WRITABLE 0 NOT_GLOBAL 0 EXECUTABLE 0
    CACHED 0);
faults!(broken_a64_16k_is_caught, Rig::<A64<14>>::a64_low(), PAGE_BIT 1 PAGE_BIT 7 HUGE_BIT 1 HUGE_BIT 54 TABLE_BIT 60
    SPLIT_BIT 1 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 39 WRITABLE 0 NOT_GLOBAL 0);
faults!(broken_a64_64k_is_caught, Rig::<A64<16>>::a64_low(), PAGE_BIT 1 PAGE_BIT 7 HUGE_BIT 1 HUGE_BIT 54 TABLE_BIT 60
    SPLIT_BIT 1 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 39 WRITABLE 0 NOT_GLOBAL 0);
// X, W, U, G, a reserved bit, a right in a pointer.
faults!(broken_sv39_is_caught, Rig::<Riscv<3>>::riscv(), PAGE_BIT 3 PAGE_BIT 54 PAGE_BIT 4 HUGE_BIT 2 HUGE_BIT 63
    TABLE_BIT 1 TABLE_BIT 4 TABLE_BIT 5 SPLIT_BIT 3 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 30 WRITABLE 0
    FOR_USER 0 NOT_GLOBAL 0 EXECUTABLE 0);
faults!(broken_sv48_is_caught, Rig::<Riscv<4>>::riscv(), PAGE_BIT 3 PAGE_BIT 54 HUGE_BIT 2 TABLE_BIT 1 TABLE_BIT 5
    SPLIT_BIT 3 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 55 WRITABLE 0 NOT_GLOBAL 0 EXECUTABLE 0);
faults!(broken_sv57_is_caught, Rig::<Riscv<5>>::riscv(), PAGE_BIT 3 PAGE_BIT 54 HUGE_BIT 2 TABLE_BIT 1 TABLE_BIT 5
    SPLIT_BIT 3 FORGETS_USE 0 NO_FLUSH 0 PARKED_PRESENT 0 ADDRESS_BIT 55 WRITABLE 0 NOT_GLOBAL 0 EXECUTABLE 0);

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
