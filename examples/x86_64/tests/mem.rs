//! The memory functions of the kernel image, linked under their own names beside the C library's, against plain loops.
#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "calls assembly")]

extern crate alloc;

use alloc::ffi::CString;
use core::arch::global_asm;
use core::array;
use core::cmp::Ordering;
use core::ffi::{c_char, c_int};

use proptest::prelude::*;

global_asm!(include_str!("../image/mem.s"), ".text");

unsafe extern "C" {
    fn kos_memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
    fn kos_memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
    fn kos_memset(to: *mut u8, value: c_int, count: usize) -> *mut u8;
    fn kos_memcmp(a: *const u8, b: *const u8, count: usize) -> c_int;
    fn kos_strlen(text: *const c_char) -> usize;
}

const SIZE: usize = 96;

/// Two offsets and a length that fit a buffer of [`SIZE`] bytes.
fn window() -> impl Strategy<Value = (usize, usize, usize)> {
    (0..SIZE, 0..SIZE).prop_flat_map(|(to, from)| (Just(to), Just(from), 0..=SIZE - to.max(from)))
}

fn ramp() -> [u8; SIZE] {
    let mut next = 0..;
    array::from_fn(|_| next.next().unwrap_or(0))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn memcpy_copies_exactly_the_window((to, from, count) in window()) {
        let (source, mut target) = (ramp(), [0xee; SIZE]);
        let mut expected = target;
        expected[to..to + count].copy_from_slice(&source[from..from + count]);
        let start = target[to..].as_mut_ptr();
        // SAFETY: both windows lie in their buffers, which are two.
        let result = unsafe { kos_memcpy(start, source[from..].as_ptr(), count) };
        prop_assert_eq!(result, start);
        prop_assert_eq!(target, expected);
    }

    #[test]
    fn memmove_copies_overlapping_windows_either_way((to, from, count) in window()) {
        let (mut buffer, mut expected) = (ramp(), ramp());
        expected.copy_within(from..from + count, to);
        let start = buffer.as_mut_ptr();
        // SAFETY: `to` is inside the buffer.
        let target = unsafe { start.add(to) };
        // SAFETY: `from` is inside the buffer.
        let source = unsafe { start.add(from) };
        // SAFETY: both windows lie in the buffer.
        let result = unsafe { kos_memmove(target, source, count) };
        prop_assert_eq!(result, target);
        prop_assert_eq!(buffer, expected);
    }

    #[test]
    fn memset_fills_exactly_the_window((to, _, count) in window(), value: u8) {
        let (mut buffer, mut expected) = (ramp(), ramp());
        expected[to..to + count].fill(value);
        let start = buffer[to..].as_mut_ptr();
        // SAFETY: the window lies in the buffer. Only the low byte of the value counts.
        let result = unsafe { kos_memset(start, c_int::from(value) | 0x7700, count) };
        prop_assert_eq!(result, start);
        prop_assert_eq!(buffer, expected);
    }

    #[test]
    fn memcmp_orders_like_byte_strings((a, b, count) in window(), flip in 0..SIZE, with in 0u8..4) {
        let left = [7; SIZE];
        let mut right = left;
        right[flip] ^= with << 6;
        let expected = left[a..a + count].cmp(&right[b..b + count]);
        // SAFETY: both windows lie in their buffers.
        let result = unsafe { kos_memcmp(left[a..].as_ptr(), right[b..].as_ptr(), count) };
        let order = result.cmp(&0);
        prop_assert_eq!(order, expected);
        prop_assert_eq!(order == Ordering::Equal, left[a..a + count] == right[b..b + count]);
    }

    #[test]
    fn strlen_finds_the_first_zero(text in "[a-z]{0,40}") {
        let bytes = CString::new(text.clone())?;
        // SAFETY: a C string ends with a zero.
        prop_assert_eq!(unsafe { kos_strlen(bytes.as_ptr()) }, text.len());
    }
}
