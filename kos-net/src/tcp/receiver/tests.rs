//! The receiver against a set of places, and the promise of its window.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Gap, Receiver};
use crate::testing::config;
use crate::wire::SeqNumber;

const GAPS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Take { start: u64, length: u64 },
    Read(usize),
    Window { scale: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..300_u64, 0..40_u64).prop_map(|(start, length)| Step::Take { start, length }),
        1 => (0..50_usize).prop_map(Step::Read),
        1 => (0..4_u8).prop_map(|scale| Step::Window { scale }),
    ]
}

fn byte(place: u64) -> u8 {
    u8::try_from(place % 251).unwrap()
}

/// The runs of `places` behind `nxt`.
fn runs(places: &BTreeSet<u64>, nxt: u64) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &place in places.range(nxt..) {
        match runs.last_mut() {
            Some((_, end)) if *end == place => *end += 1,
            _ => runs.push((place, place + 1)),
        }
    }
    runs
}

fn holds(steps: &[Step], capacity: usize) {
    let (mut ring, mut gaps) = (vec![0; capacity], [Gap::default(); GAPS]);
    let mut receiver = Receiver::new(SeqNumber(u32::MAX - 50), 0);
    let mut places = BTreeSet::new();
    receiver.window(capacity, 10, 0);
    for step in steps {
        let right = receiver.right;
        match *step {
            Step::Take { start, length } => {
                let start =
                    receiver.read.saturating_sub(20) + start % (u64::try_from(capacity).unwrap() + 40);
                let data: Vec<u8> = (start..start + length).map(byte).collect();
                let before = runs(&places, receiver.nxt);
                let mut after = places.clone();
                after.extend((start..start + length).filter(|place| (receiver.nxt..right).contains(place)));
                let taken = receiver.take(start, &data, false, &mut ring, &mut gaps);
                if taken.refused {
                    assert_eq!(before.len(), GAPS, "refused though there was room");
                } else {
                    places = after;
                }
            }
            Step::Read(count) => {
                let held = crate::tcp::ring::held(&ring, receiver.base, &receiver.readable());
                let bytes = held.0.iter().chain(held.1).zip(receiver.readable());
                bytes.for_each(|(found, place)| assert_eq!(*found, byte(place), "at {place}"));
                receiver.consume(count);
            }
            Step::Window { scale } => {
                let field = receiver.window(capacity, 10, scale);
                let said = receiver.nxt + (u64::from(field) << scale);
                assert!(said + (1 << scale) > right, "the edge moves back");
                assert!(
                    said <= receiver.read + u64::try_from(capacity).unwrap(),
                    "more than there is room for"
                );
            }
        }
        assert!(receiver.right >= right, "a promise is kept");
        let wanted = (receiver.read..).find(|place| *place >= receiver.nxt && !places.contains(place));
        assert_eq!(wanted, Some(receiver.nxt));
        let found: Vec<(u64, u64)> =
            receiver.gaps.all(&gaps).iter().map(|gap| (gap.start, gap.end)).collect();
        assert_eq!(found, runs(&places, receiver.nxt));
        assert!(receiver.is_sound(&ring, &gaps));
    }
}

#[test]
fn what_came_is_what_a_set_of_places_says() {
    proptest!(config(), |(steps in prop::collection::vec(step(), 1..60), capacity in 1_usize..200)| {
        holds(&steps, capacity);
    });
}

#[test]
fn a_thirty_third_range_is_refused() {
    let (mut ring, mut gaps) = (vec![0; 1000], vec![Gap::default(); 64]);
    let mut receiver = Receiver::new(SeqNumber(0), 0);
    receiver.window(1000, 1, 0);
    let mut take = |at: u64| receiver.take(at, b"x", false, &mut ring, &mut gaps);
    for at in 1..=32 {
        assert!(!take(at * 10).refused);
    }
    assert!(take(330).refused, "that is the limit, whatever the storage");
    assert!(!take(11).refused, "what makes one longer is taken");
    assert_eq!(take(1).in_order, 1);
}
