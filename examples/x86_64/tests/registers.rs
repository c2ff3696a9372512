//! The routine of the kernel image that fills all floating-point and vector registers, in this process.
#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "calls assembly")]

#[path = "../image/registers.rs"]
mod image;

use core::arch::asm;
use std::arch::is_x86_feature_detected;

use image::Registers;

/// With and, where this machine can, without AVX.
fn ways() -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(|&avx| !avx || is_x86_feature_detected!("avx"))
}

fn control_words() -> (u32, u16) {
    let mut words = (0_u32, 0_u16);
    // SAFETY: stores two words where the addresses lead.
    unsafe {
        asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &raw mut words.0, in(reg) &raw mut words.1, options(nostack));
    }
    words
}

#[test]
fn what_nobody_changes_is_held() {
    let before = control_words();
    for (seed, avx) in (0..64).flat_map(|seed| ways().map(move |avx| (seed, avx))) {
        let registers = Registers::of(seed, avx);
        // SAFETY: the machine was asked.
        let after = unsafe { registers.hold(seed * 100, avx) };
        assert_eq!(after, registers, "seed {seed}, AVX {avx}");
    }
    assert_eq!(control_words(), before);
}

/// Threads of the host take turns with each other, and each has its own.
#[test]
fn threads_hold_their_own() {
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                for avx in ways() {
                    let registers = Registers::of(seed, avx);
                    // SAFETY: the machine was asked.
                    assert_eq!(unsafe { registers.hold(1_000_000, avx) }, registers);
                }
            });
        }
    });
}

#[test]
fn seeds_differ_in_every_register() {
    for (a, b) in (0..16).flat_map(|a| (0..a).map(move |b| (a, b))) {
        for avx in ways() {
            let (first, second) = (Registers::of(a, avx), Registers::of(b, avx));
            let vectors = first.ymm.iter().zip(&second.ymm).all(|(one, other)| one != other);
            let numbers = first.x87.iter().zip(&second.x87).all(|(one, other)| one != other);
            assert!(vectors && numbers, "{a} and {b}, AVX {avx}");
        }
    }
}
