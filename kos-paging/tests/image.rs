//! Tables as files: their answers are right, and wrong ones are noticed.

use kos_paging::testing::image::judge;
use kos_paging::testing::machine::image;
use kos_paging::testing::{Rig, noise};
use kos_paging::{A64, Format, Riscv};

/// Images of many seeds; how many of their questions are answered.
#[expect(clippy::unwrap_used, reason = "an image that cannot be made or judged fails the test")]
fn judged<F: Format>(rig: Rig<F>, seeds: u64) -> usize {
    let images = (0..seeds).map(|seed| image(rig, &noise(seed, 160).collect::<Vec<_>>()).unwrap());
    images.map(|image| judge(&image).unwrap()).sum()
}

#[test]
fn images_of_every_format_are_right() {
    assert!(judged(Rig::two_level(), 32) > 100);
    assert!(judged(Rig::pae(), 32) > 100);
    assert!(judged(Rig::long(), 32) > 100);
    assert!(judged(Rig::five_levels(), 32) > 100);
    assert!(judged(Rig::<A64<12>>::a64_low(), 32) > 100);
    assert!(judged(Rig::<A64<14>>::a64_low(), 8) > 20);
    assert!(judged(Rig::<A64<16>>::a64_low(), 8) > 20);
    assert!(judged(Rig::<Riscv<3>>::riscv(), 32) > 100);
    assert!(judged(Rig::<Riscv<4>>::riscv(), 32) > 100);
    assert!(judged(Rig::<Riscv<5>>::riscv(), 32) > 100);
}

#[test]
fn wrong_images_are_noticed() {
    let right = image(Rig::long(), &noise(3, 160).collect::<Vec<_>>()).unwrap();
    assert!(judge(&right).is_ok());
    // The physical address of the last answer, the word at the front, the end.
    let mut answer = right.clone();
    let place = answer.len() - 24;
    answer[place] ^= 1;
    assert!(judge(&answer).is_err());
    let mut magic = right.clone();
    magic[0] ^= 1;
    assert!(judge(&magic).is_err());
    for length in (0..right.len()).step_by(777) {
        assert!(judge(&right[..length]).is_err(), "{length} bytes");
    }
}
