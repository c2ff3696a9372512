//! Any path: loss up to 30 %, disorder, duplicates. The streams are exact, or the connection fails cleanly; and it ends.

use proptest::prelude::*;

use super::talk::{START, pair, try_talk};
use crate::tcp::tcb::End;
use crate::testing::{cases, config};
use crate::time::Duration;

/// A path: in 1000, how many are lost, doubled; how many ms they spread; the sizes.
#[derive(Clone, Debug)]
struct Path {
    lost: u64,
    doubled: u64,
    spread: u64,
    capacity: usize,
    length: usize,
    seed: u64,
}

prop_compose! {
    fn path()(lost in 0..300_u64, doubled in 0..200_u64, spread in 0..200_u64, capacity in 1_usize..20_000,
        length in 0_usize..20_000, seed in any::<u64>()) -> Path {
        Path { lost, doubled, spread, capacity, length: length.min(capacity * 200), seed }
    }
}

/// Splitmix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn holds(path: &Path) {
    let mut pair = pair(path.capacity);
    let mut seed = path.seed;
    pair.doubled = Some((path.seed, path.doubled));
    let exact = try_talk(&mut pair, [path.length; 2], &mut |_, _| {
        let dice = next(&mut seed);
        (dice % 1000 >= path.lost).then(|| Duration::from_millis(1 + (dice >> 32) % (path.spread + 1)))
    });
    let ends = [0, 1].map(|side| pair.sides[side].tcb.end());
    let clean = ends.iter().all(|end| matches!(end, Some(End::Closed | End::TimeWait)));
    assert!(ends.iter().all(Option::is_some), "it did not end: {ends:?} at {}", pair.now);
    assert!(exact || !clean, "bytes were lost or mixed up: {ends:?}");
    assert!(pair.now > START);
}

#[test]
fn any_path_gives_the_exact_stream_or_a_clean_failure() {
    let config = ProptestConfig { cases: cases().div_ceil(4), ..config() };
    proptest!(config, |(path in path())| holds(&path));
}
