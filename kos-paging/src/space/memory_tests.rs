//! Bytes that begin, end and meet anywhere, beside a plain slice of them.

use alloc::vec::Vec;

use super::memory;
use crate::addr::PhysAddr;
use crate::ports::{Frame, FrameRequest, FrameSource};
use crate::testing::Arena;

const PAGE: usize = 4096;
/// Around the end of a frame: begins and lengths of each alignment.
const FROM: usize = PAGE - 20;
const BEGINS: usize = 24;
const LENGTHS: usize = 44;

/// Two frames in a row, the lower one first, and where they begin.
fn two_frames(arena: &Arena) -> ([Frame; 2], PhysAddr) {
    let [upper, lower] =
        [(); 2].map(|()| arena.allocate(FrameRequest::below(PhysAddr::new(u64::MAX))).expect("a frame"));
    assert_eq!(lower.address().get() + PAGE as u64, upper.address().get(), "frames in a row");
    let begin = lower.address();
    ([lower, upper], begin)
}

/// Some byte for each number.
fn byte(number: usize) -> u8 {
    u8::try_from(number % 251).unwrap_or_default()
}

fn at(begin: PhysAddr, offset: usize) -> PhysAddr {
    PhysAddr::new(begin.get() + offset as u64)
}

#[test]
fn bytes_go_where_they_should_and_nowhere_else() {
    let arena = Arena::new(2);
    let (_frames, begin) = two_frames(&arena);
    let mut model: Vec<u8> = (0..2 * PAGE).map(byte).collect();
    assert_eq!(memory::write(&arena, begin, &model), 2 * PAGE);
    let mut seen = alloc::vec![0; 2 * PAGE];
    for first in FROM..FROM + BEGINS {
        for length in 0..LENGTHS {
            let data: Vec<u8> = (0..length).map(|index| byte(first + 7 * length + index)).collect();
            assert_eq!(memory::write(&arena, at(begin, first), &data), length);
            model[first..first + length].copy_from_slice(&data);
            let mut back = alloc::vec![0; length];
            assert_eq!(memory::read(&arena, at(begin, first), &mut back), length);
            assert_eq!(back, data, "{length} bytes at {first}");
            let byte = byte(first ^ length);
            assert_eq!(memory::fill(&arena, at(begin, first + 1), length, byte), length);
            model[first + 1..first + 1 + length].fill(byte);
            assert_eq!(memory::read(&arena, begin, &mut seen), 2 * PAGE);
            assert!(seen == model, "{length} bytes at {first} changed others");
        }
    }
}

#[test]
fn what_is_no_memory_ends_a_copy_with_what_was_done() {
    let arena = Arena::new(2);
    let (_frames, begin) = two_frames(&arena);
    let (last, mut bytes) = (at(begin, 2 * PAGE - 5), [7; 9]);
    assert_eq!(memory::write(&arena, last, &bytes), 5);
    assert_eq!(memory::fill(&arena, last, 9, 1), 5);
    assert_eq!(memory::read(&arena, last, &mut bytes), 5);
    assert_eq!(bytes, [1, 1, 1, 1, 1, 7, 7, 7, 7]);
    assert!(memory::with_u32(&arena, at(begin, PAGE - 2), |_| ()).is_none(), "a number in two frames");
    assert!(memory::with_u32(&arena, at(begin, 2), |_| ()).is_none(), "a number at no multiple of 4");
    assert_eq!(memory::with_u32(&arena, at(begin, 2 * PAGE - 4), |_| ()), Some(()));
}

#[test]
fn frames_of_ones_own_are_cleared_and_copied_whole() {
    let arena = Arena::new(2);
    let ([mut lower, mut upper], begin) = two_frames(&arena);
    let data: Vec<u8> = (0..PAGE).map(byte).collect();
    assert_eq!(memory::write(&arena, begin, &data), PAGE);
    assert!(memory::copy(&arena, begin, &mut upper, PAGE));
    assert!(memory::zero(&arena, &mut lower, PAGE));
    let mut seen = alloc::vec![1; 2 * PAGE];
    assert_eq!(memory::read(&arena, begin, &mut seen), 2 * PAGE);
    assert!(seen[..PAGE].iter().all(|byte| *byte == 0) && seen[PAGE..] == data);
    assert!(!memory::copy(&arena, at(begin, 2 * PAGE), &mut upper, PAGE), "from no memory");
    assert!(!memory::zero(&arena, &mut upper, 2 * PAGE), "more than there is");
}
