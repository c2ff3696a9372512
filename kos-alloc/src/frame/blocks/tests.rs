//! The arithmetic of words, against counting; broken invariants that the walk must find; what a call touches.

use alloc::vec;
use alloc::vec::Vec;

use super::{Block, Blocks, Shape, bits, bytes};

/// Words with blocks of all orders at all places, and some without a pattern.
fn words() -> impl Iterator<Item = u64> {
    let masks =
        (0..bits::ORDER).flat_map(|order| (0..64).step_by(1 << order).map(move |at| bits::mask(at, order)));
    let mixed = (1..200_u32).map(|n| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(n));
    masks.clone().chain(masks.map(|mask| !mask)).chain(mixed)
}

fn is_free(word: u64, at: u32, order: u32) -> bool {
    if order == bits::ORDER { word == !0 } else { !word & bits::mask(at >> order << order, order) == 0 }
}

#[test]
fn orders_of_bits_equal_a_count() {
    for word in words() {
        let largest = (0..bits::ORDER).rev().find(|&order| (0..64).any(|at| is_free(word, at, order)));
        assert_eq!(bits::largest(word, 0, bits::ORDER), largest.map_or(0, |order| order + 1), "{word:#x}");
        for at in (0..64).filter(|at| word >> at & 1 != 0) {
            let order = (0..=bits::ORDER).rev().find(|&order| is_free(word, at, order));
            assert_eq!(Some(bits::order_around(!word, at)), order, "{word:#x} at {at}");
        }
        for order in 0..bits::ORDER {
            let starts = (0..64).step_by(1 << order).filter(|&at| is_free(word, at, order));
            let starts = starts.fold(0, |starts, at| starts | 1 << at);
            assert_eq!(bits::runs(word, 0, order), starts, "{word:#x} in blocks of order {order}");
        }
    }
}

#[test]
fn units_tell_their_largest_block() {
    let unit = 9;
    let word = [10, 10, 3, 0, 10, 10, 10, 10]
        .into_iter()
        .enumerate()
        .fold(0, |word, (at, value)| bytes::set(word, at, value));
    assert_eq!(bytes::largest(word, unit, 12), 12, "four units in a row are of order 11");
    assert_eq!(bytes::largest(word, unit, 11), 11, "at most what is asked for");
    assert_eq!([0, 1, 4, 7].map(|at| bytes::order_around(word, at, unit)), [10, 10, 11, 11]);
    assert_eq!(bytes::first(bytes::runs(word, unit, 2)), 4);
    assert_eq!(bytes::largest(bytes::set(0, 2, 3), unit, 12), 3);
    assert_eq!(bytes::first(bytes::at_least(word & !bytes::mask(0, 1), 2)), 2);
    assert_eq!(bytes::order_around(bytes::full(unit), 5, unit), unit + 3);
}

fn with_blocks(frames: usize, top: u32, work: impl FnOnce(Blocks<'_>)) {
    let shape = Shape::new(frames, top).unwrap();
    work(Blocks::new(&mut vec![!0; shape.words()], shape));
}

#[test]
fn a_broken_tree_is_found() {
    with_blocks(1 << 12, 12, |mut blocks| {
        blocks.release(0, 1 << 12);
        blocks.carve(100, 101);
        blocks.check().unwrap();
        for at in 0..blocks.words.len() {
            let told = blocks.words[at];
            for wrong in [told ^ 1, told ^ 0x0800, !0, told.wrapping_add(3 << 56)] {
                blocks.words[at] = wrong;
                assert!(wrong == told || blocks.check().is_err(), "word {at} with {wrong:#x} for {told:#x}");
            }
            blocks.words[at] = told;
        }
        blocks.free -= 1;
        assert!(blocks.check().is_err());
    });
}

/// `buddy_system_allocator`#11, #55: a free searched the list of free blocks of its order. Here it changes as many words
/// among 100 free blocks as among 100 000, and not more than one a level.
#[test]
fn free_cost_ignores_list_length() {
    let touched = [100, 100_000].map(|others: usize| {
        let (mut touched, frames) = (0, 1 << 18);
        with_blocks(frames, 18, |mut blocks| {
            (0..others).for_each(|block| blocks.release(2 * block, 2 * block + 1));
            assert_eq!(blocks.counts().of(0), others);
            let before: Vec<u64> = blocks.words.to_vec();
            let freed = Block { start: (others + 1) | 1, order: 0 };
            blocks.release_block(freed);
            touched = before.iter().zip(&*blocks.words).filter(|(before, after)| before != after).count();
            blocks.check().unwrap();
        });
        touched
    });
    assert_eq!(touched[0], touched[1]);
    assert!((1..=6).contains(&touched[0]), "{touched:?} words");
}
