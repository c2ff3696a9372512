//! As many random operations in each format as are asked for (`KOS_PAGING_STEPS`; 1,000 without): table, naive model,
//! software MMU and TLB agree after every one, and a refused one leaves tables and counts as they were to the byte.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panic, and says how much it did"
)]

use kos_paging::testing::machine::run;
use kos_paging::testing::{Rig, noise};
use kos_paging::{A64, Format, Riscv};

/// Operations of a sequence, eight bytes each; at its end all is unmapped and the frames are counted.
const SEQUENCE: usize = 20;

fn steps_agree<F: Format>(name: &str, rig: Rig<F>) {
    let asked = std::env::var("KOS_PAGING_STEPS").map_or(1000, |steps| steps.parse().unwrap());
    let sequences = usize::div_ceil(asked, SEQUENCE) as u64;
    for seed in 0..sequences {
        let bytes: Vec<u8> = noise(seed, 8 * SEQUENCE).collect();
        run(rig, &bytes).unwrap_or_else(|told| panic!("{name}, sequence {seed}: {told}"));
    }
    println!("{name}: {} steps without a difference", sequences * SEQUENCE as u64);
}

macro_rules! formats {
    ($($test:ident $rig:expr;)*) => {
        $(#[test]
        fn $test() {
            steps_agree(stringify!($test), $rig);
        })*
    };
}

formats! {
    two_level Rig::two_level();
    pae Rig::pae();
    four_levels Rig::long();
    five_levels Rig::five_levels();
    a64_4k Rig::<A64<12>>::a64_low();
    a64_4k_high Rig::<A64<12, true>>::a64_high();
    a64_16k Rig::<A64<14>>::a64_low();
    a64_64k Rig::<A64<16>>::a64_low();
    sv39 Rig::<Riscv<3>>::riscv();
    sv48 Rig::<Riscv<4>>::riscv();
    sv57 Rig::<Riscv<5>>::riscv();
}
